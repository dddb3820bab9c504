"""Clients without a store: they may do everything, and nothing waits."""

from __future__ import annotations

import inspect

import pytest

from mcptasks import TaskStatus
from mcptasks._engine.recording.journal import Decision, Intent, Journal, Record
from mcptasks._engine.recording.nowhere import NO_JOURNAL, NO_RECORD
from mcptasks._engine.watching.watch import Watch

STATUS = TaskStatus(task_id="t-1", status="working")


async def may_repeat() -> bool:
    """Nobody asks."""
    raise AssertionError("there is no call before")


async def everything() -> None:
    """Tell all there is to tell of one call and its task."""
    async with NO_JOURNAL.open():
        assert await NO_JOURNAL.era() is None
        assert list(await NO_JOURNAL.timings()) == []
        record = await NO_JOURNAL.intend(Intent(kind="tool", name="work"), may_repeat)
        assert record is NO_RECORD
        await NO_RECORD.created(STATUS, "2026-07-28", None)
        NO_RECORD.seen(STATUS)
        NO_RECORD.noticed("q", {}, lasting=True)
        assert await NO_RECORD.asked("q", {}, lasting=True) is None
        assert await NO_RECORD.decide("q", {"a": 1}) == Decision({"a": 1})
        NO_RECORD.acknowledged("q")
        NO_RECORD.answer_refused("q")
        assert await NO_RECORD.cancel_asked()
        assert await NO_RECORD.taken() is NO_RECORD
        NO_RECORD.over(STATUS, None)
        await NO_RECORD.settled()


def test_nothing_waits() -> None:
    """What a client without a store tells nobody takes no turn of the event loop."""
    with pytest.raises(StopIteration):
        everything().send(None)


def test_without_a_store_a_task_may_be_acted_for() -> None:
    """A task that no store knows is its client's alone."""
    record = Watch("t-1", 0.0).record
    assert record is NO_RECORD
    assert (record.id, record.holds, NO_JOURNAL.keeps) == (None, True, False)


@pytest.mark.parametrize(("protocol", "found"), [(Record, NO_RECORD), (Journal, NO_JOURNAL)])
def test_what_is_awaited_is_the_same(protocol: type, found: object) -> None:
    """Whoever awaits a moment may do so with a store and without."""
    names = [name for name in vars(protocol) if not name.startswith("_")]
    assert names
    for name in names:
        ours, theirs = inspect.getattr_static(protocol, name), getattr(type(found), name)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs), name
