"""When each task of one client is looked at next. It holds the times; what is due is for the monitor to do."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

from mcptasks._async.watch import Watch

_FEW = 64
"""So many entries are not worth a clean-up."""


class Plan:
    """A task has one entry at most: the latest. Those before it stay where they are until most are such, so that a new
    time costs no search."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Watch]] = []
        self._number = 0
        self._valid = 0

    def put(self, watch: Watch, due: float) -> bool:
        """Look at a task then, and not when it was planned before; whether this is the next look of all."""
        self.drop(watch)
        self._number += 1
        self._valid += 1
        watch.entry = self._number
        heapq.heappush(self._heap, (due, self._number, watch))
        if len(self._heap) > 2 * self._valid + _FEW:
            self._heap = [entry for entry in self._heap if entry[1] == entry[2].entry]
            heapq.heapify(self._heap)
        return self._heap[0][1] == self._number

    def drop(self, watch: Watch) -> None:
        """Do not look at a task as planned."""
        if watch.entry:
            watch.entry = 0
            self._valid -= 1

    def due(self, now: float) -> Iterator[Watch]:
        """Take out what is due by now."""
        while self._heap and (self._heap[0][0] <= now or self._heap[0][1] != self._heap[0][2].entry):
            _, number, watch = heapq.heappop(self._heap)
            if number == watch.entry:
                self.drop(watch)
                yield watch

    @property
    def until(self) -> float:
        """When something is due next; never, if nothing is planned."""
        return self._heap[0][0] if self._heap else math.inf
