"""How long the tools of one server have taken: the latest runs of each, few and bounded. Pure: times go in.

It learns from every run that this process saw from its creation to its end, and forgets with the process.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TypeAlias

from attrs import define, evolve, field

from mcptasks._models import Kind, TaskStatus
from mcptasks._placing import Places, Run, in_common, places

_RUNS = 8
"""Runs that are remembered of one tool."""
_TOOLS = 256
"""Tools that are remembered of one server."""
_DOUBTS = 6
"""The higher, the longer it takes until a tool whose runs differed is believed to be steady."""
_SLACK = 0.02
"""Seconds at both ends of what was seen in which a server's times are not told from the times of the looks."""


Tool: TypeAlias = tuple[Kind, str]
"""What was run, and its name."""


@define(eq=False)
class _History:
    runs: tuple[Run, ...] = ()
    seen: int = 0
    """Counts all runs, also those that are forgotten."""
    doubts: int = 0
    """How often runs turned out not to be alike."""
    quiet: int = 0
    """How many runs came since then."""
    found: dict[tuple[float, float, float], Places] = field(factory=dict[tuple[float, float, float], Places])
    """What follows from the runs, by interval, earliest look and growth."""

    def take(self, run: Run) -> None:
        """Remember a run, and whether it is like those before it."""
        self.runs = (*self.runs, _with_memory(run, self.runs))[-_RUNS:]
        self.found.clear()
        self.seen += 1
        self.quiet += 1
        if in_common(self.runs)[2] < min(len(self.runs), self.quiet):
            self.doubts, self.quiet = min(self.doubts + 1, _DOUBTS), 0
        elif self.quiet >= 4 * 2**self.doubts:
            self.doubts, self.quiet = max(self.doubts - 1, 0), 0

    @property
    def erratic(self) -> bool:
        """Whether its runs were found to differ more than once, so that nothing is learned from them for a while."""
        return self.doubts > 1


@define(eq=False)
class RunTimes:
    """What was learned of one server."""

    _tools: OrderedDict[Tool, _History] = field(factory=OrderedDict[Tool, _History], init=False)

    def add(self, tool: Tool, status: TaskStatus, *, low: float, high: float) -> int:
        """Remember a run.

        Args:
            tool: What was run.
            status: How it ended.
            low: Seconds after its creation at which it was still seen to run.
            high: Seconds after its creation at which it was seen to be over.

        Returns:
            How many runs of this tool were seen by now.
        """
        history = self._tools.setdefault(tool, _History())
        self._tools.move_to_end(tool)
        if len(self._tools) > _TOOLS:
            self._tools.popitem(last=False)
        history.take(_run(status, low, high))
        return history.seen

    def runs(self, tool: Tool) -> tuple[float, ...]:
        """Seconds that the latest runs of a tool took at the most, oldest first."""
        history = self._tools.get(tool)
        return () if history is None else tuple(run.high for run in history.runs)

    def places(self, tool: Tool, *, interval: float, soonest: float, growth: float) -> Places | None:
        """Where looks at a new run belong; None where nothing was learned. See `_placing.places`."""
        history = self._tools.get(tool)
        if history is None or history.erratic:
            return None
        key = (interval, soonest, growth)
        found = history.found.get(key)
        if found is None:
            if len(history.found) >= _RUNS:
                history.found.clear()
            found = history.found[key] = places(history.runs, interval=interval, soonest=soonest, growth=growth)
        return found


def _run(status: TaskStatus, low: float, high: float) -> Run:
    """How long a run took, as well as can be told.

    The server's own times tell it best, but some servers put the time of the query there (fastmcp 3 and 4), which is
    that of the look, and some count whole seconds.
    """
    created, ended = status.created_at, status.last_updated_at
    if created is not None and ended is not None and (created.microsecond or ended.microsecond):
        said = (ended - created) / timedelta(seconds=1)
        if max(low - _SLACK, 0.0) <= said < high - _SLACK:
            return Run(said, said)
    return Run(low, high)


def _with_memory(run: Run, before: tuple[Run, ...]) -> Run:
    """A run that may have been as long as those before was, then, no shorter than they were."""
    low, high, alike = in_common(before)
    return evolve(run, least=low) if alike and run.low <= high and low < run.high else run
