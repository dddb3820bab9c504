"""When to poll a task next, and how long an attempt may stay silent. Pure: times go in, delays come out.

All times are seconds; `now` and the like are readings of one monotonic clock.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from attrs import define, field, frozen

from mcptasks._core.argument_checks import in_seconds, seconds
from mcptasks._core.polling.placement import Places
from mcptasks._core.polling.rhythm import Rhythm, early_delay

logger = logging.getLogger("mcptasks")

_FEW = 0.2
"""Fraction of `jitter` to use when few tasks are watched. Jitter delays results, and with few tasks there is no
lockstep to break."""
_COVERED_SECONDS = 1.0
"""By this age in seconds, a push stream normally covers a task. We do not poll the task early before that."""
_PLACED_JITTER = 0.02
"""The most jitter, in seconds, on a poll at a learned moment. The jitter makes the result late, so it is small."""
_NET_SECONDS = 1.0
_NET_INTERVALS = 3
"""While pushes arrive, polls only guard against lost pushes. They are then at least this many seconds, and this many of
the server's intervals, apart."""
_LAST_SECONDS = 1.0
"""Seconds before a deadline at which the last poll is sent, if there is time. Its answer then arrives before the
deadline."""
_LAST_APART = 2.0
"""Fewest seconds between the last poll before a deadline and the poll before that, if the server's interval is
longer."""
_LAST_EACH = 0.01
"""Seconds per watched task over which the last polls of many tasks are spread."""

_SILENCE_SECONDS = 30.0
"""Seconds that the first attempt of a read may stay without any byte. Then we send the read again."""
_PAUSE_SECONDS = 5.0
"""Fewest seconds that an answer may pause after its latest byte. A shorter limit would cut off slow answers."""
UNWANTED_SECONDS = 30.0
"""Seconds that an attempt may go on after its last waiter has left. Then we give the attempt up."""
_SHARES = (1 / 3, 2 / 3)
"""The parts of the time until a waiter's deadline that the first and the second attempt may take. The third attempt
then still fits before the deadline."""
SILENCES = 4
"""How many attempts of a read may stay without any byte. Then a client with `reconnect_timeout` gives the read up."""


@frozen(kw_only=True)
class LookContext:
    """What is known of a task when its next poll is planned, for `PollingPolicy(custom=...)`. All times are seconds."""

    __module__ = "mcptasks"

    name: str | None
    """The tool's or prompt's name, or the resource's URI; None if not known."""
    age: float
    """Seconds from when this client first knew the task to the latest poll."""
    interval: float | None
    """The server's latest interval; None if it named none."""
    remaining: float | None
    """Seconds until the server may forget the task; None for no limit."""
    pushed: bool
    """Whether the server pushes this task's statuses. Polls are then a safety net."""
    runs: tuple[float, ...]
    """How long the latest runs of the same tool took, oldest first; empty if none was seen."""
    default: float
    """The delay that the policy would choose without `custom`."""


def _number(value: float | timedelta) -> float:
    return cast("float", in_seconds(value))


@frozen(kw_only=True)
class PollingPolicy:
    """How often a client polls a task (`Client(polling=...)`). Durations are seconds, or a `timedelta`.

    The default polls a few times soon after creation. After that it keeps to the server's interval, except for one poll
    shortly before a waiter's deadline, and it polls at the moments at which earlier runs of the tool ended.
    The server's interval counts between `floor` and `ceiling`. `PollingPolicy.strict()` polls at that interval only.

    Raises:
        TypeError: A value has a wrong type.
        ValueError: A time is not more than 0, `floor` is above `ceiling`, `jitter` is not between 0 and 1, or `growth`
            is not above 1.
    """

    __module__ = "mcptasks"

    early: bool = True
    """Poll a few times soon after creation, so that a long server interval does not hold up quick tools. With False the
    client polls no more often than the server asks, unless the server's interval is above `ceiling`."""
    first: float = field(default=0.16, converter=_number)
    """Seconds from creation to the first early poll, and the least time between two early polls."""
    growth: float = 1.5
    """At each further early poll the task is this many times as old as at the poll before, until the gap between two
    polls exceeds the server's interval."""
    learn: bool = True
    """Poll at the ages at which earlier runs of the tool have ended. The client knows the runs that any client of the
    same URL on the same event loop has seen, and those in its store."""
    default_interval: float = field(default=2.0, converter=_number)
    """Seconds between polls if the server names no interval, or an invalid one."""
    floor: float = field(default=0.1, converter=_number)
    """Seconds between polls at the least, whatever the server says."""
    ceiling: float = field(default=60.0, converter=_number)
    """Seconds between polls at the most, whatever the server says."""
    push_interval: float = field(default=15.0, converter=_number)
    """Longest time in seconds between two polls while the server pushes statuses; these polls are a safety net. The
    first comes after one second or three of the server's intervals, whichever is longer; at each further poll the task
    is twice as old as at the poll before."""
    jitter: float = 0.1
    """Fraction of the delay by which polls are spread at random, so that many tasks are not polled in lockstep; a fifth
    of this if at most a hundred tasks are watched."""
    custom: Callable[[LookContext], float | timedelta] | None = None
    """A rule of your own. It returns the time from the latest poll to the next, in seconds or as a `timedelta`; the
    client keeps that time between `floor` and `ceiling`. If the rule raises or returns something else, the client logs
    that and uses the default."""

    @classmethod
    def strict(cls) -> PollingPolicy:
        """Return a policy that polls at the server's interval (of 60 s at most, the `ceiling`), and otherwise only once
        before the server may forget the task."""
        return cls(early=False, learn=False)

    def __attrs_post_init__(self) -> None:
        for name in ("first", "default_interval", "floor", "ceiling", "push_interval"):
            if seconds(getattr(self, name), name, zero=False) is None:
                raise TypeError(f"{name} must be a number of seconds or a timedelta, got None")
        if self.floor > self.ceiling:
            raise ValueError(f"floor ({self.floor}) must not be above ceiling ({self.ceiling})")
        if isinstance(self.jitter, bool) or not isinstance(self.jitter, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"jitter must be a number between 0 and 1, got {self.jitter!r}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be between 0 and 1, got {self.jitter!r}")
        if isinstance(self.growth, bool) or not isinstance(self.growth, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"growth must be a number above 1, got {self.growth!r}")
        if not 1 < self.growth < math.inf:
            raise ValueError(f"growth must be above 1 and finite, got {self.growth!r}")
        if self.custom is not None and not callable(self.custom):
            raise TypeError(f"custom must be callable, got {self.custom!r}")

    def spacing(self, interval: float | None) -> float:
        """The usual delay between two polls, from the server's interval."""
        delay = self.default_interval if interval is None or not math.isfinite(interval) else interval
        return min(max(delay, self.floor), self.ceiling)

    def soonest(self, interval: float | None) -> float:
        """The earliest age at which the first poll may come."""
        spacing = self.spacing(interval)
        return max(min(self.first, spacing), self.floor) if self.early else spacing


def rhythm(policy: PollingPolicy, interval: float | None, *, crowded: bool) -> Rhythm:
    """Return the rhythm in which tasks may be polled.

    Args:
        policy: The client's policy.
        interval: The server's latest interval in seconds; None if it named no valid one.
        crowded: Whether so many tasks are watched that early polls would be too many.
    """
    return Rhythm(
        interval=policy.spacing(interval),
        soonest=policy.soonest(interval),
        growth=policy.growth,
        early=policy.early and not crowded,
        eager=policy.early,
    )


def next_look(
    policy: PollingPolicy,
    *,
    age: float,
    interval: float | None,
    remaining: float | None,
    pushed: bool,
    spread: float,
    places: Places | None = None,
    polls: int = 0,
    crowded: bool = False,
    several: bool = False,
    awaited: bool = False,
    name: str | None = None,
    runs: tuple[float, ...] = (),
) -> float:
    """Seconds until the next poll of a task.

    Args:
        policy: The client's policy.
        age: Seconds from when this client first knew the task to the latest poll.
        interval: The server's latest interval in seconds; None if it named no valid one.
        remaining: Seconds until the server may forget the task; None for no limit.
        pushed: Whether pushes for this task are known to arrive.
        spread: A random number from 0 to 1.
        places: The poll times that were learned for this tool, if any.
        polls: How often the task was polled by now.
        crowded: Whether so many tasks are watched that early polls would be too many.
        several: Whether more than a few tasks are watched. Their first polls are then spread over the time between
            two polls, so that together they tell how long an unknown tool takes.
        awaited: Whether the server is expected to push this task's statuses soon.
        name: The tool's or prompt's name, or the resource's URI, for `PollingPolicy.custom`.
        runs: How many seconds earlier runs took, for `PollingPolicy.custom`.
    """
    early = policy.early and not crowded
    due = None if pushed or places is None else places.after(age, polls)
    if due is not None:
        delay = due - age
        delay += spread * min(policy.jitter * delay, _PLACED_JITTER)
    else:
        delay = policy.default_interval if interval is None or not math.isfinite(interval) else interval
        if pushed:
            delay = max(delay, _net(policy, age=age, interval=interval))
        elif early:
            begun = 1 + spread if several and age <= 0 else 1.0
            delay = min(delay, early_delay(age, first=policy.first, growth=policy.growth) * begun)
        delay *= 1 + policy.jitter * spread * (1 if crowded else _FEW)
    if awaited and not pushed:
        # The task is polled in any case when its pushes begin.
        delay = max(delay, min(_COVERED_SECONDS - age, policy.spacing(interval)))
    if policy.custom is not None:
        known = LookContext(
            name=name, age=age, interval=interval, remaining=remaining, pushed=pushed, runs=runs, default=delay
        )
        delay = _own(policy.custom, known)
    if remaining is not None and 0 < remaining <= delay:
        # Poll before the server may forget the result, but not at the last moment and not often.
        delay = min(delay, max(remaining * 0.75, 1.0))
    return min(max(delay, policy.floor), policy.ceiling)


def _net(policy: PollingPolicy, *, age: float, interval: float | None) -> float:
    """Seconds between two polls while pushes arrive. A push that came does not prove that the next one will. If a
    task's last push is lost, its result is late by a part of the task's age, and by at most `push_interval`."""
    return min(policy.push_interval, max(_NET_SECONDS, _NET_INTERVALS * policy.spacing(interval), age))


def last_look(
    policy: PollingPolicy,
    *,
    now: float,
    looked: float,
    deadline: float,
    interval: float | None,
    took: float,
    spread: float,
    crowd: int = 0,
) -> float:
    """When to poll a task once more before a waiter gives up; infinite (never) if the latest poll is too recent. There
    is no such poll if the program has a rule of its own (`custom`), which decides alone.

    Args:
        policy: The client's policy.
        now: The time.
        looked: When the task was last polled or pushed, by the same clock as `now`.
        deadline: When the nearest waiter gives up.
        interval: The server's latest interval in seconds; None if it named no valid one.
        took: How many seconds the latest answer took.
        spread: A random number from 0 to 1.
        crowd: How many tasks are watched if early polls would be too many; otherwise 0.
    """
    if policy.custom is not None:
        return math.inf
    left = deadline - now
    lead = max(min(_LAST_SECONDS, left / 4), min(2 * took, left / 2))
    if crowd:
        lead = min(lead + spread * crowd * _LAST_EACH, left)
    spacing = policy.spacing(interval)
    apart = min(spacing, _LAST_APART) if policy.early and not crowd else spacing
    due = deadline - lead
    return due if due >= looked + apart else math.inf


def _own(custom: Callable[[LookContext], Any], known: LookContext) -> float:
    """Seconds that the program's own rule returns; its default if the rule fails."""
    try:
        delay = in_seconds(custom(known))
    except Exception:
        logger.exception("the polling rule %r raised", custom)
        return known.default
    if isinstance(delay, bool) or not isinstance(delay, int | float) or math.isnan(delay):
        logger.error("the polling rule %r must return seconds, got %r", custom, delay)
        return known.default
    return cast("float", delay)


@define(eq=False)
class Pace:
    """A rate limit: `burst` at once, then `rate` per second. The methods only say when; the caller waits."""

    burst: int
    """How many may be taken at once after a pause."""
    rate: float
    """How many more may be taken each second."""
    _until: float = field(default=-math.inf, init=False)
    """When the whole burst is free again."""

    def ready(self, now: float) -> float:
        """When the next one may be taken."""
        return now + max(self._until + 1 / self.rate - now - self.burst / self.rate, 0.0)

    def take(self, now: float) -> bool:
        """Take one if one may be taken now; returns whether it was."""
        if self.ready(now) > now + 1e-9:
            return False
        self._until = max(self._until, now) + 1 / self.rate
        return True


def attempt_limit(
    *, wire_timeout: float | None, remaining: float | None, silences: int = 0, patience: float = math.inf
) -> float:
    """Seconds that one attempt of a read may stay without any byte before it is given up and the read is sent again.

    An answer may be lost, or it may take long. So the first attempt lasts half a minute at most, and each later one
    twice as long as the one before. A waiter with a deadline shortens the first two attempts, so that another one fits.
    If both stay without an answer, the answer probably takes long, so the third attempt may go on past the deadline.
    The program's own timeout for a request holds for every attempt.

    Args:
        wire_timeout: The client's timeout for each request, or None.
        remaining: Seconds until the nearest waiter's deadline; None if no waiter has one.
        silences: How many attempts of this read have stayed without any byte.
        patience: The client's `reconnect_timeout` in seconds.
    """
    growing = min(_SILENCE_SECONDS, patience / 2) * 2.0 ** min(silences, 32)
    limit = growing if wire_timeout is None else wire_timeout
    if remaining is not None and silences < len(_SHARES):
        limit = min(limit, max(remaining * _SHARES[silences], 0.5))
    return limit


def pause_limit(limit: float) -> float:
    """Seconds after which an answer that has begun to arrive is given up, counted from its latest byte.

    Args:
        limit: How long this attempt may stay without any byte (`attempt_limit`).
    """
    return max(limit, _PAUSE_SECONDS)
