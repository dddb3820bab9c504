"""Where looks are placed for what was seen: exact ages for given runs, and what holds for any."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._placing import Places, Run, in_common, places

EARLY, LATE = 0.2, 5.0
"""The first look at the earliest, with early looks and without, at an interval of 5 s."""
SLACK = 1e-6
"""What floats may be off."""


def placed(*runs: tuple[float, float], soonest: float = EARLY, interval: float = 5.0) -> Places:
    """Where looks are placed after these runs, rounded."""
    found = places([Run(low, high) for low, high in runs], interval=interval, soonest=soonest, growth=1.58)
    return Places(*(tuple(round(age, 3) for age in ages) for ages in (found.guards, found.looks)))


@pytest.mark.parametrize(
    ("runs", "guards", "looks"),
    [
        # Nothing is known, or the usual rhythm is fine enough.
        ([], (), ()),
        ([(200, 200)], (), ()),
        ([(159, 160.1)], (), ()),
        # One run, whose length is not known well: a look in the middle, and one where it was over.
        ([(7.768, 12.273)], (0.2, 0.8), (5.021, 10.021, 15.021)),
        ([(4.916, 7.768)], (0.2,), (1.342, 6.342, 11.342)),
        ([(1.969, 3.112)], (0.2, 0.8), (2.541, 3.112)),
        # Known well enough: the one where it was over.
        ([(0, 0.2)], (), (0.2,)),
        ([(7.0, 7.3)], (0.2, 0.8), (2.3, 7.3)),
        ([(19.5, 20)], (0.2, 0.8), (5.0, 10.0, 15.0, 20.0)),
        # Known to the point, from the server: a bit later, since no two are exactly as long.
        ([(0.05, 0.05)], (), (0.2,)),
        ([(2, 2)], (0.2, 0.8), (2.05,)),
        ([(9, 9)], (0.2, 0.8), (4.12, 9.12)),
        ([(10.03, 10.03)], (0.2, 0.8), (5.16, 10.16)),
        ([(30, 30)], (), (0.33, 5.33, 10.33, 15.33, 20.33, 25.33, 30.33)),
        # Several that may have been equally long.
        ([(7.768, 12.273), (10, 15)], (0.2,), (1.136, 6.136, 11.136, 16.136)),
        ([(1, 9), (5, 6)], (0.2,), (0.5, 5.5, 10.5)),
        ([(2, 2), (2.01, 2.01)], (0.2, 0.8), (2.06,)),
        # Five alike in a row count more than what was before.
        ([(3, 3), *[(9, 9)] * 5], (0.2, 0.8), (4.12, 9.12)),
        # When many were, looks on the way are rarer.
        ([(9, 9)] * 8, (0.2, 0.8, 3.2), (9.12,)),
        ([(30, 30)] * 8, (0.2, 0.8), (5.0, 10.33, 20.33, 30.33)),
        # Several that differ: where the sum of waits and looks is least.
        ([(2, 2), (12, 12)], (0.2, 0.8), (2.05, 12.05, 17.05)),
        ([(2, 2), (7, 7)], (0.2, 0.8), (2.05, 7.1)),
        ([(3, 4), (9, 10), (3, 4)], (0.2, 0.8), (3.565, 9.625)),
        ([*[(9, 9)] * 4, (12, 12)], (0.2, 0.8), (4.12, 9.12, 14.12)),
    ],
)
def test_looks(runs: list[tuple[float, float]], guards: tuple[float, ...], looks: tuple[float, ...]) -> None:
    """For given runs, looks are placed at these ages, where early ones are made and the interval is 5 s."""
    assert placed(*runs) == Places(guards, looks)


@pytest.mark.parametrize(
    ("runs", "looks"),
    [
        ([(0, 0.2)], (5.0,)),
        ([(2, 2)], (5.0,)),
        ([(9, 9)], (9.12,)),
        ([(10.03, 10.03)], (5.16, 10.16)),
        ([(21, 21)], (6.24, 11.24, 16.24, 21.24)),
        ([(2, 2), (12, 12)], ()),
    ],
)
def test_looks_without_early_ones(runs: list[tuple[float, float]], looks: tuple[float, ...]) -> None:
    """Where no early looks are made, none that was learned comes ahead of the interval either."""
    assert placed(*runs, soonest=LATE) == Places((), looks)


def test_a_short_interval() -> None:
    """Where the server wants looks more often, they are that much finer."""
    assert placed((7.768, 12.273), interval=1.0).looks == (*(n + 0.021 for n in range(1, 11)), 12.021)
    assert placed((33, 33), interval=1.0) == Places()


def test_which_look_is_next() -> None:
    """After an age comes the next guard, where such are made, or the next look; behind the last one none."""
    found = Places((0.2, 0.8), (7.0, 12.0))
    ages = (0.0, 0.2, 0.5, 0.8, 6.9, 7.0, 12.0, 99.0)
    assert [found.after(age, guarded=True) for age in ages] == [0.2, 0.8, 0.8, 7.0, 7.0, 12.0, None, None]
    assert [found.after(age, guarded=False) for age in ages] == [7.0, 7.0, 7.0, 7.0, 7.0, 12.0, None, None]
    assert Places().after(0.0, guarded=True) is None
    # What a clock may be off makes no second look at the same place.
    assert found.after(0.2 - 1e-9, guarded=True) == 0.8
    assert found.after(7.0 - 1e-9, guarded=True) == 12.0


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], (0.0, math.inf, 0)),
        ([Run(2, 5)], (2, 5, 1)),
        ([Run(2, 5), Run(4, 6)], (4, 5, 2)),
        ([Run(2, 5), Run(6, 8)], (6, 8, 1)),
        ([Run(2, 5), Run(6, 8), Run(6, 7)], (6, 7, 2)),
        ([Run(4.9, 5), Run(5.05, 9)], (5.05, 5, 2)),
        ([Run(2, 5), Run(5.05, 9)], (5.05, 5, 0)),
        ([Run(9, 9), Run(3, 3)], (3, 3, 1)),
        # What it would have been no shorter than, had it been as long as those before.
        ([Run(2, 5, least=4)], (4, 5, 1)),
    ],
)
def test_in_common(runs: list[Run], expected: tuple[float, float, int]) -> None:
    """The latest runs that may all have had one length, and between which bounds that is."""
    assert in_common(runs) == expected


def test_too_many_that_were_longer() -> None:
    """One of the latest runs may have been a little longer than the others; two are not alike."""
    known, longer = Run(5, 5.2), Run(5.21, 10)
    assert in_common([known, longer])[2] == 2
    assert in_common([known, longer, longer])[2] == 0


# --- whatever was seen --------------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[Run]:
    """Up to eight runs: alike, somewhat alike or not at all; known to the point or not."""
    usual = draw(st.floats(0.01, 200))
    ends = draw(
        st.lists(st.one_of(st.just(usual), st.floats(0.9, 1.1).map(usual.__mul__), st.floats(0, 300)), max_size=8)
    )
    runs: list[Run] = []
    for end in ends:
        width = draw(st.one_of(st.just(0.0), st.floats(0, 5)))
        below = draw(st.floats(0, 1)) * width
        runs.append(Run(max(end - below, 0.0), end + width - below))
    return runs


@given(histories(), st.floats(0.1, 60), st.booleans(), st.floats(1.01, 10))
def test_looks_keep_their_distance(runs: list[Run], interval: float, early: bool, growth: float) -> None:
    """Whatever was seen: ages are finite and rise; none comes sooner than the first that is allowed; behind the first
    interval they keep it; there are never more than two intervals without any, up to where the last run was over."""
    soonest = min(0.2, interval) if early else interval
    found = places(runs, interval=interval, soonest=soonest, growth=growth)
    looks = found.looks
    assert all(math.isfinite(age) for age in (*found.guards, *looks))
    assert all(age >= soonest - SLACK for age in (*found.guards, *looks))
    assert all(before < after for before, after in pairwise(found.guards))
    for before, after in pairwise((0.0, *looks)):
        assert before < after <= before + 2 * interval + SLACK
        assert before < interval - SLACK or after >= before + interval - SLACK
    assert len(found.guards) <= 3
    if looks and found.guards:
        assert max(found.guards) <= looks[0] - min(interval, looks[0] / 2) + SLACK
    if looks:
        highest = max(run.high for run in runs)
        assert looks[-1] <= 1.01 * max(highest, soonest) + 0.03 + interval + SLACK
        assert len(looks) <= 40


@given(histories(), st.floats(0.1, 60))
def test_a_run_like_the_last_is_found(runs: list[Run], interval: float) -> None:
    """Where all runs may have been equally long, the looks reach the end of such a run."""
    low, high, alike = in_common(runs)
    found = places(runs, interval=interval, soonest=min(0.2, interval), growth=1.58)
    if found.looks and alike == len(runs):
        assert found.looks[-1] >= min(low, high) - SLACK
