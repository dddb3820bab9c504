"""A cancelled scope round a client, or within it: what must still be sent is sent, and leaving takes a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest
import trio

from mcptasks import Client
from mcptasks._engine import engine
from mcptasks._engine.waiting import abandoning, joining
from mcptasks.testing import Drop, TaskServer
from tests.helpers.support import LIMIT, QUICK, Era, http, make_server, virtual_clock

pytestmark = pytest.mark.anyio


async def plain_call(client: Client, server: TaskServer) -> None:
    """Call and wait; the server makes a task of it."""
    await client.call_tool("work")


async def in_a_block(client: Client, server: TaskServer) -> None:
    """Wait in `async with task`."""
    async with await client.call_tool("work", task=True) as task:
        await task.result()


Wait = Callable[[Client, TaskServer], Awaitable[None]]

WAITS = pytest.mark.parametrize("wait", [plain_call, in_a_block])


def skips(era: Era, wait: Wait) -> bool:
    """Whether there is no task: on 2025-11-25 a plain call makes none."""
    return era == "legacy" and wait is plain_call


async def round_the_client(url: str, server: TaskServer, wait: Wait) -> None:
    """The cancelled scope lies round everything."""
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_when_begun, server, scope.cancel)
            async with Client(url, polling=QUICK) as client:
                await wait(client, server)
    assert scope.cancelled_caught


async def inside_the_client(url: str, server: TaskServer, wait: Wait) -> None:
    """The cancelled scope lies within the client."""
    async with Client(url, polling=QUICK) as client, anyio.create_task_group() as group:
        group.start_soon(cancel_when_begun, server, group.cancel_scope.cancel)
        await wait(client, server)


async def of_the_backend(url: str, server: TaskServer, wait: Wait) -> None:
    """The backend's own means of cancelling end the task that the client was entered in."""
    if not is_asyncio():
        async with trio.open_nursery() as nursery:

            async def on_trio() -> None:
                async with Client(url, polling=QUICK) as client:
                    await wait(client, server)

            nursery.start_soon(on_trio)
            await cancel_when_begun(server, nursery.cancel_scope.cancel)
        return

    async def on_asyncio() -> None:
        async with Client(url, polling=QUICK) as client:
            await wait(client, server)

    task = asyncio.create_task(on_asyncio())
    await cancel_when_begun(server, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def opened_and_closed(url: str, server: TaskServer, wait: Wait) -> None:
    """The client is opened in the cancelled scope, and closed by a `finally` in there."""
    async with anyio.create_task_group() as group:
        group.start_soon(cancel_when_begun, server, group.cancel_scope.cancel)
        client = await Client(url, polling=QUICK).open()
        try:
            await wait(client, server)
        finally:
            await client.close()


def is_asyncio() -> bool:
    """Whether this is asyncio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def cancel_when_begun(server: TaskServer, cancel: Callable[[], object]) -> None:
    """Cancel when the client polls: it waits for the task then."""
    await server.next_task()
    await server.requests.wait_for("tasks/get")
    cancel()


@WAITS
@pytest.mark.parametrize("place", [round_the_client, inside_the_client, of_the_backend, opened_and_closed])
async def test_what_must_still_be_sent_is_sent(
    era: Era,
    wait: Wait,
    place: Callable[[str, TaskServer, Wait], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever the scope lies that is cancelled, what the program abandons is cancelled at the server, and leaving the
    client waits for no time limit."""
    for module, limit in ((engine, "CLOSE_SECONDS"), (joining, "CLOSE_SECONDS"), (abandoning, "_CANCEL_SECONDS")):
        monkeypatch.setattr(module, limit, 2 * LIMIT)
    if skips(era, wait):
        wait = in_a_block
    server = make_server(era)
    with anyio.fail_after(LIMIT), http(server) as url:
        await place(url, server, wait)
        assert server.requests.count("tasks/cancel") == 1


@virtual_clock()
async def test_leaving_a_server_that_does_not_answer(era: Era) -> None:
    """Where the server does not answer, leaving takes 5 s, also with a cancelled scope round the client."""
    server = make_server(era)
    server.faults.add("tasks/cancel", Drop(), times=None)
    began = list[float]()

    def cancel() -> None:
        began.append(anyio.current_time())
        scope.cancel()

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_when_begun, server, cancel)
            async with Client(server, polling=QUICK) as client:
                await in_a_block(client, server)
    assert 4.99 <= anyio.current_time() - began[0] <= 5.01


async def test_cancelled_before_it_is_entered(server: TaskServer) -> None:
    """In a scope that is cancelled already, entering ends with the cancellation, and leaves nothing behind."""
    with anyio.fail_after(LIMIT), anyio.CancelScope() as scope:
        scope.cancel()
        async with Client(server):
            pytest.fail("entered")  # pragma: no cover
    assert scope.cancelled_caught
