"""One reader's iteration over the statuses of a task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from mcptasks._async.watch import Watch
from mcptasks._models import TaskStatus
from mcptasks._state import visible


class Updates(AsyncIterator[TaskStatus]):
    """The present status, then each change. Not a generator: what is left half read needs no clean-up."""

    def __init__(self, watch: Watch, until: Callable[[Callable[[], TaskStatus | None]], Awaitable[TaskStatus]]) -> None:
        self._watch = watch
        self._until = until
        self._last: TaskStatus | None = None

    async def __anext__(self) -> TaskStatus:
        if self._last is not None and self._last.is_terminal:
            raise StopAsyncIteration
        self._last = await self._until(self._news)
        return self._last

    def _news(self) -> TaskStatus | None:
        status, last = self._watch.status, self._last
        return None if status is None or (last is not None and visible(status) == visible(last)) else status
