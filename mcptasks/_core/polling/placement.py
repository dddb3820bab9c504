"""Where to place the polls of one task, by the distribution of its length and the budget. Pure.

Of all ways to poll that keep their distance, the one is taken whose polls lower the expected lateness most for what
they cost (dynamic programming over a few dozen ages). All times are seconds since a task's creation.
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
"""What a poll costs at the most: this part of the interval in seconds of lateness. With a lower price, polls would be
spent on moments at which a run hardly ever ends."""
_PRICE_PART = 0.003
"""The same, as a part of the mean length."""
_DEAREST = 4096.0
_HALVINGS = 7
"""How many times the price is multiplied at the most so that a plan keeps to the budget, and the steps in which the
lowest such price is found."""
_LONGEST = 32.0
"""Lengths of more intervals than this are polled at the interval, which is fine enough for them."""
_LONGEST_GAP = 3.0
"""Intervals between two polls at the most: what is known may be wrong."""
_GRID = 1.2
"""Ages that are considered besides those at which runs ended: each is so many times the one before."""
_MOST_AGES = 64
"""Ages that are considered for one plan."""
_PARTS = 24
"""Into so many parts an interval that has all the mass is divided to find ages to consider."""
_FEW = 0.15
"""Polls that so small a part of the runs lives to see may have to wait until a task may be polled so often."""
_MOST_TASKS = 0.5
"""If this part of the runs ends within the interval, the first poll comes no later than that."""
_SAME = 1e-6


@frozen
class Places:
    """The ages at which to poll one task."""

    rhythm: Rhythm
    looks: tuple[float, ...] = ()
    """They rise, and keep the rhythm's gap."""

    def after(self, age: float, polls: int = 0) -> float | None:
        """The age of the next poll; None behind the last one, where the usual rhythm goes on.

        Args:
            age: When the task was polled last.
            polls: How often it was polled by now.
        """
        rhythm = self.rhythm
        apart = age + rhythm.gap(age) if age > _SAME else rhythm.soonest
        soonest = max(apart, rhythm.affordable(polls + 1))
        # The poll before may have been a little late: the one that follows is put off, not left out.
        at = bisect_right(self.looks, age + _SAME)
        if at == len(self.looks):
            return None
        return _on_the_way(age, max(self.looks[at], soonest), _LONGEST_GAP * rhythm.interval)


def places(pieces: Sequence[Piece], rhythm: Rhythm, *, share: float = 1.0) -> Places | None:
    """Where to poll a task whose length has this distribution; None for runs that are polled at the interval.

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
        # The budget is for one poll of most tasks, and that one comes no later than without knowledge.
        looks = (rhythm.interval, *looks)
    return Places(rhythm, looks)


def sooner(found: Places, pieces: Sequence[Piece]) -> bool:
    """Whether polls that were placed find a run of this distribution sooner on average than the usual ones."""
    return _late(pieces, found.looks, found.rhythm) < _late(pieces, (), found.rhythm)


def _late(pieces: Sequence[Piece], looks: tuple[float, ...], rhythm: Rhythm) -> float:
    """How late polls at these ages, and then the usual ones, find a run on average, in seconds."""
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
    """Whether a task may have been polled so often at these ages. Few runs are left for the last of them, which may be
    put off."""
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
    """The next poll on the way from one to another, so that none is too long after the one before."""
    steps = math.ceil((due - age) / longest - _SAME)
    return due if steps <= 1 else age + (due - age) / steps


def _ages(pieces: Sequence[Piece], rhythm: Rhythm) -> list[float]:
    """The ages to consider, rising from 0. The ends of intervals, the heaviest first; then ages in between."""
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
    found[0][0] = found[1][0] = 0.0  # A run of no time takes a poll as well.
    return found


def _plan(
    ages: Sequence[float], mass: Sequence[float], moment: Sequence[float], rhythm: Rhythm, price: float
) -> tuple[tuple[float, ...], float]:
    """The polls with the least sum of expected lateness and cost, and how many are expected.

    Args:
        ages: At which polls may come; the first is 0, where there is none.
        mass: See `_integrals`.
        moment: See `_integrals`.
        rhythm: Keeps polls apart.
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
        # Behind the last age the next poll comes as soon as it may.
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
