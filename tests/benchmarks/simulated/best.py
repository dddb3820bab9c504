"""The best schedule of so many polls for whoever knows the lengths of the runs: dynamic programming. Pure.

It keeps the same distance between two polls as ours has to, and is as late as any schedule must be on average.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from attrs import frozen

_MOST = 160
"""Lengths that are told apart. More are represented by so many of their quantiles."""
_HALVINGS = 40
"""Steps in which the price of a poll is found at which the schedule makes as many as allowed."""


@frozen
class Schedule:
    """When to poll."""

    ages: tuple[float, ...]
    polls: float
    """How many it makes on average."""
    late: tuple[float, ...]
    """How late it finds each length, in rising order of lengths."""


def best(lengths: Sequence[float], polls: float, gap: Callable[[float], float], soonest: float) -> Schedule:
    """The schedule of at most so many polls on average with the least lateness on average.

    Args:
        lengths: Many lengths of runs: few would be learned by heart, which nobody can who only knows the distribution.
        polls: Polls that it may make on average, at least 1.
        gap: How many seconds after a poll at some age the next one may come.
        soonest: The age at which the first poll may come.
    """
    ordered = sorted(lengths)
    known = _quantiles(ordered)
    low, high = 0.0, max(ordered) + 1.0
    found = _cheapest(known, high * len(known), gap, soonest)
    for _ in range(_HALVINGS):
        price = (low + high) / 2
        ages = _cheapest(known, price, gap, soonest)
        if _polls(ordered, ages) <= polls + 1e-9:
            found, high = ages, price
        else:
            low = price
    late = tuple(found[bisect_left(found, length - 1e-9)] - length for length in ordered)
    return Schedule(found, _polls(ordered, found), late)


def _quantiles(ordered: Sequence[float]) -> list[float]:
    if len(ordered) <= _MOST:
        return list(ordered)
    return [ordered[min(round(number * (len(ordered) - 1) / (_MOST - 1)), len(ordered) - 1)] for number in range(_MOST)]


def _polls(ordered: Sequence[float], ages: Sequence[float]) -> float:
    return sum(bisect_left(ages, length - 1e-9) + 1 for length in ordered) / len(ordered)


def _cheapest(known: Sequence[float], price: float, gap: Callable[[float], float], soonest: float) -> tuple[float, ...]:
    """The schedule with the least sum of lateness and price, on average over these lengths."""
    ages = sorted({max(length, soonest) for length in known})
    sums = [0.0]
    for length in known:
        sums.append(sums[-1] + length)
    covered = [bisect_left(known, age + 1e-9) for age in ages]
    count = len(ages)
    costs, following = [0.0] * count, [count] * count

    def step(here: int, age: float) -> tuple[float, int]:
        """The least cost after a poll at `ages[here]` (-1 for none), and the next poll's place."""
        done = covered[here] if here >= 0 else 0
        if done == len(known):
            return 0.0, count
        first = max(bisect_left(ages, age - 1e-9), here + 1)
        least, choice = float("inf"), count
        for there in range(min(first, count - 1), count):
            at = max(ages[there], age)
            late = at * (covered[there] - done) - (sums[covered[there]] - sums[done]) + price * (len(known) - done)
            if late >= least:
                break
            if late + costs[there] < least:
                least, choice = late + costs[there], there
        return least, choice

    for here in range(count - 1, -1, -1):
        costs[here], following[here] = step(here, ages[here] + gap(ages[here]))
    place = step(-1, soonest)[1]
    found = list[float]()
    while place < count:
        found.append(max(ages[place], found[-1] + gap(found[-1])) if found else ages[place])
        place = following[place] if following[place] > place else count
    return tuple(found)
