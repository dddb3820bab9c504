"""Where to place looks at a task whose tool was seen to finish before. Pure: earlier runs go in, ages come out.

How long a run took is seldom known to the point: it was not over at one look, and was at the next. Where all runs may
have been equally long, looks close in on that length, one step a run. Where they differ, looks are placed so that runs
like these would be found soonest, if that is clearly better than the usual looks. All times are
seconds since a task's creation.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from attrs import frozen

_MARGIN = 0.03
_MARGIN_PART = 0.01
"""A look comes this much, and this part of a run, later than such a run would end: no two are exactly as long."""
_FINE = 0.35
_FINE_PART = 0.03
"""Seconds, and part of a run, to within which it is enough to know how long it takes."""
_CLEARLY = 0.5
"""Looks that were placed for runs of several lengths must be late by no more than this part of what the usual ones are:
what is found in a handful of runs is partly chance."""
_LOOK = 0.25
"""What a look costs, in seconds of a result's being late."""
_LONGEST = 32.0
"""Runs of more intervals than this are looked at in the usual rhythm: it is fine enough for them."""
_ENOUGH = 5
"""This many runs of one length in a row count more than others before them."""
_MANY = 8
"""After so many in a row, looks on the way to their length come at every second interval only."""
_SELDOM = 1
"""More of the latest runs than this that were a little longer than the others are not alike."""
_SAME = 1e-6
"""An age is the difference of two readings of a clock: by so much it may be off."""
_GUARDS = 3
"""Looks before the first one that is placed, for runs that end much sooner than those before."""


@frozen
class Run:
    """How long one run took: more than `low`, at most `high`; the two are equal where the server told it."""

    low: float
    high: float
    least: float = 0.0
    """The lower bound that holds if it was as long as the runs before it; 0 for none."""


@frozen
class Places:
    """The ages at which to look at one task."""

    guards: tuple[float, ...] = ()
    """A few early ones, for a run that fails at once, say."""
    looks: tuple[float, ...] = ()
    """Those at which earlier runs were over. Behind the first interval they keep that distance."""

    def after(self, age: float, *, guarded: bool) -> float | None:
        """The next age at which to look; None behind the last one, where the usual rhythm goes on.

        Args:
            age: When the task was looked at last.
            guarded: Whether early looks are made at all.
        """
        due = next((look for look in self.looks if look > age + _SAME), None)
        if due is None or not guarded:
            return due
        return next((guard for guard in self.guards if guard > age + _SAME), due)


def early_delay(age: float, *, first: float, growth: float) -> float:
    """Seconds from one early look to the next: the older a task is, the longer, and never less than to the first."""
    return max(first, age * (growth - 1))


def in_common(runs: Sequence[Run]) -> tuple[float, float, int]:
    """The lengths that as many of the latest runs as possible may all have had, and how many these are.

    No run is exactly as long as another: a few of them may be longer by a margin, where the length is known well enough
    to tell. Then the lower bound is the higher one.
    """
    low, high, alike = 0.0, math.inf, 0
    for run in reversed(runs):
        least, most = max(low, run.low, run.least), min(high, run.high)
        if least > most + _margin(most):
            break
        low, high, alike = least, most, alike + 1
    if low < high:
        return low, high, alike
    latest = runs[len(runs) - alike :]
    longer = sum(run.high > run.low >= high for run in latest)
    bounds = [bound for run in latest for bound in (run.low, run.least) if bound < high or bound == run.high]
    return low, high, 0 if longer > _SELDOM or high - max(bounds, default=0.0) > _fine(high) else alike


def places(runs: Sequence[Run], *, interval: float, soonest: float, growth: float) -> Places:
    """The looks at the next run; none where nothing is better than the usual ones.

    Args:
        runs: The latest runs, oldest first.
        interval: How long the server wants clients to wait between two looks.
        soonest: The age for the first look at the earliest: less than the interval where early looks are made.
        growth: How many times as old as at the look before a task is at the next early one; not sooner than `soonest`
            after it, though.
    """
    if not runs or max(run.high for run in runs) > _LONGEST * interval:
        return Places()
    low, high, alike = in_common(runs)
    if alike == len(runs) or alike >= _ENOUGH:
        looks = _closing_in(low, high, interval=interval, soonest=soonest)
    else:
        ends = [_end(run) for run in runs]
        usual = _lateness(_usual(interval=interval, soonest=soonest, growth=growth), ends)
        looks = _best(ends, interval=interval, soonest=soonest)
        if _lateness(looks, ends) > _CLEARLY * usual:
            return Places()
    looks = (*_on_the_way(looks[0], interval, soonest, rare=alike >= _MANY), *looks)
    until = looks[0] / 2
    guards = (soonest * 4.0**number for number in range(_GUARDS)) if soonest < interval else ()
    return Places(tuple(guard for guard in guards if guard <= until), looks)


def _margin(length: float) -> float:
    return _MARGIN + _MARGIN_PART * length


def _fine(length: float) -> float:
    return max(_FINE, _FINE_PART * length)


def _end(run: Run) -> float:
    """When a run was over, as far as can be told: where it is known well enough, not before it was seen to be."""
    low = max(run.low, run.least)
    return run.high if run.high - low <= _fine(run.high) else (low + run.high) / 2


def _closing_in(low: float, high: float, *, interval: float, soonest: float) -> tuple[float, ...]:
    """Looks at a run that takes as long as those before. A look in the middle that comes too soon halves what is not
    known as well as one that does not; on average it finds the end no later than the usual rhythm would."""
    if low >= high:
        return (max(low + _margin(low), soonest),)
    last, middle = max(high, soonest), max((low + high) / 2, soonest)
    if high - low <= _fine(high) or middle >= high:
        return (last,)
    return (middle, last if last <= interval else min(max(last, middle + interval), middle + 2 * interval))


def _on_the_way(first: float, interval: float, soonest: float, *, rare: bool) -> Iterator[float]:
    """Looks before the first one that is placed, so that there are never more than one or (`rare`) two intervals
    without any. What is believed of a tool may be wrong, after a cold start say: as long as few runs were alike, a
    shorter run is to be found no later than in the usual rhythm."""
    step = 2 * interval if rare else interval
    looks = (first - step * number for number in range(math.ceil(first / step) - 1, 0, -1))
    if rare:
        return (max(look, interval) for look in looks)
    return (look for look in looks if look >= soonest)


def _usual(*, interval: float, soonest: float, growth: float) -> Iterator[float]:
    """The looks at a run of a tool that was not seen before."""
    age = soonest
    while True:
        yield age
        age += min(interval, early_delay(age, first=soonest, growth=growth)) if soonest < interval else interval


def _lateness(looks: Iterable[float], ends: Sequence[float]) -> float:
    """The sum of how late these looks find runs that end then."""
    late, left = 0.0, sorted(ends)
    for look in looks:
        found = bisect_right(left, look)
        late += sum(look - end for end in left[:found])
        left = left[found:]
        if not left:
            break
    return late


def _best(ends: Sequence[float], *, interval: float, soonest: float) -> tuple[float, ...]:
    """Of all ways to look at least `interval` after the look before, and not much later, the one with the least sum of
    how late each of these runs would have been found and of what the looks cost."""
    ends = sorted(end + _margin(end) for end in ends)

    @cache
    def best(last: float, found: int) -> tuple[float, tuple[float, ...]]:
        """The least cost from here, and the looks: `found` runs are over at the look before, which was at `last`."""
        if found == len(ends):
            return 0.0, ()
        least = last + interval if last else soonest
        ways: list[tuple[float, tuple[float, ...]]] = []
        for look in sorted({min(max(end, least), last + 2 * interval) for end in ends[found:]}):
            covered = bisect_right(ends, look)
            late = sum(look - end for end in ends[found:covered])
            cost, more = best(look, covered)
            ways.append((late + _LOOK * (len(ends) - found) + cost, (look, *more)))
        return min(ways)

    return best(0.0, 0)[1]
