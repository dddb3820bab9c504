"""What `client.task_support` claims: what the server declares or has shown, and None for what nobody knows yet."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks import TtlIgnoredWarning
from mcptasks.testing import Complete, TaskServer
from tests.helpers.pushing import follow_pushed
from tests.helpers.support import Era, connected, http, legacy_only, make_server, modern_only, settle
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


@pytest.fixture
def full(server: TaskServer) -> TaskServer:
    """A server with a tool, a resource and a prompt; all wait to be steered."""
    server.add_resource("file:///x")
    server.add_prompt("ask")
    return server


async def test_a_server_without_tasks(era: Era) -> None:
    """A server that declares no tasks is said to have none, of any kind, and to push none."""
    async with connected(make_server(era, tasks=False)) as client:
        support = client.task_support
        assert (support.tools, support.resources, support.prompts) == (False, False, False)
        assert (support.cancel, support.list, support.push) == (False, False, False)


@modern_only
async def test_tools_only(full: TaskServer) -> None:
    """On 2026-07-28 the extension means tools, and no other kind, which is known before it is tried."""
    async with connected(full) as client:
        support = client.task_support
        assert (support.era, support.tools, support.resources, support.prompts) == ("2026-07-28", True, False, False)
        assert (support.cancel, support.list, support.push) == (True, False, None)


@modern_only
@pytest.mark.parametrize("tasks", [True, False])
async def test_a_version_that_is_given(era: Era, tasks: bool) -> None:
    """With `mode="2026-07-28"` the server is not asked what it can do: not known until a call became a task."""
    server = make_server(era, tasks=tasks)
    server.add_tool("work", [Complete("x")] if tasks else None, result=None if tasks else "x")
    async with connected(server, mode="2026-07-28") as client:
        support = client.task_support
        assert (support.tools, support.cancel, support.push) == (None, None, None)
        assert (support.resources, support.prompts, support.list) == (False, False, False)
        assert (await client.call_tool("work", task=True)).returned_immediately is not tasks
        assert client.task_support.tools is (True if tasks else None)


@modern_only
async def test_a_time_for_a_server_that_was_not_asked(era: Era) -> None:
    """What is warned of then is true also of a server that has tasks."""
    async with connected(make_server(era), mode="2026-07-28") as client:
        with pytest.warns(TtlIgnoredWarning, match="a 2026-07-28 server alone decides"):
            await client.call_tool("work", task=True, ttl=60)


@legacy_only
async def test_kinds_that_are_not_declared(full: TaskServer) -> None:
    """On 2025-11-25, where only tools are declared, the other kinds are not known until one did become a task."""
    async with connected(full) as client:
        support = client.task_support
        assert (support.era, support.tools, support.resources, support.prompts) == ("2025-11-25", True, None, None)
        assert (support.cancel, support.list, support.push) == (True, True, None)
        await client.read_resource("file:///x", task=True)
        support = client.task_support
        assert (support.resources, support.prompts) == (True, None)
        await client.get_prompt("ask", task=True)
        assert client.task_support.prompts is True


@legacy_only
async def test_after_a_restart(full: TaskServer) -> None:
    """What a server has shown holds for its connection: another version of it may come up after a restart."""
    with http(full) as url:
        async with connected(url) as client:
            await client.read_resource("file:///x", task=True)
            assert client.task_support.resources is True
            full.restart()
            await client.list_tools()
            assert client.task_support.resources is None


@legacy_only
@pytest.mark.parametrize("refused", ["forbidden", "none"])
async def test_what_did_not_become_a_task(server: TaskServer, refused: Any) -> None:
    """One resource that does not become a task says nothing of others."""
    server.add_resource("file:///x", result="x", support=refused)
    async with connected(server) as client:
        assert (await client.read_resource("file:///x", task=True)).returned_immediately
        assert client.task_support.resources is None


@legacy_only
async def test_what_is_offered_besides(era: Era) -> None:
    """Cancelling and listing are what the server declares."""
    async with connected(make_server(era, list_tasks=False, cancel="unsupported")) as client:
        assert (client.task_support.cancel, client.task_support.list) == (False, False)


async def test_pushes_stay_known(era: Era) -> None:
    """Once a server has pushed, that is known also while no task is watched and no stream is open."""
    server = make_server(era, listen_drop_after=2)
    async with connected(server) as client:
        task, steered, told = await follow_pushed(client, server)
        steered.complete("done")
        await told.until_over()
        await task
        await settle()
        assert client.task_support.push is True
