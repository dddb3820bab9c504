"""Metrics and `client.stats()`: the same numbers, with OpenTelemetry and without; bounded, whatever a program calls."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import anyio
import pytest

from mcptasks import ClientStats, StoreError, TaskConnectionError, ToolError
from mcptasks._telemetry import names
from mcptasks.store import Store
from mcptasks.testing import Complete, Disconnect, TaskServer, ToolFailure, elicit
from tests.helpers.people import Oracle, answered
from tests.helpers.stores import Outage
from tests.helpers.support import (
    LIMIT,
    POLLED,
    Era,
    begin,
    call_tool,
    connected,
    http,
    make_server,
    settle,
    virtual_clock,
)
from tests.helpers.tracing import Recording
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


async def ended(client: Any, server: TaskServer) -> None:
    """A task that was polled while it ran, and then was waited for."""
    task, steered = await begin(client, server)
    await task.status()
    async with anyio.create_task_group() as group:
        group.start_soon(task.result)
        await settle()
        steered.complete()


async def test_a_new_client_has_done_nothing(server: TaskServer) -> None:
    """All numbers begin with 0."""
    async with connected(server, telemetry=False) as client:
        assert client.stats() == ClientStats()


async def test_what_was_done(era: Era, recording: Recording) -> None:
    """Calls, tasks, their ends and the polls are counted; metrics have the same numbers by tool and outcome."""
    server = make_server(era, **POLLED)
    async with connected(server, telemetry=recording.telemetry()) as client:
        await ended(client, server)
        task, steered = await begin(client, server)
        steered.fail("no")
        with pytest.raises(ToolError):
            await task
        task, _ = await begin(client, server)
        await task.cancel()
        await task.wait()
        await begin(client, server)
        stats = client.stats()
        numbers = recording.numbers
    told = (stats.calls, stats.tasks, stats.tasks_active, stats.tasks_ended, stats.tasks_failed, stats.tasks_cancelled)
    assert told == (4, 4, 1, 3, 1, 1)
    assert stats.polls >= 4
    assert stats.pushes == 0
    assert (stats.results > 0) == (era == "legacy")
    assert numbers["mcptasks.task.active"] == [({}, 1)]
    assert {outcome_of(attributes): count for attributes, count in numbers["mcptasks.task.duration"]} == {
        ("work", "succeeded", None): 1,
        ("work", "failed", "tool_error"): 1,
        ("work", "cancelled", None): 1,
    }
    polls = [count for told, count in numbers["mcptasks.looks"] if told["mcptasks.look.kind"] == "poll"]
    assert sum(polls) == stats.polls
    ((operation, count),) = numbers["mcp.client.operation.duration"]
    assert count == 4
    assert operation["mcp.method.name"] == "tools/call"
    assert operation["gen_ai.tool.name"] == "work"


def outcome_of(attributes: dict[str, Any]) -> tuple[Any, Any, Any]:
    """What a series of task durations is of."""
    return attributes["gen_ai.tool.name"], attributes["mcptasks.outcome"], attributes.get("error.type")


async def test_nothing_is_active_after_the_end(server: TaskServer, recording: Recording) -> None:
    """A client that is closed counts no task as active, though its tasks go on."""
    async with connected(server, telemetry=recording.telemetry()) as client:
        await begin(client, server)
    assert recording.numbers["mcptasks.task.active"] == [({}, 0)]


@pytest.mark.slow
async def test_input(era: Era, recording: Recording) -> None:
    """The time that tasks wait for input is counted and measured."""
    server = make_server(era, input_mode="push-related")
    async with connected(server, telemetry=recording.telemetry(), elicitation_handler=Oracle()) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": elicit("Who?")})
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            await answered(steered)
            steered.complete()
        stats = client.stats()
    # A 2025-11-25 server may go on calling the task "input_required" for a moment after the answer.
    assert stats.input_rounds == 1 or era == "legacy"
    assert timedelta() < stats.input_wait < timedelta(seconds=LIMIT)
    assert [count for _, count in recording.numbers["mcptasks.input.wait"]] == [stats.input_rounds]


@pytest.mark.slow
async def test_connections(era: Era, recording: Recording) -> None:
    """A connection that was made again is counted, and so is a call that may have created a task unseen."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url, telemetry=recording.telemetry()) as client:
            server.faults.add("tools/call", Disconnect())
            with pytest.raises(TaskConnectionError, match="may or may not have reached"):
                await client.call_tool("work", task=True)
            assert client.stats().uncertain_calls == 1
    assert recording.numbers["mcptasks.task.uncertain"][0][1] == 1


async def test_leases_and_commits(server: TaskServer, recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
    """What a client takes up from its store is counted, and so is what it held and has lost; each transaction with its
    writes is measured. The numbers without OpenTelemetry are the same."""
    store = Store.memory()
    with caplog.at_level(logging.INFO, "mcptasks.task"):
        async with connected(server, telemetry=False, store=store) as first:
            _, steered = await begin(first, server)
            assert first.stats().leases_taken == 0  # It has made the task itself.
        async with connected(server, telemetry=recording.telemetry(), store=store) as second:
            (taken,) = (await second.recover()).tasks
            steered.complete()
            await taken
            stats = second.stats()
    numbers = recording.numbers
    assert (stats.leases_taken, stats.leases_lost, stats.failed_commits) == (1, 0, 0)
    assert numbers["mcptasks.lease"] == [({"mcptasks.lease.event": "taken"}, 1)]
    assert (stats.takeovers, "mcptasks.task.takeovers" in numbers) == (0, False)  # The first client gave it back.
    assert stats.commits >= 2  # The claim, and the end.
    ((outcome, commits),) = numbers["mcptasks.store.commit.duration"]
    assert outcome == {"mcptasks.outcome": "succeeded"}
    assert commits >= stats.commits  # The client may have written more before it was closed.
    assert stats.commit_time > timedelta()
    told: list[Any] = [record for record in caplog.records if hasattr(record, "lease")]
    (record,) = await store.tasks()
    assert [(each.lease, each.record_id) for each in told] == [("taken", record.id)]


@virtual_clock()
async def test_a_lease_that_is_lost(era: Era, recording: Recording) -> None:
    """A client that could not renew its lease counts a task as lost when a write about it is refused, once."""
    server, store = make_server(era), Store.memory(lease=30)
    async with (
        connected(server, limit=3600, telemetry=recording.telemetry(), store=store) as holder,
        connected(server, limit=3600, telemetry=recording.telemetry(), store=store) as other,
    ):
        task, steered = await begin(holder, server)
        journal: Any = holder._engine().journal
        beat = journal._session._beat

        async def fails() -> None:
            raise StoreError("the database is down")

        journal._session._beat = fails
        taken: Any = await anext(other.claims())
        journal._session._beat = beat
        await anyio.sleep(15)
        async with anyio.create_task_group() as group:
            group.start_soon(taken.result)
            group.start_soon(task.result)
            await anyio.sleep(1)
            steered.complete()
        assert (holder.stats().leases_lost, other.stats().leases_taken, other.stats().leases_lost) == (1, 1, 0)
        assert (holder.stats().takeovers, other.stats().takeovers) == (0, 1)
    numbers = recording.numbers
    assert ({"mcptasks.lease.event": "lost"}, 1) in numbers["mcptasks.lease"]
    assert numbers["mcptasks.task.takeovers"] == [({}, 1)]


async def test_a_store_that_is_away(server: TaskServer, recording: Recording) -> None:
    """A transaction that fails is counted apart."""
    store = Store.memory()
    async with connected(server, telemetry=recording.telemetry(), store=store) as client:
        await call_tool(client, "work", task=True)
        outage = Outage(store)
        with pytest.raises(StoreError):
            await call_tool(client, "work", task=True)
        outage.over()
        stats = client.stats()
    assert stats.failed_commits >= 1
    # The client may have written more before it was closed.
    counts = {told["mcptasks.outcome"]: count for told, count in recording.numbers["mcptasks.store.commit.duration"]}
    assert counts["failed"] >= stats.failed_commits
    assert counts["succeeded"] >= stats.commits


async def test_tools_without_end(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many tool names metrics show 256, here 3, and the others as one."""
    assert names.MOST_TOOLS == 256
    monkeypatch.setattr(names, "MOST_TOOLS", 3)
    server = TaskServer()
    async with connected(server, telemetry=recording.telemetry()) as client:
        for number in range(5):
            server.add_tool(f"tool{number}", [Complete()])
            await client.call_tool(f"tool{number}")
    for metric in ("mcp.client.operation.duration", "mcptasks.task.duration"):
        tools = {attributes["gen_ai.tool.name"] for attributes, _ in recording.numbers[metric]}
        assert tools == {"tool0", "tool1", "tool2", "_OTHER"}


async def test_no_ids(server: TaskServer, recording: Recording) -> None:
    """No metric shows the id of a task."""
    server.add_tool("bad", [ToolFailure("no")])
    async with connected(server, telemetry=recording.telemetry()) as client:
        task, steered = await begin(client, server)
        steered.complete()
        await task
    assert task.task_id not in str(recording.numbers)
