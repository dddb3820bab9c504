"""What input keeps with a task: of that task alone, and for no longer than it is of use."""

from __future__ import annotations

from mcptasks._engine.input import task_input
from mcptasks._engine.watching.watch import NO_INPUT, Watch


def test_drafts() -> None:
    """A draft is kept under its key until it is dropped; other tasks, and who read them before, see none of it."""
    watch, other = Watch("a", 0.0), Watch("b", 0.0)
    before = watch.input
    task_input.keep_draft(watch, "name", {"action": "accept"})
    task_input.keep_draft(watch, "age", {"action": "decline"})
    assert watch.input.drafts == {"name": {"action": "accept"}, "age": {"action": "decline"}}
    task_input.drop_draft(watch, "name")
    task_input.drop_draft(watch, "never kept")
    assert watch.input.drafts == {"age": {"action": "decline"}}
    task_input.drop_drafts(watch)
    assert watch.input.drafts == before.drafts == {}
    assert other.input is NO_INPUT


def test_failures() -> None:
    """Those who wait are told of a failure, and each raises only one of its own time."""
    watch, told, failure = Watch("a", 0.0), list[object](), LookupError("no")
    watch.observe(told.append)
    assert watch.input.failure_since(0) is None
    task_input.fail(watch, failure)
    assert watch.input.failure_since(0) is failure
    assert watch.input.failure_since(watch.input.failures) is None
    assert told == [()]


def test_nothing_is_made_for_nothing() -> None:
    """A task for which there is nothing to keep goes on sharing the record of all such tasks."""
    watch = Watch("a", 0.0)
    task_input.set_silent(watch, False)
    task_input.drop_draft(watch, "name")
    task_input.drop_drafts(watch)
    assert watch.input is NO_INPUT
    task_input.set_silent(watch, True)
    assert watch.input.silent
