"""`task.future()`: a `concurrent.futures.Future` like any other."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future

import pytest

from mcptasks import TaskConnectionError, TaskFailedError, ToolError, ToolResult
from mcptasks.sync import Task
from mcptasks.testing import ServerTask, TaskServer
from tests.helpers.blocking import Aside, Backend, begin, connected, make_client
from tests.helpers.threads import LIMIT, eventually, portal_thread, threads

pytestmark = pytest.mark.parametrize("era", ["modern", "legacy"])

Pair = tuple[Task[ToolResult], ServerTask]


def test_wait(server: TaskServer, backend: Backend) -> None:
    """`concurrent.futures.wait` waits for the first, and for all."""
    with connected(server, backend) as client:
        pairs: list[Pair] = [begin(client, server) for _ in range(4)]
        futures = [task.future() for task, _ in pairs]
        assert all(type(future).__module__.startswith(("concurrent", "mcptasks")) for future in futures)
        pairs[2][1].complete(2)
        done, pending = concurrent.futures.wait(futures, timeout=LIMIT, return_when=FIRST_COMPLETED)
        assert (done, len(pending)) == ({futures[2]}, 3)
        for n in (0, 1, 3):
            pairs[n][1].complete(n)
        done, pending = concurrent.futures.wait(futures, timeout=LIMIT)
        assert not pending
        assert [future.result(0).data for future in futures] == [0, 1, 2, 3]


def test_as_completed(server: TaskServer, backend: Backend) -> None:
    """`concurrent.futures.as_completed` yields in the order in which tasks end."""
    with connected(server, backend) as client:
        pairs = [begin(client, server) for _ in range(4)]
        numbers = {task.future(): n for n, (task, _) in enumerate(pairs)}
        order: list[int] = []
        pairs[3][1].complete("first")
        for future in concurrent.futures.as_completed(numbers, timeout=LIMIT):
            order.append(numbers[future])
            if len(order) < 4:
                pairs[3 - len(order)][1].complete("next")
        assert order == [3, 2, 1, 0]


def test_the_value_is_the_tasks(server: TaskServer, backend: Backend) -> None:
    """A future's value is the very object of `result()`, also where the task has ended before."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        future = task.future()
        assert not future.done()
        with pytest.raises(TimeoutError):
            future.result(timeout=0.05)
        steered.complete("done")
        assert future.result(LIMIT) is task.result()
        assert task.future().result(LIMIT) is task.result()


def test_cancel_detaches(server: TaskServer, backend: Backend) -> None:
    """`cancel()` of a future ends the waiting for that future alone; the remote task and other futures go on."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        future, other = task.future(), task.future()
        assert future.cancel()
        assert future.cancelled()
        with pytest.raises(CancelledError):
            future.result(LIMIT)
        assert not other.done()
        assert client.list_tools()
        assert not steered.cancel_requested
        steered.complete("done")
        assert task.result().data == "done"
        assert other.result(LIMIT).data == "done"
        assert not other.cancel()
        assert server.requests.count("tasks/cancel") == 0


def test_errors(server: TaskServer, backend: Backend) -> None:
    """A future of a failing task carries the error of `result()`, with the reference."""
    with connected(server, backend) as client:
        (tool, first), (failed, second) = begin(client, server), begin(client, server)
        futures = [tool.future(), failed.future()]
        first.fail("out of paper")
        second.fail("no such file", code=-32011)
        errors = [future.exception(LIMIT) for future in futures]
        assert isinstance(errors[0], ToolError)
        assert isinstance(errors[1], TaskFailedError)
        assert [error.reference for error in errors if isinstance(error, (ToolError, TaskFailedError))] == [
            tool.reference,
            failed.reference,
        ]
        with pytest.raises(ToolError, match="out of paper"):
            futures[0].result(LIMIT)


def test_closing(server: TaskServer, backend: Backend) -> None:
    """A future that is outstanding when the client closes ends in a `TaskConnectionError` with the reference."""
    client = make_client(server, backend).open()
    task, _ = begin(client, server)
    future = task.future()
    Aside(client.close).value()
    error = future.exception(LIMIT)
    assert isinstance(error, TaskConnectionError)
    assert error.reference == task.reference
    with pytest.raises(TaskConnectionError):
        task.future().result(LIMIT)


def test_callbacks_may_call_the_client(server: TaskServer, backend: Backend) -> None:
    """What is added with `add_done_callback` does not run on the event loop's thread: it may block, and call."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        found: list[object] = []
        over = threading.Event()

        def callback(future: Future[ToolResult]) -> None:
            found.append(threading.get_ident())
            found.append(len(client.list_tools()))
            found.append(task.result().data)
            over.set()

        future = task.future()
        future.add_done_callback(callback)
        steered.complete("done")
        assert over.wait(LIMIT), found
        assert found[1:] == [1, "done"]
        assert found[0] not in (portal_thread(client), threading.get_ident())


def test_many_at_the_end(server: TaskServer, backend: Backend) -> None:
    """Each of many futures that are outstanding when the client closes gets its error, though the background thread
    has ended before the last of their callbacks was called; then the worker threads end as well."""
    client = make_client(server, backend).open()
    task, _ = begin(client, server)
    called: list[Future[ToolResult]] = []

    def callback(future: Future[ToolResult]) -> None:
        time.sleep(0.001)
        called.append(future)

    futures = [task.future() for _ in range(300)]
    for future in futures:
        future.add_done_callback(callback)
    client.close()
    _, pending = concurrent.futures.wait(futures, timeout=LIMIT)
    assert not pending
    assert {type(future.exception()) for future in futures} == {TaskConnectionError}
    eventually(lambda: len(called) == 300, "a callback was not called")


def test_many_futures(server: TaskServer, backend: Backend) -> None:
    """A thousand outstanding futures need no thread each."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        before = threads()
        futures = [task.future() for _ in range(1000)]
        assert client.list_tools()
        assert len(threads() - before) <= 1
        steered.complete("done")
        done, pending = concurrent.futures.wait(futures, timeout=LIMIT)
        assert not pending
        assert {id(future.result()) for future in done} == {id(task.result())}
        eventually(lambda: len(threads() - before) <= 70, "a thread for each")
