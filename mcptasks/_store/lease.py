"""When an owner must show that it lives, and until when it may act. Pure.

The owner counts from the moment before it asked the database, by a clock of its own: whatever happened to the answer,
the database cannot have counted from an earlier one.
"""

from __future__ import annotations

from attrs import frozen

_MARGIN = 5.0
"""Seconds before the end of the lease at which an owner stops by itself: enough for an answer that is on its way."""
_RETRY = 1.0
"""Seconds after a beat that failed at which the next one is tried."""


@frozen
class Lease:
    """How long an owner that was heard of is believed to live.

    Args:
        seconds: The length.
    """

    seconds: float

    @property
    def pause(self) -> float:
        """Seconds between two beats. Two may be lost before the lease ends."""
        return self.seconds / 3

    @property
    def margin(self) -> float:
        """Seconds before the end at which the owner stops. Less for leases that are shorter than usual."""
        return min(_MARGIN, self.seconds / 6)

    def holds(self, asked: float, now: float) -> bool:
        """Whether an owner may still act.

        Args:
            asked: When it sent the latest beat that succeeded.
            now: The time by the same clock.
        """
        return now < asked + self.seconds - self.margin

    def next_beat(self, asked: float, now: float, *, failed: bool) -> float:
        """Seconds until the next beat.

        Args:
            asked: When the latest beat was sent, with success or not.
            now: The time.
            failed: Whether it failed.
        """
        pause = min(_RETRY, self.pause) if failed else self.pause
        return max(asked + pause - now, 0.0)
