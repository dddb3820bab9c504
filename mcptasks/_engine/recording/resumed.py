"""The record of a task that exists already, before anybody waits for it: see `journal.Record.taken`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcptasks._engine.recording.journal import Decision, Origin, Record
from mcptasks._engine.recording.nowhere import NoRecord


class Resumed(NoRecord):
    """A task that the store may know, and that another client may hold. This client does not act for the task yet.

    Args:
        take: Takes the task if it is free, and returns its record.
        look_up: Reads the store's record of the task.
    """

    __slots__ = ("_look_up", "_take")

    holds: bool = False

    def __init__(self, take: Callable[[], Awaitable[Record]], look_up: Callable[[], Awaitable[Origin | None]]) -> None:
        self._take = take
        self._look_up = look_up

    async def asked(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> Decision | None:
        """See `Record`."""
        del key, request, lasting
        return Decision(None, held=False)

    async def decide(self, key: str, answer: Mapping[str, Any]) -> Decision:
        """See `Record`."""
        del key, answer
        return Decision(None, held=False)

    async def cancel_asked(self) -> bool:
        """See `Record`."""
        return False

    async def taken(self) -> Record:
        """See `Record`."""
        return await self._take()

    async def origin(self) -> Origin | None:
        """See `Record`."""
        return await self._look_up()
