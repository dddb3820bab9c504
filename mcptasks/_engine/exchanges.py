"""Creating calls that go on after their callers were cancelled, so that a task whose id comes later is not lost.

With a store, such a task is recorded. A task that nobody else can take over is cancelled. Each call runs in a task of
the client, and ends at the latest with the client's timeout for a request, with the client, or after its `grace`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

import anyio
from attrs import define, field

from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._core.safe_text import line
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.creating_calls import Created

logger = logging.getLogger("mcptasks")

Work = Callable[[], Awaitable[Created | None]]
"""Makes the call."""

Orphaned = Callable[[Created | None], None]
"""Takes the task or result of a call whose caller was cancelled."""


async def exchange(callbacks: Callbacks, work: Work, orphaned: Orphaned, grace: float = math.inf) -> Created | None:
    """Make a call, and return its task or result. The call goes on if the caller is cancelled.

    Args:
        callbacks: The client's callbacks, which run the call.
        work: Makes the call.
        orphaned: Takes the task or result if the caller was cancelled before it came.
        grace: Seconds for which the call goes on after its caller was cancelled.

    Raises:
        TaskConnectionError: The client is closed.
        Exception: What the call raises.
    """
    under_way = _Exchange(work, orphaned, grace)
    if not callbacks.spawn(under_way.run):
        raise TaskConnectionError("the client is closed")
    return await under_way.answer()


def _closed() -> Exception:
    return TaskConnectionError("the client was closed before the server answered; the call may have been carried out")


@define(eq=False)
class _Exchange:
    """One call under way."""

    _work: Work
    _orphaned: Orphaned
    _grace: float
    _scope: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)
    _created: Created | None = field(default=None, init=False)
    _error: Exception | None = field(factory=_closed, init=False)
    _left: bool = field(default=False, init=False)
    """Whether the caller was cancelled."""
    _over: anyio.Event = field(factory=anyio.Event, init=False)

    async def run(self) -> None:
        """Make the call."""
        try:
            with self._scope:
                self._created = await self._work()
                self._error = None
            if self._left and self._error is None:
                self._orphaned(self._created)
        except Exception as exc:  # noqa: BLE001 - the caller raises it
            self._error = exc
            if self._left:
                logger.debug("a call failed; nobody waits for it any more: %s", line(str(exc)))
        finally:
            self._over.set()

    async def answer(self) -> Created | None:
        """Wait for the task or result."""
        try:
            await self._over.wait()
        except anyio.get_cancelled_exc_class():
            self._left = True
            self._scope.deadline = anyio.current_time() + self._grace
            if self._over.is_set() and self._error is None:
                self._orphaned(self._created)  # The answer came at the moment of the cancellation.
            raise
        if self._error is not None:
            raise self._error
        return self._created
