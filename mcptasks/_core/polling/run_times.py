"""How long the tools of one server have taken: the latest runs of each, few and bounded. Pure: times go in."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta

from attrs import define, field

from mcptasks._core.models import TaskStatus
from mcptasks._core.polling.call_key import CallKey, Tool
from mcptasks._core.polling.history import Ended, History
from mcptasks._core.polling.lengths import (
    Run,
    span,
)
from mcptasks._core.polling.placement import Places
from mcptasks._core.polling.rhythm import Rhythm
from mcptasks._core.progress import Expectation

_TOOLS = 256
"""How many tools are remembered of one server. Beyond that, the tool whose latest run is the oldest is forgotten."""
_ENOUGH = 2
"""How many runs of a tool must be known before programs are told what to expect: a single run may have been an
exception."""
_SHORTEST = 0.1
"""The shortest length, in seconds, that such an expectation distinguishes."""
_LONGEST = 30 * 86400.0
"""The longest run in seconds (30 days). A longer one counts as this long."""
_SLACK = 0.02
"""Tolerance in seconds: a server's time this close to the time of a poll may be the time of that poll."""


@define(eq=False)
class RunTimes:
    """What was learned of the tools of one server."""

    _tools: OrderedDict[Tool, History] = field(factory=OrderedDict[Tool, History], init=False)

    def add(
        self, key: CallKey, status: TaskStatus, *, low: float, high: float, polls: int = 0, rhythm: Rhythm | None = None
    ) -> int:
        """Remember a run.

        Args:
            key: The tool, and the arguments.
            status: The status with which the run ended.
            low: Seconds from its creation to the latest time at which it was seen to run.
            high: Seconds from its creation to the time at which it was seen to be over.
            polls: How many polls it took.
            rhythm: The rhythm in which it was polled; None if its polls are not to be counted.

        Returns:
            How many runs of this tool were ever remembered; 0 if this run was not, since the scouts tell more.
        """
        run, seen, history = _run(status, low, high), 0, self._tools.get(key.tool)
        if history is None or rhythm is None or not (rhythm.follows and history.scouted):
            seen, history = self._take(Ended(key, run))
            history.unscouted = 0 if rhythm is not None and rhythm.early else history.unscouted
            run = history.runs[-1].run
        history.unscouted += 1
        if rhythm is not None:
            history.pay(key, run, polls, rhythm)
        return seen

    def begin(self, key: CallKey) -> None:
        """Count a scout that begins."""
        self._history(key.tool).begun += 1

    def take(self, key: CallKey, run: Run) -> int:
        """Remember a run that was seen before, by another process too; see `add`."""
        return self._take(Ended(key, _bounded(run)))[0]

    @property
    def empty(self) -> bool:
        """Whether nothing is known."""
        return not any(history.runs for history in self._tools.values())

    def latest(self, tool: Tool) -> Ended | None:
        """The run of this tool that was remembered last; None if there is none."""
        history = self._tools.get(tool)
        return history.runs[-1] if history is not None and history.runs else None

    def runs(self, tool: Tool) -> tuple[float, ...]:
        """The most seconds that each of the latest runs of a tool can have taken, oldest first."""
        history = self._tools.get(tool)
        return () if history is None else tuple(each.run.high for each in history.runs)

    def expectation(self, key: CallKey, *, age: float) -> Expectation | None:
        """How much longer a run may take; None if too few runs are known, or this run is longer than most. For any
        thread.

        Args:
            key: What is run.
            age: Seconds since the run was created.
        """
        history = self._tools.get(key.tool)
        if history is None or len(history.runs) < _ENOUGH:
            return None
        found = span(history.guess(key, _SHORTEST), age)
        if found is None:
            return None
        return Expectation(soonest=timedelta(seconds=found[0] - age), latest=timedelta(seconds=found[1] - age))

    def places(self, key: CallKey, rhythm: Rhythm, *, watched: int = 1) -> Places | None:
        """Where to poll a new run; None if nothing was learned, or if the usual polls are better.

        Args:
            key: The tool, and the arguments.
            rhythm: The rhythm in which it may be polled.
            watched: How many tasks are watched. If there are many, few of them are polled where a poll tells most, and
                plans are made anew less often.
        """
        history = self._tools.get(key.tool)
        return None if history is None else history.places(key, rhythm, watched)

    def _take(self, ended: Ended) -> tuple[int, History]:
        history = self._history(ended.key.tool)
        history.take(ended)
        return history.count.seen, history

    def _history(self, tool: Tool) -> History:
        history = self._tools.setdefault(tool, History())
        self._tools.move_to_end(tool)
        if len(self._tools) > _TOOLS:
            self._tools.popitem(last=False)
        return history


def _run(status: TaskStatus, low: float, high: float) -> Run:
    """How long a run took, as exactly as is known.

    The server's own times are the most exact ones. They are not used if they may be the times of polls (fastmcp 3 and 4
    send the time of the query), nor if they are in whole seconds.
    """
    created, ended = status.created_at, status.last_updated_at
    if created is not None and ended is not None and (created.microsecond or ended.microsecond):
        said = (ended - created) / timedelta(seconds=1)
        if max(low - _SLACK, 0.0) <= said < high - _SLACK:
            return _bounded(Run(said, said))
    return _bounded(Run(low, high))


def _bounded(run: Run) -> Run:
    high = min(max(run.high, 0.0), _LONGEST)
    return Run(min(max(run.low, 0.0), high), high, min(max(run.least, 0.0), high))
