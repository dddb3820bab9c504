"""`Patience`: what it takes, and when it says that a task gets nowhere."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from mcptasks import Patience, TaskStatus
from mcptasks._core.patience import Suspense

WORKING = TaskStatus(task_id="a", status="working")
POLICY = Patience(stalled_after=10, rounds=2, failed_looks=3, past_ttl=True, raises=True)


def asking(*keys: str) -> TaskStatus:
    """A status that asks these."""
    return TaskStatus(task_id="a", status="input_required", input_requests={key: {} for key in keys})


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, ValueError, "nobody is told: give on_stall=, or raises=True"),
        ({"stalled_after": 5}, ValueError, "nobody is told"),
        ({"stalled_after": 0, "raises": True}, ValueError, "stalled_after must be"),
        ({"stalled_after": math.inf, "raises": True}, ValueError, "stalled_after must be"),
        ({"rounds": 0, "raises": True}, ValueError, "rounds must be 1 or more, got 0"),
        ({"rounds": True, "raises": True}, TypeError, "rounds must be a whole number or None, got True"),
        ({"failed_looks": 1.5, "raises": True}, TypeError, "failed_looks must be a whole number or None, got 1.5"),
        ({"on_stall": 7}, TypeError, "on_stall must be callable, got 7"),
    ],
)
def test_what_cannot_be_right(options: dict[str, Any], error: type[Exception], words: str) -> None:
    """A limit that cannot be right, and limits that nobody is told of, are refused at once."""
    with pytest.raises(error, match=words.replace("(", r"\(")):
        Patience(**options)


def test_durations() -> None:
    """A duration is a number of seconds or a `timedelta`."""
    assert Patience(stalled_after=timedelta(minutes=2), raises=True).stalled_after == 120


def test_stalled() -> None:
    """The time runs from the latest change of what a program sees, from the begin of the wait, or from when it was told
    last; a poll that finds the same changes nothing."""
    suspense = Suspense(0.0, WORKING)
    assert suspense.due(POLICY, None) == 10
    assert suspense.reason(POLICY, 9.9, None) is None
    assert suspense.reason(POLICY, 10.0, None) == "stalled"
    assert suspense.waited(4.0).due(POLICY, None) == 14
    assert suspense.looked(evolve(WORKING, poll_interval=timedelta(seconds=1)), 0, 5.0).due(POLICY, None) == 10
    assert suspense.looked(evolve(WORKING, status_message="half"), 0, 5.0).due(POLICY, None) == 15
    assert suspense.told("stalled", 10.0).due(POLICY, None) == 20


def test_progress_is_no_stall() -> None:
    """Progress starts the time anew, and progress from before what is known already changes nothing."""
    suspense = Suspense(3.0, WORKING)
    assert suspense.progressed(8.0).due(POLICY, None) == 18
    assert suspense.progressed(2.0).due(POLICY, None) == 13


def test_input_is_no_stall() -> None:
    """While a task waits for input it is not the server that keeps everybody waiting."""
    suspense = Suspense(0.0, WORKING).looked(asking("a"), 1, 1.0)
    assert suspense.due(POLICY, None) == math.inf
    assert suspense.looked(WORKING, 1, 50.0).due(POLICY, None) == 60


def test_rounds() -> None:
    """A round is a status with a new question; what is still open, or comes late, is none."""
    suspense = Suspense(0.0, WORKING)
    for status, asked, rounds in [
        (asking("a"), 1, 1),
        (WORKING, 1, 1),
        (asking("a"), 1, 1),
        (asking("b"), 2, 2),
        (asking("b", "c"), 3, 3),
        (asking("b"), 3, 3),
    ]:
        suspense = suspense.looked(status, asked, 1.0)
        assert suspense.rounds == rounds


def test_failed_looks() -> None:
    """Only attempts that fail in a row count."""
    suspense = Suspense(0.0, WORKING).failed().failed()
    assert suspense.failures == 2
    assert suspense.looked(WORKING, 0, 1.0).failures == 0
    assert suspense.told("failed_looks", 1.0).failures == 0


def test_the_end_of_its_time() -> None:
    """That the time to live has passed is told once, and only if asked for."""
    suspense = Suspense(0.0, WORKING)
    assert suspense.due(POLICY, 5.0) == 5
    assert suspense.reason(POLICY, 5.0, 5.0) == "expired"
    assert suspense.told("expired", 5.0).due(POLICY, 5.0) == 10
    assert suspense.reason(Patience(raises=True), 100.0, 5.0) is None


@pytest.mark.parametrize("reason", ["stalled", "rounds", "failed_looks", "expired"])
def test_words(reason: Any) -> None:
    """Each reason is told in words of its own."""
    assert len({POLICY.words(reason), POLICY.words("stalled"), POLICY.words("rounds")}) >= 2
