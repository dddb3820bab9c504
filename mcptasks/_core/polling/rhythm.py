"""How often a server may be polled: when a task of an unknown tool is polled, and how many polls any task may take.
Pure.

All times are seconds since a task's creation, or between two polls.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from attrs import frozen

_APART = 5
"""Two polls are at least this part (a fifth) of the server's interval apart."""
_EARLY_AT_ONCE = 100
"""Up to this many watched tasks, each task gets early polls. With more, they would be too many for a server."""
_SCOUTS = 32
"""If more tasks are watched, about this many of them at a time are scouts, and only scouts get early polls. That costs
less than the early polls of a hundred tasks."""
_SAME = 1e-6
"""Tolerance for ages, in seconds: an age is the difference of two readings of a clock."""
_MOST_EARLY = 1000
"""The most early polls that are counted, to bound the time: a program's policy may let the pauses grow very slowly."""


def one_in(watched: int) -> int:
    """One in how many new tasks is a scout. A scout gets early polls, and from its run the client learns when to poll
    others.

    Args:
        watched: How many tasks are watched.
    """
    return 1 if watched <= _EARLY_AT_ONCE else math.ceil(watched / _SCOUTS)


def early_delay(age: float, *, first: float, growth: float) -> float:
    """Seconds from one early poll to the next. They grow with the task's age, and are at least `first`."""
    return max(first, age * (growth - 1))


@frozen(slots=False)
class Rhythm:
    """The circumstances in which a task is polled."""

    interval: float
    """How many seconds the server wants clients to wait between two polls."""
    soonest: float
    """The age at which the first poll may come."""
    growth: float = 1.5
    """At each early poll, the task is this many times as old as at the poll before."""
    early: bool = True
    """Whether early polls are made, as long as they are less than the interval apart."""
    eager: bool = True
    """Whether any two polls may be less than the interval apart. If not, there are no early polls either."""

    @property
    def follows(self) -> bool:
        """Whether a task is one of a crowd and not a scout. The client learns little from such a task: scouts are
        polled more often."""
        return self.eager and not self.early

    def usual(self, age: float) -> float:
        """Seconds from a poll at this age to the next one, if nothing is known of the tool."""
        return min(self.interval, self._early(age)) if self.early else self.interval

    def gap(self, age: float) -> float:
        """The fewest seconds from a poll at this age to the next one: a fifth of the interval, or the early polls'
        distance if that is less."""
        if not self.eager:
            return self.interval
        apart = self.interval / _APART
        return min(apart, self._early(age)) if self.early else apart

    def allowed(self, age: float) -> int:
        """How many polls may have been made up to this age: those at the server's interval, the early ones, and the one
        that finds the end."""
        return 1 + self._regular(age) + bisect_right(self.early_ages, age + _SAME)

    def affordable(self, polls: int) -> float:
        """The age from which a task may have had this many polls; see `allowed`."""
        if polls <= self.allowed(0.0):
            return 0.0
        count = len(self.early_ages)
        # There are few early polls: find the two between which the age lies, and count the intervals.
        for number in range(count + 1):
            begin = self.early_ages[number - 1] if number else 0.0
            age = max((polls - 1 - number) * self.interval, begin)
            if number == count or age < self.early_ages[number] - _SAME:
                return age
        return math.inf  # pragma: no cover - the loop always returns

    def polls(self, age: float) -> int:
        """How many polls at the interval find a task that ends at this age."""
        return max(math.ceil(age / self.interval - _SAME), 1)

    def worth(self, low: float, high: float) -> float:
        """How many polls a run may take on average if its length lies between these: the polls at the interval, and the
        early polls before its end."""
        if self.early:
            middle = (low + high) / 2
            return self.polls(middle) + bisect_right(self.early_ages, middle)
        quarter = (high - low) / 4
        return (self.polls(low + quarter) + self.polls(high - quarter)) / 2

    def worth_of(self, pieces: Sequence[tuple[float, float, float]]) -> float:
        """The mean of `worth` over a distribution: pieces of (shortest length, longest length, mass), with more mass
        than 0."""
        return sum(mass * self.worth(low, high) for low, high, mass in pieces) / sum(mass for _, _, mass in pieces)

    @cached_property
    def early_ages(self) -> tuple[float, ...]:
        """The ages of the early polls of a tool that was never seen."""
        return tuple(self._early_ages()) if self.early else ()

    def _early_ages(self) -> Iterator[float]:
        age = 0.0
        for _ in range(_MOST_EARLY):
            delay = self._early(age)
            if delay >= self.interval:
                return
            age += delay
            yield age

    def _early(self, age: float) -> float:
        return early_delay(age, first=self.soonest, growth=self.growth)

    def _regular(self, age: float) -> int:
        return math.floor(age / self.interval + _SAME)
