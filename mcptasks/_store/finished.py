"""The iteration behind `Store.finished`: ends, failures and questions, each told once to each consumer."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from datetime import UTC, datetime

import anyio

from mcptasks._core.exceptions import StoreError
from mcptasks._core.iterators import Results
from mcptasks._store import scene
from mcptasks._store.access import Access
from mcptasks._store.deliveries import Next, Pending, Told
from mcptasks._store.recording import question_record, task_record
from mcptasks._store.records import TaskEvent, new_id
from mcptasks._store.upkeep import Retire

_FRESH_SECONDS = 1.0
"""Seconds for which events that were found are handed out without another check. After that they are looked up again,
since a question may have been answered meanwhile."""


class Finished(Results[TaskEvent]):
    """The events of a store for one consumer.

    A class, not an async generator: it can be dropped without a running event loop, and a cancelled step loses no
    event.

    Args:
        access: The store.
        consumer: The consumer's name.
        wait: Whether to wait for further events when all are told; if not, the iteration ends then.
    """

    def __init__(self, access: Access, consumer: str, *, wait: bool = True) -> None:
        self._access = access
        self._consumer = consumer
        self._wait = wait
        self._owner = scene.new_owner(consumer, new_id())
        self._found: deque[Pending] = deque()
        self._found_at = 0.0
        self._told: Pending | None = None
        """The event that the program has got, and not yet acknowledged by asking for the next one."""
        self._over = False

    def __repr__(self) -> str:
        return f"<what {self._consumer!r} was not told yet>"

    async def __anext__(self) -> TaskEvent:
        while not self._over:
            await self._acknowledge()
            seen = await self._refill()
            if self._found:
                self._told = self._found.popleft()
                return self._event(self._told)
            if not self._wait:
                await self.aclose()
                break
            await self._access.changed(seen, self._access.lease.pause)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration. The event that was handed out last counts as not told."""
        self._over = True
        self._found.clear()
        self._told = None
        with anyio.CancelScope(shield=True), suppress(StoreError):
            await self._access.apply([Retire(owner=self._owner.owner)])

    async def _acknowledge(self) -> None:
        """Note in the store that the program has dealt with its event, and drop events that were found too long ago."""
        told = self._told
        if told is not None:
            write = Told(
                consumer=self._consumer,
                owner=self._owner.owner,
                task=told.row.id,
                mark=told.mark,
                at=datetime.now(UTC),
            )
            (ours,) = await self._access.apply([write])
            self._told = None
            if not ours:
                self._found.clear()
        if self._access.now() - self._found_at > _FRESH_SECONDS:
            self._found.clear()

    async def _refill(self) -> object:
        """Find the next events if none are left. Returns the result of `Backend.changes` from before the search."""
        access = self._access
        seen = await access.read(lambda backend: backend.changes())
        if self._found:
            return seen
        waiting = await access.read(lambda backend: backend.pending(self._consumer, limit=1))
        # This read comes first, so that a search without a result writes nothing.
        if not waiting or await self._find():
            return seen
        # Another process serves this consumer, unless that process is dead. Our own writes are no reason to wake.
        await access.bury(self._owner)
        return await access.read(lambda backend: backend.changes())

    async def _find(self) -> bool:
        """Find the next events. Returns whether the consumer belongs to this iteration."""
        asking = Next(consumer=self._consumer, owner=self._owner, lease=self._access.lease.seconds)
        found: list[Pending] | None
        (found,) = await self._access.apply([asking])
        self._found, self._found_at = deque(found or ()), self._access.now()
        return found is not None

    def _event(self, pending: Pending) -> TaskEvent:
        payloads = self._access.payloads
        question = None if pending.question is None else question_record(pending.question, payloads)
        record = task_record(pending.row, () if question is None else (question,), payloads, datetime.now(UTC))
        return TaskEvent(kind=pending.kind, record=record, question=question)
