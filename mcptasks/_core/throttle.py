"""How fast one client may send requests to a server that says it gets too many (HTTP 429). Pure: times go in.

Nothing is held up until the first such answer. Then all requests of the client slow down together, to half of what it
sent in the second before. From there the rate grows by 15 % a second, until the server refuses again or the rate limits
nothing. Requests wait in one line (`_engine/connection/turns.py`), so none waits for ever. All times are seconds by one
clock; rates are requests a second.

Source: RFC 6585, section 4 (429 Too Many Requests). `Retry-After` holds besides; see `retries.py`.
"""

from __future__ import annotations

import math

from attrs import define, field

_LOWER = 0.5
"""What is left of the rate after a refusal."""
_GROWTH = 1.15
"""The factor by which the rate grows each second. About six seconds after a refusal, the rate is what it was before."""
_DEAF_SECONDS = 1.0
"""For so many seconds after the rate was lowered, further refusals are ignored, and the rate does not grow: the refused
requests were sent at the old rate."""
_SLOWEST = 0.5
"""The lowest rate. A server that needs a lower one can send `Retry-After`."""
_FASTEST = 2000.0
"""At this rate and above, requests are not held up: a client does not send as many."""
_BURST_SECONDS = 0.05
"""After a pause, the requests of so many seconds may be sent at once, so that a coarse clock does not lower the
rate."""
_SAME = 1e-9


@define(eq=False)
class Throttle:
    """The rate of one client."""

    _rate: float = field(default=math.inf, init=False)
    """The rate when it was last lowered."""
    _lowered: float = field(default=-math.inf, init=False)
    """When that was."""
    _next: float = field(default=-math.inf, init=False)
    """When the next request may be sent."""
    _second: float = field(default=-math.inf, init=False)
    """When the second began whose requests are counted."""
    _sent: int = field(default=0, init=False)
    """How many were sent in it."""
    _before: int = field(default=0, init=False)
    """How many were sent in the second before."""

    def rate(self, now: float) -> float:
        """The highest rate at present; infinite if nothing is held up."""
        if self._rate == math.inf:
            return math.inf
        # The exponent is bounded, so that a client that sleeps for days overflows nothing.
        rate = self._rate * _GROWTH ** min(max(now - self._lowered - _DEAF_SECONDS, 0.0), 100.0)
        return rate if rate < _FASTEST else math.inf

    def take(self, now: float) -> float:
        """Count a request that is about to be sent, if one may be sent now.

        Returns:
            How many seconds it has to wait; 0 if it was counted.
        """
        rate = self.rate(now)
        if rate == math.inf:
            self._next = -math.inf
        elif now < self._next - _SAME:
            return self._next - now
        else:
            self._next = max(self._next, now - _BURST_SECONDS) + 1 / rate
        self._count(now)
        self._sent += 1
        return 0.0

    def refused(self, now: float) -> None:
        """Note that the server has refused a request because it gets too many."""
        if now - self._lowered < _DEAF_SECONDS:
            return
        self._count(now)
        rate = min(self.rate(now), max(self._sent, self._before))
        self._rate, self._lowered = max(rate * _LOWER, _SLOWEST), now
        self._next = now + 1 / self._rate

    def _count(self, now: float) -> None:
        if now >= self._second + 1:
            self._before = self._sent if now < self._second + 2 else 0
            self._second, self._sent = now, 0
