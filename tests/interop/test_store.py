"""Programs with a store that are killed while a real server works for them, and the next program that recovers.

The server is fastmcp 4: with its own memory, which outlives the programs, and with a Docket in Redis, which outlives
the server as well.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client, PollingPolicy
from mcptasks._engine.connection.task_requests import Requests
from mcptasks.store import Store
from tests.helpers import crashing
from tests.helpers.command_line import warm
from tests.helpers.crashing import Job
from tests.helpers.warm import Warm
from tests.interop.processes import HttpServer
from tests.interop.redis_server import redis
from tests.interop.targets import LONG
from tests.interop.warm_servers import WarmServers

__all__ = ["warm"]

pytestmark = pytest.mark.anyio

POINTS = {"after Created": "second", "after Asked": "second", "after Decide": "first"}
"""Where the programs die: in mid-task, in mid-question, and between the decision on an answer and its sending; and
whose answer the server gets."""
OFTEN = PollingPolicy(first=0.05, floor=0.05, default_interval=0.1)


@pytest.fixture(params=["memory", "redis"])
def docket(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Where the server keeps its tasks: None is its own memory."""
    if request.param == "memory":
        yield None
        return
    with redis() as url:
        yield url


@pytest.fixture
def in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No poll is under way while an answer is sent.

    fastmcp 4.1 answers a poll in several steps (`tasks_get` in `fastmcp_tasks/handlers.py`). If it takes an answer to a
    question between two of them, it reports the task as completed, with None as the result.
    """
    turn = anyio.Lock()

    def taking_it(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def called(*given: Any, **named: Any) -> Any:
            async with turn:
                return await method(*given, **named)

        return called

    for name in ("status", "answer"):
        monkeypatch.setattr(Requests, name, taking_it(getattr(Requests, name)))


def die(warm: Warm, jobs: list[Job]) -> dict[str, int]:
    """Have a program die for each job; how each has ended."""
    running = [crashing.start(warm, job) for job in jobs]
    ends: dict[str, int] = {}
    for job, each in zip(jobs, running, strict=True):
        with each:
            ends[job.point] = each.wait(4 * LONG)
    return ends


@pytest.mark.usefixtures("in_turn")
async def test_killed_and_recovered(
    docket: str | None, anyio_backend_name: str, tmp_path: Path, warm_servers: WarmServers, warm: Warm
) -> None:
    """The next program gets every task with its open question, asks nobody twice, and gets every result."""
    settings = {} if docket is None else {"FASTMCP_DOCKET_URL": docket}
    path, asked = str(tmp_path / "tasks.db"), list[str]()

    async def answer(context: Any, _params: Any) -> Any:
        asked.append((await Store(path).get(context.task.task_id)).key or "")
        return {"value": "second"}

    # fastmcp reads its settings when it is imported, so a fork cannot have others.
    forking = None if settings else warm_servers
    with HttpServer(4, tmp_path / "log", settings=settings, warm=forking) as server:
        job = {"url": server.url, "store": path, "mode": "2026-07-28", "backend": anyio_backend_name}
        jobs = [Job(point=p, held=str(tmp_path / p), tool="ask_for", argument="what", **job) for p in POINTS]
        assert await anyio.to_thread.run_sync(die, warm, jobs) == dict.fromkeys(POINTS, -signal.SIGKILL)
        async with Client(server.url) as client:
            for record in await Store(path).tasks():
                with anyio.fail_after(LONG):
                    assert record.task_id is not None
                    await client.task(record.task_id).wait(state="input_required")
        if docket is not None:
            await anyio.to_thread.run_sync(server.kill)
            await anyio.to_thread.run_sync(server.start)
        with anyio.fail_after(4 * LONG):
            async with Client(server.url, store=path, elicitation_handler=answer, polling=OFTEN) as client:
                recovery = await client.recover()
                results = {task.reference.task_id: (await task.result()).data for task in recovery.tasks}
    assert recovery.uncertain == ()
    records = {record.key: record for record in await Store(path).tasks()}
    for point, value in POINTS.items():
        assert results[records[point].task_id or ""] == f"{point}: {value}"
    assert sorted(asked) == ["after Asked", "after Created"]
    assert {record.phase for record in records.values()} == {"over"}
    assert (tmp_path / "after Asked").read_text(encoding="utf-8") == records["after Asked"].task_id
