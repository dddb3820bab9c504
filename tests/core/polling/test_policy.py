"""When to look next: exact delays for given circumstances, and what holds for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcptasks import PollingPolicy
from mcptasks._core.polling.placement import Places
from mcptasks._core.polling.policy import LookContext, Pace, attempt_limit, rhythm
from mcptasks._core.polling.rhythm import Rhythm
from tests.helpers.polling_samples import NOT_EARLY, PLAIN, look


def looks(
    policy: PollingPolicy,
    interval: float | None,
    until: float,
    *,
    crowded: bool = False,
    learned: tuple[float, ...] | None = None,
    spread: float = 0.0,
) -> list[float]:
    """The ages at which a task would be polled."""
    age, found = 0.0, list[float]()
    places = None if learned is None else Places(rhythm(policy, interval, crowded=crowded), learned)
    while True:
        polls = len(found)
        age += look(policy, age=age, interval=interval, crowded=crowded, places=places, polls=polls, spread=spread)
        if age > until:
            return found
        found.append(round(age, 3))


@pytest.mark.parametrize(
    ("policy", "interval", "until", "expected"),
    [
        (PLAIN, 5.0, 18, [0.2, 0.4, 0.632, 0.999, 1.578, 2.493, 3.939, 6.223, 9.832, 14.832]),
        (PLAIN, 1.0, 5, [0.2, 0.4, 0.632, 0.999, 1.578, 2.493, 3.493, 4.493]),
        (PLAIN, 0.15, 0.7, [0.15, 0.3, 0.45, 0.6]),
        (PLAIN, None, 9, [0.2, 0.4, 0.632, 0.999, 1.578, 2.493, 3.939, 5.939, 7.939]),
        (PollingPolicy(first=0.2, growth=2, jitter=0), 5.0, 17, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 11.4, 16.4]),
        (PollingPolicy(first=0.2, growth=1.01, jitter=0), 5.0, 0.9, [0.2, 0.4, 0.6, 0.8]),
        (PLAIN, 0.0, 0.5, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (NOT_EARLY, 5.0, 17, [5.0, 10.0, 15.0]),
        (NOT_EARLY, None, 7, [2.0, 4.0, 6.0]),
        (PollingPolicy.strict(), 5.0, 17, [5.0, 10.0, 15.0]),
        (PollingPolicy(first=1, growth=1.58, jitter=0), 5.0, 15, [1.0, 2.0, 3.16, 4.993, 7.889, 12.464]),
        (PollingPolicy(first=30, jitter=0), 5.0, 16, [5.0, 10.0, 15.0]),
        (PollingPolicy(floor=1, growth=1.58, jitter=0), 5.0, 5, [1.0, 2.0, 3.16, 4.993]),
    ],
)
def test_looks_of_a_life(policy: PollingPolicy, interval: float | None, until: float, expected: list[float]) -> None:
    """With each early look the task is 1.58 times as old as at the one before, but for the first few, which are as far
    apart as the first is from the creation, until the server's interval is reached; without them it alone counts."""
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
    ("interval", "young", "old"),
    [
        (None, 6.0, 15.0),
        (0.0, 1.0, 15.0),
        (0.1, 1.0, 15.0),
        (1.0, 3.0, 15.0),
        (5.0, 15.0, 15.0),
        (15.0, 15.0, 15.0),
        (20.0, 20.0, 20.0),
        (900.0, 60.0, 60.0),
    ],
)
def test_pushed(interval: float | None, young: float, old: float) -> None:
    """While the server pushes, looks are a slow safety net: the first after a second or three of the server's
    intervals, and none ahead of the server's interval; of an old task every 15 s."""
    assert look(age=0.0, interval=interval, pushed=True) == young
    assert look(age=1000.0, interval=interval, pushed=True) == old


def test_the_safety_net_grows_slowly() -> None:
    """Where the interval is short, each look of the safety net comes when the task is twice as old as at the one
    before: five in the first half minute."""
    age, ages = 0.0, list[float]()
    while age < 60.0:
        age += look(age=age, interval=0.1, pushed=True)
        ages.append(age)
    assert ages == [1.0, 2.0, 4.0, 8.0, 16.0, 31.0, 46.0, 61.0]


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


@pytest.mark.parametrize(
    ("crowded", "spread", "expected"),
    [
        (True, 0.0, 10.0),
        (True, 0.5, 10.5),
        (True, 1.0, 11.0),
        (False, 0.0, 10.0),
        (False, 0.5, 10.1),
        (False, 1.0, 10.2),
    ],
)
def test_jitter(crowded: bool, spread: float, expected: float) -> None:
    """A look comes up to a tenth later than due where many tasks are watched, else up to a fiftieth; never earlier."""
    assert look(PollingPolicy(), interval=10.0, spread=spread, crowded=crowded) == pytest.approx(expected)


@pytest.mark.parametrize(("due", "expected"), [(0.1, 0.11), (0.2, 0.22), (8.0, 8.02), (50.0, 50.02)])
def test_jitter_of_what_was_learned(due: float, expected: float) -> None:
    """A look at a moment that was learned is late by no more than 0.02 s, in a crowd too."""
    for crowded in (False, True):
        found = look(PollingPolicy(), age=0, places=Places(FREE, (due,)), spread=1.0, crowded=crowded)
        assert found == pytest.approx(expected)


def test_jitter_stays_below_the_ceiling() -> None:
    """Neither jitter nor a time to live leads beyond the ceiling or below the floor."""
    assert look(PollingPolicy(), interval=60.0, spread=1.0, crowded=True) == 60.0
    assert look(PollingPolicy(ceiling=0.5), interval=30.0, remaining=2.0) == 0.5
    assert look(PollingPolicy(floor=3.0), interval=30.0, remaining=2.0) == 3.0


def test_no_early_looks_in_a_crowd() -> None:
    """Where very many tasks are watched, none is looked at ahead of the server's interval."""
    assert looks(PLAIN, 5.0, 16, crowded=True) == [5.0, 10.0, 15.0]
    assert looks(PLAIN, None, 7, crowded=True) == [2.0, 4.0, 6.0]


# --- what was learned ---------------------------------------------------------------------------------------------

FREE = Rhythm(interval=100.0, soonest=0.1)
"""Keeps no learned poll back."""
LEARNED = (0.9, 7.0, 12.5)


@pytest.mark.parametrize(
    ("policy", "crowded", "expected"),
    [
        (PLAIN, False, [0.9, 7.0, 12.5, 17.5, 22.5]),
        (PLAIN, True, [0.9, 7.0, 12.5, 17.5, 22.5]),
        (NOT_EARLY, False, [5.0, 10.0, 15.0, 20.0]),
        (PollingPolicy(floor=3, jitter=0), False, [3.0, 7.0, 12.5, 17.5, 22.5]),
        (PollingPolicy(first=0.2, ceiling=3, jitter=0), False, [0.9, 3.9, 6.9, 7.5, 10.5, 12.5, 15.5, 18.5, 21.5]),
    ],
)
def test_polls_that_were_learned(policy: PollingPolicy, crowded: bool, expected: list[float]) -> None:
    """Polls are made where they were learned to be, then in the usual rhythm; all within floor and ceiling, and within
    the budget."""
    assert looks(policy, 5.0, 23, learned=LEARNED, crowded=crowded) == pytest.approx(expected)


@pytest.mark.parametrize(("age", "expected"), [(0.0, 0.9), (0.8, 0.464), (4.9, 2.1), (6.8, 1.0), (7.05, 5.45)])
def test_learned_on_the_way(age: float, expected: float) -> None:
    """Where places become known in the midst of a task, its next poll keeps the distance of any two polls."""
    assert look(age=age, places=Places(rhythm(PLAIN, 5.0, crowded=False), LEARNED)) == pytest.approx(expected)


def test_nothing_learned() -> None:
    """Places without any poll are as if nothing had been learned."""
    assert looks(PLAIN, 5.0, 20, learned=()) == looks(PLAIN, 5.0, 20)


def test_what_was_learned_is_no_push() -> None:
    """While the server pushes, looks are the slow safety net, whatever was learned."""
    assert look(age=0, places=Places(FREE, LEARNED), pushed=True) == 15.0


any_float = st.floats(allow_nan=True, allow_infinity=True)
amount = st.floats(min_value=1e-3, max_value=1e6)


def answering(delay: float) -> Callable[[LookContext], float]:
    """A rule that always says so."""
    return lambda _: delay


@st.composite
def policies(draw: st.DrawFn) -> PollingPolicy:
    """Any policy that can be made."""
    floor, ceiling = sorted((draw(amount), draw(amount)))
    return PollingPolicy(
        early=draw(st.booleans()),
        first=draw(amount),
        growth=draw(st.floats(1, 1e9, exclude_min=True)),
        custom=draw(st.none() | any_float.map(answering)),
        default_interval=draw(amount),
        floor=floor,
        ceiling=ceiling,
        push_interval=draw(amount),
        jitter=draw(st.floats(0, 1)),
    )


any_places = st.none() | st.builds(
    Places,
    st.builds(Rhythm, interval=amount, soonest=amount, early=st.booleans(), eager=st.booleans()),
    st.lists(amount, max_size=3).map(lambda ages: tuple(sorted(ages))),
)


@given(
    policies(),
    st.floats(min_value=0, max_value=1e12),
    st.none() | any_float,
    st.none() | any_float,
    st.booleans(),
    st.floats(0, 1),
    any_places,
    st.booleans(),
)
def test_always_within_bounds(
    policy: PollingPolicy,
    age: float,
    interval: float | None,
    remaining: float | None,
    pushed: bool,
    spread: float,
    places: Places | None,
    crowded: bool,
) -> None:
    """Whatever a server says and whatever was learned, the delay is finite and within floor and ceiling."""
    delay = look(
        policy,
        age=age,
        interval=interval,
        remaining=remaining,
        pushed=pushed,
        spread=spread,
        places=places,
        crowded=crowded,
    )
    assert math.isfinite(delay)
    assert policy.floor <= delay <= policy.ceiling


@given(policies(), st.floats(0, 1e6), st.floats(1e-3, 1e5), st.floats(0, 1), st.booleans())
def test_not_early_never_looks_sooner_than_asked(
    policy: PollingPolicy, age: float, interval: float, spread: float, pushed: bool
) -> None:
    """Without early looks a client waits at least as long as the server asks, up to the ceiling."""
    assume(not policy.early and policy.custom is None)
    delay = look(policy, age=age, interval=interval, pushed=pushed, spread=spread)
    assert delay >= min(interval, policy.ceiling)


def test_pushes_that_are_awaited() -> None:
    """Where pushes are about to begin, no look comes ahead of the server's interval in a task's first second, neither
    an early one nor one that was learned; later, and where the server wants them, they come as ever."""
    learned = Places(FREE, (0.3, 7.0))
    for places in (None, learned):
        assert look(age=0.0, places=places, awaited=True) == 1.0
        assert look(age=0.4, places=places, awaited=True) >= 0.6
        assert look(age=1.5, places=places, awaited=True) == look(age=1.5, places=places)
    assert look(age=0.0, interval=0.3, awaited=True) == 0.3
    assert look(age=0.0, interval=None, awaited=True) == 1.0
    assert look(age=0.0, pushed=True, awaited=True) == look(age=0.0, pushed=True)
    assert look(NOT_EARLY, age=0.0, awaited=True) == 5.0


# --- a bounded supply ---------------------------------------------------------------------------------------------


def test_pace() -> None:
    """Taking takes only what is there: what is not costs nothing, so that the next one comes no later, when it says."""
    pace = Pace(2, 4)
    assert pace.ready(0.0) == 0.0
    assert [pace.take(0.0) for _ in range(4)] == [True, True, False, False]
    assert pace.ready(0.1) == pytest.approx(0.25)
    assert not pace.take(0.2)
    assert pace.take(0.25)
    assert not pace.take(0.25)
    assert pace.ready(0.25) == pytest.approx(0.5)
    assert pace.ready(7.0) == 7.0
    assert [pace.take(50.0) for _ in range(3)] == [True, True, False]


@given(st.integers(1, 100), st.floats(0.1, 1000), st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_pace_is_kept(burst: int, rate: float, steps: list[float]) -> None:
    """Whenever it is asked, in no stretch of time are there more than the burst and what has grown in it; and when it
    says that there is one there is."""
    pace, now, given_at = Pace(burst, rate), 0.0, list[float]()
    for step in steps:
        now += step
        while pace.take(now) and len(given_at) < 1000:
            given_at.append(now)
        now = pace.ready(now)
        assert pace.take(now)
        given_at.append(now)
    for first, begin in enumerate(given_at):
        for count, end in enumerate(given_at[first:], 1):
            assert count <= burst + rate * (end - begin) + 1 + 1e-6


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
    """The first attempt takes a third of what the nearest waiter has left, at least half a second, at most the client's
    own timeout."""
    assert attempt_limit(wire_timeout=wire_timeout, remaining=remaining) == expected


def test_attempt_limit_of_nobody_in_a_hurry() -> None:
    """Where nobody sets a time, a read that gets no answer is still sent again, within half a minute."""
    usual = attempt_limit(wire_timeout=None, remaining=None)
    assert 5.0 <= usual <= 30.0
    assert attempt_limit(wire_timeout=None, remaining=3600.0) == usual
