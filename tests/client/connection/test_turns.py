"""What a crowd of calls holds up, and what goes before them."""

from __future__ import annotations

import anyio
import pytest

from mcptasks._engine.connection import connection
from mcptasks.testing import Drop, ToolContext
from tests.helpers.support import LONG_INTERVAL, Era, begin, connected, make_server, settle, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

MANY = 320


@virtual_clock()
@pytest.mark.parametrize(
    ("era", "what"),
    [("modern", "cancel"), ("modern", "status"), ("legacy", "cancel"), ("legacy", "status"), ("legacy", "result")],
)
async def test_ahead_of_calls(era: Era, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel, a result that is there and a single look do not wait behind the calls that were made before.
    (2026-07-28 pushes the result itself.)"""
    monkeypatch.setattr(connection, "SOON_HERE", 0.3)
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=3600, polling=None) as client, anyio.create_task_group() as calls:
        task, steered = await begin(client, server)
        server.faults.add("tools/call", Drop(), times=None)
        for _ in range(MANY):
            calls.start_soon(client.call_tool, "work")
        await settle()
        begun = anyio.current_time()
        if what == "cancel":
            await task.cancel()
            assert steered.cancel_requested
        else:
            steered.complete("done")
            assert (await task.result(timeout=0 if what == "status" else None)).data == "done"
        assert anyio.current_time() - begun < 0.5
        calls.cancel_scope.cancel()


@virtual_clock()
async def test_calls_that_take_long(era: Era) -> None:
    """Calls of a server in this process that take long wait little for each other: two hundred begin in a second."""
    server = make_server(era)

    @server.tool()
    async def think(ctx: ToolContext) -> None:
        await anyio.sleep(1)

    begun = anyio.current_time()
    async with connected(server, limit=3600) as client, anyio.create_task_group() as calls:
        for _ in range(MANY):
            calls.start_soon(client.call_tool, "think")
    assert anyio.current_time() - begun < 1 + MANY / 200
