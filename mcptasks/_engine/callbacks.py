"""Calls the program's callbacks. The calls of one callback come in order, and one at a time. A slow callback delays no
other part. Errors are logged.

The waiting calls of a slow callback are bounded in number and size. Beyond that, calls from the middle are left out,
and the log says so once. The oldest calls continue what the callback has seen, and the latest call has the present
state, so both stay.
"""

from __future__ import annotations

import contextvars
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
from anyio.abc import TaskGroup

from mcptasks import _eventloop
from mcptasks._core.json import weight
from mcptasks._core.models import TaskStatus
from mcptasks._core.trace import NO_TRACE, CallingBack, Trace

logger = logging.getLogger("mcptasks")

_WAITING = 1000
"""How many calls of one callback may wait; beyond that, calls from the middle are left out."""
_CHARACTERS = 16 * 2**20
"""How large the waiting calls of one callback may be together, in characters of JSON (16 million, roughly as many
bytes); beyond that, calls from the middle are left out. A status may hold a large result."""

Callback = Callable[..., Awaitable[None] | None]

_owner: contextvars.ContextVar[Callbacks | None] = contextvars.ContextVar("owner", default=None)
"""The callbacks of the client whose task runs the present code; None in the program's own tasks."""


def belong_to(callbacks: Callbacks) -> None:
    """Mark the present task, and the tasks that it starts, as run by the client with these callbacks."""
    _owner.set(callbacks)


def running_for(callbacks: Callbacks) -> bool:
    """Whether the client with these callbacks runs the present code. Such code cannot wait for the client's end, since
    the end waits for the code."""
    return _owner.get() is callbacks


class Callbacks:
    """All callbacks of one client. A callback has a task of the event loop only while calls of it wait."""

    def __init__(self, task_group: TaskGroup, trace: Trace = NO_TRACE) -> None:
        self._task_group = task_group
        self._trace = trace
        self._running = 0
        self._idle = anyio.Event()
        self._idle.set()
        self.closed = False
        """Whether the client has ended, so that no callback is called any more."""

    def close(self) -> None:
        """Call no callback from now on."""
        self.closed = True

    def queue(self, callback: Callback, what: str) -> CallbackQueue:
        """Return a queue of calls to one callback; `what` names the callback in the log."""
        return CallbackQueue(self, callback, what)

    def start(self, queue: CallbackQueue) -> bool:
        """Run a queue until it is empty. Return False if the client has ended."""
        if self.closed:
            return False
        if self._running == 0:
            self._idle = anyio.Event()
        self._running += 1
        self._task_group.start_soon(self._drain, queue)
        return True

    def spawn(self, function: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Run an async function, which must not raise, for as long as the client is open. Return False if the client
        has ended."""

        async def run() -> None:
            belong_to(self)
            await function()

        if not self.closed:
            self._task_group.start_soon(run)
        return not self.closed

    async def idle(self) -> None:
        """Wait until no calls wait."""
        await self._idle.wait()

    async def _drain(self, queue: CallbackQueue) -> None:
        belong_to(self)
        try:
            with self._trace.around(CallingBack()):
                await queue.drain()
        finally:
            self._running -= 1
            if self._running == 0:
                self._idle.set()


class CallbackQueue:
    """The waiting calls of one callback."""

    __slots__ = ("_callback", "_left_out", "_pending", "_runner", "_running", "_size", "_what")

    def __init__(self, runner: Callbacks, callback: Callback, what: str) -> None:
        self._runner = runner
        self._callback = callback
        self._what = what
        self._pending: deque[tuple[tuple[Any, ...], int]] = deque()
        """The arguments of each call, and their size in characters."""
        self._size = 0
        self._running = False
        self._left_out = False

    def call(self, *arguments: Any) -> None:
        """Queue a call with these arguments."""
        # The first call in the queue is made at once, so its size is not worth counting.
        size = sum(weight(_content(value), _CHARACTERS) for value in arguments) if self._pending else 0
        self._pending.append((arguments, size))
        self._size += size
        while len(self._pending) > _WAITING or (self._size > _CHARACTERS and len(self._pending) > 1):
            self._leave_out()
        if not self._running:
            self._running = self._runner.start(self)
            if not self._running:
                self.clear()

    def clear(self) -> None:
        """Drop the waiting calls."""
        self._pending.clear()
        self._size = 0

    def _leave_out(self) -> None:
        """Drop a call from the middle of the queue."""
        middle = (len(self._pending) - 1) // 2
        self._size -= self._pending[middle][1]
        del self._pending[middle]
        if not self._left_out:
            self._left_out = True
            logger.warning("%s is too slow for its calls; some of them are left out", self._what)

    async def drain(self) -> None:
        """Make the waiting calls."""
        try:
            while self._pending and not self._runner.closed:
                arguments, size = self._pending.popleft()
                self._size -= size
                try:
                    answer = self._callback(*arguments)
                    if inspect.isawaitable(answer):
                        await answer
                except Exception:
                    logger.exception("%s raised", self._what)
                except anyio.get_cancelled_exc_class():
                    if not _eventloop.cancelled_from_within():
                        raise
                    logger.exception("%s was cancelled from within, by a future or task that it awaited", self._what)
        finally:
            self._running = False
            self._left_out = False
            if self._runner.closed:
                self.clear()


def _content(value: Any) -> Any:
    """Return the part of an argument that may be large: a status as the server sent it."""
    return value.raw if isinstance(value, TaskStatus) else value
