"""When to look next: exact delays for given circumstances, and what holds for all of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import assume, given
from hypothesis import strategies as st

from mcptasks import PollingPolicy
from mcptasks._schedule import attempt_limit, next_look, retry_delay

PLAIN = PollingPolicy(jitter=0)
NOT_EARLY = PollingPolicy(early=False, jitter=0)


def look(
    policy: PollingPolicy = PLAIN,
    *,
    age: float = 1000.0,
    interval: float | None = 5.0,
    remaining: float | None = None,
    pushed: bool = False,
    spread: float = 0.0,
) -> float:
    """`next_look` for an old task that the server wants looked at every five seconds."""
    return next_look(policy, age=age, interval=interval, remaining=remaining, pushed=pushed, spread=spread)


def looks(policy: PollingPolicy, interval: float | None, until: float) -> list[float]:
    """The ages at which a task would be looked at."""
    age, found = 0.0, list[float]()
    while (age := age + look(policy, age=age, interval=interval)) <= until:
        found.append(round(age, 3))
    return found


@pytest.mark.parametrize(
    ("policy", "interval", "until", "expected"),
    [
        (PLAIN, 5.0, 17, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 11.4, 16.4]),
        (PLAIN, 1.0, 5, [0.2, 0.4, 0.8, 1.6, 2.6, 3.6, 4.6]),
        (PLAIN, 0.15, 0.7, [0.15, 0.3, 0.45, 0.6]),
        (PLAIN, None, 10, [0.2, 0.4, 0.8, 1.6, 3.2, 5.2, 7.2, 9.2]),
        (PLAIN, 0.0, 0.5, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (NOT_EARLY, 5.0, 17, [5.0, 10.0, 15.0]),
        (NOT_EARLY, None, 7, [2.0, 4.0, 6.0]),
        (PollingPolicy(first=1, jitter=0), 5.0, 13, [1.0, 2.0, 4.0, 8.0, 13.0]),
        (PollingPolicy(first=30, jitter=0), 5.0, 16, [5.0, 10.0, 15.0]),
        (PollingPolicy(floor=1, jitter=0), 5.0, 5, [1.0, 2.0, 4.0]),
    ],
)
def test_looks_of_a_life(policy: PollingPolicy, interval: float | None, until: float, expected: list[float]) -> None:
    """Early looks double the task's age until the server's interval is reached; without them it alone counts."""
    assert looks(policy, interval, until) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (None, 2.0),
        (math.nan, 2.0),
        (math.inf, 2.0),
        (-math.inf, 2.0),
        (-5.0, 0.1),
        (0.0, 0.1),
        (1e-9, 0.1),
        (0.1, 0.1),
        (7.5, 7.5),
        (60.0, 60.0),
        (61.0, 60.0),
        (1e308, 60.0),
    ],
)
def test_interval(interval: float | None, expected: float) -> None:
    """The server's interval counts between floor and ceiling; where it names none, or nonsense, the default does."""
    assert look(interval=interval) == expected
    assert look(NOT_EARLY, interval=interval) == expected


@pytest.mark.parametrize(
    ("interval", "expected"), [(None, 15.0), (0.0, 15.0), (5.0, 15.0), (15.0, 15.0), (20.0, 20.0), (900.0, 60.0)]
)
def test_pushed(interval: float | None, expected: float) -> None:
    """While the server pushes, looks are a slow safety net, also for a young task; a longer interval is respected."""
    for age in (0.0, 1000.0):
        assert look(age=age, interval=interval, pushed=True) == expected


@pytest.mark.parametrize(
    ("remaining", "expected"),
    [
        (None, 30.0),
        (math.inf, 30.0),
        (1000.0, 30.0),
        (30.1, 30.0),
        (30.0, 22.5),
        (20.0, 15.0),
        (4.0, 3.0),
        (1.4, 1.05),
        (1.0, 1.0),
        (0.0, 30.0),
        (-5.0, 30.0),
        (math.nan, 30.0),
    ],
)
def test_time_to_live(remaining: float | None, expected: float) -> None:
    """A look falls before the server may forget the task, not in a row of ever shorter ones; once it is past, the
    usual rhythm goes on, since real servers keep tasks longer than they say."""
    assert look(interval=30.0, remaining=remaining) == pytest.approx(expected)


@pytest.mark.parametrize("remaining", [0.01, 0.5, 0.6, 0.9, 4.0])
@pytest.mark.parametrize("interval", [0.1, 0.6, 3.0, 30.0])
def test_time_to_live_delays_nothing(remaining: float, interval: float) -> None:
    """That a task may soon be forgotten never makes a look later than it was due anyway."""
    usual = look(interval=interval)
    assert look(interval=interval, remaining=remaining) <= usual


@pytest.mark.parametrize(("spread", "expected"), [(0.0, 10.0), (0.5, 10.5), (1.0, 11.0)])
def test_jitter(spread: float, expected: float) -> None:
    """A look comes up to a tenth later than due, never earlier."""
    assert look(PollingPolicy(), interval=10.0, spread=spread) == pytest.approx(expected)


def test_jitter_stays_below_the_ceiling() -> None:
    """Neither jitter nor a time to live leads beyond the ceiling or below the floor."""
    assert look(PollingPolicy(), interval=60.0, spread=1.0) == 60.0
    assert look(PollingPolicy(ceiling=0.5), interval=30.0, remaining=2.0) == 0.5
    assert look(PollingPolicy(floor=3.0), interval=30.0, remaining=2.0) == 3.0


any_float = st.floats(allow_nan=True, allow_infinity=True)
amount = st.floats(min_value=1e-3, max_value=1e6)


@st.composite
def policies(draw: st.DrawFn) -> PollingPolicy:
    """Any policy that can be made."""
    floor, ceiling = sorted((draw(amount), draw(amount)))
    return PollingPolicy(
        early=draw(st.booleans()),
        first=draw(amount),
        default_interval=draw(amount),
        floor=floor,
        ceiling=ceiling,
        push_interval=draw(amount),
        jitter=draw(st.floats(0, 1)),
    )


@given(
    policies(),
    st.floats(min_value=0, max_value=1e12),
    st.none() | any_float,
    st.none() | any_float,
    st.booleans(),
    st.floats(0, 1),
)
def test_always_within_bounds(
    policy: PollingPolicy, age: float, interval: float | None, remaining: float | None, pushed: bool, spread: float
) -> None:
    """Whatever a server says, the delay is finite and within floor and ceiling."""
    delay = look(policy, age=age, interval=interval, remaining=remaining, pushed=pushed, spread=spread)
    assert math.isfinite(delay)
    assert policy.floor <= delay <= policy.ceiling


@given(policies(), st.floats(0, 1e6), st.floats(1e-3, 1e5), st.floats(0, 1), st.booleans())
def test_not_early_never_looks_sooner_than_asked(
    policy: PollingPolicy, age: float, interval: float, spread: float, pushed: bool
) -> None:
    """Without early looks a client waits at least as long as the server asks, up to the ceiling."""
    assume(not policy.early)
    delay = look(policy, age=age, interval=interval, pushed=pushed, spread=spread)
    assert delay >= min(interval, policy.ceiling)


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


def test_policy_refuses_floor_above_ceiling() -> None:
    """Floor and ceiling leave room, and a policy is frozen."""
    with pytest.raises(ValueError, match=r"floor \(61\) must not be above ceiling"):
        PollingPolicy(floor=61)
    with pytest.raises(FrozenInstanceError):
        PLAIN.floor = 1.0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [(1, 0.05, 0.1), (2, 0.1, 0.2), (3, 0.2, 0.4), (6, 1.6, 3.2), (7, 2.5, 5.0), (20, 2.5, 5.0), (10**9, 2.5, 5.0)],
)
def test_retry_delay(failures: int, least: float, most: float) -> None:
    """Attempts back off to five seconds; the random part is up to half of the delay."""
    assert retry_delay(failures, retry_after=None, spread=0.0) == pytest.approx(least)
    assert retry_delay(failures, retry_after=None, spread=1.0) == pytest.approx(most)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [(0.0, 0.1), (-3.0, 0.1), (math.nan, 0.1), (math.inf, 0.1), (0.05, 0.1), (3.0, 3.0), (120.0, 120.0), (1e9, 120.0)],
)
def test_retry_after(retry_after: float, expected: float) -> None:
    """The server's own wish counts where it is longer, up to two minutes; nonsense does not."""
    assert retry_delay(1, retry_after=retry_after, spread=1.0) == pytest.approx(expected)


@given(st.integers(1, 10**6), st.none() | any_float, st.floats(0, 1))
def test_retry_delay_is_bounded(failures: int, retry_after: float | None, spread: float) -> None:
    """However many attempts failed and whatever the server asks, a delay is between 0.05 s and two minutes."""
    assert 0.05 <= retry_delay(failures, retry_after=retry_after, spread=spread) <= 120.0


@pytest.mark.parametrize(
    ("wire_timeout", "remaining", "expected"),
    [
        (3.0, None, 3.0),
        (60.0, None, 60.0),
        (None, 6.0, 2.0),
        (None, 1.0, 0.5),
        (None, 0.0, 0.5),
        (60.0, 300.0, 60.0),
        (60.0, 90.0, 30.0),
        (0.2, 0.0, 0.2),
    ],
)
def test_attempt_limit(wire_timeout: float | None, remaining: float | None, expected: float) -> None:
    """One attempt takes a third of what the nearest waiter has left, at least half a second, at most the client's
    own timeout."""
    assert attempt_limit(wire_timeout=wire_timeout, remaining=remaining) == expected


def test_attempt_limit_of_nobody_in_a_hurry() -> None:
    """Where nobody sets a time, a read that gets no answer is still sent again, within half a minute."""
    usual = attempt_limit(wire_timeout=None, remaining=None)
    assert 5.0 <= usual <= 30.0
    assert attempt_limit(wire_timeout=None, remaining=3600.0) == usual
