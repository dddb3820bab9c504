"""The requests about tasks that one client has under way: a bounded number, in turn, results before looks.

A request that is not answered soon gives its place to the next one, so that a server which is slow about some tasks
holds up no others.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from mcptasks._async.limits import Budget
from mcptasks._async.watch import Watch

_AT_ONCE = 32
"""Requests that are under way at most, without those that are not answered soon."""
_AT_MOST = 128
"""The same, with those."""
_SOON = 1.0
"""Seconds after which a request gives its place away."""

Ask = Callable[[Watch, Budget, bool], Awaitable[None]]
"""Sends a look at a task, or fetches its result (True), and deals with the answer."""


class Asking:
    """What is to be asked, and what is under way."""

    def __init__(self, ask: Ask, wire_timeout: float | None) -> None:
        self._ask = ask
        self._wire_timeout = wire_timeout
        self._results: deque[Watch] = deque()
        self._looks: deque[Watch] = deque()
        self._places: dict[object, float] = {}
        """When the requests were sent that take a place, in that order."""
        self._active = 0

    @property
    def waiting(self) -> bool:
        """Whether anything waits for a place."""
        return bool(self._results or self._looks)

    @property
    def until(self) -> float:
        """When a place may be given away to what waits for one."""
        if not self.waiting or not self._places or self._active >= _AT_MOST:
            return math.inf
        return next(iter(self._places.values())) + _SOON

    def add(self, watch: Watch, *, fetch: bool) -> None:
        """Ask about a task when it is its turn."""
        (self._results if fetch else self._looks).append(watch)

    def clear(self) -> set[Watch]:
        """Ask nothing of what was not begun; whom it was about."""
        waiting = {*self._results, *self._looks}
        self._results.clear()
        self._looks.clear()
        return waiting

    def start(self, group: TaskGroup) -> None:
        """Begin as much as there are places for."""
        now = anyio.current_time()
        while self._places and next(iter(self._places.values())) + _SOON <= now:
            del self._places[next(iter(self._places))]
        while self.waiting and len(self._places) < _AT_ONCE and self._active < _AT_MOST:
            fetch = bool(self._results)
            watch = self._results.popleft() if fetch else self._looks.popleft()
            place = object()
            self._places[place] = now
            self._active += 1
            watch.budget = Budget(self._wire_timeout, min(watch.deadlines, default=None))
            group.start_soon(self._run, watch, watch.budget, fetch, place)

    async def _run(self, watch: Watch, budget: Budget, fetch: bool, place: object) -> None:
        try:
            await self._ask(watch, budget, fetch)
        finally:
            self._places.pop(place, None)
            self._active -= 1
