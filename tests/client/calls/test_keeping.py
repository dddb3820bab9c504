"""How long tasks are kept: what is warned of where `ttl=` cannot hold, and what `task.kept_until` says."""

from __future__ import annotations

import linecache
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from mcptasks import TaskStatus, TtlIgnoredWarning
from mcptasks.testing import ABSENT, TaskServer
from tests.helpers import bridge
from tests.helpers.support import Era, begin, call_tool, connected, legacy_only, make_server, modern_only
from tests.helpers.worlds import ASYNC, World, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

DAY = timedelta(days=1)
SOON = timedelta(seconds=50)
"""The longest that lies between two readings of the clock in one test."""
KINDS = ["tool", "resource", "prompt"]


async def call(client: Any, kind: str, **options: Any) -> Any:
    """Call the tool `work`, or read or get what a server of these tests has."""
    method, name = {
        "tool": ("call_tool", "work"),
        "resource": ("read_resource", "file:///x"),
        "prompt": ("get_prompt", "ask"),
    }[kind]
    return await getattr(client, method)(name, **options)


def answering(era: Era, **options: Any) -> TaskServer:
    """A server whose tool, resource and prompt are quick."""
    server = make_server(era, **options)
    server.add_tool("work", result="x")
    server.add_resource("file:///x", result="x")
    server.add_prompt("ask", result="x")
    return server


@contextmanager
def recorded() -> Generator[list[warnings.WarningMessage]]:
    """Every warning of ours that is given meanwhile."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TtlIgnoredWarning)
        yield caught
    caught[:] = [warning for warning in caught if warning.category is TtlIgnoredWarning]


def near(found: datetime | None, expected: datetime) -> bool:
    """Whether a time is aware, and about the expected one."""
    return found is not None and found.tzinfo is not None and abs(found - expected) < SOON


# --- the warning --------------------------------------------------------------------------------------------------


@modern_only
@pytest.mark.parametrize("task", [True, False])
async def test_it_cannot_be_sent(era: Era, task: bool) -> None:
    """On 2026-07-28 `ttl` is warned of, once a client, at the program's line; the call is made all the same."""
    server = answering(era)
    async with connected(server) as client:
        with recorded() as caught:
            await call(client, "tool", task=task, ttl=DAY)
            await call(client, "tool", task=task, ttl=60)
            [result async for result in client.map("work", [None], ttl=60)]
        (only,) = caught
        assert "ttl was not sent: a 2026-07-28 server alone decides" in str(only.message)
        assert "task.kept_until" in str(only.message)
        assert server.requests.count("tools/call") == 3
        assert not any("ttl" in str(request.params) for request in server.requests.of("tools/call"))
    async with connected(server) as another:
        with pytest.warns(TtlIgnoredWarning):
            await call(another, "tool", task=task, ttl=DAY)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_without_tasks(era: Era, kind: str) -> None:
    """A server that has no tasks keeps nothing, and the warning says so."""
    async with connected(answering(era, tasks=False)) as client:
        with pytest.warns(TtlIgnoredWarning, match="the server has no tasks, so nothing is kept"):
            await call(client, kind, task=True, ttl=60)


@modern_only
@pytest.mark.parametrize("kind", ["resource", "prompt"])
async def test_a_kind_that_has_no_tasks(era: Era, kind: str) -> None:
    """Of resources and prompts 2026-07-28 has no tasks."""
    async with connected(answering(era)) as client:
        with pytest.warns(TtlIgnoredWarning, match=f"no task of a {kind}, so nothing is kept"):
            await call(client, kind, task=True, ttl=60)


@legacy_only
@pytest.mark.parametrize("task", [True, False])
async def test_a_tool_that_forbids_tasks(server: TaskServer, task: bool) -> None:
    """A tool that forbids tasks is named, whether or not a task was wanted."""
    server.add_tool("never", result="x", support="forbidden")
    async with connected(server) as client:
        with pytest.warns(TtlIgnoredWarning, match=r"tool 'never' .*taskSupport is forbidden"):
            await call_tool(client, "never", task=task, ttl=60)


@legacy_only
@pytest.mark.parametrize("kind", KINDS)
async def test_a_plain_call(era: Era, kind: str) -> None:
    """A call that does not want a task has none that could be kept."""
    async with connected(answering(era)) as client:
        with pytest.warns(TtlIgnoredWarning, match="is called without task=True"):
            await call(client, kind, ttl=60)


@legacy_only
async def test_a_required_task_of_a_plain_call(server: TaskServer) -> None:
    """A tool that has to be a task gets the time also in a plain call: nothing to warn of."""
    server.add_tool("must", result="x", support="required")
    async with connected(server) as client:
        await client.call_tool("must", ttl=60)
        assert server.requests.of("tools/call")[0].params["task"] == {"ttl": 60_000}


@legacy_only
@pytest.mark.parametrize("support", ["forbidden", "none"])
async def test_answered_at_once(server: TaskServer, support: Any) -> None:
    """A resource that turns out not to become a task keeps nothing: known when the answer is there."""
    server.add_resource("file:///x", result="x", support=support)
    async with connected(server) as client:
        with pytest.warns(TtlIgnoredWarning, match=r"no effect: the server answered resource 'file:///x' at once"):
            task = await client.read_resource("file:///x", task=True, ttl=60)
        assert task.kept_until is None


@legacy_only
@pytest.mark.parametrize("creation", ["standard", "fastmcp2"])
async def test_less_than_asked(era: Era, creation: str) -> None:
    """A server that grants less is warned of once, also where only a later status says so."""
    server = make_server(era, creation=creation)
    server.add_tool("brief", ttl_ms=900_000)
    async with connected(server) as client:
        with recorded() as caught:
            for _ in range(2):
                task = await client.call_tool("brief", task=True, ttl=DAY)
                await task.status()
                assert near(task.kept_until, datetime.now(UTC) + timedelta(minutes=15))
        (only,) = caught
        assert "keeps the task for 0:15:00, not for the ttl of 1 day, 0:00:00" in str(only.message)


@legacy_only
@pytest.mark.parametrize("granted", [3_600_000, 7_200_000, None])
async def test_as_much_as_asked(server: TaskServer, granted: int | None) -> None:
    """Nothing is said where the server grants the time, or more, or no limit."""
    server.add_tool("kept", ttl_ms=granted)
    async with connected(server) as client:
        task = await client.call_tool("kept", task=True, ttl=3600)
        await task.status()
        if granted is None:
            assert task.kept_until is None
        else:
            assert near(task.kept_until, datetime.now(UTC) + timedelta(milliseconds=granted))


async def test_nothing_asked(era: Era) -> None:
    """Without `ttl` nothing is said, whatever the server grants."""
    server = make_server(era)
    server.add_tool("brief", ttl_ms=1000)
    async with connected(server) as client:
        await (await client.call_tool("brief", task=True)).status()


async def test_the_line(era: Era, world: World) -> None:
    """The warning points at the line that calls. (The blocking world's calls are made in tests/helpers/bridge.py.)"""
    here = __file__ if world is ASYNC else bridge.__file__
    server = answering(era, tasks=False)
    for way in ("call", "map"):
        async with connected(server) as client:
            with recorded() as caught:
                if way == "call":
                    await client.call_tool("work", task=True, ttl=60)
                else:
                    [result async for result in client.map("work", [None], ttl=60)]
            (only,) = caught
            assert only.filename == here
            assert "work" in linecache.getline(here, only.lineno) or world is not ASYNC


# --- where warnings are errors ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
async def test_an_error_before_anything_is_sent(era: Era) -> None:
    """With `-W error` a call whose time cannot be sent raises the warning each time, and is not sent."""
    server = answering(era, tasks=False)
    async with connected(server) as client:
        for _ in range(2):
            with pytest.raises(TtlIgnoredWarning):
                await client.call_tool("work", task=True, ttl=60)
        with pytest.raises(TtlIgnoredWarning):
            [result async for result in client.map("work", [None], ttl=60)]
        assert server.requests.count("tools/call") == 0
        assert (await client.call_tool("work")).data == "x"


@legacy_only
@pytest.mark.filterwarnings("error")
async def test_no_task_is_lost(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """With `-W error` what is known only after a task was created is logged, and the handle is there."""
    server.add_tool("brief", ttl_ms=900_000)
    async with connected(server) as client:
        with caplog.at_level(logging.WARNING, "mcptasks"):
            task = await client.call_tool("brief", task=True, ttl=DAY)
        (await server.next_task()).complete("done")
        assert (await task).data == "done"
    assert [record.message for record in caplog.records if record.name.startswith("mcptasks")] == [
        "the server keeps the task for 0:15:00, not for the ttl of 1 day, 0:00:00; `task.kept_until` says until when"
    ]


@legacy_only
async def test_a_hook_that_raises(server: TaskServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program's own `showwarning` raises does not lose the task either."""
    server.add_tool("brief", ttl_ms=900_000)

    def broken(*_args: Any, **_more: Any) -> None:
        raise OSError("no stderr")

    async with connected(server) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            monkeypatch.setattr(warnings, "showwarning", broken)
            task = await client.call_tool("brief", task=True, ttl=DAY)
        (await server.next_task()).complete("done")
        assert (await task).data == "done"


# --- until when ---------------------------------------------------------------------------------------------------


async def test_kept_until(era: Era) -> None:
    """`kept_until` counts from the creation by this machine's clock, and is that of the reference."""
    server = make_server(era)
    server.add_tool("kept", ttl_ms=3_600_000)
    async with connected(server) as client:
        task = await client.call_tool("kept", task=True)
        assert near(task.kept_until, datetime.now(UTC) + timedelta(hours=1))
        assert task.kept_until == task.reference.expires_at
        again = client.resume(task.reference.to_json())
        assert again.kept_until == task.kept_until


@pytest.mark.parametrize("ttl_ms", [None, "nonsense", ABSENT])
async def test_no_limit_or_nonsense(era: Era, ttl_ms: object) -> None:
    """Where there is no limit, or the server's makes no sense, it is None."""
    server = make_server(era)
    server.add_tool("kept", ttl_ms=ttl_ms)
    async with connected(server) as client:
        task = await client.call_tool("kept", task=True)
        await task.status()
        assert task.kept_until is None


async def test_of_a_task_by_its_id(era: Era) -> None:
    """Of a task that another program created it is known after a look, by the server's clock."""
    server = make_server(era)
    server.add_tool("kept", ttl_ms=3_600_000)
    async with connected(server) as one, connected(server) as two:
        task = await one.call_tool("kept", task=True)
        other = two.task(task.task_id)
        assert other.kept_until is None
        status: TaskStatus = await other.status()
        assert status.created_at is not None
        assert other.kept_until == status.created_at + timedelta(hours=1)


async def test_the_server_changes_it(era: Era) -> None:
    """On 2026-07-28 the latest status counts; on 2025-11-25 the creating answer, since fastmcp 3 names another time in
    each later message."""
    server = make_server(era)
    server.add_tool("kept", ttl_ms=3_600_000)
    async with connected(server) as client:
        task, steered = await client.call_tool("kept", task=True), await server.next_task()
        first = task.kept_until
        assert first is not None
        steered._state = attrs.evolve(steered.state, ttl_ms=60_000)
        await task.status()
        expected = first if era == "legacy" else first - timedelta(minutes=59)
        assert task.kept_until is not None
        assert abs(task.kept_until - expected) < timedelta(seconds=1)


async def test_of_an_immediate_answer(era: Era) -> None:
    """Of what was answered at once nothing is kept."""
    async with connected(answering(era, tasks=False)) as client:
        assert (await client.call_tool("work", task=True)).kept_until is None


@legacy_only
async def test_an_expired_task_was_kept_until_then(server: TaskServer) -> None:
    """`kept_until` stays readable when the time is over."""
    async with connected(server) as client:
        task, _ = await begin(client, server, ttl=0.05)
        assert near(task.kept_until, datetime.now(UTC))
