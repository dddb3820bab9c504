"""When to look at a task next, and when to try again after a fault. Pure: times go in, delays come out.

All times are seconds; `now` and the like are readings of one monotonic clock.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, cast

from attrs import define, field, frozen

from mcptasks._arguments import seconds
from mcptasks._placing import Places, early_delay

logger = logging.getLogger("mcptasks")

_BACKOFF_FIRST = 0.1
_BACKOFF_CEILING = 5.0
_RETRY_AFTER_CEILING = 120.0
_FEW = 0.2
"""The part of the jitter that counts where few tasks are watched: it makes results late."""
_COVERED_SECONDS = 1.0
"""The age at which pushes for a task arrive at the latest, as a rule; none is looked at ahead of the server's interval
until then."""
_PLACED_JITTER = 0.05
"""Seconds by which a look at a moment that was learned may be spread: it is late by as much."""


@frozen(kw_only=True)
class LookContext:
    """What is known of a task when its next look is planned, for `PollingPolicy(custom=...)`. All times are seconds."""

    name: str | None
    """The tool's or prompt's name, or the resource's URI; None if not known."""
    age: float
    """From when this client first knew the task to the latest look."""
    interval: float | None
    """The server's latest interval; None where it named none."""
    remaining: float | None
    """Until the server may forget the task; None for no limit."""
    pushed: bool
    """Whether the server pushes this task's statuses, so that looks are a safety net."""
    runs: tuple[float, ...]
    """How long the latest runs of the same tool took, oldest first; empty where none was seen."""
    default: float
    """The delay that the policy would choose without `custom`."""


@frozen(kw_only=True)
class PollingPolicy:
    """How a client spaces its looks at a task (`Client(polling=...)`). All values are seconds.

    The default looks a few times soon after creation; then never more often than the server asks, and at the moments
    at which this tool was seen to finish before. `PollingPolicy.strict()` does just what the server asks.
    """

    early: bool = True
    """Look a few times soon after creation, so that quick tools are not held up by a long server interval;
    False never looks more often than the server asks."""
    first: float = 0.16
    """The first early look comes this long after creation, and no early look comes sooner after the one before."""
    growth: float = 1.5
    """Each later early look comes when the task is this many times as old as at the one before, until that is more than
    the server's interval."""
    learn: bool = True
    """Place looks where earlier runs of the tool ended, as far as this client's event loop has seen them."""
    default_interval: float = 2.0
    """Between looks where the server names no interval (or nonsense)."""
    floor: float = 0.1
    """Never look more often than this, whatever the server says."""
    ceiling: float = 60.0
    """Never wait longer than this, whatever the server says."""
    push_interval: float = 15.0
    """The slow safety net while the server pushes statuses."""
    jitter: float = 0.1
    """Spread looks by up to this part of the delay, so that many tasks do not look in lockstep; by a fifth of it where
    few tasks are watched."""
    custom: Callable[[LookContext], float] | None = None
    """A rule of your own: returns seconds from the latest look to the next one, held between `floor` and `ceiling`.
    Where it raises or returns no number, that is logged and the default counts."""

    @classmethod
    def strict(cls) -> PollingPolicy:
        """Looks at the server's interval and at no other time."""
        return cls(early=False, learn=False)

    def __attrs_post_init__(self) -> None:
        for name in ("first", "default_interval", "floor", "ceiling", "push_interval"):
            if seconds(getattr(self, name), name, zero=False) is None:
                raise TypeError(f"{name} must be a number of seconds, got None")
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
        """The usual delay between two looks, of what the server says."""
        delay = self.default_interval if interval is None or not math.isfinite(interval) else interval
        return min(max(delay, self.floor), self.ceiling)

    def soonest(self, interval: float | None) -> float:
        """The age for the first look at the earliest."""
        spacing = self.spacing(interval)
        return max(min(self.first, spacing), self.floor) if self.early else spacing


def next_look(
    policy: PollingPolicy,
    *,
    age: float,
    interval: float | None,
    remaining: float | None,
    pushed: bool,
    spread: float,
    places: Places | None = None,
    crowded: bool = False,
    awaited: bool = False,
    name: str | None = None,
    runs: tuple[float, ...] = (),
) -> float:
    """Seconds until the next look at a task.

    Args:
        policy: The client's policy.
        age: Seconds from when this client first knew the task to the latest look.
        interval: The server's latest interval in seconds; None where it named none that makes sense.
        remaining: Seconds until the server may forget the task; None for no limit.
        pushed: Whether pushes for this task are known to arrive.
        spread: A random number from 0 to 1.
        places: The looks that were learned for this tool, if any.
        crowded: Whether so many tasks are watched that looks ahead of the interval would be too many.
        awaited: Whether pushes for new tasks can be expected to arrive soon.
        name: What the task runs, for a rule of the program's own.
        runs: How long earlier runs took, for the same.
    """
    early = policy.early and not crowded
    due = None if pushed or places is None else places.after(age, guarded=early)
    if due is not None:
        delay = due - age
        if age >= policy.spacing(interval):
            # Where it was learned only while the task was under way, the look before lay somewhere else.
            delay = max(delay, policy.spacing(interval))
        delay += spread * min(policy.jitter * delay, _PLACED_JITTER)
    else:
        delay = policy.default_interval if interval is None or not math.isfinite(interval) else interval
        if pushed:
            delay = max(delay, policy.push_interval)
        elif early:
            delay = min(delay, early_delay(age, first=policy.first, growth=policy.growth))
        delay *= 1 + policy.jitter * spread * (1 if crowded else _FEW)
    if awaited and not pushed:
        # Where they begin there is a look anyhow.
        delay = max(delay, min(_COVERED_SECONDS - age, policy.spacing(interval)))
    if policy.custom is not None:
        known = LookContext(
            name=name, age=age, interval=interval, remaining=remaining, pushed=pushed, runs=runs, default=delay
        )
        delay = _own(policy.custom, known)
    if remaining is not None and 0 < remaining <= delay:
        # A look must fall before the server may forget the result; not at the last moment, nor many of them.
        delay = min(delay, max(remaining * 0.75, 1.0))
    return min(max(delay, policy.floor), policy.ceiling)


def _own(custom: Callable[[LookContext], Any], known: LookContext) -> float:
    """What a program's own rule says."""
    try:
        delay = custom(known)
    except Exception:
        logger.exception("the polling rule %r raised", custom)
        return known.default
    if isinstance(delay, bool) or not isinstance(delay, int | float) or math.isnan(delay):
        logger.error("the polling rule %r must return seconds, got %r", custom, delay)
        return known.default
    return cast("float", delay)


@define(eq=False)
class Pace:
    """A supply of something that is not to be had too often: some at once, then as many as grow again."""

    burst: int
    """How many there are at most."""
    rate: float
    """How many grow again in a second."""
    _until: float = field(default=-math.inf, init=False)
    """When all that were taken will have grown again."""

    def ready(self, now: float) -> float:
        """When the next one is there."""
        return now + max(self._until + 1 / self.rate - now - self.burst / self.rate, 0.0)

    def take(self, now: float) -> bool:
        """Take one if it is there."""
        if self.ready(now) > now + 1e-9:
            return False
        self._until = max(self._until, now) + 1 / self.rate
        return True


def retry_delay(failures: int, *, retry_after: float | None, spread: float, ceiling: float = _BACKOFF_CEILING) -> float:
    """Seconds to wait before trying again: exponential, half of it jitter, or what the server asked for.

    Args:
        failures: How many attempts have failed in a row; at least 1.
        retry_after: The server's own wish in seconds (HTTP Retry-After), if any.
        spread: A random number from 0 to 1.
        ceiling: The longest wait in seconds, where the server asks for none.
    """
    delay = min(_BACKOFF_FIRST * 2.0 ** min(failures - 1, 16), ceiling) * (0.5 + 0.5 * spread)
    if retry_after is not None and math.isfinite(retry_after) and retry_after > 0:
        delay = max(delay, min(retry_after, _RETRY_AFTER_CEILING))
    return delay


def attempt_limit(*, wire_timeout: float | None, remaining: float | None) -> float:
    """Seconds to wait for the answer to one read before it is given up and sent again.

    A third of what the nearest waiter has left, so that two more attempts fit; never longer than the client's
    own timeout for a request.

    Args:
        wire_timeout: The client's timeout for each request, or None.
        remaining: Seconds until the nearest waiter's deadline, or None where nobody has one.
    """
    limit = 30.0 if wire_timeout is None else wire_timeout
    if remaining is not None:
        limit = min(limit, max(remaining / 3, 0.5))
    return limit
