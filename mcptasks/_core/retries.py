"""What follows from a failed attempt: try again, on this connection or a new one, or give up. Pure.

`faults.py` says what one failure means; this module counts the failures of one request and decides; the loops in
`_engine/connection` send, sleep and raise. All times are seconds by one clock.
"""

from __future__ import annotations

import math

from attrs import evolve, frozen

from mcptasks._core.faults import PATIENCE, Fault

SESSIONS = 6
"""How many new sessions one read may use up, which takes about 3 s; then the read fails, since a read that every
session refuses is at fault itself. The number is large enough for a server that restarts a few times during a
deployment."""

_FIRST_SECONDS = 0.1
"""Seconds before the first retry, before jitter; each later delay is twice as long."""
_LONGEST_SECONDS = 5.0
"""Longest delay in seconds between two retries, so that a server that comes back is found within seconds."""
_LONGEST_WISH = 120.0
"""Seconds: a longer `Retry-After` counts as this, so that a server cannot silence a client for hours."""


@frozen(kw_only=True)
class RetryPolicy:
    """How long, and how often, one request is tried."""

    patience: float = math.inf
    """Seconds from the first attempt (or the latest silence) until the request is given up."""
    attempts: float = math.inf
    """How many attempts there are at most."""
    sessions: float = math.inf
    """How many new sessions there are at most."""
    once: bool = False
    """Whether the request must not be carried out twice. If so, a failed attempt is repeated only if it certainly was
    not carried out."""
    overruns: bool = False
    """Whether a pause that begins before the end of the patience may run on, with an attempt after it. If not, the
    request is given up exactly when the patience ends."""


@frozen(kw_only=True)
class Retry:
    """Send the request again."""

    delay: float
    """Seconds to wait first."""
    asked_pause: float = 0.0
    """Seconds for which the server asks every request of this client to wait; 0 if it does not ask."""
    session_over: bool = False
    """Whether the server has shown that it does not know the session: the request needs a new connection."""


@frozen(kw_only=True)
class GiveUp:
    """Raise an error."""

    delay: float = 0.0
    """Seconds to wait first, until the patience ends; 0 to raise at once."""
    asked_pause: float = 0.0
    """As in `Retry`."""
    session_over: bool = False
    """As in `Retry`: the next request of the client needs a new connection."""
    exhausted: bool = False
    """Whether the patience has ended. If not, the latest fault is final."""


@frozen
class Attempts:
    """The attempts of one request so far. Decides what follows from the next failure."""

    policy: RetryPolicy = RetryPolicy()
    failures: int = 0
    """How many attempts have failed."""
    doubted: int = 0
    """How many of these had a fault that is final after `PATIENCE` times (`Fault.patient`)."""
    sessions: int = 0
    """How many new sessions were asked for."""
    end: float | None = None
    """When the patience ends; None before the first attempt."""

    def begin(self, now: float) -> Attempts:
        """Note that an attempt is about to be sent. The patience counts from the first attempt, not from the queue."""
        return self if self.end is not None else evolve(self, end=now + self.policy.patience)

    def pause(self, until: float, now: float) -> Retry | GiveUp | None:
        """Decides before an attempt, if the server wants every request to wait; None to send the request now.

        A request with a single attempt does not wait. A request that has attempts left waits no longer than its
        patience lasts, whatever the policy says of overruns: the server has said that it will not answer sooner.

        Args:
            until: The end of the pause that the server wants.
            now: The time. `begin` must have been called.
        """
        if until <= now or self.policy.attempts <= 1:
            return None
        return _bounded(evolve(self, policy=evolve(self.policy, overruns=False)), until - now, now)

    def after(
        self, fault: Fault, *, now: float, spread: float, silent: bool = False
    ) -> tuple[Attempts, Retry | GiveUp]:
        """Count a failed attempt, and decide what follows.

        Args:
            fault: The meaning of the failure.
            now: The time. `begin` must have been called.
            spread: A random number from 0 to 1.
            silent: Whether the server took the request and did not answer. Such a server can be reached, so the
                patience counts anew from now.
        """
        counted = evolve(
            self,
            failures=self.failures + 1,
            doubted=self.doubted + fault.patient,
            end=now + self.policy.patience if silent else self.end,
        )
        if _is_final(counted, fault):
            return counted, GiveUp()
        delay = retry_delay(counted.failures, retry_after=fault.retry_after, spread=spread)
        step = _bounded(counted, delay, now)
        if fault.retry_after is not None:
            step = evolve(step, asked_pause=delay)
        # The first refusal may come from a proxy. The second proves that the session has ended.
        if fault.action == "reopen" and counted.failures > 1:
            return evolve(counted, sessions=self.sessions + 1), evolve(step, session_over=True)
        return counted, step


def _is_final(attempts: Attempts, fault: Fault) -> bool:
    """Whether another attempt is ruled out, however much time there is."""
    policy = attempts.policy
    return (
        fault.action == "raise"
        or attempts.failures >= policy.attempts
        or attempts.doubted >= PATIENCE
        or attempts.sessions >= policy.sessions
        or (policy.once and not _not_carried_out(fault))
    )


def _bounded(attempts: Attempts, delay: float, now: float) -> Retry | GiveUp:
    """Retry after the delay, or give up if the patience ends before."""
    left = math.inf if attempts.end is None else attempts.end - now
    if left <= 0 or (left <= delay and not attempts.policy.overruns):
        return GiveUp(delay=max(left, 0.0), exhausted=True)
    return Retry(delay=delay)


def _not_carried_out(fault: Fault) -> bool:
    """Whether a request that must not be carried out twice may be sent again.

    A refusal by an HTTP status is the server's decision and final, unless the status means an unknown session.
    """
    return not fault.sent and (fault.status is None or fault.action == "reopen")


def retry_delay(failures: int, *, retry_after: float | None, spread: float, ceiling: float = _LONGEST_SECONDS) -> float:
    """Seconds to wait before trying again: grows exponentially, half of it jitter, and at least the server's
    `Retry-After`.

    Args:
        failures: How many attempts have failed in a row; at least 1.
        retry_after: The server's own wish in seconds (HTTP Retry-After), if any.
        spread: A random number from 0 to 1.
        ceiling: The longest wait in seconds, if the server names no time.
    """
    delay = min(_FIRST_SECONDS * 2.0 ** min(failures - 1, 16), ceiling) * (0.5 + 0.5 * spread)
    if retry_after is not None and math.isfinite(retry_after) and retry_after > 0:
        delay = max(delay, min(retry_after, _LONGEST_WISH))
    return delay
