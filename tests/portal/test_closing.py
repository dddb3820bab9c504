"""Opening and closing a blocking client, in any order, and what remains usable afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from mcptasks import TaskConnectionError, TaskStateError
from mcptasks.testing import TaskServer
from tests.helpers.blocking import Aside, Backend, Collector, begin, connected, make_client
from tests.helpers.support import Era, http
from tests.helpers.threads import LIMIT, eventually, stands_inside, threads

each_era = pytest.mark.parametrize("era", ["modern", "legacy"])


@each_era
def test_results_outlive_the_client(server: TaskServer, backend: Backend, era: Era) -> None:
    """After `close()` a result that was there is still there, the same object, with all that is known of its task."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        steered.complete("done")
        result = task.result(LIMIT)
    assert task.result() is result
    assert task.result(timeout=0) is result
    assert task.wait().status == "completed"
    assert task.last_status is not None
    assert (task.done, task.last_status.status, task.name) == (True, "completed", "work")
    assert task.task_id in repr(task)
    assert task.reference.task_id == task.task_id


@each_era
def test_unfinished_tasks_after_the_end(server: TaskServer, backend: Backend, era: Era) -> None:
    """After `close()` every use of an unfinished task, and of the client, is a `TaskConnectionError`; it has the
    task's reference, with which another client takes it up."""
    with http(server) as url:
        with connected(url, backend) as client:
            task, steered = begin(client, server)
            updates = task.updates()
            next(updates)
        for use in (task.result, task.wait, task.status, lambda: next(updates), task.cancel):
            with pytest.raises(TaskConnectionError) as caught:
                Aside(use).value()
            assert caught.value.reference == task.reference
        with pytest.raises(TaskConnectionError):
            task.on_status_change(Collector())
        for call in (client.list_tools, lambda: client.call_tool("work"), lambda: client.resume(task.reference)):
            with pytest.raises(TaskConnectionError, match="closed"):
                call()
        assert not steered.cancel_requested
        assert not task.done
        with connected(url, backend) as other:
            again = other.resume(caught.value.reference or "")
            steered.complete("done")
            assert again.result(LIMIT).data == "done"


def test_closing_ends_waits(server: TaskServer, backend: Backend) -> None:
    """Threads that are blocked when the client is closed get a `TaskConnectionError` with the reference, soon."""
    client = make_client(server, backend).open()
    task, steered = begin(client, server)
    updates = task.updates()
    next(updates)
    waiting: list[Callable[[], object]] = [task.result, task.wait, lambda: next(updates), lambda: task.result(60)]
    waits = [Aside(wait) for wait in waiting]
    eventually(lambda: all(stands_inside(aside.thread) for aside in waits), "nobody waits")
    client.close()
    for aside in waits:
        aside.join()
        assert isinstance(aside.error, TaskConnectionError)
        assert aside.error.reference == task.reference
    assert not steered.cancel_requested


def test_closing_ends_plain_calls(server: TaskServer, backend: Backend) -> None:
    """A plain call that is blocked when the client is closed ends in a `TaskConnectionError`, not in silence."""
    server.add_tool("must", support="required")
    client = make_client(server, backend).open()
    calling = Aside(lambda: client.call_tool("must"))
    server.next_task_blocking()
    client.close()
    calling.join()
    assert isinstance(calling.error, TaskConnectionError)


def test_opened_once(server: TaskServer, backend: Backend) -> None:
    """A client is opened once: opening it again, open or closed, is a `TaskStateError`, and does it no harm."""
    client = make_client(server, backend)
    assert client.open() is client
    with pytest.raises(TaskStateError):
        client.open()
    assert client.list_tools()
    client.close()
    for enter in (client.open, client.__enter__):
        with pytest.raises(TaskStateError):
            enter()


def test_a_block_of_an_open_client(server: TaskServer, backend: Backend) -> None:
    """A client that `open()` has opened can be given to `with`, which closes it."""
    client = make_client(server, backend).open()
    with client as same:
        assert same is client
        assert client.list_tools()
    with pytest.raises(TaskConnectionError, match="closed"):
        client.list_tools()


def test_opened_by_many_threads(server: TaskServer, backend: Backend) -> None:
    """Of many threads that open one client at once, one does and the others get the `TaskStateError`."""
    client = make_client(server, backend)
    together = threading.Barrier(8)

    def enter() -> object:
        together.wait(LIMIT)
        return client.open()

    asides = [Aside(enter) for _ in range(8)]
    for aside in asides:
        aside.join()
    assert sum(isinstance(aside.error, TaskStateError) for aside in asides) == 7
    assert client.list_tools()
    client.close()


def test_closed_more_than_once(server: TaskServer, backend: Backend) -> None:
    """Closing is safe to repeat: inside a `with` block, after it, and from many threads at once."""
    with connected(server, backend) as client:
        client.close()
        client.close()
    client.close()
    client = make_client(server, backend).open()
    together = threading.Barrier(8)

    def close() -> None:
        together.wait(LIMIT)
        client.close()

    for aside in [Aside(close) for _ in range(8)]:
        aside.value()


def test_never_opened(server: TaskServer, backend: Backend) -> None:
    """A client that was never opened says so when it is used, and closing it is no error and starts no thread."""
    before = threads()
    client = make_client(server, backend)
    with pytest.raises(TaskConnectionError, match="not open"):
        client.list_tools()
    with pytest.raises(TaskConnectionError, match="not open"):
        client.task("x")
    with pytest.raises(TaskConnectionError, match="not open"):
        _ = client.protocol_version
    client.close()
    assert threads() <= before


def test_a_server_that_is_not_there(backend: Backend) -> None:
    """A connection that fails is a `TaskConnectionError`; the thread that was started for it ends."""
    for _ in range(2):
        client = make_client("http://127.0.0.1:9/mcp", backend, reconnect_timeout=0.2)
        with pytest.raises(TaskConnectionError):
            client.open()
        with pytest.raises(TaskStateError):
            client.open()
        client.close()


def test_leaving_the_block_by_an_error(server: TaskServer, backend: Backend) -> None:
    """An exception leaves the block as it is, and the client is closed."""
    mistake = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught, connected(server, backend) as client:
        raise mistake
    assert caught.value is mistake
    with pytest.raises(TaskConnectionError, match="closed"):
        client.list_tools()


def test_blocks_of_tasks(server: TaskServer, backend: Backend) -> None:
    """`with task:` asks the server to cancel when an exception leaves the block, and only then."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        with task as same:
            assert same is task
        assert not steered.cancel_requested
        with pytest.raises(ValueError, match="mine"), task:
            raise ValueError("mine")
        assert steered.cancel_requested


def test_callbacks_get_their_time(server: TaskServer, backend: Backend) -> None:
    """Leaving the block well lets callbacks hear what has come by then."""
    seen = Collector()
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        task.on_status_change(seen)
        steered.complete("done")
        task.result(LIMIT)
    assert [status.status for status in seen.statuses] == ["completed"]
