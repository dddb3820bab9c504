"""The policy of looks as a value: what it refuses, what it says of itself, and rules of a program's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from attrs.exceptions import FrozenInstanceError

from mcptasks import PollingPolicy
from mcptasks._core.polling.policy import LookContext, next_look
from tests.helpers.logs import ours
from tests.helpers.polling_samples import NOT_EARLY, PLAIN, look


@pytest.mark.parametrize("name", ["first", "default_interval", "floor", "ceiling", "push_interval"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        ("1", TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_policy_refuses_nonsense(name: str, value: Any, error: type[Exception]) -> None:
    """A policy's durations are positive and finite; the complaint names the field and the value."""
    with pytest.raises(error) as caught:
        PollingPolicy(**{name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("jitter", [-0.1, 1.1, math.nan])
def test_policy_refuses_jitter(jitter: float) -> None:
    """Jitter is a part of the delay."""
    with pytest.raises(ValueError, match="jitter must be between 0 and 1"):
        PollingPolicy(jitter=jitter)


@pytest.mark.parametrize("jitter", ["0.1", None, True, [0.1]])
def test_policy_refuses_jitter_of_a_wrong_type(jitter: Any) -> None:
    """Jitter is a number; the complaint names it and the value."""
    with pytest.raises(TypeError, match=r"^jitter must be a number between 0 and 1, got ") as caught:
        PollingPolicy(jitter=jitter)
    assert repr(jitter) in str(caught.value)


@pytest.mark.parametrize(
    ("growth", "error"),
    [
        (1, ValueError),
        (0.5, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        ("2", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_policy_refuses_growth(growth: Any, error: type[Exception]) -> None:
    """Early looks become rarer, so that they end."""
    with pytest.raises(error, match="growth must be") as caught:
        PollingPolicy(growth=growth)
    assert repr(growth) in str(caught.value)


def test_policy_refuses_floor_above_ceiling() -> None:
    """Floor and ceiling leave room, and a policy is frozen."""
    with pytest.raises(ValueError, match=r"floor \(61\) must not be above ceiling"):
        PollingPolicy(floor=61)
    with pytest.raises(FrozenInstanceError):
        PLAIN.floor = 1.0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("policy", "interval", "spacing", "soonest"),
    [
        (PLAIN, 5.0, 5.0, 0.2),
        (PLAIN, None, 2.0, 0.2),
        (PLAIN, math.nan, 2.0, 0.2),
        (PLAIN, math.inf, 2.0, 0.2),
        (PLAIN, 0.0, 0.1, 0.1),
        (PLAIN, 1e9, 60.0, 0.2),
        (PollingPolicy(first=9), 5.0, 5.0, 5.0),
        (PollingPolicy(first=0.01), 5.0, 5.0, 0.1),
        (NOT_EARLY, 5.0, 5.0, 5.0),
        (NOT_EARLY, None, 2.0, 2.0),
    ],
)
def test_spacing_and_soonest(policy: PollingPolicy, interval: float | None, spacing: float, soonest: float) -> None:
    """The usual delay and the age at the first look are what `next_look` makes of the same policy."""
    assert (policy.spacing(interval), policy.soonest(interval)) == (spacing, soonest)
    assert look(attrs.evolve(policy, jitter=0), age=0.0, interval=interval) == soonest
    assert look(attrs.evolve(policy, jitter=0), age=1e6, interval=interval) == spacing


# --- a program's own rule -----------------------------------------------------------------------------------------


def test_durations() -> None:
    """Each duration may be a `timedelta`, also what a rule returns; read, it is a number of seconds."""
    names = ("first", "default_interval", "floor", "ceiling", "push_interval")
    durations: dict[str, Any] = dict.fromkeys(names, timedelta(milliseconds=1500))
    policy = PollingPolicy(**durations)
    assert [getattr(policy, name) for name in names] == [1.5] * 5
    assert ask(lambda _: timedelta(seconds=7)) == 7.0
    with pytest.raises(TypeError, match="floor must be a number of seconds, a timedelta or None; got 'soon'"):
        PollingPolicy(floor="soon")  # type: ignore[arg-type]


def ask(custom: Callable[[LookContext], Any], **options: Any) -> float:
    """The delay that a policy with this rule chooses."""
    return look(PollingPolicy(jitter=0, custom=custom), **options)


def test_custom_rule_is_told_all() -> None:
    """A rule gets what is known of the task, and what would be done without it."""
    told: list[LookContext] = []

    def rule(context: LookContext) -> float:
        told.append(context)
        return 7.0

    policy = PollingPolicy(growth=1.58, jitter=0, custom=rule)
    found = next_look(
        policy, age=0.5, interval=4.0, remaining=90.0, pushed=False, spread=0.0, name="brew", runs=(3.0, 4.0)
    )
    assert found == 7.0
    usual = {"name": "brew", "age": 0.5, "interval": 4.0, "remaining": 90.0, "pushed": False, "runs": (3.0, 4.0)}
    assert attrs.asdict(told[0]) == {**usual, "default": pytest.approx(0.29)}
    assert len(told) == 1
    with pytest.raises(FrozenInstanceError):
        told[0].age = 1.0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(7, 7.0), (7.5, 7.5), (0, 0.1), (-3.0, 0.1), (1e9, 60.0), (math.inf, 60.0), (-math.inf, 0.1)],
)
def test_custom_rule_is_held_within_bounds(answer: float, expected: float) -> None:
    """What a rule returns counts as far as floor and ceiling let it."""
    assert ask(lambda _: answer) == expected
    assert ask(lambda _: answer, pushed=True) == expected


@pytest.mark.parametrize("answer", [None, "5", True, math.nan, 3 + 0j, [5]])
def test_custom_rule_that_returns_nonsense(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where a rule returns no number, that is logged with the value, and the default counts."""
    assert ask(lambda _: answer) == 5.0
    (record,) = ours(caplog)
    assert record.levelname == "ERROR"
    assert f"must return seconds, got {answer!r}" in record.getMessage()


def test_custom_rule_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Where a rule raises, that is logged with the traceback, and the default counts."""

    def rule(context: LookContext) -> float:
        raise KeyError(context.name)

    assert ask(rule) == 5.0
    (record,) = ours(caplog)
    assert "raised" in record.getMessage()
    assert record.exc_info is not None


def test_custom_rule_does_not_miss_the_end() -> None:
    """A look still falls before the server may forget the task."""
    assert ask(lambda _: 50.0, remaining=20.0) == 15.0


@pytest.mark.parametrize("custom", [5, "rule", [len]])
def test_policy_refuses_a_rule_that_is_none(custom: Any) -> None:
    """A rule can be called."""
    with pytest.raises(TypeError, match="custom must be callable"):
        PollingPolicy(custom=custom)


def test_strict() -> None:
    """The strict policy looks at the server's interval alone: not ahead of it, and not where it learned to."""
    assert PollingPolicy.strict() == PollingPolicy(early=False, learn=False)
