"""The journal of clients that have no store, and the record of their tasks: nothing is kept, and nothing waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from mcptasks._core.events import Outcome
from mcptasks._core.models import Era, TaskReference, TaskStatus
from mcptasks._engine.recording.journal import (
    Decision,
    Intent,
    Journal,
    MayRepeat,
    Origin,
    Pool,
    Record,
    Recorded,
    Timing,
)


class NoRecord:
    """A call that no store knows. This client may act for its task, as clients without a store do."""

    __slots__ = ()

    id: str | None = None
    holds: bool = True

    async def created(
        self, status: TaskStatus, era: Era, expires_at: datetime | None, traceparent: str | None = None
    ) -> None:
        """See `Record`."""

    async def immediate(self, result: Any, era: Era) -> None:
        """See `Record`."""

    async def refused(self, error: str) -> None:
        """See `Record`."""

    async def uncertain(self, error: str) -> None:
        """See `Record`."""

    def given_up(self, error: str, *, sent: bool) -> None:
        """See `Record`."""

    def seen(self, status: TaskStatus, expires_at: datetime | None = None) -> None:
        """See `Record`."""

    def over(self, status: TaskStatus | None, outcome: Outcome | None, recorded: Recorded | None = None) -> None:
        """See `Record`."""

    def forgotten(self, error: str, recorded: Recorded | None = None) -> None:
        """See `Record`."""

    async def settled(self) -> None:
        """See `Record`."""

    def noticed(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> None:
        """See `Record`."""

    async def asked(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> Decision | None:
        """See `Record`."""

    async def decide(self, key: str, answer: Mapping[str, Any]) -> Decision:
        """See `Record`."""
        del key
        return Decision(answer)

    def acknowledged(self, key: str) -> None:
        """See `Record`."""

    def answer_refused(self, key: str) -> None:
        """See `Record`."""

    async def cancel_asked(self) -> bool:
        """See `Record`."""
        return True

    async def taken(self) -> Record:
        """See `Record`."""
        return self

    async def origin(self) -> Origin | None:
        """See `Record`."""
        return None

    async def release(self) -> None:
        """See `Record`."""


class _NoJournal:
    """A client that has no store."""

    __slots__ = ()

    keeps: bool = False
    pool: Pool | None = None

    @property
    def on_holding(self) -> list[Callable[[], None]]:
        """See `Journal`."""
        return []

    def open(self) -> AbstractAsyncContextManager[None]:
        """See `Journal`."""
        return nullcontext()

    async def era(self) -> Era | None:
        """See `Journal`."""
        return None

    def speaks(self, era: Era) -> None:
        """See `Journal`."""

    async def timings(self) -> Sequence[Timing]:
        """See `Journal`."""
        return ()

    def keyed(self, arguments: str) -> str:
        """See `Journal`."""
        return arguments

    def learned(self, timing: Timing) -> None:
        """See `Journal`."""

    def calling(self) -> AbstractContextManager[None]:
        """See `Journal`."""
        return nullcontext()

    async def intend(self, intent: Intent, may_repeat: MayRepeat) -> Record:
        """See `Journal`."""
        del intent, may_repeat
        return NO_RECORD

    def resumed(self, reference: TaskReference) -> Record:
        """See `Journal`."""
        del reference
        return NO_RECORD

    async def adopt(self, reference: TaskReference) -> Record:
        """See `Journal`."""
        del reference
        return NO_RECORD


NO_RECORD: Record = NoRecord()
"""Shared by all tasks of clients without a store."""

NO_JOURNAL: Journal = _NoJournal()
"""Shared by all clients without a store."""
