"""Learns how long tools take, for all clients of one event loop, and says when to poll a task next.

The run times are kept in a variable of the event loop, not of this module, and end with the loop unless a client has a
store. Clients of the same URL share them. A client of a server in a subprocess, or in this process, learns for itself.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import anyio
from anyio.lowlevel import RunVar
from attrs import evolve

from mcptasks._core.events import Seen
from mcptasks._core.polling.call_key import CallKey, Tool, call_key
from mcptasks._core.polling.lengths import Run
from mcptasks._core.polling.placement import Places
from mcptasks._core.polling.policy import PollingPolicy, last_look, next_look, rhythm
from mcptasks._core.polling.rhythm import Rhythm, one_in
from mcptasks._core.polling.run_times import RunTimes
from mcptasks._core.progress import Expectation
from mcptasks._engine.recording.journal import Journal, Timing
from mcptasks._engine.recording.nowhere import NO_JOURNAL
from mcptasks._engine.watching.watch import Watch

_SERVERS = 64
"""For how many servers run times are kept. With more, those of the server that was used longest ago are dropped."""

_TOLD_AT = frozenset({1, 2, 4, 8, 16, 128})
"""After these numbers of runs of a tool, the polls of its tasks under way are planned anew. Each time about twice as
much is known as before, so a new plan is worth its cost. After 16 runs plans hardly change, so the last time is after
128 runs."""

SEVERAL = 8
"""Above this many watched tasks, the early polls of tasks are spread; see `next_look`."""

_RHYTHMS = 64
"""How many rhythms are kept, one for each interval that the server names. With more, all are dropped and made again
when needed. A usual server names one interval."""

_ANY = ""
"""In place of the hash of the arguments, for run times that the store keeps without a hash."""

_known: RunVar[OrderedDict[str, RunTimes]] = RunVar("mcptasks_run_times")


class Learning:
    """Learns from the tasks of one client, and places their polls.

    Args:
        endpoint: The server's URL, under which clients share run times; None if this client learns for itself.
        policy: The client's polling policy.
        journal: Gets the time of each run, to keep it in a store.
    """

    def __init__(self, endpoint: str | None, policy: PollingPolicy, journal: Journal = NO_JOURNAL) -> None:
        self._times = RunTimes() if endpoint is None else _shared(endpoint)
        self._policy = policy
        self._journal = journal
        self._took = 0.0
        self._begun = 0
        self._rhythms = dict[tuple[float | None, bool], Rhythm]()

    # `load` and `_tell` convert between run times here and their form in a store.

    def load(self, timings: Iterable[Timing]) -> None:
        """Load earlier runs from a store, oldest first. Does nothing if run times of this server are known already."""
        if self._times.empty:
            for timing in timings:
                key = CallKey((timing.kind, timing.name), timing.arguments or _ANY, timing.size)
                self._times.take(key, Run(timing.low, timing.high, timing.least))

    def _tell(self, tool: Tool) -> None:
        """Hand the latest run of a tool to the journal."""
        latest = self._times.latest(tool)
        if latest is not None:
            (kind, name), run = tool, latest.run
            self._journal.learned(
                Timing(
                    kind=kind,
                    name=name,
                    low=run.low,
                    high=run.high,
                    least=run.least,
                    arguments=latest.key.arguments or None,
                    size=latest.key.size,
                )
            )

    def answered(self, asked: float | None) -> None:
        """Note how long a request about a task has taken: sent at `asked`, answered now."""
        self._took = 0.0 if asked is None else anyio.current_time() - asked

    def seen(self, watch: Watch, event: Seen, *, asked: float, over: bool) -> bool:
        """Learn from a status of a task. Return whether the polls of the tool's tasks should be planned anew.

        Args:
            watch: The task.
            event: The status.
            asked: When the poll was sent, or the push came, by the event loop's clock.
            over: Whether the task is over.
        """
        key, age = self._key(watch), asked - watch.since
        if key is None:
            return False
        if event.status.status == "input_required":
            # The rest of the run depends on how long somebody takes to answer.
            watch.polling.held_up = True
        elif over and event.status.status != "cancelled" and event.origin != "created":
            polling, counted = watch.polling, event.origin == "polled" and watch.polling.early is not None
            runs = self._times.add(
                key,
                event.status,
                low=min(polling.ran, age),
                high=age,
                polls=polling.polls + 1,
                rhythm=self._rhythm(watch.interval, crowded=not polling.early) if counted else None,
            )
            if runs:
                self._tell(key.tool)
            return runs in _TOLD_AT
        elif not over and event.origin == "polled":
            watch.polling.ran = max(watch.polling.ran, age)
            watch.polling.polls += 1
        return False

    def alike(self, watch: Watch, others: Iterable[Watch]) -> Iterator[Watch]:
        """Return the tasks among `others` that run the same tool."""
        tool = _tool(watch)
        return (other for other in others if tool is not None and _tool(other) == tool)

    def delay(self, watch: Watch, *, awaited: bool, watched: int) -> float:
        """Return the seconds from the latest poll of a task to the next one. The task must have been polled.

        Args:
            watch: The task.
            awaited: Whether the server is expected to push this task's statuses soon.
            watched: How many tasks are watched.
        """
        policy, key, polling = self._policy, self._key(watch), watch.polling
        if not policy.learn:
            polling.early = one_in(watched) == 1
        elif polling.early is None:
            self._begun += 1
            polling.early = self._begun % one_in(watched) == 0
            if polling.early and key is not None:
                self._times.begin(key)
        looked = polling.looked
        assert looked is not None
        return next_look(
            policy,
            age=looked - watch.since,
            interval=watch.interval,
            remaining=watch.remaining(looked),
            pushed=polling.pushed,
            spread=random.random(),
            places=None if key is None or not policy.learn else self._places(watch, key, watched),
            polls=polling.polls,
            crowded=not polling.early,
            several=policy.learn and watched > SEVERAL,
            awaited=awaited,
            name=None if watch.reference is None else watch.reference.name,
            runs=() if key is None or policy.custom is None else self._times.runs(key.tool),
        )

    def expectation(self, watch: Watch) -> Expectation | None:
        """Return how much longer a task may take, judged by earlier runs of its tool. For any thread.

        The task's age is measured by this machine's wall clock, which every thread can read.
        """
        key = self._key(watch)
        if key is None or watch.created is None:
            return None
        return self._times.expectation(key, age=(datetime.now(UTC) - watch.created) / timedelta(seconds=1))

    def last(self, watch: Watch, deadline: float, *, crowd: int) -> float:
        """Return when to poll a task for the last time before its nearest deadline; see `last_look`. The task must have
        been polled."""
        assert watch.polling.looked is not None
        return last_look(
            self._policy,
            now=anyio.current_time(),
            looked=watch.polling.looked,
            deadline=deadline,
            interval=watch.interval,
            took=self._took,
            spread=random.random(),
            crowd=crowd,
        )

    def _key(self, watch: Watch) -> CallKey | None:
        """What a task runs, with a hash of the arguments; see `_tool`."""
        tool = _tool(watch)
        if tool is None:
            return None
        polling = watch.polling
        if polling.key is None:
            key = call_key(tool, watch.arguments)
            polling.key = evolve(key, arguments=self._journal.keyed(key.arguments))
        return polling.key

    def _places(self, watch: Watch, key: CallKey, watched: int) -> Places | None:
        return self._times.places(key, self._rhythm(watch.interval, crowded=not watch.polling.early), watched=watched)

    def _rhythm(self, interval: float | None, *, crowded: bool) -> Rhythm:
        made = self._rhythms.get((interval, crowded))
        if made is None:
            if len(self._rhythms) >= _RHYTHMS:
                self._rhythms.clear()
            made = self._rhythms[interval, crowded] = rhythm(self._policy, interval, crowded=crowded)
        return made


def _tool(watch: Watch) -> Tool | None:
    """Return the tool of a task; None if the task's age says nothing of the tool's run time."""
    reference = watch.reference
    if watch.created is None or watch.polling.held_up:
        return None
    if reference is None or reference.kind is None or reference.name is None:
        return None
    return reference.kind, reference.name


def _shared(endpoint: str) -> RunTimes:
    try:
        servers = _known.get()
    except LookupError:
        servers = OrderedDict[str, RunTimes]()
        _known.set(servers)
    times = servers.setdefault(endpoint, RunTimes())
    servers.move_to_end(endpoint)
    if len(servers) > _SERVERS:
        servers.popitem(last=False)
    return times
