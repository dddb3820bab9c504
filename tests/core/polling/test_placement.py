"""Where polls are placed for a distribution: exact ages, and what holds for any."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._core.polling.lengths import Piece
from mcptasks._core.polling.placement import Places, places, sooner
from mcptasks._core.polling.rhythm import Rhythm

EARLY = Rhythm(interval=5.0, soonest=0.2, growth=1.5)
CROWD = Rhythm(interval=5.0, soonest=0.2, early=False)
STRICT = Rhythm(interval=5.0, soonest=5.0, early=False, eager=False)


def placed(*pieces: Piece, rhythm: Rhythm = EARLY) -> list[float]:
    """Where polls are placed, rounded."""
    found = places(pieces, rhythm)
    assert found is not None
    return [round(look, 2) for look in found.looks]


@pytest.mark.parametrize(
    ("pieces", "rhythm", "looks"),
    [
        # All runs take as long.
        ([(7.2, 7.3, 1.0)], EARLY, [7.3]),
        ([(7.2, 7.3, 1.0)], CROWD, [7.3]),
        ([(2.0, 2.1, 1.0)], STRICT, [5.0]),
        ([(7.2, 7.3, 1.0)], STRICT, [7.3]),
        # Two lengths; a rare one that ends long before the other; two that are closer than polls may be.
        ([(3.0, 3.1, 0.5), (9.0, 9.1, 0.5)], EARLY, [3.1, 9.1]),
        ([(0.1, 0.1, 0.2), (9.0, 9.1, 0.8)], EARLY, [0.2, 9.1]),
        ([(9.0, 9.1, 0.5), (9.3, 9.4, 0.5)], EARLY, [9.4]),
        # Anything between two lengths: as dense as polls may be, or as the budget lets them.
        ([(5.0, 9.0, 1.0)], EARLY, [6.0, 7.0, 8.0, 9.0]),
        ([(5.0, 9.0, 1.0)], CROWD, [7.7, 9.0]),
    ],
)
def test_looks(pieces: list[Piece], rhythm: Rhythm, looks: list[float]) -> None:
    """Polls come where they lower the expected lateness most, at the distance that the rhythm keeps."""
    assert placed(*pieces, rhythm=rhythm) == pytest.approx(looks, abs=0.35)


def test_long_runs() -> None:
    """Runs of many intervals are polled at the interval."""
    assert places([(200.0, 201.0, 1.0)], EARLY) is None
    assert places([(3.0, 3.1, 0.95), (200.0, 201.0, 0.05)], EARLY) is not None


def test_sooner_counts_all_lengths() -> None:
    """Polls that find short runs a little later, and long runs much sooner, are better than the usual polls; those that
    find only the short runs later are not."""
    pieces = [(1.9, 2.0, 0.5), (26.0, 26.05, 0.5)]
    assert sooner(Places(EARLY, (2.5, 26.05)), pieces)
    assert not sooner(Places(EARLY, (2.5,)), [(1.9, 2.0, 1.0)])


def test_a_crowd_is_polled_by_the_first_interval() -> None:
    """If the budget is for one poll, that poll comes no later than at the interval."""
    crowd = Rhythm(interval=30.0, soonest=0.2, early=False)
    assert placed((2.0, 60.0, 0.6), (1.0, 20.0, 0.4), rhythm=crowd)[0] <= 30.0


@pytest.mark.parametrize(
    ("age", "polls", "expected"),
    [
        (0.0, 0, 3.1),
        (3.1, 1, 9.1),
        (3.15, 1, 9.1),
        (2.9, 1, 3.9),
        (3.0, 1, 4.0),
        (8.9, 2, 9.9),
        (9.1, 2, None),
        (50.0, 5, None),
    ],
)
def test_which_poll_is_next(age: float, polls: int, expected: float | None) -> None:
    """After an age comes the next poll of the plan, put off where the one before came too late for it; behind the last
    there is none."""
    due = Places(EARLY, (3.1, 9.1)).after(age, polls)
    assert due == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("found", "age", "expected"),
    [
        # After a poll at 3.9 s, the one planned for 4.3 s can come at 5.85 s, and the one for 7.5 s then at 8.78 s.
        ((0.1, 0.1, 0.8), 3.9, 7.5),
        ((0.1, 0.8, 0.1), 3.9, 5.85),
        # The first comes in time.
        ((0.1, 0.1, 0.8), 2.8, 4.3),
        # It would come later than the second.
        ((0.1, 0.8, 0.1), 5.1, 7.65),
        # Nothing is known of how many runs each finds.
        ((), 3.9, 5.85),
    ],
)
def test_a_late_poll_is_left_out(found: tuple[float, ...], age: float, expected: float) -> None:
    """A poll that is put off is left out if it would delay the next one, and most runs end before that one."""
    rhythm = Rhythm(interval=30.0, soonest=0.2, growth=1.5)
    assert Places(rhythm, (2.5, 4.3, 7.5), found).after(age, 1) == pytest.approx(expected)


def test_a_spent_budget_puts_polls_off() -> None:
    """A poll waits until polling at the interval would have made as many."""
    found = Places(CROWD, (1.0, 2.5, 4.0))
    assert [found.after(1.0, polls) for polls in (0, 1, 2, 3)] == [2.5, 5.0, 10.0, 15.0]


def test_no_gap_is_too_long() -> None:
    """No more than three intervals pass without a poll: what is known may be wrong."""
    found = Places(EARLY, (40.0,))
    assert found.after(0.0, 0) == pytest.approx(40 / 3)
    assert found.after(20.0, 2) == pytest.approx(30.0)


# --- whatever is known --------------------------------------------------------------------------------------------


@st.composite
def distributions(draw: st.DrawFn) -> list[Piece]:
    """Any distribution of a few pieces."""
    weights = draw(st.lists(st.floats(0.01, 1), min_size=1, max_size=12))
    found: list[Piece] = []
    for weight in weights:
        low, high = sorted((draw(st.floats(0, 200)), draw(st.floats(0, 200))))
        found.append((low, high, weight / sum(weights)))
    return found


@given(distributions(), st.floats(0.1, 60), st.booleans(), st.booleans(), st.floats(1.01, 10))
def test_any_plan(pieces: list[Piece], interval: float, early: bool, eager: bool, growth: float) -> None:
    """Whatever is known: the polls of a task rise, keep their distance, and are never more than the budget; they go on
    for ever, at no more than three intervals."""
    rhythm = Rhythm(interval, min(0.2, interval) if eager else interval, growth, early and eager, eager)
    found = places(pieces, rhythm)
    ages = [0.0]
    while len(ages) < 60:
        due = None if found is None else found.after(ages[-1], len(ages) - 1)
        ages.append(ages[-1] + rhythm.usual(ages[-1]) if due is None else due)
        if due is not None:
            assert len(ages) - 1 <= rhythm.allowed(due + 1e-4)
    assert all(math.isfinite(age) for age in ages)
    assert ages[1] >= rhythm.soonest - 1e-5
    for before, after in pairwise(ages[1:]):
        assert after - before >= min(rhythm.gap(before), rhythm.usual(before)) - 1e-5
        assert after - before <= 3 * interval + 1e-5
    assert found is None or len(found.looks) <= 200


@given(distributions(), st.floats(0.1, 60), st.floats(0, 100), st.integers(0, 50))
def test_any_next_poll(pieces: list[Piece], interval: float, age: float, polls: int) -> None:
    """Whatever is known, and whenever the poll before came: the next keeps the distance, and is finite."""
    rhythm = Rhythm(interval=interval, soonest=min(0.2, interval))
    found = places(pieces, rhythm)
    due = None if found is None else found.after(age, polls)
    if due is not None:
        assert math.isfinite(due)
        assert due >= (age + rhythm.gap(age) if age > 1e-6 else rhythm.soonest) - 1e-6
