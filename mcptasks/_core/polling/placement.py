"""Where to place the polls of one task, by the distribution of its length and the budget. Pure.

A plan is a series of ages that keeps the distance between polls. We choose the plan with the least sum of expected
lateness and cost of polls, by dynamic programming over a few dozen ages. All times are seconds since a task's creation.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

from attrs import frozen

from mcptasks._core.polling.lengths import Piece
from mcptasks._core.polling.rhythm import Rhythm

_PRICE = 0.005
"""The highest price of a poll, in seconds of lateness, as a part of the interval. Without a price, polls would be spent
on moments at which a run hardly ever ends."""
_PRICE_PART = 0.003
"""Another highest price, as a part of the mean length; the lower of the two counts."""
_DEAREST = 4096.0
_HALVINGS = 7
"""If a plan exceeds the budget, its price is multiplied by at most `_DEAREST`; the lowest price that keeps to the
budget is searched in `_HALVINGS` steps."""
_LONGEST = 32.0
"""A tool whose runs take more intervals than this is polled at the interval, which is fine enough."""
_LONGEST_GAP = 3.0
"""The longest time between two polls, in intervals. The distribution may be wrong."""
_GRID = 1.2
"""Besides the ages at which runs ended, a plan considers a series of ages, each of them this many times the age
before."""
_MOST_AGES = 64
"""How many ages from the ends of runs are considered for one plan; twice that with the series, to bound the time."""
_PARTS = 24
"""Into how many parts an interval with all the mass is divided, to find ages to consider; an interval with less mass
into fewer parts."""
_FEW = 0.15
"""A poll that at most this part of the runs is still there for need not keep to the budget when it is planned: it is
put off when it is due."""
_MOST_TASKS = 0.5
"""If at least this part of the runs ends within the interval, the first poll comes no later than after one interval."""
_SAME = 1e-6
"""Ages (in seconds) and masses that differ by no more than this count as equal, because of rounding."""


@frozen
class Places:
    """The ages at which to poll one task."""

    rhythm: Rhythm
    looks: tuple[float, ...] = ()
    """The ages of the polls, rising, at least the rhythm's gap apart."""
    found: tuple[float, ...] = ()
    """For each poll, the part of the runs that end between the poll before and this one."""

    def after(self, age: float, polls: int = 0) -> float | None:
        """The age of the next poll; None after the last one, where the usual rhythm goes on.

        Args:
            age: The task's age at the latest poll.
            polls: How often it was polled by now.
        """
        rhythm = self.rhythm
        apart = age + rhythm.gap(age) if age > _SAME else rhythm.soonest
        soonest = max(apart, rhythm.affordable(polls + 1))
        # If the latest poll was a little late, the next one is put off; it is left out only if that finds runs sooner.
        at = bisect_right(self.looks, age + _SAME)
        while self._better_left_out(at, soonest):
            at += 1
        if at == len(self.looks):
            return None
        return _on_the_way(age, max(self.looks[at], soonest), _LONGEST_GAP * rhythm.interval)

    def _better_left_out(self, at: int, soonest: float) -> bool:
        """Whether a poll that is put off would make the next one so late that runs are found sooner without it."""
        if at + 1 >= min(len(self.looks), len(self.found)) or self.looks[at] >= soonest:
            return False
        following = self.looks[at + 1]
        if following <= soonest:
            return True
        put_off = soonest + self.rhythm.gap(soonest) - following
        return put_off * self.found[at + 1] > (following - soonest) * self.found[at]


def places(pieces: Sequence[Piece], rhythm: Rhythm, *, share: float = 1.0) -> Places | None:
    """Where to poll a task whose length has this distribution; None if the runs are so long that the interval is fine
    enough.

    Args:
        pieces: The distribution.
        rhythm: The circumstances.
        share: The part of the budget that may be spent.
    """
    weighed = sorted((high, mass) for _, high, mass in pieces)
    if _part(weighed, 0.9) > _LONGEST * rhythm.interval:
        return None
    ages = _ages(pieces, rhythm)
    mass, moment = _integrals(pieces, ages)
    mean = moment[-1]
    price = min(_PRICE * rhythm.interval, _PRICE_PART * mean, rhythm.interval**2 / (2 * max(mean, _SAME)))
    budget = max(rhythm.worth_of(pieces) * share, 1.0) + _SAME

    def within(dearer: float) -> tuple[tuple[float, ...], bool]:
        """A plan at so many times the price, and whether it keeps to the budget."""
        looks, expected = _plan(ages, mass, moment, rhythm, price * dearer)
        return looks, expected <= budget and _affordable(looks, ages, mass, rhythm)

    looks, kept = within(1.0)
    if not kept:
        looks = _cheapest(within)
    if looks[0] > rhythm.interval and mass[bisect_right(ages, rhythm.interval) - 1] >= _MOST_TASKS:
        # Most tasks get only one poll. It comes no later than it would without learned times.
        looks = (rhythm.interval, *looks)
    ended = [mass[bisect_right(ages, age + _SAME) - 1] for age in (0.0, *looks)]
    return Places(rhythm, looks, tuple(now - before for before, now in pairwise(ended)))


def sooner(found: Places, pieces: Sequence[Piece]) -> bool:
    """Whether these polls find a run of this distribution sooner, on average, than the usual polls."""
    return _late(pieces, found.looks, found.rhythm) < _late(pieces, (), found.rhythm)


def _late(pieces: Sequence[Piece], looks: tuple[float, ...], rhythm: Rhythm) -> float:
    """How many seconds late a run is found on average, by polls at these ages and the usual polls after them."""
    ages = [0.0, *looks]
    top = max(high for _, high, _ in pieces)
    while ages[-1] < top:
        ages.append(ages[-1] + rhythm.usual(ages[-1]))
    mass, moment = _integrals(pieces, ages)
    return sum(
        age * (to - since) - (later - earlier)
        for age, (since, to), (earlier, later) in zip(ages[1:], pairwise(mass), pairwise(moment), strict=True)
    )


def _affordable(looks: Sequence[float], ages: Sequence[float], mass: Sequence[float], rhythm: Rhythm) -> bool:
    """Whether the budget allows the polls at these ages. Polls that few runs are left for do not count; they may be put
    off."""
    left = (mass[-1] - mass[bisect_right(ages, age + _SAME) - 1] for age in (0.0, *looks))
    return all(
        part <= _FEW or age >= rhythm.affordable(number) - _SAME
        for number, (age, part) in enumerate(zip(looks, left, strict=False), 1)
    )


def _cheapest(within: Callable[[float], tuple[tuple[float, ...], bool]]) -> tuple[float, ...]:
    """The plan with the lowest price that keeps to the budget."""
    low, high = 1.0, _DEAREST
    looks, _ = within(high)
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        found, kept = within(middle)
        if kept:
            looks, high = found, middle
        else:
            low = middle
    return looks


def _part(weighed: Sequence[tuple[float, float]], part: float) -> float:
    """The length below which this part of the mass lies."""
    below = 0.0
    for length, mass in weighed:
        below += mass
        if below >= part - _SAME:
            return length
    return weighed[-1][0]


def _on_the_way(age: float, due: float, longest: float) -> float:
    """The age of the next poll between one at `age` and one at `due`, so that no two polls are more than `longest`
    apart."""
    steps = math.ceil((due - age) / longest - _SAME)
    return due if steps <= 1 else age + (due - age) / steps


def _ages(pieces: Sequence[Piece], rhythm: Rhythm) -> list[float]:
    """The ages to consider, rising from 0: the ends of intervals (of the heaviest first), and ages in between."""
    soonest = rhythm.soonest
    found = {soonest}
    top = max(high for _, high, _ in pieces)
    for low, high, mass in sorted(pieces, key=_mass, reverse=True):
        count = min(max(round(_PARTS * mass), 1), max(math.ceil((high - low) / rhythm.gap(low)), 1))
        for number in range(1, count + 1):
            if len(found) < _MOST_AGES:
                found.add(max(low + (high - low) * number / count, soonest))
    age = soonest
    while age < top and len(found) < 2 * _MOST_AGES:
        found.add(age)
        age *= _GRID
    found.add(max(top, soonest))
    return [0.0, *sorted(found)]


def _mass(piece: Piece) -> float:
    return piece[2]


def _integrals(pieces: Sequence[Piece], ages: Sequence[float]) -> tuple[list[float], list[float]]:
    """For each age: how much mass lies at lengths up to it, and the sum of mass times length of that part."""
    changes = dict[float, float]()
    atoms = list[tuple[float, float]]()
    for low, high, mass in pieces:
        if high - low <= _SAME:
            atoms.append((high, mass))
            continue
        density = mass / (high - low)
        changes[low] = changes.get(low, 0.0) + density
        changes[high] = changes.get(high, 0.0) - density
    points = sorted([*((at, 0, change) for at, change in changes.items()), *((age, 1, 0.0) for age in ages)])
    atoms.sort()
    found = (list[float](), list[float]())
    below = moment = density = before = 0.0
    taken = 0
    for at, is_age, change in points:
        below += density * (at - before)
        moment += density * (at - before) * (at + before) / 2
        before = at
        density += change
        if is_age:
            while taken < len(atoms) and atoms[taken][0] <= at + _SAME:
                below += atoms[taken][1]
                moment += atoms[taken][0] * atoms[taken][1]
                taken += 1
            found[0].append(below)
            found[1].append(moment)
    found[0][0] = found[1][0] = 0.0  # A run that takes no time needs a poll too, so nothing counts as ended at age 0.
    return found


def _plan(
    ages: Sequence[float], mass: Sequence[float], moment: Sequence[float], rhythm: Rhythm, price: float
) -> tuple[tuple[float, ...], float]:
    """The ages of the polls with the least sum of expected lateness and cost, and how many polls a run takes on
    average.

    Args:
        ages: The ages at which polls may come; the first is 0, the creation, at which no poll comes.
        mass: See `_integrals`.
        moment: See `_integrals`.
        rhythm: How far apart polls must be.
        price: What a poll costs, in seconds.
    """
    last = len(ages) - 1
    total, whole = mass[last], moment[last]
    costs, following = [0.0] * (last + 1), [last] * (last + 1)
    for here in range(last - 1, -1, -1):
        left = total - mass[here]
        if left <= _SAME:
            continue
        soonest = ages[here] + rhythm.gap(ages[here]) if here else rhythm.soonest
        first = max(bisect_left(ages, soonest - _SAME), here + 1)
        base, lived = moment[here], mass[here]
        # After the last age, the next poll comes as soon as allowed.
        end = max(soonest, ages[last])
        least, best = end * left - (whole - base) + price * left, last
        for there in range(first, last + 1):
            late = ages[there] * (mass[there] - lived) - (moment[there] - base) + price * left
            if late >= least:
                break
            cost = late + costs[there]
            if cost < least:
                least, best = cost, there
        costs[here], following[here] = least, best
    chosen = [0]
    while chosen[-1] < last and total - mass[chosen[-1]] > _SAME:
        chosen.append(following[chosen[-1]])
    expected = sum(total - mass[before] for before, _ in pairwise(chosen))
    return tuple(ages[each] for each in chosen[1:]), expected
