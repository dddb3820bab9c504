"""Programs that are killed with SIGKILL at every point of a task's life: the next program finds the truth.

For each database, protocol and event loop a dozen programs run at once, in one store, and each dies at another point.
Then one client recovers: the store opens, no id is lost that a caller ever held, no answer is decided twice, no call is
sent twice, and what may or may not exist is named as that.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client, TaskUncertainError
from mcptasks.store import Store
from mcptasks.testing import Complete, Drop, NeedInput, Options, TaskServer, elicit, serve_http
from tests.helpers import crashing
from tests.helpers.command_line import warm
from tests.helpers.crashing import POINTS, Job
from tests.helpers.pairs import pairwise
from tests.helpers.stores import file_backend
from tests.helpers.support import QUICK
from tests.helpers.warm import Running, Warm

__all__ = ["warm"]

pytestmark = pytest.mark.anyio

LIMIT = 240.0
"""Seconds for a program, which a busy machine lets run seldom; then the test fails. It takes a few."""
MODES: Mapping[str, str] = {"modern": "2026-07-28", "legacy": "legacy"}
NEVER_SENT = ("before Intend", "after Intend")
UNCERTAIN = ("after Intend", "sent", "before Created")
TAKEN = tuple(point for point in POINTS if point not in (*NEVER_SENT, *UNCERTAIN, "after Over"))
"""The points after which another client takes the task."""
UNDECIDED = ("after Created", "before Asked", "after Asked")
"""Those of them at which the question has no answer yet."""


WAYS_TO_WRITE = {"wal": b"\2\2", "truncate": b"\1\1"}
"""Bytes 18 and 19 of a file by its journal: https://www.sqlite.org/fileformat2.html#the_database_header."""


@pytest.fixture(params=[*WAYS_TO_WRITE, "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty store of each kind. A file has its journal from the beginning to the end, whatever this SQLite would
    choose for a new file."""
    if request.param == "postgres":
        yield request.getfixturevalue("dsn")
        return
    path = tmp_path / "tasks.db"
    backend = file_backend(path, journal=request.param)
    assert backend.owners() == []
    backend.close()
    assert path.read_bytes()[18:20] == WAYS_TO_WRITE[request.param]
    yield str(path)
    assert path.read_bytes()[18:20] == WAYS_TO_WRITE[request.param]


@pytest.fixture
def server() -> TaskServer:
    """A server of both protocols whose tool asks a question."""
    server = TaskServer(era="dual", options=Options(poll_interval_ms=20))
    server.add_tool("ask", script=[NeedInput({"q": elicit("Who?")}), Complete("done")])
    return server


class Programs:
    """The programs that die."""

    def __init__(self, folder: Path, warm: Warm) -> None:
        self._folder = folder
        self._warm = warm
        self.running: dict[str, Running] = {}

    def start(self, point: str, **options: str) -> None:
        """Begin a program that dies at a point."""
        job = Job(point=point, held=str(self._folder / point), **options)
        self.running[point] = crashing.start(self._warm, job)

    def ends(self) -> dict[str, int]:
        """How each of them has ended, when all have."""
        return {point: each.wait(LIMIT) for point, each in self.running.items()}

    def held(self) -> dict[str, str]:
        """The ids that the programs were given."""
        found = {point: self._folder / point for point in POINTS}
        return {point: path.read_text(encoding="utf-8") for point, path in found.items() if path.exists()}

    def close(self) -> None:
        """Leave nothing behind."""
        for each in self.running.values():
            with each:
                each.kill()


@contextmanager
def programs(folder: Path, warm: Warm) -> Generator[Programs]:
    """Programs that are gone at the end of the block."""
    found = Programs(folder, warm)
    try:
        yield found
    finally:
        found.close()


async def crash(server: TaskServer, dying: Programs, **options: str) -> dict[str, int]:
    """Have a program die at each point; how each has ended."""
    server.faults.add("tools/call", Drop(), after=True)
    dying.start("sent", **options)
    await server.next_task()
    dying.running["sent"].kill()
    for point in POINTS:
        if point != "sent":
            dying.start(point, **options)
    return await anyio.to_thread.run_sync(dying.ends)


@asynccontextmanager
async def recovering(url: str, mode: str, target: str, asked: list[Any]) -> AsyncGenerator[Client]:
    """The next program's client, whose handler answers otherwise than those before."""

    async def answer(context: Any, _params: Any) -> Any:
        asked.append(context.task.task_id)
        return {"value": "second"}

    with anyio.fail_after(LIMIT):
        async with Client(url, mode=mode, store=target, elicitation_handler=answer, polling=QUICK) as client:
            yield client


# The database keeps what either protocol made of a call; the event loop decides nothing of both.
@pairwise
@pytest.mark.parametrize("era", sorted(MODES))
async def test_killed_at_every_point(
    server: TaskServer, target: str, era: str, anyio_backend_name: str, tmp_path: Path, warm: Warm
) -> None:
    """What was killed at any point is found by the next program as it is, and finished once."""
    serving, mode, asked, store = serve_http(server), MODES[era], list[Any](), Store(target)
    with serving as url, programs(tmp_path, warm) as dying:
        ends = await crash(server, dying, url=url, store=target, mode=mode, backend=anyio_backend_name)
        assert ends == dict.fromkeys(POINTS, -signal.SIGKILL)
        if era == "legacy":
            # A 2025-11-25 server asks again when the session is gone.
            await anyio.to_thread.run_sync(serving.stop)
            await anyio.to_thread.run_sync(serving.start)
        async with recovering(url, mode, target, asked) as client:
            found = await client.recover()
            names = {record.task_id: record.key for record in await store.tasks()}
            # A server may send the result before it has confirmed the answer. Then that task is over as well.
            late = {record.key for record in await store.tasks(phase="over")} & {"before Acknowledged"}
            assert sorted(names[task.task_id] or "" for task in found.tasks) == sorted({*TAKEN} - late)
            assert sorted(record.key or "" for record in found.uncertain) == sorted(UNCERTAIN)
            for task in found.tasks:
                assert (await task.result()).data == "done"
            for point in UNCERTAIN:
                with pytest.raises(TaskUncertainError):
                    await client.call_tool("ask", {"point": point}, task=True, key=point)
        tasks = {str(task.arguments["point"]): task for task in server.tasks.values()}
    # What is told of as well: a fault of this SQLite with write-ahead logs, and that these servers do not use fsync.
    assert not [words for words in await store.check() if "write-ahead" not in words and "fsync" not in words]
    for point, task_id in dying.held().items():
        assert (await store.get(point)).task_id == task_id
    for point in (*TAKEN, "after Over"):
        assert (await store.get(point)).phase == "over"
        value = "second" if point in UNDECIDED else "first"
        assert list(tasks[point].answers.values()) == [{"action": "accept", "content": {"value": value}}]
    assert sorted(names[task_id] or "" for task_id in asked) == sorted(UNDECIDED)
    calls = [request.params["arguments"]["point"] for request in server.requests if request.method == "tools/call"]
    assert sorted(calls) == sorted(set(POINTS) - set(NEVER_SENT))
