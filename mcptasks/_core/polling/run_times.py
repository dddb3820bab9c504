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
"""Tools that are remembered of one server. The one that ended longest ago makes room."""
_ENOUGH = 2
"""Runs of a tool that must be known before programs are told what to expect: one run may have been an exception."""
_SHORTEST = 0.1
"""Seconds from which on lengths are told apart for that."""
_LONGEST = 30 * 86400.0
"""Seconds that a run counts at the most. A longer one counts as this long."""
_SLACK = 0.02
"""Seconds at both ends of what was seen in which a server's times are not told from the times of the polls."""


@define(eq=False)
class RunTimes:
    """What was learned of one server."""

    _tools: OrderedDict[Tool, History] = field(factory=OrderedDict[Tool, History], init=False)

    def add(
        self, key: CallKey, status: TaskStatus, *, low: float, high: float, polls: int = 0, rhythm: Rhythm | None = None
    ) -> int:
        """Remember a run.

        Args:
            key: What was run.
            status: How the run ended.
            low: Seconds after its creation at which it was still seen to run.
            high: Seconds after its creation at which it was seen to be over.
            polls: How many polls it took.
            rhythm: The circumstances in which it was polled; None if its polls are not to be counted.

        Returns:
            How many runs of this tool were remembered by now; 0 if this one was not, since scouts tell better.
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

    def news(self, tool: Tool, *, follows: bool) -> bool:
        """Whether the polls of a tool's tasks under way should be planned anew after its latest run.

        Args:
            tool: What is run.
            follows: Whether the tasks belong to a crowd and are no scouts.
        """
        history = self._tools.get(tool)
        return history is not None and history.news(follows=follows)

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
        """The run that was remembered last."""
        history = self._tools.get(tool)
        return history.runs[-1] if history is not None and history.runs else None

    def runs(self, tool: Tool) -> tuple[float, ...]:
        """Seconds that the latest runs of a tool took at the most, oldest first."""
        history = self._tools.get(tool)
        return () if history is None else tuple(each.run.high for each in history.runs)

    def expectation(self, key: CallKey, *, age: float) -> Expectation | None:
        """How much longer a run may take; None if too few are known, or this one is longer than most. On any thread.

        Args:
            key: What is run.
            age: Seconds since the run was created.
        """
        history = self._tools.get(key.tool)
        if history is None or len(history.runs) < _ENOUGH:
            return None
        found = span(history.distribution(key, history.alike.get(key.arguments), _SHORTEST), age)
        if found is None:
            return None
        return Expectation(soonest=timedelta(seconds=found[0] - age), latest=timedelta(seconds=found[1] - age))

    def places(self, key: CallKey, rhythm: Rhythm, *, watched: int = 1) -> Places | None:
        """Where to poll a new run; None where nothing was learned, or nothing is better than the usual polls.

        Args:
            key: What is run.
            rhythm: The circumstances.
            watched: How many tasks are watched. Of many, few are polled where that tells most, and what they tell is
                heeded a little later.
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
    """How long a run took, as well as can be told.

    The server's own times tell it best, but some servers put the time of the query there (fastmcp 3 and 4), which is
    that of the poll, and some count whole seconds.
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
