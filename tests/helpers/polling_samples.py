"""Polling policies, and the delay until the next poll under given circumstances."""

from __future__ import annotations

from mcptasks import PollingPolicy
from mcptasks._core.polling.placement import Places
from mcptasks._core.polling.policy import next_look

PLAIN = PollingPolicy(first=0.2, growth=1.58, jitter=0)
NOT_EARLY = PollingPolicy(early=False, jitter=0)


def look(
    policy: PollingPolicy = PLAIN,
    *,
    age: float = 1000.0,
    interval: float | None = 5.0,
    remaining: float | None = None,
    pushed: bool = False,
    spread: float = 0.0,
    places: Places | None = None,
    polls: int = 0,
    crowded: bool = False,
    awaited: bool = False,
) -> float:
    """`next_look` for an old task whose server names an interval of five seconds."""
    return next_look(
        policy,
        age=age,
        interval=interval,
        remaining=remaining,
        pushed=pushed,
        spread=spread,
        places=places,
        polls=polls,
        crowded=crowded,
        awaited=awaited,
    )
