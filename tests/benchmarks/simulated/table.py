"""The rows of the simulator's table: a family, an interval and a fleet each."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

from attrs import frozen

from mcptasks import PollingPolicy
from mcptasks._core.polling.policy import rhythm
from tests.benchmarks.numbers import median_and_p90
from tests.benchmarks.simulated.best import best
from tests.benchmarks.simulated.families import FAMILIES
from tests.benchmarks.simulated.fleets import Seen, early_polls, fastmcp_ages, found_by, watch_family

HEADINGS = (
    "family",
    "interval",
    "tasks at once",
    "ours",
    "polling at the interval",
    "fastmcp 4's rule",
    "best",
    "reached",
)
INTERVALS = (1.0, 5.0, 30.0)
FLEETS: dict[int, int] = {1: 160, 100: 8, 10_000: 2}
"""Workers, and how many tasks each runs."""
_KNOWN = 2000
"""Lengths from which the best schedule is worked out."""
MEDIAN, MEDIAN_PART = 1.3, 0.03
P90, P90_PART = 1.5, 0.06
"""How much later than the best schedule results may be: so many times as late, and this part of the median length."""


@frozen
class Figures:
    """How late results were (median and 90th percentile, in seconds), and polls a task."""

    median: float
    p90: float
    polls: float

    def __str__(self) -> str:
        return f"{self.median:.2f} / {self.p90:.2f} s, {self.polls:.1f}"


@frozen(kw_only=True)
class Row:
    """One row."""

    family: str
    interval: float
    workers: int
    length: float
    """The median length of the runs that count."""
    ours: Figures
    regular: Figures
    """Polling at the interval."""
    fastmcp: Figures
    best: Figures
    budget: float
    """Polls at the interval and, where they are allowed, the early ones."""

    @property
    def on_time(self) -> bool:
        """Whether results come about as soon as by the best schedule."""
        return (
            self.ours.median <= MEDIAN * self.best.median + MEDIAN_PART * self.length
            and self.ours.p90 <= P90 * self.best.p90 + P90_PART * self.length
        )

    @property
    def in_budget(self) -> bool:
        """Whether there were no more polls than allowed."""
        return self.ours.polls <= self.budget + 1e-9

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in the columns."""
        missed = [
            word for word, reached in (("**late**", self.on_time), ("**too many**", self.in_budget)) if not reached
        ]
        figures = (self.ours, self.regular, self.fastmcp, self.best)
        return (
            self.family,
            f"{self.interval:g} s",
            f"{self.workers:,}",
            *map(str, figures),
            " ".join(missed) or "yes",
        )


def row(family: str, interval: float, workers: int, each: int, seed: int = 1) -> Row:
    """Simulate one row."""
    return evaluated(
        family,
        interval,
        workers,
        watch_family(FAMILIES[family], interval=interval, workers=workers, each=each, seed=seed),
    )


def evaluated(family: str, interval: float, workers: int, seen: Sequence[Seen]) -> Row:
    """The row of what was seen."""
    policy = PollingPolicy()
    counted = [each for each in seen if each.counts]
    lengths = [each.run.length for each in counted]
    crowded = statistics.mean(each.crowded for each in seen) > 0.5
    allowed = rhythm(policy, interval, crowded=crowded)
    known = _lengths_by_group(family, workers, len(seen))
    groups = defaultdict[str, list[Seen]](list)
    for each in counted:
        groups[each.run.group].append(each)
    late, polls = list[tuple[float, float]](), 0.0
    for name, group in groups.items():
        lengths_of = known.get(name) or [each.run.length for each in group]
        found = best(lengths_of, statistics.mean(each.polls for each in group), allowed.gap, allowed.soonest)
        late += [(each, len(group) / len(lengths_of)) for each in found.late]
        polls += found.polls * len(group)
    regular = [found_by((), interval, length) for length in lengths]
    peers = [found_by(fastmcp_ages(interval), interval, length) for length in lengths]
    early = statistics.mean(0 if each.crowded else early_polls(policy, interval, each.run.length) for each in counted)
    return Row(
        family=family,
        interval=interval,
        workers=workers,
        length=statistics.median(lengths),
        ours=_figures([(each.late, each.polls) for each in counted]),
        regular=_figures(regular),
        fastmcp=_figures(peers),
        best=Figures(_weighed(late, 0.5), _weighed(late, 0.9), polls / len(counted)),
        budget=statistics.mean(polls for _, polls in regular) + early,
    )


def _figures(found: Sequence[tuple[float, int]]) -> Figures:
    return Figures(*median_and_p90([late for late, _ in found]), statistics.mean(polls for _, polls in found))


def _lengths_by_group(family: str, workers: int, watched: int) -> dict[str, list[float]]:
    """What a schedule may know that knows the distribution: many lengths of runs other than those that are watched.

    They are spread over as many runs as are watched. Some families change on the way. The first lengths alone would be
    another distribution than that of the watched runs, and could be known to nobody who knows only the latter.

    Args:
        family: The family.
        workers: How many tasks run at once.
        watched: How many runs are watched in all.
    """
    found = defaultdict[str, list[float]](list)
    each = max(watched // _KNOWN, 1)
    for run in islice(FAMILIES[family](random.Random(0), workers), 0, each * _KNOWN, each):
        found[run.group].append(run.length)
    return found


def _weighed(values: Sequence[tuple[float, float]], part: float) -> float:
    """The value below which this part of the weight lies."""
    left = part * sum(weight for _, weight in values)
    for value, weight in sorted(values):
        left -= weight
        if left <= 0:
            return value
    return max(values)[0]
