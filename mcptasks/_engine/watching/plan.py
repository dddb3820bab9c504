"""The times at which the tasks of one client are polled next. `schedule.py` sets them, `polls.py` polls."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

from mcptasks._engine.watching.watch import Watch

_FEW = 64
"""The heap is cleaned up when it holds this many more stale entries than valid ones. To clean up for fewer entries
would cost more than the entries do."""


class Plan:
    """A heap of times. Only a task's latest entry is valid. An older entry stays in the heap until most entries are
    stale, so that a new time needs no search."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Watch]] = []
        self._number = 0
        self._valid = 0

    def put(self, watch: Watch, due: float) -> bool:
        """Plan a task's poll for `due`, in place of an earlier plan. Return whether it is the next poll of all."""
        self.drop(watch)
        self._number += 1
        self._valid += 1
        watch.polling.entry = self._number
        heapq.heappush(self._heap, (due, self._number, watch))
        if len(self._heap) > 2 * self._valid + _FEW:
            self._heap = [entry for entry in self._heap if entry[1] == entry[2].polling.entry]
            heapq.heapify(self._heap)
        return self._heap[0][1] == self._number

    def drop(self, watch: Watch) -> None:
        """Remove a task's poll from the plan."""
        if watch.polling.entry:
            watch.polling.entry = 0
            self._valid -= 1

    def due(self, now: float) -> Iterator[Watch]:
        """Take out the tasks that are due by now."""
        while self._heap and (self._heap[0][0] <= now or self._heap[0][1] != self._heap[0][2].polling.entry):
            _, number, watch = heapq.heappop(self._heap)
            if number == watch.polling.entry:
                self.drop(watch)
                yield watch

    @property
    def until(self) -> float:
        """When the next poll is due; infinite if none is planned."""
        return self._heap[0][0] if self._heap else math.inf
