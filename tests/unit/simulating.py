"""Runs of one tool, as a client that only polls would see them look by look. Nothing waits: ages are computed."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field, frozen

from mcptasks import PollingPolicy, TaskStatus
from mcptasks._runtimes import RunTimes, Tool
from mcptasks._schedule import next_look

COMPLETED = TaskStatus(task_id="simulated", status="completed")
"""An end of which the server tells no times."""
TOOL: Tool = ("tool", "work")


@frozen
class Watched:
    """How one run was seen."""

    looks: tuple[float, ...]
    """The ages at which it was looked at; at the last one it was over."""
    late: float
    """How much later than its end that was."""


@define
class Simulation:
    """A client that watches one run after the other."""

    policy: PollingPolicy = field(factory=lambda: PollingPolicy(first=0.2, growth=1.5, jitter=0))
    interval: float = 5.0
    times: RunTimes = field(factory=RunTimes)

    def run(self, length: float) -> Watched:
        """Watch a run of that length, and learn from it."""
        policy, interval = self.policy, self.interval
        places = self.times.places(
            TOOL, interval=policy.spacing(interval), soonest=policy.soonest(interval), growth=policy.growth
        )
        looks = [0.0]
        while looks[-1] < length:
            delay = next_look(
                policy,
                age=looks[-1],
                interval=interval,
                remaining=None,
                pushed=False,
                spread=0.0,
                places=places if policy.learn else None,
            )
            looks.append(looks[-1] + delay)
        self.times.add(TOOL, COMPLETED, low=looks[-2], high=looks[-1])
        return Watched(tuple(looks[1:]), looks[-1] - length)

    def runs(self, lengths: Iterable[float]) -> list[Watched]:
        """Watch several."""
        return [self.run(length) for length in lengths]
