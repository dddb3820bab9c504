"""What programs do at the wrong moment, or should not do at all: it concerns them alone, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import Any

import pytest

from mcptasks import TaskConnectionError, TaskError, TaskStatus
from mcptasks._portal import registry
from mcptasks._portal.portal import Portal
from mcptasks._portal.runner import Runner
from mcptasks._portal.workers import WorkerThread
from mcptasks.testing import TaskServer, elicit
from tests.helpers.blocking import Aside, Backend, Collector, begin, connected, make_client
from tests.helpers.support import Era, legacy_only, make_server
from tests.helpers.threads import LIMIT, eventually, portal_thread, stands_inside


class Mine(BaseException):
    """Such as pytest's own, or a SystemExit."""


@pytest.mark.parametrize("kind", [SystemExit, Mine])
def test_functions_that_exit(server: TaskServer, backend: Backend, kind: type[BaseException]) -> None:
    """What a function of `run()` raises comes out of `run()`, whatever it is; other clients go on."""

    async def leave() -> None:
        raise kind("now")

    with connected(server, backend) as other, connected(server, backend) as client:
        with pytest.raises(kind, match="now"):
            client.run(leave)
        assert Aside(other.list_tools).value()
        assert Aside(client.list_tools).value()


@pytest.mark.parametrize("backend", ["asyncio"])
def test_cancelled_from_within(server: TaskServer, backend: Backend) -> None:
    """A function of `run()` that ends in a cancellation of its own is cancelled, and nothing else."""

    async def cancelled() -> None:
        sleeping = asyncio.ensure_future(asyncio.sleep(LIMIT))
        sleeping.cancel()
        await sleeping

    with connected(server, backend) as client:
        with pytest.raises(CancelledError):
            client.run(cancelled)
        assert client.list_tools()


def raising(kind: str) -> Callable[[Any], Any]:
    """A callback that exits, in each form that there is."""

    def plain(status: Any) -> None:
        raise SystemExit(3)

    async def coroutine(status: Any) -> None:
        raise SystemExit(3)

    def awaitable(status: Any) -> Awaitable[None]:
        return coroutine(status)

    forms: dict[str, Callable[[Any], Any]] = {"plain": plain, "async": coroutine, "awaitable": awaitable}
    return forms[kind]


@pytest.mark.parametrize("kind", ["plain", "async", "awaitable"])
def test_callbacks_that_exit(server: TaskServer, backend: Backend, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A callback that raises SystemExit ends neither the event loop of all clients nor the program; it is logged."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        seen = Collector()
        task.on_status_change(raising(kind))
        task.on_status_change(seen)
        steered.complete("done")
        seen.until_over()
        assert Aside(lambda: task.result(LIMIT).data).value() == "done"
        assert Aside(client.list_tools).value()
    assert "SystemExit(3)" in caplog.text


@legacy_only
def test_async_handlers_that_exit(era: Era, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """The same goes for an async handler: it has failed, as with any other error."""
    server = make_server(era, input_mode="push")

    async def handler(context: Any, params: Any) -> None:
        raise SystemExit(3)

    with connected(server, backend, elicitation_handler=handler) as client:
        task, steered = begin(client, server)
        steered.need_input({"name": elicit("Who?")})
        waiting = Aside(lambda: task.result(LIMIT))
        eventually(lambda: "SystemExit(3)" in caplog.text + repr(waiting.error), "nobody hears of it")
        assert Aside(client.list_tools).value()


def test_futures_callbacks_that_exit(server: TaskServer, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """A future's callback that raises SystemExit is logged; its worker thread is used again."""
    used: set[int] = set()

    def leave(future: object) -> None:
        used.add(threading.get_ident())
        raise SystemExit(3)

    with connected(server, backend) as client:
        for count in range(1, 9):
            task, steered = begin(client, server)
            future = task.future()
            future.add_done_callback(leave)
            steered.complete("done")
            assert future.result(LIMIT).data == "done"
            eventually(lambda: caplog.text.count("SystemExit: 3") == count, "it is not logged")  # noqa: B023
            client.list_tools()
    assert len(used) < 8


def test_no_more_threads(server: TaskServer, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started, what needs one fails or waits for another's; the client goes on."""
    start, allowed = WorkerThread.start, 0

    def limited(thread: WorkerThread) -> None:
        if sum(isinstance(each, WorkerThread) for each in threading.enumerate()) >= allowed:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(WorkerThread, "start", limited)
    with connected(server, backend) as client:
        (task, steered), (first, ended) = begin(client, server), begin(client, server)
        ended.complete("done")
        assert first.future().result(LIMIT).data == "done"
        allowed = 2
        together, met = threading.Barrier(2), list[int]()
        futures = [task.future() for _ in range(6)]
        for future in futures:
            future.add_done_callback(lambda future: met.append(together.wait(LIMIT)))
        steered.complete("done")
        assert {future.result(LIMIT).data for future in futures} == {"done"}
        eventually(lambda: len(met) == 6, "a callback was not called")
        assert client.list_tools()


def test_removers(server: TaskServer, backend: Backend) -> None:
    """What `on_status_change` returns may be called on the background thread, and after the client's end."""
    found: list[object] = []
    with connected(server, backend) as client:
        task, steered = begin(client, server)

        async def once(status: TaskStatus) -> None:
            found.append(threading.get_ident())
            remove()

        remove = task.on_status_change(once)
        steered.set_working("one")
        eventually(lambda: found, "the callback was not called")
        here = portal_thread(client)
        seen = Collector()
        task.on_status_change(seen)
        steered.set_working("two")
        seen.until_message("two")
        late = task.on_status_change(Collector())
    assert found == [here]
    late()
    remove()


def test_a_finalizer_that_closes(server: TaskServer, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector may come at any time, and finalizers close clients: in the midst of the client's own lock too."""
    client = make_client(server, backend).open()

    class Resource:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            client.close()

    handle = Runner.handle

    def collected(runner: Runner, inner: Any, make: Callable[[], Any]) -> Any:
        def make_late() -> Any:
            Resource()
            gc.collect()
            return make()

        return handle(runner, inner, make_late)

    monkeypatch.setattr(Runner, "handle", collected)
    task = Aside(lambda: client.call_tool("work", task=True)).value()
    with pytest.raises(TaskConnectionError):
        task.status()


@pytest.mark.parametrize(("kind", "name"), [(Portal, "start"), (type(registry._registry), "_lease")])
def test_a_signals_handler_that_opens(
    server: TaskServer, backend: Backend, kind: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal's handler may use a client of its own while the main thread is starting a background thread, or is
    about to share one."""
    tools: list[int] = []

    def use(number: int = 0, frame: object = None) -> None:
        with make_client(server, backend) as own:
            tools.append(len(own.list_tools()))

    original: Any = getattr(kind, name)

    def late(*arguments: Any) -> Any:
        monkeypatch.undo()
        signal.raise_signal(signal.SIGUSR1)
        return original(*arguments)

    before = signal.signal(signal.SIGUSR1, use)
    monkeypatch.setattr(kind, name, late)
    try:
        use()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert tools == [1, 1]


@legacy_only
def test_closed_in_a_handler(era: Era, backend: Backend) -> None:
    """A client that is closed while a handler runs: once that returns, `result()` says so or that nobody answers."""
    server = make_server(era, input_mode="push")
    inside, leave = threading.Event(), threading.Event()

    def handler(context: Any, params: Any) -> dict[str, str]:
        inside.set()
        leave.wait(LIMIT)
        return {"value": "late"}

    client = make_client(server, backend, elicitation_handler=handler).open()
    task, steered = begin(client, server)
    steered.need_input({"name": elicit("Who?")})
    waiting = Aside(lambda: task.result(LIMIT))
    assert inside.wait(LIMIT)
    client.close()
    leave.set()
    with pytest.raises(TaskError) as caught:
        waiting.value()
    assert caught.value.reference == task.reference


@legacy_only
def test_interrupted_before_the_answer(era: Era, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt after a handler has returned and before its answer is on its way leaves the question open."""
    server = make_server(era, input_mode="push")
    asked: list[int] = []
    post = Portal.post

    def interrupted(portal: Portal, function: Callable[[], object]) -> None:
        if asked == [main] and threading.get_ident() == main:
            asked.append(0)
            raise KeyboardInterrupt
        post(portal, function)

    def handler(context: Any, params: Any) -> dict[str, str]:
        asked.append(threading.get_ident())
        return {"value": "Ada"}

    main = threading.get_ident()
    with connected(server, backend, elicitation_handler=handler) as client:
        task, steered = begin(client, server)
        steered.need_input({"name": elicit("Who?")})
        monkeypatch.setattr(Portal, "post", interrupted)
        with pytest.raises(KeyboardInterrupt):
            task.result(LIMIT)
        monkeypatch.undo()
        waiting = Aside(lambda: task.result(LIMIT).data)
        steered.wait_for_blocking(lambda task: task.status == "working", LIMIT)
        steered.complete("done")
        assert waiting.value() == "done"
        assert len(asked) == 3


def test_closed_while_opening(backend: Backend) -> None:
    """`close()` while another thread is in `open()` at a silent server returns soon; `open()` says why."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = make_client(f"http://127.0.0.1:{silent.getsockname()[1]}/mcp", backend, reconnect_timeout=60.0)
        opening = Aside(client.open)
        silent.settimeout(LIMIT)
        connection, _ = silent.accept()
        with connection:
            eventually(lambda: stands_inside(opening.thread), "nobody waits")
            Aside(client.close).value()
            with pytest.raises(TaskConnectionError, match="closed while it was being opened"):
                opening.value()
    with pytest.raises(TaskConnectionError, match="closed"):
        client.list_tools()
