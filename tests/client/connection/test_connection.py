"""Lost connections: made again unseen, told where nothing else is left, and never the program's own trouble."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp.client.streamable_http import streamable_http_client

from mcptasks import (
    Task,
    TaskConnectionError,
    TaskError,
    TaskExpiredError,
    TaskNotFoundError,
    TaskStateError,
    ToolResult,
)
from mcptasks._engine import engine
from mcptasks.testing import (
    Disconnect,
    Restart,
    ServerTask,
    TaskServer,
    serve_http,
)
from tests.helpers.command_line import stand_ins, warm
from tests.helpers.stand_ins import StandIns
from tests.helpers.support import (
    LIMIT,
    LONG_INTERVAL,
    POLLED,
    Era,
    Recorder,
    begin,
    connected,
    http,
    make_server,
    settle,
)
from tests.helpers.worlds import both_worlds, make_client, sdk_http

__all__ = ["stand_ins", "warm"]

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]


async def expect(task: Task[ToolResult], value: object) -> None:
    """The task's value."""
    assert (await task.result()).data == value


async def expect_error(task: Task[ToolResult], error: type[TaskError]) -> None:
    """The task's wait ends with exactly that error, with the reference."""
    with pytest.raises(error) as caught:
        await task.result()
    assert type(caught.value) is error
    assert caught.value.reference == task.reference


# --- restarts -----------------------------------------------------------------------------------------------------


async def test_a_restart_that_keeps_tasks(server: TaskServer) -> None:
    """Waiters, callbacks and new calls go on after a restart of the server, on the same client and handles."""
    with http(server) as url:
        async with connected(url) as client:
            begun = [await begin(client, server, arguments={"n": n}) for n in range(5)]
            told = Recorder()
            begun[0][0].on_status_change(told)
            async with anyio.create_task_group() as waiters:
                for n, (task, _) in enumerate(begun):
                    waiters.start_soon(expect, task, n)
                await settle()
                server.restart(keep_tasks=True)
                for n, (_, steered) in enumerate(begun):
                    steered.complete(n)
            await told.until_over()
            task, steered = await begin(client, server)
            steered.complete("new")
            await expect(task, "new")


async def test_down_and_up_again(server: TaskServer) -> None:
    """A server that is down for a while costs a pause; push works again afterwards."""
    serving = serve_http(server)
    with serving as url:
        async with connected(url, reconnect_timeout=40.0) as client:
            task, steered = await begin(client, server)
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(expect, task, "done")
                await settle()
                await anyio.to_thread.run_sync(serving.stop)
                steered.complete("done")
                await anyio.sleep(0.09)
                await anyio.to_thread.run_sync(serving.start)
            told = Recorder()
            task, steered = await begin(client, server)
            task.on_status_change(told)
            steered.set_working("half")
            await told.until_message("half")


async def test_a_restart_that_forgets(server: TaskServer) -> None:
    """Where the server forgot the task, waiters get `TaskNotFoundError`, soon, and the client goes on."""
    with http(server) as url:
        async with connected(url) as client:
            task, _ = await begin(client, server)
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(expect_error, task, TaskNotFoundError)
                waiters.start_soon(expect_error, task, TaskNotFoundError)
                await settle()
                server.restart(keep_tasks=False)
            await expect_error(task, TaskNotFoundError)
            task, steered = await begin(client, server)
            steered.complete("new")
            await expect(task, "new")


async def test_forgotten_in_mid_task(era: Era) -> None:
    """A task that the server forgets in mid-wait is not found. Nothing is pushed about that, so looks find it out."""
    server = make_server(era, **POLLED)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(expect_error, task, TaskNotFoundError)
            await settle()
            steered.forget()


@pytest.mark.parametrize("era", ["legacy"])
async def test_past_its_time_to_live(server: TaskServer) -> None:
    """What the server forgot after the time it named is `TaskExpiredError`, also for who resumes later."""
    async with connected(server) as client:
        task, _ = await begin(client, server, ttl=0.06)
        await anyio.sleep(0.07)
        await expect_error(task, TaskExpiredError)
        reference = task.reference
    async with connected(server) as client:
        with pytest.raises(TaskExpiredError):
            await client.resume(reference).status()


async def test_many_restarts(server: TaskServer) -> None:
    """A waiter outlives ten restarts."""
    with http(server) as url:
        async with connected(url, limit=2 * LIMIT, reconnect_timeout=40.0) as client:
            task, steered = await begin(client, server)
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(expect, task, "done")
                for _ in range(10):
                    server.restart(keep_tasks=True)
                    assert (await task.status()).status == "working"
                steered.complete("done")


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel"])
async def test_a_restart_in_mid_request(server: TaskServer, method: str) -> None:
    """A request whose server restarts under it is sent again."""
    with http(server) as url:
        async with connected(url) as client:
            task, steered = await begin(client, server)
            server.faults.add(method, Restart(keep_tasks=True))
            if method == "tasks/get":
                assert (await task.status()).status == "working"
                steered.complete("done")
                await expect(task, "done")
            else:
                await task.cancel()
                assert steered.status == "cancelled"


async def test_a_server_that_stays_away(server: TaskServer) -> None:
    """When the patience is used up, everyone who waits gets `TaskConnectionError` with the reference."""
    serving = serve_http(server)
    with serving as url:
        # On a busy machine the first connection may take longer than that patience; then it is tried again.
        async with connected(url, limit=2 * LIMIT, reconnect_timeout=2.0, wait_for_server=LIMIT) as client:
            tasks = [(await begin(client, server))[0] for _ in range(5)]
            await anyio.to_thread.run_sync(serving.stop)
            with anyio.fail_after(LIMIT / 2):
                async with anyio.create_task_group() as waiters:
                    for task in tasks:
                        waiters.start_soon(expect_error, task, TaskConnectionError)
            for ask in (tasks[0].status, tasks[0].cancel, tasks[0].wait):
                with pytest.raises(TaskConnectionError) as caught, anyio.fail_after(LIMIT / 2):
                    await ask()
                assert caught.value.reference == tasks[0].reference
            asks: list[Callable[[], Awaitable[object]]] = [
                client.list_tools,
                lambda: client.call_tool("work", task=True),
            ]
            for call in asks:
                with pytest.raises(TaskConnectionError, match="reach"), anyio.fail_after(LIMIT / 2):
                    await call()


# --- stdio --------------------------------------------------------------------------------------------------------

SCRIPT = """
    import os, sys
    from mcptasks.testing import Complete, TaskServer, Options, serve_stdio, ToolContext

    server = TaskServer(era=sys.argv[1], options=Options(poll_interval_ms=20))
    server.add_tool("work")

    @server.tool(support="none")
    async def pid(ctx: ToolContext) -> int:
        return os.getpid()

    serve_stdio(server)
"""


async def test_a_killed_process(era: Era, tmp_path: Path, stand_ins: StandIns) -> None:
    """A killed stdio server is started again when it is needed; its tasks are gone, and waiters hear that."""
    script = stand_ins.script(tmp_path / "server.py", SCRIPT)
    async with connected([*script, era], limit=300, reconnect_timeout=200.0) as client:
        first = (await client.call_tool("pid")).data
        task = await client.call_tool("work", task=True)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(expect_error, task, TaskNotFoundError)
            await settle()
            os.kill(first, signal.SIGKILL)
        second = (await client.call_tool("pid")).data
        assert second != first
        assert (await (await client.call_tool("work", task=True)).status()).status == "working"
    with suppress(ProcessLookupError), anyio.fail_after(LIMIT):
        while True:
            os.kill(second, 0)
            await anyio.sleep(0.02)


# --- leaving ------------------------------------------------------------------------------------------------------


async def test_leaving_with_waiters(server: TaskServer) -> None:
    """Who still waits when the client is left gets `TaskConnectionError` with the reference; the task goes on."""
    kept: list[tuple[Task[ToolResult], ServerTask]] = []
    async with anyio.create_task_group() as waiters, connected(server) as client:
        kept.append(await begin(client, server))
        waiters.start_soon(expect_error, kept[0][0], TaskConnectionError)
        await settle()
    ((task, steered),) = kept
    assert not steered.cancel_requested
    updates = task.updates()
    assert (await anext(updates)).status == "working"
    for ask in (task.status, task.result, task.wait, task.cancel, lambda: anext(updates)):
        with pytest.raises(TaskConnectionError) as caught:
            await ask()
        assert caught.value.reference == task.reference
    assert task.last_status is not None


async def test_what_is_known_stays_known(server: TaskServer) -> None:
    """A result that was fetched stays readable after the client is closed."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.complete("done")
        await task
    assert (await task).data == "done"
    assert (await task.wait()).status == "completed"


@pytest.mark.parametrize("over", ["process", "http"])
async def test_errors_of_the_body(server: TaskServer, over: str) -> None:
    """An error in the body of `async with Client` comes out as it is, in no exception group."""

    async def body(target: Any) -> None:
        mistake = KeyError("mine")
        with pytest.raises(KeyError) as caught:  # noqa: PT012 - the block is what this is about
            async with make_client(target) as client:
                task, _ = await begin(client, server)
                task.on_status_change(Recorder())
                raise mistake
        assert caught.value is mistake

    with anyio.fail_after(LIMIT):
        if over == "process":
            await body(server)
        else:
            with http(server) as url:
                await body(url)


async def test_cancellation_of_the_body(server: TaskServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled body leaves the client at once, which waits for no time limit, and the scope catches it."""
    monkeypatch.setattr(engine, "CLOSE_SECONDS", 2 * LIMIT)
    with http(server) as url:
        begun = anyio.current_time()
        with anyio.move_on_after(0.3) as scope:
            async with make_client(url) as client:
                task, _ = await begin(client, server)
                await task
        assert scope.cancelled_caught
        assert anyio.current_time() - begun < LIMIT


async def test_no_scope_of_the_program_is_touched(server: TaskServer) -> None:
    """Whatever happens to connections, the scopes of the program are not cancelled, and nothing is left running."""
    with http(server) as url:
        with anyio.CancelScope() as scope:
            async with connected(url) as client:
                for n in range(3):
                    task, steered = await begin(client, server)
                    server.restart(keep_tasks=True)
                    steered.complete(n)
                    await expect(task, n)
        assert not scope.cancel_called
        await settle()


async def test_entered_in_one_task_used_in_others(era: Era) -> None:
    """A client and its tasks may be used by any task of the program, also one whose scope is cancelled."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        async with anyio.create_task_group() as users:
            users.start_soon(task.result)
            users.start_soon(client.list_tools)
            await settle()
            users.cancel_scope.cancel()
        steered.complete("done")
        await expect(task, "done")


async def test_entered_once(server: TaskServer) -> None:
    """A client is entered once; a second time is an error that says so, and does no harm."""
    with anyio.fail_after(LIMIT):
        async with make_client(server) as client:
            with pytest.raises(TaskStateError, match="entered once"):
                async with client:
                    raise AssertionError("entered twice")
            assert await client.list_tools()
        with pytest.raises(TaskStateError, match="entered once"):
            async with client:
                raise AssertionError("entered again")


async def test_a_call_to_a_server_that_went_away_names_it(server: TaskServer) -> None:
    """A call that a server that has gone can no longer take says which server it was."""
    serving = serve_http(server)
    with serving as url:
        async with connected(url, limit=2 * LIMIT, reconnect_timeout=3.0, wait_for_server=LIMIT) as client:
            await client.list_tools()
            await anyio.to_thread.run_sync(serving.stop)
            with pytest.raises(TaskConnectionError, match=r"127\.0\.0\.1:.*/mcp"):
                await client.call_tool("work", task=True)


@sdk_http
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_used_transport_is_named_as_the_reason(mode: str) -> None:
    """When the connection of a transport given as the target is lost, the error says that a transport is used once."""
    server = make_server("legacy" if mode == "legacy" else "modern")
    with http(server) as url:
        async with connected(streamable_http_client(url), mode=mode) as client:
            task = await client.call_tool("work", task=True)
            server.faults.add("tasks/get", Disconnect(), times=None)
            with pytest.raises(TaskConnectionError, match=r"transport.* once"):
                await task.status()
