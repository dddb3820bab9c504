"""When an owner must send a sign of life ("beat"), and until when it may act. Pure.

The owner counts its lease from the moment at which it sent the beat, by its own clock. The database counts from a later
moment, so for the owner the lease ends first.
"""

from __future__ import annotations

from attrs import frozen

_MARGIN = 5.0
"""An owner stops to act this many seconds before the end of its lease: enough for an answer that is on its way."""
_RETRY = 1.0
"""Seconds from a failed beat to the next attempt."""


@frozen
class Lease:
    """How long an owner counts as alive after a beat.

    Args:
        seconds: The length of the lease.
    """

    seconds: float

    @property
    def pause(self) -> float:
        """Seconds between two beats. Two may be lost before the lease ends."""
        return self.seconds / 3

    @property
    def margin(self) -> float:
        """How many seconds before the end of the lease the owner stops to act; a sixth of the lease if that is less
        than `_MARGIN`."""
        return min(_MARGIN, self.seconds / 6)

    def holds(self, asked: float, now: float) -> bool:
        """Whether an owner may still act.

        Args:
            asked: When the owner sent its latest successful beat.
            now: The time by the same clock.
        """
        return now < asked + self.seconds - self.margin

    def next_beat(self, asked: float, now: float, *, failed: bool) -> float:
        """Seconds until the next beat.

        Args:
            asked: When the latest beat was sent, successful or not.
            now: The time.
            failed: Whether the latest beat failed.
        """
        pause = min(_RETRY, self.pause) if failed else self.pause
        return max(asked + pause - now, 0.0)
