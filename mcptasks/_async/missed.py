"""Looks for what pushes may not have told: when a stream of pushes begins, or has ended.

Most of them become needless by a push, so few are made at once. Where one finds that a task ended before the stream
began, so have others, and more are made.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from weakref import ref

import anyio
from attrs import define, field

from mcptasks._async.watch import Watch
from mcptasks._schedule import Pace

_AT_ONCE, _A_SECOND = 32, 16
_MORE = 8
"""How many follow at once for each that has found something."""
_OLDER = 0.2
"""Seconds by which a task may be older than this client knows it."""


@define(eq=False)
class Missed:
    """Who is to be looked at, in the order in which pushes were doubted."""

    _pace: Pace = field(factory=lambda: Pace(_AT_ONCE, _A_SECOND), init=False)
    _waiting: deque[ref[Watch]] = field(factory=deque[ref[Watch]], init=False)
    _more: int = field(default=0, init=False)
    """How many looks may be made besides those that the pace allows."""

    def add(self, watch: Watch) -> None:
        """Have a task looked at."""
        watch.doubted = anyio.current_time()
        self._waiting.append(ref(watch))

    def due(self, now: float, wanted: Callable[[Watch], bool]) -> Iterator[Watch]:
        """Take out whom to look at by now; those that are not wanted any more cost nothing."""
        while self._waiting:
            watch = self._waiting[0]()
            if watch is not None and watch.again and wanted(watch):
                if self._more:
                    self._more -= 1
                elif not self._pace.take(now):
                    return
                yield watch
            self._waiting.popleft()
        self._more = 0

    def until(self, now: float) -> float:
        """When there will be the next one."""
        return self._pace.ready(now) if self._waiting else math.inf

    def looked(self, watch: Watch) -> bool:
        """Such a look was made; whether others may follow now."""
        status = watch.status
        if not (watch.state.terminal and status is not None and status.created_at and status.last_updated_at):
            return False
        # Servers that put the time of the query there are believed: then it was not over before.
        ran = (status.last_updated_at - status.created_at) / timedelta(seconds=1)
        found = ran < watch.doubted - watch.since + _OLDER
        if found:
            self._more += _MORE
        return found
