"""The statuses of a task as they come: for an iteration, and for a callback."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from attrs import evolve

from mcptasks._core import safe_text
from mcptasks._core.models import TaskStatus
from mcptasks._core.progress import MOST, TaskProgress, next_call
from mcptasks._core.state import visible
from mcptasks._engine.waiting.progress import progress_of
from mcptasks._engine.waiting.subscription import Subscription, queue_for
from mcptasks._engine.waiting.waiter import Waiter


class Updates(AsyncIterator[TaskStatus]):
    """An iteration over the present status, and then each change. A class, not an async generator, so that a reader may
    leave early without a clean-up. Several readers of one iteration share the changes, and the end ends all of them."""

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter
        self._last: TaskStatus | None = None

    def __repr__(self) -> str:
        return f"<updates of task {safe_text.short(self._waiter.watch.task_id)}>"

    async def __anext__(self) -> TaskStatus:
        status = None if self._is_over() else await self._next()
        if status is None or self._is_over():  # Another reader may have got the terminal status meanwhile.
            raise StopAsyncIteration
        self._last = status
        return status

    def _is_over(self) -> bool:
        return self._last is not None and self._last.is_terminal

    async def _next(self) -> TaskStatus:
        return await self._waiter.until(self._news, math.inf)

    def _news(self) -> TaskStatus | None:
        status, last = self._waiter.watch.status, self._last
        if self._is_over():
            return last
        return None if status is None or (last is not None and visible(status) == visible(last)) else status


class ProgressUpdates(Updates):
    """An iteration like `Updates`, whose statuses have the progress. There is also an item if only the progress has
    changed, at most ten times a second."""

    def __init__(self, waiter: Waiter) -> None:
        super().__init__(waiter)
        self._told: TaskProgress | None = None
        self._times: deque[float] = deque(maxlen=MOST)

    async def _next(self) -> TaskStatus:
        watch = self._waiter.watch
        feed = watch.feed(self._waiter.core.callbacks)
        reader = watch.wake
        feed.add(reader)
        try:
            status = await self._next_status(next_call(self._times))
            if status is None:
                status = await self._waiter.until(self._any_news, math.inf)
        finally:
            feed.remove(reader)
        self._told = progress_of(self._waiter)
        self._times.append(anyio.current_time())
        return evolve(status, progress=self._told)

    async def _next_status(self, deadline: float) -> TaskStatus | None:
        """Wait for a change of the status until the deadline. Before the deadline, no progress may be returned."""
        if deadline > anyio.current_time():
            with self._waiter.core.monitor.interest(self._waiter.watch), anyio.CancelScope(deadline=deadline):
                return await self._waiter.until(self._news, math.inf)
        return None

    def _any_news(self) -> TaskStatus | None:
        return self._news() or (self._waiter.watch.status if progress_of(self._waiter) != self._told else None)


def subscribe(waiter: Waiter, callback: Callable[[TaskStatus], Awaitable[None] | None]) -> Callable[[], None]:
    """Call a callback with every change of status; see `Task.on_status_change`.

    Returns:
        A function that removes the callback.
    """
    queue = queue_for(waiter, callback, "status")
    if waiter.watch.state.terminal:
        queue.call(waiter.watch.status)
        return queue.clear
    return Subscription(waiter, queue, queue.call).begin()
