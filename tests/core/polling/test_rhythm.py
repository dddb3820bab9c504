"""How often a server may be polled: the budget of a task, and the distance of its polls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks import PollingPolicy
from mcptasks._core.polling.policy import rhythm
from mcptasks._core.polling.rhythm import Rhythm, one_in

EARLY = Rhythm(interval=5.0, soonest=0.2, growth=1.5)
CROWD = Rhythm(interval=5.0, soonest=0.2, early=False)
STRICT = Rhythm(interval=5.0, soonest=5.0, early=False, eager=False)


@pytest.mark.parametrize(
    ("given_rhythm", "age", "gap", "usual"),
    [
        (EARLY, 0.0, 0.2, 0.2),
        (EARLY, 1.0, 0.5, 0.5),
        (EARLY, 4.0, 1.0, 2.0),
        (EARLY, 99.0, 1.0, 5.0),
        (CROWD, 0.0, 1.0, 5.0),
        (CROWD, 99.0, 1.0, 5.0),
        (STRICT, 0.0, 5.0, 5.0),
        (STRICT, 7.0, 5.0, 5.0),
    ],
)
def test_distance(given_rhythm: Rhythm, age: float, gap: float, usual: float) -> None:
    """Two polls are a fifth of the interval apart, or what early polls keep if that is less; the interval if a program
    wants no poll ahead of it."""
    assert given_rhythm.gap(age) == pytest.approx(gap)
    assert given_rhythm.usual(age) == pytest.approx(usual)


def test_early_ages() -> None:
    """The early polls are those of a tool that was never seen, until they would be an interval apart."""
    assert [round(age, 2) for age in EARLY.early_ages] == [0.2, 0.4, 0.6, 0.9, 1.35, 2.03, 3.04, 4.56, 6.83, 10.25]
    assert CROWD.early_ages == STRICT.early_ages == ()
    assert len(Rhythm(interval=1e9, soonest=1e-3, growth=1 + 1e-9).early_ages) == 1000


@pytest.mark.parametrize(("age", "count"), [(0.0, 1), (4.99, 1), (5.0, 2), (14.9, 3), (15.0, 4)])
def test_budget_of_a_crowd(age: float, count: int) -> None:
    """In a crowd a task has one poll for each interval, and the one that finds it over."""
    assert CROWD.allowed(age) == count


@pytest.mark.parametrize(("age", "polls"), [(0.0, 1), (0.1, 1), (5.0, 1), (5.01, 2), (10.0, 2), (11.0, 3)])
def test_polls_at_the_interval(age: float, polls: int) -> None:
    """So many polls at the interval find a task over that takes so long."""
    assert EARLY.polls(age) == polls


@given(
    st.floats(0.1, 60), st.floats(0.1, 60), st.floats(1.01, 9), st.booleans(), st.integers(1, 60), st.floats(0, 1000)
)
def test_affordable(interval: float, first: float, growth: float, early: bool, polls: int, age: float) -> None:
    """A number of polls is allowed from the age that `affordable` names, and not clearly before it."""
    found = Rhythm(interval, min(first, interval), growth, early)
    begin = found.affordable(polls)
    assert found.allowed(begin + 1e-5) >= polls
    assert not begin or found.allowed(begin - 1e-4) < polls
    assert found.allowed(age) <= found.allowed(age + 1.0)


@pytest.mark.parametrize(("watched", "count"), [(1, 1), (100, 1), (101, 4), (320, 10), (321, 11), (3200, 100)])
def test_scouts(watched: int, count: int) -> None:
    """Up to a hundred watched tasks are all scouts; of more tasks, about 32 are."""
    assert one_in(watched) == count


@pytest.mark.parametrize("crowded", [True, False])
def test_rhythm_of_a_policy(crowded: bool) -> None:
    """A policy without early polls never polls ahead of the interval; in a crowd only learned polls come before it."""
    strict = rhythm(PollingPolicy(early=False), 5.0, crowded=crowded)
    assert (strict.soonest, strict.gap(3.0), strict.early_ages) == (5.0, 5.0, ())
    usual = rhythm(PollingPolicy(), 5.0, crowded=crowded)
    assert (usual.soonest, bool(usual.early_ages)) == (0.16, not crowded)
