"""A program's callback on one task: from when it is registered until the task is over, or the callback is removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from mcptasks._core import safe_text
from mcptasks._core.models import TaskStatus
from mcptasks._engine.callbacks import CallbackQueue
from mcptasks._engine.waiting.waiter import Waiter
from mcptasks._engine.watching.watch import Effects, emitted


def queue_for(waiter: Waiter, callback: Callable[..., Any], kind: str) -> CallbackQueue:
    """The queue of a new callback.

    Args:
        waiter: Knows the task.
        callback: The program's function.
        kind: What the callback is told, for the log.

    Raises:
        TypeError: The callback is no function.
        TaskConnectionError: The client is closed.
    """
    if not callable(callback):
        raise TypeError(f"the callback must be callable, got {callback!r}")
    queue = waiter.core.callbacks.queue(callback, f"{kind} callback of task {safe_text.short(waiter.watch.task_id)}")
    waiter.core.monitor.check(waiter.watch)
    return queue


@define(eq=False)
class Subscription:
    """Has a task watched for a callback, and hears each new status."""

    _waiter: Waiter
    _queue: CallbackQueue
    _told: Callable[[TaskStatus], None]
    """Called with each new status."""
    _ended: Callable[[], None] | None = None
    """Called once, when the callback gets no more calls."""
    _is_open: bool = field(default=False, init=False)

    def begin(self) -> Callable[[], None]:
        """Begin to listen. Returns the function that removes the callback."""
        self._is_open = True
        self._waiter.core.monitor.enter(self._waiter.watch)
        self._waiter.watch.observe(self._observe)
        return self._remove

    def _observe(self, effects: Effects) -> None:
        for status in emitted(effects):
            self._told(status)
            if status.is_terminal:
                self._end()

    def _end(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        if self._ended is not None:
            self._ended()
        self._waiter.watch.unobserve(self._observe)
        self._waiter.core.monitor.leave(self._waiter.watch)

    def _remove(self) -> None:
        self._end()
        self._queue.clear()
