"""Group commit: callers queue their writes, and one task carries them out, many in one transaction.

The task belongs to the client that opened the writer, not to a caller: a caller that waits can be cancelled, and must
not end the writes of others.

A transaction costs the processor as much as 20 to 50 writes. So a write waits a moment for others while other calls are
under way (`Company`). It waits longer while writes keep coming. The write of a lone call waits for nobody.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import anyio
from attrs import define, field

from mcptasks._core.exceptions import StoreError
from mcptasks._store.writes import Write

AnswerT = TypeVar("AnswerT")

Lost: TypeAlias = Callable[[BaseException], None]
"""Called with the error of a write that was not carried out."""

LAZY_SECONDS = 0.5
"""Seconds for which a lazy write waits for other writes to share its transaction."""
_AT_ONCE = 500
"""How many writes one transaction has at most. Each takes some 20 microseconds, for which other processes wait."""
_EACH_SECONDS = 0.0003
"""Seconds that a write waits for each other call under way. A call takes the client's processor for about a
millisecond, so the client reads the next answers meanwhile."""
_END_SECONDS = 0.0015
"""Seconds that the end of a task waits for each end that was written just before."""
_STEP_SECONDS = 0.01
"""Seconds that a write waits at most if few others come."""
_STREAM = 4
"""So many writes within a step are a stream, for which the transaction waits another step."""
_LONGEST_SECONDS = 0.05
"""Seconds that a write waits at most. With more, the transactions cost hardly less."""


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
        """How long a write waits for those of other calls."""
        return min((self._calls - 1) * _EACH_SECONDS, _STEP_SECONDS) if self._calls > 1 else 0.0


@define(eq=False)
class _Entry:
    """A write that is queued."""

    write: Write[Any]
    told: Callable[[Any], None] | None = None
    """Called with the answer before the waiting caller continues; not called if the write failed."""
    lost: Lost | None = None
    """Called with the error if the write failed."""
    answer: Any = None
    error: BaseException | None = None
    settled: bool = False
    """Whether `answer` or `error` is set."""


@define(eq=False)
class _Batch:
    """Writes that are carried out together. Their callers share one event, since an event for each write would cost
    half as much as the write itself."""

    entries: list[_Entry] = field(factory=list[_Entry])
    done: anyio.Event = field(factory=anyio.Event)
    """Set when every write is settled."""
    began: bool = False
    seen: float = math.inf
    """How many writes there were at the latest look at the batch; infinity before the first look."""
    latest: float = -math.inf
    """Until when the batch may be put off."""
    ends: int = 0
    """How many of the writes may be ends of tasks."""


class Writer:
    """The writes of one client.

    Args:
        apply: Carries out a batch in one durable transaction.
    """

    def __init__(self, apply: Callable[[Sequence[Write[Any]]], Awaitable[list[Any]]]) -> None:
        self._apply = apply
        self.company = Company()
        self._batches: deque[_Batch] = deque()
        """The queued writes. New writes are added to the last batch."""
        self._due = math.inf
        """When the first batch is to be carried out, by the event loop's clock; minus infinity means at once."""
        self._ends, self._ends_until = 0, -math.inf
        """How many ends of tasks the latest batch had, and until when that tells how many come."""
        self._wake = anyio.Event()
        self._stopping = False
        self._ended = False

    async def commit(self, write: Write[AnswerT], *, keep: bool = False) -> AnswerT:
        """Carry out a write durably, and return its answer.

        Args:
            write: The write.
            keep: Whether to carry the write out even if the caller is cancelled while the write is queued.

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

    def later(self, write: Write[Any], lost: Lost | None = None) -> None:
        """Carry out a write together with the next one, or within `LAZY_SECONDS`. It may be lost with the process, or
        if the store is away; see `soon` for `lost`."""
        if not self._ended:
            self._add(_Entry(write, lost=lost), LAZY_SECONDS)

    def soon(
        self, write: Write[AnswerT], told: Callable[[AnswerT], None] | None = None, lost: Lost | None = None
    ) -> anyio.Event:
        """Carry out a write with the next transaction. It may be lost if the store is away.

        Args:
            write: The write.
            told: Called with the answer when the write is durable; not if it is lost.
            lost: Called with the error if the write is lost; not if the client is closed already.

        Returns:
            An event that is set when the write is durable, or could not be carried out.
        """
        if not self._ended:
            batch = self._add(_Entry(write, told, lost), self._soon(end=True))
            batch.ends += 1
            return batch.done
        done = anyio.Event()
        done.set()
        return done

    def stop(self) -> None:
        """Make `run` return when all is written."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Carry out writes until `stop()`, or until this task is cancelled. Queued writes are still carried out
        then."""
        try:
            while not self._stopping:
                await self._until_due()
                await self._write()
        finally:
            with anyio.CancelScope(shield=True):  # bounded by the time that the database waits for a lock
                while self._batches and not self._ended:
                    await self._write()
            self._ended = True

    def _soon(self, *, end: bool = False) -> float:
        """How many seconds a durable write waits for others.

        Args:
            end: Whether the write may be the end of a task. No call needs to be under way then, so the write waits the
                longer the more ends came just before.
        """
        if end and self._ends and anyio.current_time() < self._ends_until:
            return min(self._ends * _END_SECONDS, _STEP_SECONDS)
        return self.company.seconds

    def _add(self, entry: _Entry, seconds: float) -> _Batch:
        if self._ended:
            raise StoreError("the client is closed, and writes nothing more to its store")
        if not self._batches or len(self._batches[-1].entries) >= _AT_ONCE:
            self._batches.append(_Batch())
        batch = self._batches[-1]
        batch.entries.append(entry)
        at_once = not seconds or len(batch.entries) >= _AT_ONCE
        due = -math.inf if at_once else anyio.current_time() + seconds
        if due < self._due:
            self._due = due
            batch.latest = due + _LONGEST_SECONDS - _STEP_SECONDS if seconds >= _STEP_SECONDS else due
            self._wake.set()
        return batch

    async def _until_due(self) -> None:
        """Wait until a batch is due, and the stream of writes into it has ended."""
        while not self._stopping and (self._due > anyio.current_time() or self._is_put_off()):
            if self._batches:
                self._batches[0].seen = len(self._batches[0].entries)
            self._wake = anyio.Event()
            with anyio.CancelScope(deadline=self._due):
                await self._wake.wait()

    def _is_put_off(self) -> bool:
        """Put the batch that is due off by a step, if its writes may wait that long and many came lately."""
        if self._due == -math.inf or not self._batches:
            return False
        batch, now = self._batches[0], anyio.current_time()
        if len(batch.entries) - batch.seen < _STREAM or now >= batch.latest:
            return False
        self._due, self._ends_until = min(now + _STEP_SECONDS, batch.latest), now + 2 * _STEP_SECONDS
        return True

    async def _write(self) -> None:
        """Carry out the first batch."""
        self._due = math.inf
        if not self._batches:
            return
        batch = self._batches.popleft()
        if self._batches:
            self._due = -math.inf
        batch.began = True
        self._ends, self._ends_until = batch.ends, math.inf
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
        self._ends_until = anyio.current_time() + 2 * _STEP_SECONDS
        batch.done.set()

    async def _carry_out(self, batch: Sequence[_Entry]) -> None:
        """Carry out a batch. If the database rejects a value in it, each half is carried out by itself, and so on, so
        that only the write with that value fails."""
        answers: list[Any] = []
        try:
            # A batch that has begun is finished, so that every caller learns what became of its write.
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
        if entry.lost is not None and error is not None:
            entry.lost(error)
