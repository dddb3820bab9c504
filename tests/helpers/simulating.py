"""Simulates runs of one tool as a client that only polls sees them. Ages are computed, so nothing waits."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field, frozen

from mcptasks import PollingPolicy, TaskStatus
from mcptasks._core.polling.call_key import Tool, call_key
from mcptasks._core.polling.policy import next_look, rhythm
from mcptasks._core.polling.run_times import RunTimes

COMPLETED = TaskStatus(task_id="simulated", status="completed")
"""A final status without the server's times."""
TOOL: Tool = ("tool", "work")
KEY = call_key(TOOL, None)


@frozen
class Watched:
    """How one run was seen."""

    looks: tuple[float, ...]
    """The ages at which the run was polled. The last poll found its end."""
    late: float
    """How many seconds after its end the last poll came."""


@define
class Simulation:
    """A client that watches one run after the other."""

    policy: PollingPolicy = field(factory=lambda: PollingPolicy(first=0.2, growth=1.5, jitter=0))
    interval: float = 5.0
    crowded: bool = False
    times: RunTimes = field(factory=RunTimes)

    def run(self, length: float) -> Watched:
        """Watch a run of `length` seconds, and learn from it."""
        policy, interval = self.policy, self.interval
        allowed = rhythm(policy, interval, crowded=self.crowded)
        looks = [0.0]
        while looks[-1] < length:
            # As in the engine, each poll is placed by the runs that are known at that moment.
            places = self.times.places(KEY, allowed) if policy.learn else None
            delay = next_look(
                policy,
                age=looks[-1],
                interval=interval,
                remaining=None,
                pushed=False,
                spread=0.0,
                places=places,
                polls=len(looks) - 1,
                crowded=self.crowded,
            )
            looks.append(looks[-1] + delay)
        self.times.add(KEY, COMPLETED, low=looks[-2], high=looks[-1])
        return Watched(tuple(looks[1:]), looks[-1] - length)

    def runs(self, lengths: Iterable[float]) -> list[Watched]:
        """Watch several runs, one after the other."""
        return [self.run(length) for length in lengths]
