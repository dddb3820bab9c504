"""When a wait has gone on for too long without anything coming of it. Pure: events and times go in, a reason comes out.

Times are seconds of one monotonic clock. `_engine/watching/stalls.py` tells what happens, and acts on the reasons.
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
    """When the client says that a task which somebody waits for gets nowhere (`Client(patience=...)`).

    Without this option nothing but the program's own timeouts ends a wait. A limit that is reached is logged as a
    warning of `mcptasks.task`, and told to `on_stall`, to those who wait, or to both. The task itself goes on.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: A limit cannot be right, or nobody is told.
    """

    __module__ = "mcptasks"

    stalled_after: float | None = field(default=None, converter=_seconds)
    """Seconds or a `timedelta` without a change of status, message or progress, while somebody waits; told again after
    each such time. The time in which a task waits for input does not count. `lastUpdatedAt` does not count as a change:
    real servers put the time of the poll there."""
    rounds: int | None = None
    """How often a task may come with new input requests. Told at each round beyond that."""
    failed_looks: int | None = None
    """So many attempts to poll a task failed in a row. Told again after as many more."""
    past_ttl: bool = False
    """Tell, once, that the time has passed for which the server promised to keep the task."""
    on_stall: Callable[[TaskStalledError], Any] | None = field(default=None, repr=False)
    """Called with a `TaskStalledError`, which names the reason and has the reference; sync or async. Ends no wait."""
    raises: bool = False
    """Raise that error in every wait for the task."""

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
        """What is said of a limit that was reached."""
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
    """What is known of one task that somebody waits for, as far as patience with it depends on that."""

    moved: float
    """When something came of the task, or the wait began, or the lack of it was told."""
    status: TaskStatus | None = None
    asked: int = 0
    """How many input requests the task has come with, open and closed ones."""
    rounds: int = 0
    failures: int = 0
    """How many attempts to poll it have failed since the latest answer."""
    expired: bool = False
    """Whether the end of its time was told."""

    def progressed(self, at: float) -> Suspense:
        """The latest report of progress with something new came at this time."""
        return evolve(self, moved=max(self.moved, at))

    def waited(self, now: float) -> Suspense:
        """Somebody begins to wait."""
        return evolve(self, moved=max(self.moved, now))

    def looked(self, status: TaskStatus | None, asked: int, now: float) -> Suspense:
        """A status came, perhaps the one that is known.

        Args:
            status: The status.
            asked: How many input requests the task has come with by now. A status that comes late lists old ones again,
                and makes no new round.
            now: The time.
        """
        known, calm = self.status, evolve(self, failures=0)
        if status is None or (known is not None and visible(known) == visible(status)):
            return calm
        return evolve(calm, status=status, moved=now, asked=asked, rounds=self.rounds + (asked > self.asked))

    def failed(self) -> Suspense:
        """An attempt to poll the task has failed."""
        return evolve(self, failures=self.failures + 1)

    def told(self, reason: StallReason, now: float) -> Suspense:
        """A reason was told; it is told again when there is one anew."""
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
        """When the time alone gives a reason; infinite for never.

        Args:
            policy: The program's patience.
            expires: When the server may forget the task; None for never.
        """
        asks = self.status is not None and self.status.status == "input_required"
        stalled = math.inf if policy.stalled_after is None or asks else self.moved + policy.stalled_after
        expired = math.inf if expires is None or self.expired or not policy.past_ttl else expires
        return min(stalled, expired)

    def reason(self, policy: Patience, now: float, expires: float | None) -> StallReason | None:
        """Why the time is up; None if it is not."""
        if self.due(policy, expires) > now:
            return None
        past = expires is not None and expires <= now and not self.expired and policy.past_ttl
        return "expired" if past else "stalled"
