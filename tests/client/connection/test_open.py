"""A client that is opened and closed by hand, in whatever task."""

from __future__ import annotations

import logging
import socket

import anyio
import pytest
from mcp.shared import jsonrpc_dispatcher

from mcptasks import Client, TaskConnectionError, TaskStateError
from mcptasks.testing import TaskServer
from tests.helpers.pushing import follow_pushed
from tests.helpers.support import LIMIT, QUICK, begin

pytestmark = pytest.mark.anyio


async def test_open_and_close_in_different_tasks(server: TaskServer) -> None:
    """A client that one task opened works in another, and a third closes it; what waits gets `TaskConnectionError`."""
    with anyio.fail_after(LIMIT):
        client = Client(server, polling=QUICK)
        async with anyio.create_task_group() as group:
            group.start_soon(client.open)
        errors: list[TaskConnectionError] = []

        async def use() -> None:
            task, steered = await begin(client, server)
            steered.complete({"n": 1})
            assert (await task.result()).data == {"n": 1}
            waiting, _ = await begin(client, server)
            async with anyio.create_task_group() as others:
                others.start_soon(client.close)
                with pytest.raises(TaskConnectionError) as caught:
                    await waiting.result()
                errors.append(caught.value)
                assert caught.value.reference == waiting.reference

        async with anyio.create_task_group() as group:
            group.start_soon(use)
        assert len(errors) == 1
        with pytest.raises(TaskConnectionError, match="closed"):
            await client.list_tools()


async def test_open_leaves_no_scope_behind(server: TaskServer) -> None:
    """Opening and closing do not nest: two clients may be closed in the order that they were opened in."""
    with anyio.fail_after(LIMIT):
        first = await Client(server).open()
        second = await Client(server).open()
        await first.close()
        assert await second.list_tools()
        await second.close()


async def test_with_an_open_client(server: TaskServer) -> None:
    """`async with` round an open client closes it in the end."""
    with anyio.fail_after(LIMIT):
        client = await Client(server).open()
        async with client as entered:
            assert entered is client
            assert await client.list_tools()
        with pytest.raises(TaskConnectionError, match="closed"):
            await client.list_tools()


async def test_closing_again_and_never_opened(server: TaskServer) -> None:
    """`close()` may be called again, and closes a client that was never opened."""
    with anyio.fail_after(LIMIT):
        client = await Client(server).open()
        await client.close()
        await client.close()
        unused = Client(server)
        await unused.close()
        with pytest.raises(TaskStateError, match="make a new one"):
            await unused.open()


async def test_opened_once(server: TaskServer) -> None:
    """A client is opened once, by `open()` or by `async with`, and closed by what opened it."""
    with anyio.fail_after(LIMIT):
        client = await Client(server).open()
        with pytest.raises(TaskStateError, match="opened once"):
            await client.open()
        await client.close()
        with pytest.raises(TaskStateError, match="entered once"):
            await client.__aenter__()
        async with Client(server) as client:
            with pytest.raises(TaskStateError, match="opened once"):
                await client.open()
            with pytest.raises(TaskStateError, match="async with"):
                await client.close()
            assert await client.list_tools()


async def test_no_server() -> None:
    """Opening fails like `async with`, once, and the client is closed after that."""
    client = Client("http://127.0.0.1:9/mcp", reconnect_timeout=20)
    with anyio.fail_after(LIMIT):
        with pytest.raises(TaskConnectionError, match="cannot reach"):
            await client.open()
        await client.close()
        with pytest.raises(TaskConnectionError, match="closed"):
            await client.list_tools()


async def test_opening_is_cancelled() -> None:
    """A cancelled `open()` has undone what it did when the cancellation goes on."""
    with anyio.fail_after(LIMIT), socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}/mcp", reconnect_timeout=None)
        with anyio.move_on_after(0.05) as scope:
            await client.open()
        assert scope.cancelled_caught
        with pytest.raises(TaskConnectionError, match="closed"):
            await client.list_tools()


async def test_closing_while_streams_are_open(
    server: TaskServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of a server in this process is closed at once and silently, also while statuses are pushed to it."""
    monkeypatch.setattr(jsonrpc_dispatcher, "_SHUTDOWN_WRITE_TIMEOUT", 2 * LIMIT)  # The patience with a blocked write.
    with anyio.fail_after(LIMIT), caplog.at_level(logging.WARNING):
        for _ in range(3):
            async with Client(server) as client:
                for _ in range(3):
                    await follow_pushed(client, server)
    assert not caplog.records
