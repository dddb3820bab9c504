"""The tasks at one server that clients have left in a store: see `journal.Pool`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

import anyio
from attrs import define, field

from mcptasks._engine.recording.journal import Rest, Taken
from mcptasks._engine.recording.keys import reference_of
from mcptasks._engine.recording.record import StoredRecord
from mcptasks._store.access import Access
from mcptasks._store.backend import Backend
from mcptasks._store.payloads import Payloads
from mcptasks._store.recording import task_records
from mcptasks._store.records import Query, Question
from mcptasks._store.session import Session
from mcptasks._store.upkeep import Claim, Claimed
from mcptasks._store.writes import Held

_LATE = 0.05
"""Seconds from the end of a lease to the search for its tasks, since the database's clock may run a little more
slowly."""
_UNCERTAIN = 10_000
"""How many uncertain calls are returned at most: the newest. A program cannot settle more than that by hand."""


@define(eq=False)
class StoredPool:
    """The tasks of one server in a store."""

    _access: Access
    _session: Session = field(repr=False)
    _endpoint: str
    _record: Callable[[str, Held, bool, int], StoredRecord] = field(repr=False)
    """Makes the record of a task that was taken, perhaps over from a client that died; see `StoredJournal._taken`."""

    @property
    def closed(self) -> bool:
        """See `Pool`."""
        return self._session.stopped.is_set()

    async def take(self, labels: Mapping[str, str], limit: int | None) -> list[Taken]:
        """See `Pool`."""
        await self._access.bury(self._session.owner)
        write = Claim(
            owner=self._session.owner.owner, endpoint=self._endpoint, at=datetime.now(UTC), labels=labels, limit=limit
        )
        claimed: list[Claimed] = []
        # Tasks that were taken and are handed to nobody would be lost until the client ends.
        with anyio.CancelScope(shield=True):  # bounded by the time that a database waits for a lock
            claimed = await self._session.commit(write)
        return [taken for each in claimed if (taken := self._taken(each)) is not None]

    async def rest(self, labels: Mapping[str, str]) -> Rest:
        """See `Pool`."""
        doubtful = Query(endpoint=self._endpoint, phases=frozenset({"uncertain"}), labels=labels, limit=_UNCERTAIN)
        held = Query(endpoint=self._endpoint, phases=frozenset({"created"}), labels=labels)
        rows = await self._access.read(lambda backend: backend.rows(doubtful))
        elsewhere = await self._access.read(lambda backend: backend.elsewhere(held, self._session.owner.owner))
        records = task_records(rows, (), self._access.payloads, datetime.now(UTC))
        return Rest(uncertain=tuple(records), elsewhere=elsewhere)

    async def known(self, task_ids: Collection[str]) -> frozenset[str]:
        """See `Pool`."""

        def found(backend: Backend) -> frozenset[str]:
            return frozenset(each for each in task_ids if backend.find_task(self._endpoint, each) is not None)

        return await self._access.read(found)

    async def mark(self) -> object:
        """See `Pool`."""
        return await self._access.read(lambda backend: backend.changes())

    async def end(self) -> None:
        """See `Pool`."""
        await self._session.stopped.wait()

    async def freed(self, mark: object) -> None:
        """See `Pool`. A task becomes free by a write, or by the end of its owner's lease."""
        owners = await self._access.read(lambda backend: backend.owners())
        ends = [each.lease_left for each in owners if each.owner != self._session.owner.owner and each.lease_left > 0]
        pause = min([self._access.lease.pause, *ends]) + _LATE
        async with anyio.create_task_group() as group:

            async def closed() -> None:
                await self.end()
                group.cancel_scope.cancel()

            group.start_soon(closed)
            await self._access.changed(mark, pause)
            group.cancel_scope.cancel()

    def _taken(self, claimed: Claimed) -> Taken | None:
        reference = reference_of(claimed.row)
        if reference is None:
            return None
        questions = {
            each.key: request
            for each in claimed.questions
            if each.decided_at is None and (request := self._request(each, self._access.payloads)) is not None
        }
        record = self._record(claimed.row.id, claimed.held, claimed.takeover, claimed.takeovers)
        return Taken(record=record, reference=reference, questions=questions, traceparent=claimed.row.traceparent)

    @staticmethod
    def _request(question: Question, payloads: Payloads) -> Mapping[str, object] | None:
        return payloads.read_request(question.task, question.key, question.request)
