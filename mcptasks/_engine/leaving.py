"""Requests for which the end of the client waits, for a bounded time: mostly cancellations of tasks that the program
has left behind, and attempts to take a lease."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import anyio

from mcptasks import _eventloop
from mcptasks._engine.callbacks import Callbacks

Errand = Callable[[], Coroutine[Any, Any, None]]
"""Sends such requests. An errand must not raise, and must end by itself."""


class Leaving:
    """The errands of one client. Made on its event loop.

    Args:
        callbacks: Runs the errands, for as long as the client is open.
    """

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._given: deque[Errand] = deque()
        self._bound = set[anyio.CancelScope]()
        self._under_way = 0
        self._ended = anyio.Event()
        self._soon = _eventloop.finalizer()

    def give(self, errand: Errand) -> None:
        """Have an errand run soon. For any thread, and for `__del__`."""
        self._given.append(errand)
        self._soon(self._begin)

    @contextmanager
    def busy(self) -> Generator[None]:
        """A block in which the caller itself sends or writes something. The client's end waits for it, too."""
        self._under_way += 1
        try:
            yield
        finally:
            self._one_less()

    @contextmanager
    def bound(self, seconds: float) -> Generator[anyio.CancelScope]:
        """A block that the client's end cancels; the client's end then waits until the block has cleaned up.

        Args:
            seconds: When the block is cancelled at the latest; infinity for no limit.
        """
        with self.busy(), anyio.move_on_after(seconds) as scope:
            self._bound.add(scope)
            try:
                yield scope
            finally:
                self._bound.discard(scope)

    async def over(self) -> None:
        """Cancel the blocks that are bound to the client, and wait until all errands are done, including those that
        have not begun."""
        for scope in list(self._bound):
            scope.cancel()
        self._begin()
        while self._under_way:
            self._ended = anyio.Event()
            await self._ended.wait()
            self._begin()

    def _begin(self) -> None:
        while self._given:
            errand = self._given.popleft()

            async def run(errand: Errand = errand) -> None:
                try:
                    await errand()
                finally:
                    self._one_less()

            # If the client is closed, the errand is dropped.
            self._under_way += self._callbacks.spawn(run)

    def _one_less(self) -> None:
        self._under_way -= 1
        self._ended.set()
