"""A client that watches simulated tasks of one tool, poll by poll, with the rules of the real one. Nothing waits.

A fleet is so many workers, each of which runs one task after the other. The server tells nothing but whether a task is
over, so lengths are known as well as polls tell.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence

from attrs import define, field, frozen

from mcptasks import PollingPolicy, TaskStatus
from mcptasks._core.polling.call_key import CallKey, Tool, call_key
from mcptasks._core.polling.policy import next_look, rhythm
from mcptasks._core.polling.rhythm import Rhythm, one_in
from mcptasks._core.polling.run_times import RunTimes
from mcptasks._engine.watching.learning import SEVERAL
from tests.benchmarks.simulated.families import Family, Run

TOOL: Tool = ("tool", "work")
OVER = TaskStatus(task_id="simulated", status="completed")
LEARNING_RUNS = 5
"""Runs of the same group that have ended before one that counts."""
_TOLD_AT = frozenset({1, 2, 4, 8, 16, 128})
"""See `mcptasks._engine.watching.learning`."""


@frozen
class Seen:
    """How one run was seen."""

    run: Run
    late: float
    """Seconds from its end to the poll that found it over."""
    polls: int
    known: int
    """How many runs of its group had ended when it began."""
    crowded: bool
    """Whether early polls were off when it began."""

    @property
    def counts(self) -> bool:
        """Whether there was time to learn before it."""
        return self.known >= LEARNING_RUNS


@define(eq=False)
class _Task:
    run: Run
    key: CallKey
    since: float
    worker: int
    known: int
    crowded: bool
    age: float = 0.0
    polls: int = 0
    entry: int = 0


@define(eq=False)
class Fleet:
    """A client and its tasks.

    Args:
        interval: What the server asks for, in seconds.
        policy: The client's policy.
        seed: Of the policy's jitter.
    """

    interval: float
    policy: PollingPolicy = field(factory=PollingPolicy)
    seed: int = 1
    times: RunTimes = field(factory=RunTimes)
    _rng: random.Random = field(init=False)
    _plan: list[tuple[float, int, _Task]] = field(factory=list[tuple[float, int, _Task]], init=False)
    _begun: int = field(default=0, init=False)
    _number: int = field(default=0, init=False)
    _alive: dict[int, _Task] = field(factory=dict[int, _Task], init=False)
    _ended: Counter[str] = field(factory=Counter[str], init=False)
    _rhythms: dict[bool, Rhythm] = field(factory=dict[bool, Rhythm], init=False)
    _keys: dict[int, CallKey] = field(factory=dict[int, CallKey], init=False)

    def __attrs_post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def watch(self, runs: Iterator[Run], *, workers: int, each: int, over: float = 0.0) -> list[Seen]:
        """Watch so many workers, each of which runs so many tasks.

        Args:
            runs: The runs, in the order in which they begin.
            workers: How many tasks run at once.
            each: How many tasks each worker runs.
            over: The first tasks begin evenly over so many seconds.
        """
        seen, begun = list[Seen](), Counter[int]()
        starts = [(over * worker / workers, worker) for worker in range(workers)]
        starts.reverse()
        while starts or self._plan:
            if starts and (not self._plan or starts[-1][0] <= self._plan[0][0]):
                now, worker = starts.pop()
                self._begin(next(runs), worker, now)
                begun[worker] += 1
                continue
            now, entry, task = heapq.heappop(self._plan)
            if entry != task.entry:
                continue
            found = self._poll(task, now)
            if found is None:
                continue
            seen.append(found)
            if begun[task.worker] < each:
                self._begin(next(runs), task.worker, now)
                begun[task.worker] += 1
        return seen

    def _begin(self, run: Run, worker: int, now: float) -> None:
        key = self._keys.get(run.arguments)
        if key is None:
            key = self._keys[run.arguments] = call_key(TOOL, {"which": run.arguments})
        self._begun += 1
        crowded = self._begun % one_in(len(self._alive) + 1) != 0
        task = _Task(run, key, now, worker, self._ended[run.group], crowded)
        if not crowded:
            self.times.begin(key)
        self._alive[id(task)] = task
        self._put(task)

    def _poll(self, task: _Task, now: float) -> Seen | None:
        age = now - task.since
        task.polls += 1
        if age < task.run.length:
            task.age = age
            self._put(task)
            return None
        del self._alive[id(task)]
        task.entry = 0
        self._ended[task.run.group] += 1
        rhythm = self._rhythm(task.crowded)
        runs = self.times.add(task.key, OVER, low=task.age, high=age, polls=task.polls, rhythm=rhythm)
        if runs in _TOLD_AT and self.policy.learn:
            for other in self._alive.values():
                self._put(other, now)
        return Seen(task.run, age - task.run.length, task.polls, task.known, task.crowded)

    def _put(self, task: _Task, now: float = 0.0) -> None:
        delay = next_look(
            self.policy,
            age=task.age,
            interval=self.interval,
            remaining=None,
            pushed=False,
            spread=self._rng.random() if self.policy.jitter else 0.0,
            places=self.times.places(task.key, self._rhythm(task.crowded), watched=len(self._alive))
            if self.policy.learn
            else None,
            polls=task.polls,
            crowded=task.crowded,
            several=len(self._alive) > SEVERAL,
        )
        self._number += 1
        task.entry = self._number
        heapq.heappush(self._plan, (max(task.since + task.age + delay, now), self._number, task))

    def _rhythm(self, crowded: bool) -> Rhythm:
        if crowded not in self._rhythms:
            self._rhythms[crowded] = rhythm(self.policy, self.interval, crowded=crowded)
        return self._rhythms[crowded]


def watch_family(family: Family, *, interval: float, workers: int, each: int, seed: int = 1) -> list[Seen]:
    """Watch runs of a family with the default policy."""
    runs = family(random.Random(seed), workers)
    return Fleet(interval, seed=seed).watch(runs, workers=workers, each=each, over=20.0 if workers > 1 else 0.0)


# --- what others do -----------------------------------------------------------------------------------------------


def found_by(ages: Sequence[float], interval: float, length: float) -> tuple[float, int]:
    """How late polls at these ages, and then at the interval, find a run of that length, and how many it takes."""
    for number, age in enumerate(ages, 1):
        if age >= length:
            return age - length, number
    last = ages[-1] if ages else 0.0
    more = math.ceil((length - last) / interval - 1e-9)
    return last + more * interval - length, len(ages) + more


def fastmcp_ages(interval: float) -> tuple[float, ...]:
    """The early polls of fastmcp 4's client: at once, then each pause twice as long as the one before, from 20 ms up to
    the interval (`fastmcp_tasks.client`, 4.1.2)."""
    ages, pause = [0.0], 0.02
    while pause < interval:
        ages.append(ages[-1] + pause)
        pause *= 2
    return tuple(ages)


def early_polls(policy: PollingPolicy, interval: float, length: float) -> int:
    """How many early polls a tool never seen gets up to that age, besides those at the interval."""
    return sum(age < length for age in rhythm(policy, interval, crowded=False).early_ages)
