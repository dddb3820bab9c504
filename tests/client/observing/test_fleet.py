"""Several clients of one store: one of them tells of a task's end, in the trace of the call that created the task."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks import StoreError, TaskNotFoundError
from mcptasks.store import Store
from mcptasks.testing import ServerTask, TaskServer
from tests.helpers.support import LIMIT, Era, begin, connected, make_server, settle, virtual_clock
from tests.helpers.tracing import Recording, attributes_of, context_of
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

CREATED = ("tools/call work", ["MCP send tools/call work", "task work", "task.result work", "task.result work"])
AWAITED = ("tools/call work", ["MCP send tools/call work", "task work", "task.result work"])


def durations(recording: Recording) -> int:
    """How many durations of tasks were measured."""
    return sum(count for _, count in recording.numbers.get("mcptasks.task.duration", []))


async def until_told(recording: Recording) -> None:
    """Wait until the end of a task was told. A client that only looks at tasks asks its store on the side."""
    with anyio.fail_after(LIMIT):
        while not durations(recording):  # noqa: ASYNC110 - an exporter has no event
            await anyio.sleep(0.01)


async def until_both_have_it(one: Any, other: Any, steered: ServerTask) -> None:
    """Two handles wait for one task, which ends while they do."""
    async with anyio.create_task_group() as group:
        group.start_soon(one.result)
        group.start_soon(other.result)
        await settle()
        steered.complete("done")


async def test_two_that_see_the_end(server: TaskServer, recording: Recording) -> None:
    """Of two clients that wait for one task, the one that holds the task tells of its end; both count it."""
    store = Store.memory()
    async with (
        connected(server, telemetry=recording.telemetry(), store=store) as holder,
        connected(server, telemetry=recording.telemetry(), store=store) as other,
    ):
        task, steered = await begin(holder, server)
        await until_both_have_it(task, other.resume(task.reference), steered)
        assert (holder.stats().tasks_ended, other.stats().tasks_ended) == (1, 1)
    assert recording.trees == [CREATED]
    assert durations(recording) == 1


@pytest.mark.parametrize("end", ["complete", "fail", "forget"])
async def test_one_that_comes_later(server: TaskServer, recording: Recording, end: str) -> None:
    """A client that takes up a task after its end was told tells nothing more of it."""
    store = Store.memory()
    async with connected(server, telemetry=recording.telemetry(), store=store) as first:
        task, steered = await begin(first, server)
        await task.status()
        steered.fail("no") if end == "fail" else getattr(steered, end)()
        if end == "forget":
            with pytest.raises(TaskNotFoundError):
                await task
        else:
            await task.wait()
    recording.exporter.clear()
    async with connected(server, telemetry=recording.telemetry(), store=store) as second:
        again = second.resume(task.reference)
        if end == "forget":
            with pytest.raises(TaskNotFoundError):
                await again
        else:
            await again.wait()
    assert "task work" not in {span.name for span in recording.spans}
    assert durations(recording) == 1


async def test_resumed_by_its_reference(server: TaskServer, recording: Recording) -> None:
    """The store tells a client that resumes a task by its reference to which trace the task belongs: it waits there,
    and tells of the end there, since the creator is gone."""
    store = Store.memory()
    async with connected(server, telemetry=recording.telemetry(), store=store) as first:
        task, steered = await begin(first, server)
        place = task.trace_context
        assert place is not None
    async with connected(server, telemetry=recording.telemetry(), store=store) as second:
        again = second.resume(task.reference)
        async with anyio.create_task_group() as group:
            group.start_soon(again.result)
            await settle()
            steered.complete("done")
        assert again.trace_context == place
    assert recording.trees == [AWAITED]


async def test_resumed_below_another_span(server: TaskServer, recording: Recording) -> None:
    """A wait below a span of the program is linked to the call of the process before."""
    store = Store.memory()
    async with connected(server, telemetry=recording.telemetry(), store=store) as first:
        task, steered = await begin(first, server)
    async with connected(server, telemetry=recording.telemetry(), store=store) as second:
        with recording.provider.get_tracer("program").start_as_current_span("later"):
            again = second.resume(task.reference)
            async with anyio.create_task_group() as group:
                group.start_soon(again.result)
                await settle()
                steered.complete("done")
    (link,) = recording.one("task.result work").links
    assert link.context.span_id == context_of(recording.one("tools/call work")).span_id
    assert recording.trees == [("later", ["task.result work"]), ("tools/call work", [AWAITED[1][0], "task work"])]


async def test_nobody_waits(server: TaskServer, recording: Recording) -> None:
    """A client that only asks for the status of a free task tells of its end if it has seen the task run."""
    store = Store.memory()
    async with connected(server, telemetry=recording.telemetry(), store=store) as first:
        task, steered = await begin(first, server)
    async with connected(server, telemetry=recording.telemetry(), store=store) as second:
        again = second.resume(task.reference)
        assert (await again.status()).status == "working"
        steered.complete("done")
        assert (await again.status()).status == "completed"
        await until_told(recording)
    names = [span.name for span in recording.spans]
    assert names.count("task work") == 1
    assert durations(recording) == 1
    (record,) = await store.tasks()
    assert record.status == "completed"


async def test_a_task_that_no_store_knows(server: TaskServer, recording: Recording) -> None:
    """A client with a store tells of the end of a task that the store does not know, and records no task for that."""
    store = Store.memory()
    async with connected(server) as first:
        task, steered = await begin(first, server)
    async with connected(server, telemetry=recording.telemetry(), store=store) as second:
        again = second.resume(task.reference)
        assert (await again.status()).status == "working"
        steered.complete("done")
        await again.status()
        await until_told(recording)
    assert durations(recording) == 1
    assert await store.tasks() == []


async def test_a_task_that_was_over_before(server: TaskServer, recording: Recording) -> None:
    """A client that finds a task over, which it neither waited for nor saw run, tells nothing: that is for those who
    did."""
    async with connected(server) as first:
        task, steered = await begin(first, server)
        steered.complete("done")
        await task
    recording.exporter.clear()
    async with connected(server, telemetry=recording.telemetry()) as second:
        assert (await second.resume(task.reference).status()).status == "completed"
        assert second.stats().tasks_ended == 1
    assert [span.name for span in recording.spans if span.name == "task work"] == []
    assert durations(recording) == 0


@virtual_clock()
async def test_a_holder_that_was_overtaken(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that could not renew its lease, and whose task another client has taken, tells nothing of the end that
    it sees: the store refuses to record the end from it."""
    recording = Recording()
    recording.record_sdk(monkeypatch)
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
        assert task._watch.record.holds  # It does not know better yet.
        await until_both_have_it(task, taken, steered)
    whole = recording.one("task work")
    assert attributes_of(whole)["mcptasks.task.status"] == "completed"
    assert durations(recording) == 1
