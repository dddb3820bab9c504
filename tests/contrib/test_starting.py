"""A task that a framework starts: whoever gives the call up leaves no task at the server."""

from __future__ import annotations

import anyio
import pytest

from mcptasks import Client
from mcptasks.contrib._starting import start
from mcptasks.store import Store
from mcptasks.testing import Delay, TaskServer
from tests.helpers.virtual_time import virtual


@pytest.mark.parametrize("seconds", [0.0, 3.0])
@virtual()
async def test_a_caller_that_goes_leaves_no_task(server: TaskServer, seconds: float) -> None:
    """The task of a call whose caller was cancelled is cancelled, also if the server takes some seconds to answer."""
    server.faults.add("tools/call", Delay(seconds))
    async with Client(server, store=Store.memory()) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(start, client, "work", None, "key")
            await server.requests.wait_for("tools/call")
            group.cancel_scope.cancel()
        assert [task.status for task in server.tasks.values()] == ["cancelled"]
    assert server.requests.count("tools/call") == 1
