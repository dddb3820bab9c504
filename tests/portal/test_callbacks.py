"""Status callbacks of the blocking client: on worker threads, in order, and free to do what any code may do."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mcptasks import TaskConnectionError, TaskStatus
from mcptasks.testing import TaskServer
from tests.helpers.blocking import Aside, Backend, Collector, begin, connected, make_client
from tests.helpers.support import POLLED, Era, make_server
from tests.helpers.threads import LIMIT, portal_thread

each_era = pytest.mark.parametrize("era", ["modern", "legacy"])


@each_era
@pytest.mark.parametrize("push", ["on", "off", "twice"])
def test_order(backend: Backend, era: Era, push: str) -> None:
    """Pushed or polled, every change comes in order and none twice, on a thread that is neither the portal's nor the
    program's."""
    server = make_server(era, **(POLLED if push == "off" else {"push": push}))
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        seen = Collector()
        task.on_status_change(seen)
        expected = [str(n) for n in range(20)]
        for message in expected:
            steered.set_working(message)
            seen.until_message(message)
        steered.complete("done")
        seen.until_over()
        assert seen.messages[-21:-1] == expected
        assert len(set(seen.messages)) == len(seen.messages)
        assert [status.status for status in seen.statuses][-1] == "completed"
        assert not {threading.get_ident(), portal_thread(client)} & seen.threads


def test_never_two_at_once(server: TaskServer, backend: Backend) -> None:
    """One callback is never called twice at a time, however slow it is; what came meanwhile is not lost."""
    alone = threading.Lock()
    overlapped: list[str | None] = []
    seen = Collector()
    begun, go_on = threading.Event(), threading.Event()

    def callback(status: TaskStatus) -> None:
        if not alone.acquire(blocking=False):
            overlapped.append(status.status_message)
            return
        begun.set()
        go_on.wait(LIMIT)
        seen(status)
        alone.release()

    with connected(server, backend) as client:
        task, steered = begin(client, server)
        watching = Collector()
        task.on_status_change(callback)
        task.on_status_change(watching)
        messages = [str(n) for n in range(10)]
        for message in messages:
            steered.set_working(message)
            watching.until_message(message)
        assert begun.wait(LIMIT)
        go_on.set()
        steered.complete()
        seen.until_over()
    assert overlapped == []
    assert [message for message in seen.messages if message is not None] == messages


@pytest.mark.parametrize("slow", [1, 100])
def test_slow_ones_delay_nobody(server: TaskServer, backend: Backend, slow: int) -> None:
    """Callbacks that block, however many, delay neither another callback nor the watching nor `result()`."""
    go_on = threading.Event()

    def hold(status: TaskStatus) -> None:
        go_on.wait(LIMIT)

    with connected(server, backend) as client:
        task, steered = begin(client, server)
        for _ in range(slow):
            task.on_status_change(hold)
        seen = Collector()
        task.on_status_change(seen)
        try:
            for message in ("one", "two"):
                steered.set_working(message)
                seen.until_message(message)
            steered.complete("done")
            assert task.result(LIMIT).data == "done"
            seen.until_over()
        finally:
            go_on.set()


def test_a_callback_may_call_the_client(server: TaskServer, backend: Backend) -> None:
    """A callback may ask for the status, wait for the result and start another task."""
    server.add_tool("add", support="none", result=3)
    found: list[Any] = []
    over = threading.Event()
    with connected(server, backend) as client:
        task, steered = begin(client, server)

        def callback(status: TaskStatus) -> None:
            found.append(task.status().status)
            found.append(client.call_tool("add").data)
            if status.is_terminal:
                found.append(task.result().data)
                found.append(client.call_tool("work", task=True).task_id)
                over.set()

        task.on_status_change(callback)
        steered.complete("done")
        assert over.wait(LIMIT), found
        assert found == ["completed", 3, "done", server.next_task_blocking().task_id]


def test_a_callback_may_close_the_client(server: TaskServer, backend: Backend) -> None:
    """A callback may close the client: others that wait get their `TaskConnectionError`, nothing hangs."""
    client = make_client(server, backend).open()
    (task, steered), (other, _) = begin(client, server), begin(client, server)
    closed = threading.Event()

    def callback(status: TaskStatus) -> None:
        client.close()
        closed.set()

    task.on_status_change(callback)
    waiting = Aside(other.result)
    steered.set_working("close, please")
    assert closed.wait(LIMIT)
    waiting.join()
    assert isinstance(waiting.error, TaskConnectionError)
    assert waiting.error.reference == other.reference
    client.close()


def test_removing(server: TaskServer, backend: Backend) -> None:
    """The function that registering returns removes the callback, from any thread, more than once, and from within."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        kept, within, removed = Collector(), Collector(), Collector()

        def once(status: TaskStatus) -> None:
            within(status)
            remove_within()

        task.on_status_change(kept)
        remove_within = task.on_status_change(once)
        remove = task.on_status_change(removed)
        steered.set_working("one")
        for seen in (kept, within, removed):
            seen.until_message("one")
        Aside(remove).value()
        remove()
        steered.set_working("two")
        steered.complete()
        kept.until_over()
        task.result(LIMIT)
        assert {"one"} == set(removed.messages) == set(within.messages)


def test_what_it_raises_is_logged(server: TaskServer, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """What a callback raises is logged with its traceback, and the callback is called again."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        seen = Collector()

        def callback(status: TaskStatus) -> None:
            seen(status)
            raise ZeroDivisionError(f"at {status.status_message}")

        task.on_status_change(callback)
        other = Collector()
        for message in ("one", "two"):
            steered.set_working(message)
            seen.until_message(message)
        task.on_status_change(other)
        steered.complete()
        seen.until_over()
        other.until_over()
        assert task.result(LIMIT).data is None
    assert "ZeroDivisionError: at one" in caplog.text
    assert "ZeroDivisionError: at two" in caplog.text
    raised = [record for record in caplog.records if record.exc_info and record.exc_info[0] is ZeroDivisionError]
    assert {record.name for record in raised} == {"mcptasks"}


def test_registering_late(server: TaskServer, backend: Backend) -> None:
    """A callback of a task that is over gets that status at once, on a worker thread as well."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        steered.complete("done")
        task.result(LIMIT)
        seen = Collector()
        task.on_status_change(seen)
        seen.until_over()
        assert len(seen.statuses) == 1
        assert not {threading.get_ident(), portal_thread(client)} & seen.threads


def test_async_callbacks(server: TaskServer, backend: Backend) -> None:
    """An async callback is awaited on the background event loop."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        seen = Collector()

        async def callback(status: TaskStatus) -> None:
            seen(status)

        task.on_status_change(callback)
        steered.complete("done")
        seen.until_over()
        assert seen.threads == {portal_thread(client)}


def test_registering_keeps_watching(server: TaskServer, backend: Backend) -> None:
    """A callback is enough to keep a task watched, with no thread that waits."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        seen = Collector()
        task.on_status_change(seen)
        del task
        steered.set_working("on the way")
        seen.until_message("on the way")
        steered.complete()
        seen.until_over()


def test_callbacks_that_exit(server: TaskServer, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """A callback that raises SystemExit ends neither the event loop of all clients nor the program; it is logged."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        seen = Collector()

        def leave(status: TaskStatus) -> None:
            raise SystemExit(3)

        task.on_status_change(leave)
        task.on_status_change(seen)
        steered.complete("done")
        seen.until_over()
        assert task.result(LIMIT).data == "done"
        assert client.list_tools()
    assert "SystemExit(3)" in caplog.text
