"""One call in a store, and the task that came of it: see `journal.Record`."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import anyio
from attrs import define, field
from pydantic import BaseModel

from mcptasks._core.events import Failed, Finished, Outcome
from mcptasks._core.exceptions import StoreError
from mcptasks._core.models import Era, TaskStatus
from mcptasks._core.safe_text import line, short
from mcptasks._core.verdicts import error_words, how_it_ended, reports_error
from mcptasks._engine.recording.journal import Origin, Recorded
from mcptasks._engine.recording.questions import RecordedQuestions, present
from mcptasks._store import writes
from mcptasks._store.records import new_id
from mcptasks._store.writes import Held, Write

logger = logging.getLogger("mcptasks")


def nothing_came(held: Held, error: bytes | None, *, doubtful: bool) -> writes.Refused | writes.Uncertain:
    """The write for a call of which the latest attempt had no effect.

    Args:
        held: The lease on its record.
        error: The reason, as the store keeps it.
        doubtful: Whether an earlier attempt may have had an effect.
    """
    write = writes.Uncertain if doubtful else writes.Refused
    return write(held=held, at=present(), error=error)


@define(eq=False)
class StoredRecord(RecordedQuestions):
    """The record of one call and its task."""

    _doubtful: bool = False
    """Whether an earlier attempt may have had an effect. If so, a refusal now does not prove that the call had none."""
    _takeovers: int = field(default=0, kw_only=True, alias="takeovers")
    """How often a client took the task over from another that had died, until this client took it."""
    _told_last: tuple[object, ...] = field(default=(), init=False, repr=False)
    """The parts of the latest recorded status or end that are compared with the next one."""
    _ended: anyio.Event | None = field(default=None, init=False, repr=False)
    """Set when the latest recorded end is durable, or could not be written."""
    _latest_end: writes.Over | writes.Forgotten = field(init=False, repr=False)
    """The latest end that was to be written; not set before that."""
    _end_recorded: bool = field(default=False, init=False, repr=False)
    """Whether this client has written an end while it held the lease."""
    _recorded: Recorded | None = field(default=None, init=False, repr=False)
    """Called when this client has written an end."""

    # ---- the creating call ----

    async def created(
        self, status: TaskStatus, era: Era, expires_at: datetime | None, traceparent: str | None = None
    ) -> None:
        """See `Record`. If the store is away, the id is written when the store is back, and the caller gets its task
        now."""
        if self._held is None:
            return
        held = self._held
        self._told_last = (status.status, status.status_message, status.ttl)
        write = writes.Created(
            held=held,
            spare=new_id(),
            task_id=status.task_id,
            at=present(),
            status=status.status,
            message=self._desk.payloads.words(self.id, status.status_message),
            expires_at=expires_at,
            era=era,
            traceparent=traceparent,
        )
        try:
            self._placed(await self._desk.commit(write, keep=True))
        except StoreError as exc:
            logger.warning("task %s is not in the store yet: %s", short(status.task_id), line(exc.message))
            self._desk.owe(lambda: write, self._placed)

    async def immediate(self, result: Any, era: Era) -> None:
        """See `Record`. If the store is away, the result is written when the store is back, and the caller gets it
        now."""
        if self._held is None:
            return
        failed = reports_error(result)
        write = writes.Immediate(
            held=self._held,
            at=present(),
            status="failed" if failed else "completed",
            result=self._result(result),
            error=self._desk.payloads.words(self.id, error_words(result)) if failed else None,
            era=era,
        )
        try:
            self._told(await self._desk.commit(write, keep=True))
        except StoreError as exc:
            logger.warning("the end of call %s is not in the store yet: %s", self.id, line(exc.message))
            self._desk.owe(lambda: write, self._told)

    async def refused(self, error: str) -> None:
        """See `Record`. If the store is away, this is written when the store is back, and the program gets the error of
        the call now."""
        if self._held is not None:
            await self._end(self._nothing_came(self._held, error))

    async def uncertain(self, error: str) -> None:
        """See `refused`."""
        if self._held is not None:
            await self._end(writes.Uncertain(held=self._held, at=present(), error=self._words(error)))

    def given_up(self, error: str, *, sent: bool) -> None:
        """See `Record`."""
        if self._held is None:
            return
        if sent:
            self._desk.later(writes.CancelAsked(held=self._held, at=present()))
            self._desk.soon(writes.Uncertain(held=self._held, at=present(), error=self._words(error)))
        else:
            self._desk.soon(self._nothing_came(self._held, error))

    # ---- the life of a task ----

    def seen(self, status: TaskStatus, expires_at: datetime | None = None) -> None:
        """See `Record`."""
        told = (status.status, status.status_message, status.ttl)
        if self._held is not None and told != self._told_last:
            self._told_last = told
            message = self._words(status.status_message)
            self._desk.later(
                writes.StatusSeen(
                    held=self._held, at=present(), status=status.status, message=message, expires_at=expires_at
                )
            )

    def over(self, status: TaskStatus | None, outcome: Outcome | None, recorded: Recorded | None = None) -> None:
        """See `Record`."""
        verdict = how_it_ended(status, outcome)
        # A status may say that the task is completed before the outcome is known.
        ended = "completed" if verdict is None or verdict == "succeeded" else verdict
        if self._is_told((ended, outcome is not None), recorded):
            return
        assert self._held is not None
        message = None if status is None or not status.is_terminal else status.status_message
        result = outcome.result if isinstance(outcome, Finished) else None
        error = outcome.message if isinstance(outcome, Failed) else None
        if reports_error(result):
            error = error_words(result) or message
        self._write_end(
            writes.Over(
                held=self._held,
                at=present(),
                status=ended,
                message=self._words(message),
                result=None if result is None else self._result(result),
                error=self._words(error),
                keep=self._desk.payloads.keep.answers,
            )
        )

    def forgotten(self, error: str, recorded: Recorded | None = None) -> None:
        """See `Record`."""
        if not self._is_told(("forgotten",), recorded):
            assert self._held is not None
            keep = self._desk.payloads.keep.answers
            self._write_end(writes.Forgotten(held=self._held, at=present(), error=self._words(error), keep=keep))

    def _write_end(self, end: writes.Over | writes.Forgotten) -> None:
        """Have an end written. If the store is away, the latest end is written when the store is back."""
        self._latest_end = end
        self._ended = self._desk.soon(end, self._is_recorded, lambda: self._latest_end)

    def _is_told(self, end: tuple[object, ...], recorded: Recorded | None) -> bool:
        """Whether an end need not be written: it was recorded before, or another client holds the task and records
        it."""
        self._recorded = recorded or self._recorded
        if self._held is not None and end != self._told_last:
            self._told_last = end
            return False
        if self._end_recorded and recorded is not None:
            recorded(self._takeovers)
        return True

    def _is_recorded(self, held: bool) -> None:
        """Take in whether the lease held when the end was written."""
        self._end_recorded = self._end_recorded or held
        self._told(self._end_recorded)
        if held and self._recorded is not None:
            self._recorded(self._takeovers)

    async def settled(self) -> None:
        """See `Record`."""
        if self._ended is not None:
            await self._ended.wait()

    # ---- leases ----

    async def taken(self) -> StoredRecord:
        """See `Record`."""
        return self

    async def origin(self) -> Origin | None:
        """See `Record`."""
        return None

    # ---- what is written ----

    def _placed(self, placed: writes.Placed) -> None:
        """Take in where the task's id was recorded."""
        self.id = placed.held.id
        self._held = placed.held
        self._told(placed.ours)

    def _nothing_came(self, held: Held, error: str) -> writes.Refused | writes.Uncertain:
        return nothing_came(held, self._words(error), doubtful=self._doubtful)

    async def _end(self, write: Write[bool]) -> None:
        try:
            self._told(await self._desk.commit(write, keep=True))
        except StoreError as exc:
            logger.warning("the end of call %s is not in the store yet: %s", self.id, line(exc.message))
            self._desk.owe(lambda: write, self._told)

    def _result(self, result: Any) -> bytes | None:
        """A result in the form that the store keeps; None if it keeps no results."""
        if not self._desk.payloads.keep.results:
            return None
        if isinstance(result, BaseModel):
            result = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return self._desk.payloads.result(self.id, result)
