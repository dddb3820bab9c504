"""Repeats writes that failed because the store was away."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup

from mcptasks._core.exceptions import StoreError
from mcptasks._store.session import Session
from mcptasks._store.writes import Write

logger = logging.getLogger("mcptasks")

Make: TypeAlias = Callable[[], Write[Any]]
"""Makes the write for an attempt."""
Done: TypeAlias = Callable[[Any], None]
"""Gets the answer to the write."""

_AGAIN_SECONDS = 1.0
"""Seconds between two attempts. Each attempt joins the next transaction, so it costs little while the store is away."""


class Owed:
    """The writes of one client that the store has missed.

    Args:
        session: The client's part in the store.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._group: TaskGroup | None = None

    @asynccontextmanager
    async def repeated(self) -> AsyncGenerator[None]:
        """Inside the block, writes are repeated until the store takes them. At its end there is a last attempt, with
        the last transaction of the session."""
        try:
            async with anyio.create_task_group() as self._group:
                try:
                    yield
                finally:
                    self._group.cancel_scope.cancel()
        finally:
            self._group = None

    def add(self, write: Make, done: Done | None = None) -> None:
        """Repeat a write that has failed. Outside of the block nothing is repeated."""
        if self._group is not None:
            self._group.start_soon(self._repeat, write, done)

    async def _repeat(self, write: Make, done: Done | None) -> None:
        try:
            while not await self._attempt(write, done):
                pass
        except anyio.get_cancelled_exc_class():
            self._session.soon(write(), done)
            raise

    async def _attempt(self, write: Make, done: Done | None) -> bool:
        """Wait a moment, and try once more. Returns whether this was the last attempt."""
        await anyio.sleep(_AGAIN_SECONDS)
        try:
            answer = await self._session.commit(write())
        except StoreError as exc:
            if exc.refused:
                logger.warning("what became of a call or a task is not in the store, which refuses it: %s", exc)
            else:
                logger.debug("the store cannot be written yet: %s", exc)
            return exc.refused
        if done is not None:
            done(answer)
        return True
