"""Polls that close the gaps around a push stream: a task may have changed before the stream opened or after it broke.

A push makes most of these polls needless, so few are sent at once. More are sent as soon as one poll finds that its
task ended before the stream opened, since other tasks have probably ended too.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from weakref import ref

import anyio
from attrs import define, field

from mcptasks._core.polling.policy import Pace
from mcptasks._engine.watching.watch import Watch

_AT_ONCE, _A_SECOND = 32, 16
"""How many of these polls are sent: 32 in a row, then 16 a second. Tasks beyond that are polled in their turn, and at
the server's interval at the latest."""
_MORE = 8
"""How many more polls are sent at once for each poll that found an end which no push had told."""
_OLDER = 0.2
"""Seconds by which a task may be older than this client knows. The creating answer is seldom longer under way."""


@define(eq=False)
class Missed:
    """The tasks whose pushes may have been missed, in the order in which that was noticed."""

    _pace: Pace = field(factory=lambda: Pace(_AT_ONCE, _A_SECOND), init=False)
    _waiting: deque[ref[Watch]] = field(factory=deque[ref[Watch]], init=False)
    _more: int = field(default=0, init=False)
    """How many polls may be sent beyond the pace."""

    def add(self, watch: Watch) -> None:
        """Queue a task for a poll."""
        watch.polling.doubted = anyio.current_time()
        self._waiting.append(ref(watch))

    def due(self, now: float, wanted: Callable[[Watch], bool]) -> Iterator[Watch]:
        """Take out the tasks to poll now. Tasks that nobody wants any more do not count towards the pace."""
        while self._waiting:
            watch = self._waiting[0]()
            if watch is not None and watch.polling.again and wanted(watch):
                if self._more:
                    self._more -= 1
                elif not self._pace.take(now):
                    return
                yield watch
            self._waiting.popleft()
        self._more = 0

    def until(self, now: float) -> float:
        """Return when the next task is due; infinite if none waits."""
        return self._pace.ready(now) if self._waiting else math.inf

    def looked(self, watch: Watch) -> bool:
        """Note the answer to such a poll. Return whether more polls may be sent now."""
        status = watch.status
        if not (watch.state.terminal and status is not None and status.created_at and status.last_updated_at):
            return False
        # Some servers put the time of the poll into `lastUpdatedAt`. Then the task seems to have ended only now.
        ran = (status.last_updated_at - status.created_at) / timedelta(seconds=1)
        found = ran < watch.polling.doubted - watch.since + _OLDER
        if found:
            self._more += _MORE
        return found
