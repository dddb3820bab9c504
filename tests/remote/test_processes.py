"""`run` and `follow` in processes of their own, as the workers of an engine: shared clients, kills, errors."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

from mcptasks import TaskInputRequiredError, ToolError
from mcptasks._remote import shared
from mcptasks.remote import Beat, Connect, FromEnv, follow, run
from mcptasks.sync import Client
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit
from tests.helpers import remote_workers
from tests.helpers.bridge import blocking_threads
from tests.helpers.remote_workers import LIMIT, start
from tests.helpers.support import modern_only
from tests.helpers.threads import eventually


@pytest.fixture
def short_idle(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Clients that nobody uses are closed soon, and the background thread ends with the last of them."""
    monkeypatch.setattr(shared, "IDLE_SECONDS", 0.2)
    yield
    eventually(lambda: not blocking_threads(), "the background thread of the workers is left")


@pytest.mark.usefixtures("short_idle")
def test_values(server: TaskServer, connect: Connect) -> None:
    """Threads that wait at the same time get their values, and share one client and one background thread, which end
    when idle."""
    server.add_tool("quick", [Complete({"n": 42})])
    with Client(connect.target) as client:
        reference = client.call_tool("work", task=True).reference
    first = server.requests[0].method
    both_wait = threading.Barrier(3)

    def beat(_: Beat) -> None:
        both_wait.wait(LIMIT)

    def wait() -> Any:
        return follow(connect, reference, heartbeat=beat, heartbeat_every=LIMIT)

    with ThreadPoolExecutor() as threads:
        waits = [threads.submit(wait) for _ in range(2)]
        both_wait.wait(LIMIT)
        assert run(connect, "quick") == {"n": 42}
        assert len([thread for thread in blocking_threads() if "portal" in thread.name]) == 1
        next(iter(server.tasks.values())).complete("done")
        assert [each.result(LIMIT) for each in waits] == ["done", "done"]
    assert server.requests.count(first) == 2


@pytest.mark.usefixtures("short_idle")
def test_errors_come_out(server: TaskServer, connect: Connect) -> None:
    """Errors of bad arguments, of the tool and of a heartbeat come out of the blocking forms."""
    server.add_tool("asking", [NeedInput({"sure": elicit("Really?")}), Complete("deleted")])

    def beat(_: object) -> None:
        raise LookupError("nobody waits")

    with pytest.raises(ValueError, match="MCP_GONE"):
        run(evolve(connect, auth=FromEnv("MCP_GONE")), "work")
    assert not server.requests
    with pytest.raises(LookupError, match="nobody waits"):
        run(connect, "work", heartbeat=beat)
    with pytest.raises(TaskInputRequiredError):
        run(evolve(connect, answers_later=True), "asking")


@pytest.mark.anyio
@pytest.mark.slow
async def test_a_worker_that_is_killed(server: TaskServer, connect: Connect, tmp_path: Path) -> None:
    """A worker is killed while it waits: the engine repeats the call on another one, which gets the task that there is,
    and the server was called once."""
    connect = evolve(connect, store=str(tmp_path / "tasks.db"))
    first = start(remote_workers.call, connect, "order-42")
    steered = await server.next_task()
    while not server.requests.count("tasks/get"):  # noqa: ASYNC110 - what comes is not announced
        await anyio.sleep(0.01)
    first.kill()
    second = start(remote_workers.call, connect, "order-42")
    steered.complete("done")
    assert await anyio.to_thread.run_sync(second.result) == "done"
    assert server.requests.count("tools/call") == 1


@pytest.mark.slow
@modern_only
def test_errors_travel(server: TaskServer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker raises arrives where the engine hands it on, with its attributes."""
    with Client(connect.target) as client:
        reference = client.call_tool("work", task=True).reference
    next(iter(server.tasks.values())).fail("it broke")
    with pytest.raises(ToolError, match="it broke") as caught:
        start(remote_workers.wait, None, reference).result()
    assert caught.value.reference == reference
    assert caught.value.result.text == "it broke"
    monkeypatch.delenv("MCP_GONE", raising=False)
    with pytest.raises(ValueError, match="the environment variable MCP_GONE, which auth= of Connect names, is not set"):
        start(remote_workers.call, evolve(connect, auth=FromEnv("MCP_GONE")), None).result()


@pytest.mark.slow
def test_a_subprocess_of_this_machine() -> None:
    """A worker on the machine where the `Connect` was made starts the subprocess, and ends it at its exit."""
    code = "from mcptasks.testing import *; s = TaskServer(); s.add_tool('work', [Complete(1)]); serve_stdio(s)"
    connect = Connect([sys.executable, "-c", code], endpoint="stdio:work")
    worker = start(remote_workers.call, connect, None, fresh=True)
    assert worker.result() == 1
    worker.process.join(LIMIT)
    assert worker.process.exitcode == 0
