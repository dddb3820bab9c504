"""When a wait has gone on for too long without progress. Pure: events and times go in, a reason comes out.

Times are seconds of one monotonic clock. `_engine/watching/stalls.py` feeds the events, and acts on the reasons.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from attrs import evolve, field, frozen

from mcptasks._core.argument_checks import in_seconds, seconds
from mcptasks._core.exceptions import StallReason, TaskStalledError
from mcptasks._core.models import TaskStatus
from mcptasks._core.state import visible


def _seconds(value: float | timedelta | None) -> float | None:
    return cast("float | None", in_seconds(value))


@frozen(kw_only=True)
class Patience:
    """When the client reports that a task makes no progress while somebody waits for it (`Client(patience=...)`).

    Without this option, a wait for a task that makes no progress ends only by the program's own timeouts. When a limit
    is reached, the client logs a warning on `mcptasks.task`, and calls `on_stall`, or raises an error in the waits, or
    both. The task itself goes on.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: A limit is not positive, or there is neither `on_stall` nor `raises`.
    """

    __module__ = "mcptasks"

    stalled_after: float | None = field(default=None, converter=_seconds)
    """The limit for the time without a change of status, message or progress while somebody waits, in seconds or as a
    `timedelta`. Reported again each time that it has passed once more. The time in which a task waits for input does
    not count. `lastUpdatedAt` does not count as a change: real servers put the time of the poll there."""
    rounds: int | None = None
    """How many times a task may ask with new input requests. Each further round is reported, even if nobody
    waits."""
    failed_looks: int | None = None
    """Reported when this many attempts in a row to poll a task have failed, and again after as many more."""
    past_ttl: bool = False
    """Whether to report, once, that the time has passed for which the server promised to keep the task."""
    on_stall: Callable[[TaskStalledError], Any] | None = field(default=None, repr=False)
    """Called with a `TaskStalledError`, which names the reason and has the reference; sync or async. It does not end
    the waits."""
    raises: bool = False
    """Whether every wait for the task raises that error."""

    def __attrs_post_init__(self) -> None:
        seconds(self.stalled_after, "stalled_after", zero=False)
        for name in ("rounds", "failed_looks"):
            value: Any = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise TypeError(f"{name} must be a whole number or None, got {value!r}")
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value!r}")
        if self.on_stall is not None and not callable(self.on_stall):
            raise TypeError(f"on_stall must be callable, got {self.on_stall!r}")
        if self.on_stall is None and not self.raises:
            raise ValueError("nobody is told: give on_stall=, or raises=True")

    def words(self, reason: StallReason) -> str:
        """The message for a limit that was reached."""
        match reason:
            case "stalled":
                time = f"{self.stalled_after:g} s"
                return f"no change of the task's status, message or progress for {time}; the work may go on"
            case "rounds":
                return f"the task asks in more than {self.rounds} rounds; it stays answerable"
            case "failed_looks":
                return f"{self.failed_looks} attempts to poll the task failed in a row; the task may be well"
            case "expired":
                return "the server's time to keep the task has passed; it may forget the result"


@frozen
class Suspense:
    """The facts about one task on which the patience of those who wait for it depends."""

    moved: float
    """When the task last changed, a wait began, or "stalled" was reported, whichever came last."""
    status: TaskStatus | None = None
    asked: int = 0
    """How many input requests the task has made so far, open and closed ones."""
    rounds: int = 0
    """How many statuses have brought new input requests."""
    failures: int = 0
    """How many attempts to poll the task have failed since the latest answer, or since that was reported."""
    expired: bool = False
    """Whether "expired" was reported."""

    def progressed(self, at: float) -> Suspense:
        """Note that a report of progress with something new came at this time."""
        return evolve(self, moved=max(self.moved, at))

    def waited(self, now: float) -> Suspense:
        """Note that somebody begins to wait."""
        return evolve(self, moved=max(self.moved, now))

    def looked(self, status: TaskStatus | None, asked: int, now: float) -> Suspense:
        """Note that the server answered or pushed.

        Args:
            status: The status, which may be the known one; None if no status came.
            asked: How many input requests the task has made so far. A status that comes late may list old requests
                again; that is no new round.
            now: The time.
        """
        known, calm = self.status, evolve(self, failures=0)
        if status is None or (known is not None and visible(known) == visible(status)):
            return calm
        return evolve(calm, status=status, moved=now, asked=asked, rounds=self.rounds + (asked > self.asked))

    def failed(self) -> Suspense:
        """Note that an attempt to poll the task has failed."""
        return evolve(self, failures=self.failures + 1)

    def told(self, reason: StallReason, now: float) -> Suspense:
        """Note that a reason was reported. The time and the count of failed polls begin anew; "expired" does not
        repeat."""
        match reason:
            case "stalled":
                return evolve(self, moved=now)
            case "failed_looks":
                return evolve(self, failures=0)
            case "expired":
                return evolve(self, expired=True)
            case "rounds":
                return self

    def due(self, policy: Patience, expires: float | None) -> float:
        """When a limit of time will be reached if nothing happens before; infinite for never.

        Args:
            policy: The program's patience.
            expires: When the server may forget the task; None for never.
        """
        asks = self.status is not None and self.status.status == "input_required"
        stalled = math.inf if policy.stalled_after is None or asks else self.moved + policy.stalled_after
        expired = math.inf if expires is None or self.expired or not policy.past_ttl else expires
        return min(stalled, expired)

    def reason(self, policy: Patience, now: float, expires: float | None) -> StallReason | None:
        """Which limit of time is reached now; None if none is."""
        if self.due(policy, expires) > now:
            return None
        past = expires is not None and expires <= now and not self.expired and policy.past_ttl
        return "expired" if past else "stalled"
