"""How long the next run may take: exact distributions for given runs, and what holds for any."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._core.polling.lengths import Evidence, Lengths, Run, distribution, remembered, steadier, to_learn


def known(*runs: tuple[float, float], weight: float = 1.0) -> Lengths:
    """The distribution after these runs, which count alike."""
    return distribution([Evidence(Run(low, high), weight) for low, high in runs], shortest=0.2)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([(2, 5)], [(2, 5.02)]),
        # All may have been equally long: the length lies where they agree.
        ([(2, 5), (4, 6)], [(4, 5.02)]),
        ([(2, 9), (1, 4), (3, 12)], [(3, 4.02)]),
        # They differ.
        ([(2, 3), (5, 6)], [(2, 3.02), (5, 6.03)]),
        ([(2, 3), (5, 6), (2.5, 3.5), (4, 5.5)], [(2.5, 3.02), (5, 5.53)]),
        # The server told it.
        ([(3, 3), (3, 3)], [(3, 3.02)]),
        ([(0, 0)], [(0, 0.01)]),
    ],
)
def test_where_runs_agree(runs: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    """The mass of lengths that repeat lies where as many runs as possible agree, and a margin beyond."""
    found = [(low, high) for low, high, _ in known(*runs).alike]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=0.011)


def test_more_runs_more_mass() -> None:
    """The more runs agree on a length, the more mass it has; the more runs are known, the less is left for others."""
    few, more = known((2, 3), (5, 6)), known((2, 3), (5, 6), (5, 6), (5, 6))
    assert few.alike[0][2] == pytest.approx(few.alike[1][2])
    assert more.alike[1][2] == pytest.approx(3 * more.alike[0][2])
    assert sum(mass for _, _, mass in more.others) < sum(mass for _, _, mass in few.others)


def test_weight() -> None:
    """A run that counts twice is as good as two."""
    once = [Evidence(Run(2, 3), 1.0), Evidence(Run(5, 6), 1.0), Evidence(Run(5, 6), 1.0)]
    twice = [Evidence(Run(2, 3), 1.0), Evidence(Run(5, 6), 2.0)]
    for one, other in zip(
        distribution(once, shortest=0.2).pieces, distribution(twice, shortest=0.2).pieces, strict=True
    ):
        assert one == pytest.approx(other, abs=0.02)


def test_near_lengths_count_as_the_interval() -> None:
    """To learn, the mass of near lengths that lies within the interval counts as the interval's, if the same arguments
    were seen. What lies outside of the interval stays."""
    lengths = Lengths(((4.0, 5.0, 0.4),), ((3.0, 7.0, 0.4),), ((0.0, 9.0, 0.2),))
    found = to_learn(lengths, lambda _: 1.0, near=True)
    assert [(low, high, round(mass, 6)) for low, high, mass in found] == [
        *((0.0, 9.0, 0.2), (3.0, 4.0, 0.1), (5.0, 7.0, 0.2)),
        *((4.0, 4.5, 0.4), (5.5, 5.5, 0.1)),
    ]
    assert (3.0, 7.0, 0.4) in to_learn(lengths, lambda _: 1.0, near=False)


def test_learning_halves_an_interval() -> None:
    """To learn, most of an interval's mass counts as below its middle, and the rest as late as polls are allowed then;
    an interval that is narrow enough stays as it is."""
    lengths = known((4, 5))
    ((low, middle, below), (after, same, above)) = to_learn(lengths, lambda _: 1.0, near=False)[-2:]
    assert (low, round(middle, 2), round(after, 2), after) == (4, 4.51, 5.51, same)
    assert below == pytest.approx(4 * above)
    narrow = known((4.98, 5.0))
    assert set(to_learn(narrow, lambda _: 1.0, near=True)) == set(narrow.pieces)


def test_memory() -> None:
    """A run that was over when a steady tool's runs are, is remembered to have been no shorter than those before. One
    that was longer, or shorter, is taken as it was seen."""
    lengths = known(*[(7.2, 7.4)] * 8)
    assert remembered(Run(2.0, 7.4), lengths).least == pytest.approx(7.2)
    assert remembered(Run(7.4, 9.0), lengths) == Run(7.4, 9.0)
    assert remembered(Run(2.0, 3.0), lengths) == Run(2.0, 3.0)
    differing = known((2, 3), (3.5, 4), (5, 5.5), (6, 7), (7.2, 7.4))
    assert remembered(Run(2.0, 7.4), differing) == Run(2.0, 7.4)


def test_doubt() -> None:
    """A run that is only remembered to have been long leaves some mass where it may have ended."""
    sure = distribution([Evidence(Run(7.2, 7.4), 1.0)] * 3, shortest=0.2)
    doubted = distribution([Evidence(Run(2.0, 7.4, least=7.2), 1.0)] * 3, shortest=0.2)
    inside = [piece for piece in doubted.others if piece[:2] == (2.0, 7.2)]
    assert len(inside) == 3
    assert not [piece for piece in sure.others if piece[:2] == (2.0, 7.2)]


def test_how_far_lengths_differ() -> None:
    """The next run may differ from earlier runs by as much as those typically differ from their median; that each was
    known only to within a third makes this a little less."""
    found = known((8, 12), (10, 15), (12.8, 19.2))
    assert found.alike[0][0] / found.near[0][0] == pytest.approx(1.32, abs=0.01)
    exact = known((10, 10), (12.5, 12.5), (16, 16))
    assert exact.alike[0][0] / exact.near[0][0] == pytest.approx(1.335, abs=0.005)


def test_steadiness() -> None:
    """Runs that are exactly as long as those before make a tool steadier; others make it less steady."""
    lengths = known((2, 2.1), (2, 2.1), (3, 3.1), (4, 4.1), (5, 5.1))
    assert steadier(0.0, Run(2.0, 2.1), lengths) > 0
    assert steadier(0.0, Run(3.3, 3.6), lengths) < 0
    assert abs(steadier(1.0, Run(0.0, 9.0), lengths)) < 1.0


# --- whatever was seen --------------------------------------------------------------------------------------------

lengths_of_runs = st.one_of(st.floats(0, 30 * 86400.0), st.sampled_from([0.0, 1e-9, 7.3, 86400.0]))


@st.composite
def evidence(draw: st.DrawFn) -> list[Evidence]:
    """Up to sixteen runs, some of which count less."""
    found: list[Evidence] = []
    for _ in range(draw(st.integers(1, 16))):
        low, high = sorted((draw(lengths_of_runs), draw(lengths_of_runs)))
        least = draw(st.sampled_from([0.0, low, high]))
        found.append(Evidence(Run(low, high, least), draw(st.floats(0.01, 1))))
    return found


@given(evidence(), st.floats(0.1, 60), st.floats(-20, 20))
def test_any_distribution(runs: list[Evidence], shortest: float, steadiness: float) -> None:
    """Whatever was seen, from runs of no time to runs of a month: the mass is 1, no piece is backwards, nothing is
    infinite or NaN, and there are few pieces."""
    found = distribution(runs, shortest=shortest, steadiness=steadiness)
    for pieces in (found.pieces, to_learn(found, lambda _: 1.0, near=True)):
        assert sum(mass for _, _, mass in pieces) == pytest.approx(1, abs=1e-6)
        assert all(math.isfinite(value) for piece in pieces for value in piece)
        assert all(-1.0 <= low <= high and mass >= -1e-9 for low, high, mass in pieces)
        assert len(pieces) <= 80
    for each in runs:
        again = remembered(each.run, found)
        assert again.low <= max(again.known_low, again.low) <= max(each.run.high, each.run.known_low)
        assert math.isfinite(steadier(steadiness, each.run, found))
