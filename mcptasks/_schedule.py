"""When to look at a task next, and when to try again after a fault. Pure: times go in, delays come out.

All times are seconds; `now` and the like are readings of one monotonic clock.
"""

from __future__ import annotations

import math

from attrs import frozen

from mcptasks._arguments import seconds

_BACKOFF_FIRST = 0.1
_BACKOFF_CEILING = 5.0
_RETRY_AFTER_CEILING = 120.0


@frozen(kw_only=True)
class PollingPolicy:
    """How a client spaces its looks at a task (`Client(polling=...)`). All values are seconds."""

    early: bool = True
    """Look a few times soon after creation, so that quick tools are not held up by a long server interval;
    False never looks more often than the server asks."""
    first: float = 0.2
    """The first early look comes this long after creation; each later one doubles the task's age."""
    default_interval: float = 2.0
    """Between looks where the server names no interval (or nonsense)."""
    floor: float = 0.1
    """Never look more often than this, whatever the server says."""
    ceiling: float = 60.0
    """Never wait longer than this, whatever the server says."""
    push_interval: float = 15.0
    """The slow safety net while the server pushes statuses."""
    jitter: float = 0.1
    """Spread looks by up to this part of the delay, so that many tasks do not look in lockstep."""

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


def next_look(
    policy: PollingPolicy,
    *,
    age: float,
    interval: float | None,
    remaining: float | None,
    pushed: bool,
    spread: float,
) -> float:
    """Seconds until the next look at a task.

    Args:
        policy: The client's policy.
        age: Seconds since this client first knew the task.
        interval: The server's latest interval in seconds; None where it named none that makes sense.
        remaining: Seconds until the server may forget the task; None for no limit.
        pushed: Whether pushes for this task are known to arrive.
        spread: A random number from 0 to 1.
    """
    delay = policy.default_interval if interval is None or not math.isfinite(interval) else interval
    if pushed:
        delay = max(delay, policy.push_interval)
    elif policy.early:
        delay = min(delay, max(policy.first, age))
    delay *= 1 + policy.jitter * spread
    if remaining is not None and 0 < remaining <= delay:
        # A look must fall before the server may forget the result; not at the last moment, nor many of them.
        delay = min(delay, max(remaining * 0.75, 1.0))
    return min(max(delay, policy.floor), policy.ceiling)


def retry_delay(failures: int, *, retry_after: float | None, spread: float) -> float:
    """Seconds to wait before trying again: exponential, half of it jitter, or what the server asked for.

    Args:
        failures: How many attempts have failed in a row; at least 1.
        retry_after: The server's own wish in seconds (HTTP Retry-After), if any.
        spread: A random number from 0 to 1.
    """
    ceiling = min(_BACKOFF_FIRST * 2.0 ** min(failures - 1, 16), _BACKOFF_CEILING)
    delay = ceiling * (0.5 + 0.5 * spread)
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
