"""Group commit: whoever writes queues up, and one task carries the writes out, many in one transaction.

The task belongs to whoever opened the writer (a client). A caller that waits can be cancelled and must never carry out
the writes of others.

A transaction costs the processor as much as 10 to 20 writes, so a write waits a moment for others if others are likely
to come (`Company`). The write of a lone call waits for nobody.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import anyio
from attrs import define, field

from mcptasks._core.exceptions import StoreError
from mcptasks._store.writes import Write

AnswerT = TypeVar("AnswerT")

LAZY_SECONDS = 0.5
"""Seconds for which a lazy write waits for company."""
_AT_ONCE = 500
"""Writes of one transaction. More would keep other processes waiting for the lock (some 20 microseconds each)."""
_EACH_SECONDS = 0.0003
"""Seconds that a write waits for each other call under way. A call takes the client's processor for a millisecond, so
that the next answers are read meanwhile, and no call is over later than it would be without the pause."""
_LONGEST_SECONDS = 0.01
"""Seconds that a write waits at most: with more, the transactions cost hardly less."""


@define(eq=False)
class Company:
    """The calls under way, as a context in which each of them is. Their answers are written down when they come."""

    _calls: int = 0

    def __enter__(self) -> None:
        self._calls += 1

    def __exit__(self, *_exc: object) -> None:
        self._calls -= 1

    @property
    def seconds(self) -> float:
        """How long a write waits for the writes of other calls."""
        return min((self._calls - 1) * _EACH_SECONDS, _LONGEST_SECONDS) if self._calls > 1 else 0.0


@define(eq=False)
class _Entry:
    """A write that is queued."""

    write: Write[Any]
    told: Callable[[Any], None] | None = None
    """Called with the answer, before whoever waits goes on; not if the write could not be carried out."""
    answer: Any = None
    error: BaseException | None = None
    settled: bool = False
    """Whether answer or error stand."""


@define(eq=False)
class _Batch:
    """Writes that are carried out together. Who waits for them shares an event, since one for each write would cost as
    much as half of the write."""

    entries: list[_Entry] = field(factory=list[_Entry])
    done: anyio.Event = field(factory=anyio.Event)
    """Set when every write is settled."""
    began: bool = False


class Writer:
    """The writes of one client.

    Args:
        apply: Carries out a batch in one durable transaction.
    """

    def __init__(self, apply: Callable[[Sequence[Write[Any]]], Awaitable[list[Any]]]) -> None:
        self._apply = apply
        self.company = Company()
        self._batches: deque[_Batch] = deque()
        """What is queued. Writes are added to the last one."""
        self._due = math.inf
        """When the first of them is to be carried out, by the event loop's clock; minus infinity means at once."""
        self._wake = anyio.Event()
        self._stopping = False
        self._ended = False

    async def commit(self, write: Write[AnswerT], *, keep: bool = False) -> AnswerT:
        """Carry out a write, durably; its answer.

        Args:
            write: The write.
            keep: Whether the write is carried out also if it was still queued when its caller was cancelled.

        Raises:
            StoreError: The store cannot be written, or the client is closed.
        """
        entry = _Entry(write)
        batch = self._add(entry, self._soon())
        try:
            await batch.done.wait()
        finally:
            if not keep and not batch.began and not entry.settled:
                batch.entries.remove(entry)
        if entry.error is not None:
            raise entry.error
        answer: AnswerT = entry.answer
        return answer

    def later(self, write: Write[Any]) -> None:
        """Carry out a write with the next ones, or soon. It may be lost with the process, or if the store is away."""
        if not self._ended:
            self._add(_Entry(write), anyio.current_time() + LAZY_SECONDS)

    def soon(self, write: Write[AnswerT], told: Callable[[AnswerT], None] | None = None) -> anyio.Event:
        """Carry out a write with the next transaction. It may be lost if the store is away.

        Args:
            write: The write.
            told: Called with the answer when the write is durable; not if it is lost.

        Returns:
            An event that is set when the write is durable, or could not be carried out.
        """
        if not self._ended:
            return self._add(_Entry(write, told), self._soon()).done
        done = anyio.Event()
        done.set()
        return done

    def stop(self) -> None:
        """Have `run` return when all is written."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Carry out writes until `stop()`, or until this task is cancelled. What is queued then is still written."""
        try:
            while not self._stopping:
                await self._until_due()
                await self._write()
        finally:
            with anyio.CancelScope(shield=True):  # bounded by the time that the database waits for a lock
                while self._batches and not self._ended:
                    await self._write()
            self._ended = True

    def _soon(self) -> float:
        """When a durable write is due."""
        seconds = self.company.seconds
        return anyio.current_time() + seconds if seconds else -math.inf

    def _add(self, entry: _Entry, due: float) -> _Batch:
        if self._ended:
            raise StoreError("the client is closed, and writes nothing more to its store")
        if not self._batches or len(self._batches[-1].entries) >= _AT_ONCE:
            self._batches.append(_Batch())
        batch = self._batches[-1]
        batch.entries.append(entry)
        if len(batch.entries) >= _AT_ONCE:
            due = -math.inf
        if due < self._due:
            self._due = due
            self._wake.set()
        return batch

    async def _until_due(self) -> None:
        """Wait until something is to be written."""
        while not self._stopping and self._due > anyio.current_time():
            self._wake = anyio.Event()
            with anyio.CancelScope(deadline=self._due):
                await self._wake.wait()

    async def _write(self) -> None:
        """Carry out the first batch."""
        self._due = math.inf
        if not self._batches:
            return
        batch = self._batches.popleft()
        if self._batches:
            self._due = -math.inf
        batch.began = True
        try:
            if batch.entries:
                await self._carry_out(batch.entries)
        except BaseException as exc:
            self._ended = True
            for each in (batch, *self._batches):
                _settle(
                    each.entries, [(None, StoreError(f"the store failed: {type(exc).__name__}")) for _ in each.entries]
                )
                each.done.set()
            raise
        batch.done.set()

    async def _carry_out(self, batch: Sequence[_Entry]) -> None:
        """Carry out a batch. If the database refuses a value in it, the halves are carried out each for itself, so that
        the write with that value fails alone."""
        answers: list[Any] = []
        try:
            # What has begun is finished, so that every caller knows what became of its write.
            with anyio.CancelScope(shield=True):
                answers = await self._apply([entry.write for entry in batch])
        except StoreError as exc:
            if not exc.refused or len(batch) == 1:
                # Each caller raises an error of its own, since a traceback grows where an error is raised.
                _settle(batch, [(None, copy.copy(exc)) for _ in batch])
                return
        else:
            _settle(batch, [(answer, None) for answer in answers])
            return
        middle = len(batch) // 2
        await self._carry_out(batch[:middle])
        await self._carry_out(batch[middle:])


def _settle(batch: Sequence[_Entry], outcomes: Sequence[tuple[Any, BaseException | None]]) -> None:
    for entry, (answer, error) in zip(batch, outcomes, strict=True):
        if entry.settled:
            continue
        entry.settled = True
        entry.answer, entry.error = answer, error
        if entry.told is not None and error is None:
            entry.told(answer)
