"""How long a client lives: whoever enters and leaves it, whatever is cancelled round it, however its loop ends."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import logging
import signal
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcptasks import Client, TaskConnectionError, TaskStateError, TaskStatus
from mcptasks._engine import engine, lifetime
from mcptasks.testing import TaskServer
from tests.helpers.asking import sdk_server
from tests.helpers.support import (
    LIMIT,
    QUICK,
    begin,
    make_server,
)

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
"""For tests that run an event loop of their own, to its end."""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for anything at its end waits longer than a test may take."""
    monkeypatch.setattr(engine, "CLOSE_SECONDS", 2 * LIMIT)
    monkeypatch.setattr(lifetime, "_LONGEST", 2 * LIMIT)


def run_in_loop(backend: str, main: Callable[[], Awaitable[Any]]) -> Any:
    """Run a main function on an event loop of its own."""

    async def bounded() -> Any:
        with anyio.fail_after(LIMIT):
            return await main()

    return anyio.run(bounded, backend=backend)


async def elsewhere(function: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Run a function in another task."""
    async with anyio.create_task_group() as group:
        group.start_soon(function)


# --- who enters, and who leaves -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_left_by_another_task(server: TaskServer) -> None:
    """A client that one task has entered, such as a fixture's, another one may leave."""
    with anyio.fail_after(LIMIT):
        stack = AsyncExitStack()
        client = await stack.enter_async_context(Client(server, polling=QUICK))
        task, steered = await begin(client, server)
        steered.complete("done")
        assert (await task.result()).data == "done"
        await elsewhere(stack.aclose)
        with pytest.raises(TaskConnectionError, match="closed"):
            await client.list_tools()


@pytest.mark.anyio
async def test_entered_by_another_task(server: TaskServer) -> None:
    """A client may be entered in a task that ends right after that, in a scope of its own."""
    with anyio.fail_after(LIMIT):
        client = Client(server, polling=QUICK)
        with anyio.move_on_after(LIMIT):
            await elsewhere(client.__aenter__)
        assert await client.list_tools()
        await client.__aexit__(None, None, None)


@pytest.mark.anyio
async def test_left_out_of_order(server: TaskServer) -> None:
    """Two clients may be left in the order that they were entered in; the second one works after the end of the first,
    and so do scopes that were entered in between."""
    with anyio.fail_after(LIMIT):
        first, second = Client(server), Client(server)
        await first.__aenter__()
        with anyio.CancelScope() as between:
            await second.__aenter__()
            await first.__aexit__(None, None, None)
            assert await second.list_tools()
            between.cancel()
            await anyio.lowlevel.checkpoint()
        assert between.cancelled_caught
        assert await second.list_tools()
        await second.__aexit__(None, None, None)


@pytest.mark.anyio
async def test_the_context_of_whoever_opens(server: TaskServer) -> None:
    """What the client runs by itself, such as callbacks, sees the context variables of whoever has opened it; what is
    set later, or there, stays where it is."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen = list[str]()

    def note(_: TaskStatus) -> None:
        seen.append(variable.get())
        variable.set("of the callback")

    with anyio.fail_after(LIMIT):
        variable.set("of the opener")
        async with Client(server, polling=QUICK) as client:
            variable.set("of the block")
            task, steered = await begin(client, server)
            task.on_status_change(note)
            steered.complete("done")
            await task.result()
        assert seen == ["of the opener"]
        assert variable.get() == "of the block"


# --- errors of the client's own -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_error_of_its_own_surfaces(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """If the client itself breaks down, the log has it at once, those who wait are told, later calls say so, and the
    end of the block raises it, alone."""

    async def broken() -> None:
        raise ZeroDivisionError("a bug")

    errors = list[TaskConnectionError]()

    async def use_it() -> None:
        async with client:
            assert client._open().core.callbacks.spawn(broken)
            for use in (task.result, task.status, client.list_tools):
                try:
                    await use()
                except TaskConnectionError as exc:
                    errors.append(exc)

    with anyio.fail_after(LIMIT):
        client = await Client(server, polling=QUICK).open()
        task, _ = await begin(client, server)
        with pytest.raises(ZeroDivisionError, match="a bug"):
            await use_it()
        await client.close()
    assert ["broke down" in str(error) for error in errors] == [True] * 3
    assert [error.reference for error in errors] == [task.reference, task.reference, None]
    assert [record.levelno for record in caplog.records if "broke down" in record.message] == [logging.ERROR]


# asyncio cancels what has not begun yet, which anyio remarks on.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@BACKENDS
def test_a_callback_that_ends_the_program(backend: str) -> None:
    """`SystemExit` in a callback ends the program: on asyncio at once, on trio, whose tasks of this kind cannot, when
    the client is left, which who waits does at once. It is no internal error there."""
    server = make_server("modern")

    async def leave(status: TaskStatus) -> None:
        raise SystemExit(3)

    async def main() -> None:
        async with Client(server, polling=QUICK) as client:
            task, steered = await begin(client, server)
            other, _ = await begin(client, server)
            task.on_status_change(leave)
            steered.complete("done")
            await other.result()

    with pytest.raises(SystemExit) as caught:
        run_in_loop(backend, main)
    assert caught.value.code == 3
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@BACKENDS
def test_ctrl_c_while_the_client_works(backend: str) -> None:
    """An interrupt that comes while the client's own tasks run is the program's interrupt: no internal error of trio,
    and nothing that waits for the end of the block."""
    server = make_server("modern")
    interrupted = False

    def interrupt(status: TaskStatus) -> None:
        signal.raise_signal(signal.SIGINT)

    async def main() -> None:
        nonlocal interrupted
        async with Client(server, polling=QUICK) as client:
            task, steered = await begin(client, server)
            task.on_status_change(interrupt)
            steered.complete("done")
            try:
                await anyio.sleep(LIMIT)
            finally:
                interrupted = True

    # A shell's background jobs ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_in_loop(backend, main)
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupted
    gc.collect()


# --- the end of the event loop, and of interest -------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
@BACKENDS
@pytest.mark.parametrize("how", ["open", "entered"])
def test_left_open_at_the_end(backend: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """A client that is still open when the event loop ends, ends with it: soon and silently."""
    server = make_server("modern")
    clients = list[Client]()

    async def main() -> None:
        client = Client(server, polling=QUICK)
        await (client.open() if how == "open" else client.__aenter__())
        await begin(client, server)
        clients.append(client)
        await anyio.wait_all_tasks_blocked()

    gc.collect()  # What other tests have left says nothing here.
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        run_in_loop(backend, main)
        assert time.monotonic() - started < LIMIT
        clients.clear()
        gc.collect()
    assert not caplog.records


@BACKENDS
def test_dropped(backend: str) -> None:
    """A client that is dropped without being closed warns of that, and stays open until its event loop ends: its tasks
    go on to be watched."""
    server = make_server("modern")

    async def main() -> Any:
        clients = [await Client(server, polling=QUICK).open()]
        task, steered = await begin(clients[0], server)
        with pytest.warns(ResourceWarning, match="unclosed <Client .* open>: use `async with`, or call close"):
            clients.clear()
        gc.collect()
        steered.complete("done")
        return (await task.result()).data

    assert run_in_loop(backend, main) == "done"


@BACKENDS
def test_closed_clients_do_not_warn(backend: str) -> None:
    """Dropping a client that was closed, that was never opened, or whose event loop has ended, warns of nothing."""
    server = make_server("modern")

    async def main() -> None:
        async with Client(server):
            pass
        await (await Client(server).open()).close()
        with contextlib.suppress(TaskConnectionError):
            await Client(["/no/such/program"]).open()
        Client(server)
        gc.collect()

    gc.collect()  # As in `test_left_open_at_the_end`.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_in_loop(backend, main)
        gc.collect()


@pytest.mark.anyio
async def test_no_task_outlives_its_client(server: TaskServer) -> None:
    """When the block is left, everything that the client had started has ended."""
    with anyio.fail_after(LIMIT):
        await anyio.wait_all_tasks_blocked()
        before = {task.id for task in anyio.get_running_tasks()}
        for scope in (anyio.CancelScope(), anyio.CancelScope()):
            with scope:
                async with Client(server, polling=QUICK) as client:
                    task, _ = await begin(client, server)
                    task.on_status_change(lambda _: None)
                    scope.cancel()
                    await task.result()
            after = {task.id: task for task in anyio.get_running_tasks() if task.id not in before}
            assert not [task.name for task in after.values() if "mcptasks" in str(task.name)]


# --- closing from within ------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.usefixtures("patient")
async def test_a_callback_that_closes_its_client(server: TaskServer) -> None:
    """A callback may close the client that runs it: it does not wait for itself."""
    closed = anyio.Event()

    with anyio.fail_after(LIMIT):
        client = await Client(server, polling=QUICK).open()
        task, steered = await begin(client, server)

        async def close(status: TaskStatus) -> None:
            await client.close()
            closed.set()

        task.on_status_change(close)
        steered.complete("done")
        await closed.wait()
        await client.close()
        with pytest.raises(TaskConnectionError, match="closed"):
            await client.list_tools()


@pytest.mark.anyio
@pytest.mark.usefixtures("patient")
async def test_a_log_handler_that_closes_its_client() -> None:
    """So may any other code of the program's that the client runs."""
    closed = anyio.Event()

    async def close(_: object) -> None:
        await client.close()
        closed.set()

    with anyio.fail_after(LIMIT):
        client = await Client(sdk_server(), log_handler=close).open()
        with contextlib.suppress(TaskConnectionError):
            await client.call_tool("log")
        await closed.wait()
        await client.close()


@pytest.mark.anyio
async def test_closed_in_its_block(server: TaskServer) -> None:
    """A client in an `async with` block is closed by the end of that block alone, also where `open()` had opened it."""
    with anyio.fail_after(LIMIT):
        client = await Client(server).open()
        async with client:
            with pytest.raises(TaskStateError, match="the end of its `async with` block"):
                await client.close()
            assert await client.list_tools()
