"""Polls are nearly as good as the best schedule of as many: the simulator's families, a hundred runs of each.

`python -m tests.benchmarks.simulate` has all of them, at more intervals and for more tasks at once.
"""

from __future__ import annotations

import random
import statistics

import pytest

from tests.benchmarks.simulate import BEGIN, END, as_markdown, with_table
from tests.benchmarks.simulated.best import best
from tests.benchmarks.simulated.families import FAMILIES
from tests.benchmarks.simulated.fleets import Fleet, fastmcp_ages, found_by, watch_family
from tests.benchmarks.simulated.table import _lengths_by_group, row
from tests.helpers.simulating import Simulation


@pytest.mark.parametrize("interval", [1.0, 5.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_nearly_the_best(family: str, interval: float) -> None:
    """After five runs, results are about as late as by the best schedule of as many polls, which are within the
    budget."""
    found = row(family, interval, 1, 160)
    assert found.in_budget
    assert found.on_time, " | ".join(found.cells)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_crowd_is_no_later_than_at_the_interval(family: str) -> None:
    """Of many tasks at once, the median is found no later than by polling at the interval, for hardly more polls."""
    found = row(family, 5.0, 300, 4)
    assert found.ours.median <= found.regular.median + 0.05 * found.length
    assert found.ours.polls <= 1.35 * found.budget


ROWS = {
    "the same": [3.0] * 12,
    "the same, longer": [7.3] * 12,
    "in turn": [3.0, 6.0] * 12,
    "shorter": [10.0] * 3 + [1.0] * 10,
    "longer": [4.0] * 4 + [8.0] * 10,
    "no longer any": [*(random.Random(1).uniform(5, 15) for _ in range(20)), *[3.0] * 10],
}


@pytest.mark.parametrize("lengths", ROWS.values(), ids=ROWS)
def test_learned_in_three_runs(lengths: list[float]) -> None:
    """After three runs of each length such runs are found within 0.3 s by the median; on average over all runs, those
    that taught included, results are less late than by polling at the interval."""
    found = Simulation().runs(lengths)
    for length in set(lengths):
        late = [run.late for run, each in zip(found, lengths, strict=True) if each == length][3:]
        assert statistics.median(late or [0.0]) <= 0.3
    regular = [found_by((), 5.0, length + 0.02)[0] for length in lengths]
    assert statistics.mean(run.late for run in found) < statistics.mean(regular)


# --- the simulator ------------------------------------------------------------------------------------------------


def test_it_is_deterministic() -> None:
    """Two simulations of one seed are equal."""
    one, two = (watch_family(FAMILIES["uniform"], interval=5.0, workers=20, each=3) for _ in range(2))
    assert one == two
    assert len(one) == 60
    assert all(seen.late >= 0 for seen in one)


def test_what_others_do() -> None:
    """Polling at the interval, and fastmcp's rule, which polls at once, then after 20 ms, and doubles each pause."""
    assert found_by((), 5.0, 7.3) == pytest.approx((2.7, 2))
    assert [round(age, 2) for age in fastmcp_ages(5.0)] == [0.0, 0.02, 0.06, 0.14, 0.3, 0.62, 1.26, 2.54, 5.1]
    assert found_by(fastmcp_ages(5.0), 5.0, 7.3) == pytest.approx((2.8, 10))


@pytest.mark.parametrize(
    ("polls", "ages", "late"),
    [(1.0, (9.0,), (6.0, 6.0, 0.0, 0.0)), (1.5, (3.0, 9.0), (0.0,) * 4), (9.0, (3.0, 9.0), (0.0,) * 4)],
)
def test_the_best_schedule(polls: float, ages: tuple[float, ...], late: tuple[float, ...]) -> None:
    """It is the one with the least lateness on average, of those with as many polls."""
    found = best([3.0, 9.0, 3.0, 9.0], polls, lambda _: 1.0, 0.2)
    assert (found.ages, found.late) == (ages, late)
    assert found.polls <= polls


def test_fleets_are_crowds() -> None:
    """Of more than a hundred tasks at once few more are polled early, and none of the others costs more polls than at
    the interval."""
    seen = Fleet(5.0).watch(FAMILIES["constant"](random.Random(1), 300), workers=300, each=1)
    others = [each for each in seen if each.crowded]
    assert len(others) >= 150
    assert all(each.polls <= 2 for each in others)


def test_the_table_in_the_page() -> None:
    """The table stands between its markers, and nothing else of the page changes."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    written = with_table(page, as_markdown([row("constant", 5.0, 1, 20)]))
    assert written.startswith(f"before\n{BEGIN}\n| family |")
    assert written.endswith(f"|\n{END}\nafter\n")
    with pytest.raises(ValueError, match="the page must have"):
        with_table("nothing", "")


def test_the_best_schedule_knows_the_lengths_that_are_watched() -> None:
    """Of a family that changes on the way, the lengths that the best schedule knows come from all of the stretch
    that is watched. Twenty thousand runs drift from 5 s to 6.1 s, the first two thousand only to 5.1 s."""
    (known,) = _lengths_by_group("drift", 10_000, 20_000).values()
    assert len(known) == 2000
    assert min(known) == pytest.approx(5.0, abs=0.05)
    assert max(known) == pytest.approx(5 * 2.2**0.25, abs=0.05)
    assert len(_lengths_by_group("uniform", 1, 160)[""]) == 2000
