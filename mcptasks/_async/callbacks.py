"""Calls programs' callbacks: each in order and never two at once, a slow one delays nobody, errors are logged."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
from anyio.abc import TaskGroup

logger = logging.getLogger("mcptasks")

Callback = Callable[..., Awaitable[None] | None]


class Callbacks:
    """All callbacks of one client. A task exists only while a callback has something to do."""

    def __init__(self, task_group: TaskGroup) -> None:
        self._task_group = task_group
        self._running = 0
        self._idle = anyio.Event()
        self._idle.set()
        self.closed = False
        """Whether nothing is called any more."""

    def close(self) -> None:
        """Call nothing any more."""
        self.closed = True

    def queue(self, callback: Callback, what: str) -> CallbackQueue:
        """A queue of calls to one callback; `what` names it in the log."""
        return CallbackQueue(self, callback, what)

    def start(self, queue: CallbackQueue) -> bool:
        """Run a queue until it is empty; False where nothing is called any more."""
        if self.closed:
            return False
        if self._running == 0:
            self._idle = anyio.Event()
        self._running += 1
        self._task_group.start_soon(self._drain, queue)
        return True

    def spawn(self, function: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Run an async function, which raises nothing, for as long as the client is open; False where it is not."""
        if not self.closed:
            self._task_group.start_soon(function)
        return not self.closed

    async def idle(self) -> None:
        """Wait until no callback has anything to do."""
        await self._idle.wait()

    async def _drain(self, queue: CallbackQueue) -> None:
        try:
            await queue.drain()
        finally:
            self._running -= 1
            if self._running == 0:
                self._idle.set()


class CallbackQueue:
    """The calls to one callback that are still to be made."""

    __slots__ = ("_callback", "_pending", "_runner", "_running", "_what")

    def __init__(self, runner: Callbacks, callback: Callback, what: str) -> None:
        self._runner = runner
        self._callback = callback
        self._what = what
        self._pending: deque[tuple[Any, ...]] = deque()
        self._running = False

    def call(self, *arguments: Any) -> None:
        """Have the callback called with these arguments, after those before."""
        self._pending.append(arguments)
        if not self._running:
            self._running = self._runner.start(self)
            if not self._running:
                self._pending.clear()

    def clear(self) -> None:
        """Forget the calls that were not begun."""
        self._pending.clear()

    async def drain(self) -> None:
        """Make the calls there are."""
        try:
            while self._pending and not self._runner.closed:
                arguments = self._pending.popleft()
                try:
                    answer = self._callback(*arguments)
                    if inspect.isawaitable(answer):
                        await answer
                except Exception:
                    logger.exception("%s raised", self._what)
        finally:
            self._running = False
            if self._runner.closed:
                self._pending.clear()
