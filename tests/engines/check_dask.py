"""`mcptasks.contrib.dask` on a real cluster: two worker processes on this machine.

A plain `pytest` leaves this file out, since its environment has no Dask:
`nox -s engines` runs it, by its path, in an environment of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from distributed import Client, LocalCluster, as_completed

from mcptasks import TaskCancelledError, TaskReference, ToolError
from mcptasks.contrib import dask as adapter
from mcptasks.remote import Connect, FromEnv, afollow, follow
from mcptasks.testing import Complete, Options, ServerTask, TaskServer, serve_http

pytestmark = pytest.mark.filterwarnings("default")
LIMIT = 240.0
"""Seconds that anything may take, which nothing should come near."""


@pytest.fixture(scope="module")
def cluster() -> Generator[LocalCluster]:
    """Two worker processes of two threads each."""
    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture
def dask(cluster: LocalCluster) -> Generator[Client]:
    """A client of the cluster."""
    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=LIMIT)
        yield client


@pytest.fixture
def server() -> TaskServer:
    """A server whose tool `work` waits to be steered."""
    server = TaskServer(options=Options(poll_interval_ms=100))
    server.add_tool("work")
    return server


@pytest.fixture
def connect(server: TaskServer) -> Generator[Connect]:
    """The way to the server."""
    with serve_http(server) as url:
        yield Connect(url, reconnect_timeout=10.0)


def until(found: Callable[[], Any], what: str) -> Any:
    """Wait until a function finds something."""
    end = time.monotonic() + LIMIT
    while not (answer := found()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return answer


def tasks_of(server: TaskServer, count: int) -> list[ServerTask]:
    """The server's tasks, as soon as there are so many."""
    until(lambda: len(server.tasks) >= count, f"{count} tasks at the server")
    return list(server.tasks.values())


def holder(dask: Client, key: str) -> str:
    """The worker that waits for a future."""
    where = until(lambda: [worker for worker, keys in dask.processing().items() if key in keys], "a worker that waits")
    return str(where[0])


def test_values(dask: Client, server: TaskServer, connect: Connect) -> None:
    """Calls are made once, and the cluster has their values, each as soon as it is there."""
    futures = adapter.map(dask, connect, "work", [{"n": n} for n in range(20)], limit=5)
    assert len(server.tasks) == 20
    for task in server.tasks.values():
        task.complete((task.arguments or {})["n"])
    assert sorted(future.result() for future in as_completed(futures, timeout=LIMIT)) == list(range(20))
    assert dask.gather(futures) == list(range(20))
    assert dask.submit(sum, futures).result(LIMIT) == sum(range(20))
    assert server.requests.count("tools/call") == 20


def test_a_killed_worker(dask: Client, server: TaskServer, connect: Connect) -> None:
    """A worker is killed in mid-wait: another one waits for the same task, and no call is made again."""
    future = adapter.submit(dask, connect, "work")
    (task,) = tasks_of(server, 1)
    name = holder(dask, future.key)
    until(lambda: server.requests.count("tasks/get") > 0, "a poll of the worker")
    os.kill(dask.run(os.getpid, workers=[name])[name], signal.SIGKILL)
    until(lambda: holder(dask, future.key) != name, "another worker that waits")
    task.complete("done")
    ended = time.monotonic()
    assert future.result(LIMIT) == "done"
    print(f"after {time.monotonic() - ended:.2f} s")  # noqa: T201 - a figure for people, with `pytest -s`
    assert server.requests.count("tools/call") == 1
    assert not task.cancel_requested


def test_a_thousand_references(dask: Client, server: TaskServer, connect: Connect) -> None:
    """A thousand tasks are waited for by two workers of two threads, each of which has one connection, not one for each
    task."""
    server.add_tool("quick", [Complete("done", after=2.0)])
    begun = time.monotonic()
    futures = adapter.map(dask, connect, "quick", [{"n": n} for n in range(1000)])
    made = time.monotonic()
    assert dask.gather(futures) == ["done"] * 1000
    print(f"made in {made - begun:.2f} s, all done after {time.monotonic() - begun:.2f} s")  # noqa: T201
    assert server.requests.count("tools/call") == 1000
    # This process and two workers. A connection that a busy machine breaks is made again.
    assert 3 <= server.requests.count("server/discover") <= 12


def test_a_cancelled_future(dask: Client, server: TaskServer, connect: Connect) -> None:
    """Cancelling a future asks the server to cancel its task, unless it is detached."""
    future, detached = (adapter.submit(dask, connect, "work", {"detach": d}, detach=d) for d in (False, True))
    tasks = {(task.arguments or {})["detach"]: task for task in tasks_of(server, 2)}
    dask.cancel([detached, future])
    until(lambda: tasks[False].cancel_requested, "a request to cancel")
    assert not tasks[True].cancel_requested
    tasks[True].complete(1)


def test_a_closed_program(cluster: LocalCluster, server: TaskServer, connect: Connect) -> None:
    """A program that closes its Dask client wants its results no more: no task is left running."""
    with Client(cluster) as dask:
        future = adapter.submit(dask, connect, "work")
        (task,) = tasks_of(server, 1)
        holder(dask, future.key)
    until(lambda: task.cancel_requested, "a request to cancel")


PROGRAM = """
import signal
# A shell starts background jobs with SIGINT ignored, and Python does not change that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from distributed import Client
from mcptasks.contrib import dask as adapter
from mcptasks.remote import Connect
if __name__ == "__main__":
    with Client({address!r}) as dask:
        adapter.submit(dask, Connect({url!r}), "work").result()
"""


def test_a_stopped_program(cluster: LocalCluster, server: TaskServer, connect: Connect) -> None:
    """A program that Ctrl-C stops while it waits for a future asks the server to cancel the task on its way out."""
    source = PROGRAM.format(address=cluster.scheduler_address, url=connect.target)
    program = subprocess.Popen([sys.executable, "-c", source], stderr=subprocess.DEVNULL)
    try:
        (task,) = tasks_of(server, 1)
        until(lambda: server.requests.count("tasks/get") > 0, "a poll of the worker")
        program.send_signal(signal.SIGINT)
        until(lambda: task.cancel_requested, "a request to cancel")
        program.wait(LIMIT)
    finally:
        program.kill()
        program.wait()


def test_errors(dask: Client, server: TaskServer, connect: Connect) -> None:
    """Errors of the work come out of the future, with their attributes."""
    futures = [adapter.submit(dask, connect, "work"), adapter.submit(dask, connect, "work")]
    first, second = tasks_of(server, 2)
    first.fail("it broke")
    second.cancelled("stopped")
    with pytest.raises(ToolError, match="it broke") as caught:
        futures[0].result(LIMIT)
    assert caught.value.reference is not None
    assert caught.value.reference.task_id == first.task_id
    assert caught.value.result.text == "it broke"
    with pytest.raises(TaskCancelledError):
        futures[1].result(LIMIT)


def test_calls_without_a_task(dask: Client, server: TaskServer, connect: Connect) -> None:
    """The value of a call that was answered at once is given to the cluster, and its error too."""
    server.add_tool("plain", [Complete(42)], support="none")
    assert adapter.submit(dask, connect, "plain").result(LIMIT) == 42
    with pytest.raises(Exception, match="unknown"):
        adapter.submit(dask, connect, "unknown").result(LIMIT)


def test_a_key(dask: Client, server: TaskServer, connect: Connect, tmp_path: Path) -> None:
    """With a store and a key, a program that is started again gets the task that there is."""
    connect = evolve(connect, store=str(tmp_path / "tasks.db"))
    futures = [adapter.submit(dask, connect, "work", key="order-42", detach=True) for _ in range(2)]
    (task,) = tasks_of(server, 1)
    task.complete("done")
    assert [future.result(LIMIT) for future in futures] == ["done", "done"]
    assert server.requests.count("tools/call") == 1


@pytest.mark.parametrize("function", [follow, afollow])
def test_without_the_adapter(dask: Client, server: TaskServer, connect: Connect, function: Any) -> None:
    """`follow` and `afollow` can be submitted as they are, with a reference from anywhere."""
    detached = adapter.submit(dask, connect, "work", detach=True)
    (task,) = tasks_of(server, 1)
    reference = TaskReference(task_id=task.task_id, endpoint=connect.endpoint)
    again = dask.submit(function, connect, reference, pure=False)
    task.complete("done")
    assert (again.result(LIMIT), detached.result(LIMIT)) == ("done", "done")


def test_bad_input(dask: Client, server: TaskServer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot work is refused here, and nothing is sent; a variable that only workers lack is named by them."""
    with pytest.raises(ValueError, match="MCP_GONE"):
        adapter.submit(dask, evolve(connect, auth=FromEnv("MCP_GONE")), "work")
    with pytest.raises(ValueError, match=r"is a subprocess, .* serve it over HTTP"):
        adapter.submit(dask, Connect(["python", "-c", "1"]), "work")
    with pytest.raises(ValueError, match="a key for each call"):
        adapter.map(dask, evolve(connect, store="tasks.db"), "work", [{}], keys=[])
    with pytest.raises(ValueError, match="limit"):
        adapter.map(dask, connect, "work", [{}], limit=0)
    with pytest.raises(TypeError, match=r"distributed\.Client"):
        adapter.submit(None, connect, "work")  # type: ignore[arg-type]
    assert not server.requests
    monkeypatch.setenv("MCP_GONE", "here")
    future = adapter.submit(dask, evolve(connect, auth=FromEnv("MCP_GONE")), "work", detach=True)
    with pytest.raises(ValueError, match=r"the environment variable MCP_GONE, .* set it where the worker runs"):
        future.result(LIMIT)
