"""What is kept of pushes that come too early, and how large things are measured."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given

from mcptasks import TaskStatus
from mcptasks._core.events import Seen
from mcptasks._core.input_state import NO_QUESTIONS
from mcptasks._core.json import weight
from mcptasks._core.state import TaskState, advance
from mcptasks._engine.watching.early import Early
from tests.helpers.hostile import nested
from tests.helpers.samples import json_values


def push(task_id: str, message: str = "") -> Seen:
    """A push as it is read from the wire."""
    raw = {"taskId": task_id, "status": "working", "statusMessage": message}
    return Seen(TaskStatus(task_id=task_id, status="working", status_message=message, raw=raw), "pushed")


def test_the_latest_is_kept() -> None:
    """The latest push for each of 256 tasks is kept, and given once."""
    early = Early()
    for number in range(300):
        early.add(push(f"{number}", "first"))
        early.add(push(f"{number}", "second"))
    assert early.take("0") == (None, False)
    assert early.take("299") == (push("299", "second"), True)
    assert early.take("299") == (None, False)
    early.clear()
    assert early.take("298") == (None, False)


def test_announced_questions_are_kept() -> None:
    """What a task announced before it was known is kept beside its latest push, and given once."""
    early = Early()
    for word in ("first?", "second?"):
        asking = TaskStatus(task_id="t", status="input_required", status_message=word, raw={})
        early.add(Seen(asking, "pushed"))
        early.add(push("t", "at work"))
    assert early.questions("t") == ("first?", "second?")
    assert early.questions("t") == ()
    assert early.take("t") == (push("t", "at work"), True)


def test_large_pushes_take_no_memory() -> None:
    """Of a large push only that it came is kept, and of one with a very long id nothing."""
    early = Early()
    tracemalloc.start()
    try:
        for number in range(1000):
            early.add(push(f"{number}", "x" * 900_000))
            early.add(push(f"{number}" * 300_000))
        assert tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()
    assert early.take("999") == (None, True)


def test_marks_of_statuses_are_small() -> None:
    """What is kept of earlier statuses of a task, to know late pushes by, is small however large they were."""
    state, message = TaskState(), "x" * 900_000
    for number in range(20):
        state, _ = advance(state, push("t", f"{message}{number}"))
    assert weight(state.told, 10**6) < 5_000
    again, effects = advance(state, push("t", f"{message}17"))
    assert (again, effects) == (state, ())


@pytest.mark.parametrize(
    ("value", "least"),
    [("x" * 1000, 1000), (["x" * 500] * 2, 1000), ({"k" * 500: "x" * 500}, 1000), ([0] * 1000, 8000), (10**3000, 3000)],
)
def test_weight(value: Any, least: int) -> None:
    """A value weighs at least what its texts, items and digits do; counting stops at the limit."""
    assert weight(value, 10**6) >= least
    assert weight(value, 10) > 10


@given(json_values)
def test_weight_of_anything(value: Any) -> None:
    """Whatever JSON is weighed, however deep, it weighs something."""
    assert weight(value, 10**6) > 0
    assert weight(nested(10_000), 10**6) > 10_000


@given(json_values, json_values)
def test_questions_are_told_apart(one: Any, other: Any) -> None:
    """Under one key the same question may come again, in whatever order its fields come; another one may not."""

    def status(content: Any) -> TaskStatus:
        asked = {"k": {"params": {"message": content, "_meta": {"n": 1}}, "method": "elicitation/create"}}
        return TaskStatus(task_id="t", status="input_required", input_requests=asked)

    known = NO_QUESTIONS.seen(status(one))
    assert known.breach(status(one)) is None
    turned = {"k": {"method": "elicitation/create", "params": {"_meta": {"n": 2}, "message": one}}}
    assert known.breach(TaskStatus(task_id="t", status="input_required", input_requests=turned)) is None
    if one != other and repr(one) != repr(other):  # NaN is not equal to itself, and still the same question
        assert "earlier question" in str(known.breach(status(other)))
