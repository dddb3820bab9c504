"""One client's part in a store: see `journal.Journal`. Imported only if the client has a store."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

import anyio

from mcptasks._core.exceptions import StoreError
from mcptasks._core.models import ERAS, Era, Kind, TaskReference
from mcptasks._core.trace import NO_TRACE, Committed, Leased, Trace
from mcptasks._engine.recording import keys
from mcptasks._engine.recording.journal import Earlier, Intent, MayRepeat, Origin, Pool, Record, Timing
from mcptasks._engine.recording.owed import Owed
from mcptasks._engine.recording.pool import StoredPool
from mcptasks._engine.recording.record import StoredRecord, nothing_came
from mcptasks._engine.recording.resumed import Resumed
from mcptasks._store.access import Access
from mcptasks._store.backend import Backend
from mcptasks._store.digests import Digests
from mcptasks._store.payloads import Payloads
from mcptasks._store.records import LearnedRun, Row, new_id
from mcptasks._store.session import Session
from mcptasks._store.upkeep import EraKnown, Learned
from mcptasks._store.writes import Adopt, Held, Intend, Retry, Write

logger = logging.getLogger("mcptasks")

T = TypeVar("T")
AnswerT = TypeVar("AnswerT")

_BELIEVED = timedelta(days=1)
"""How long the protocol that a server spoke is remembered. After that, the client asks for 2026-07-28 again: a server
that was updated to 2026-07-28 also answers the older handshake, so nothing else would show the update."""


class StoredJournal:
    """One client's part in a store.

    Args:
        access: The store.
        endpoint: The server.
        own: Whether nobody else uses the store, so that its connection ends with the client.
        trace: Gets the moments of leases and transactions.
    """

    keeps: bool = True

    def __init__(self, access: Access, endpoint: str, *, own: bool = False, trace: Trace = NO_TRACE) -> None:
        self._access = access
        self._own = own
        self._endpoint = endpoint
        self._trace = trace
        self._session = Session(access, lambda seconds, failed: trace.note(Committed(seconds, failed)))
        self._owed = Owed(self._session)
        self._digests: Digests | None = None
        """Makes the hashes of arguments that may be stored; None before the first is needed."""
        self.pool: Pool | None = StoredPool(access, self._session, endpoint, self._taken)

    @property
    def on_holding(self) -> list[Callable[[], None]]:
        """See `Journal`."""
        return self._session.on_holding

    # ---- life time ----

    def open(self) -> AbstractAsyncContextManager[None]:
        """See `Journal`."""
        return self._opened()

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[None]:
        try:
            async with anyio.create_task_group() as group:
                await group.start(self._session.run)
                async with self._owed.repeated():
                    yield
                self._session.stop()
        finally:
            if self._own:
                with anyio.CancelScope(shield=True):
                    await self._access.close()

    # ---- what is known of the server ----

    async def era(self) -> Era | None:
        """See `Journal`."""
        since = datetime.now(UTC) - _BELIEVED
        found = await self._access.read(lambda backend: backend.era(self._endpoint, since))
        return next((era for era in ERAS if era == found), None)

    def speaks(self, era: Era) -> None:
        """See `Journal`."""
        self.later(EraKnown(endpoint=self._endpoint, era=era, at=datetime.now(UTC)))

    async def timings(self) -> Sequence[Timing]:
        """See `Journal`."""
        self._digests = await self._access.digests()
        runs = await self._access.read(lambda backend: backend.runs(self._endpoint))
        return [_timing(run) for run in runs]

    def keyed(self, arguments: str) -> str:
        """See `Journal`."""
        return arguments if self._digests is None else self._digests.keyed(arguments)

    def learned(self, timing: Timing) -> None:
        """See `Journal`."""
        # Without the key the arguments could be guessed.
        arguments = None if self._digests is None else timing.arguments
        self.later(Learned(_run(self._endpoint, timing, arguments)))

    # ---- calls and tasks ----

    def calling(self) -> AbstractContextManager[None]:
        """See `Journal`."""
        return self._session.company

    async def intend(self, intent: Intent, may_repeat: MayRepeat) -> StoredRecord | Earlier:
        """See `Journal`."""
        digest = (await self._access.digests()).of(intent.kind, intent.name, intent.arguments)
        owner = self._session.owner.owner
        while True:
            new = new_id()
            write = Intend(
                id=new,
                owner=owner,
                endpoint=self._endpoint,
                at=datetime.now(UTC),
                kind=intent.kind,
                name=intent.name,
                label=intent.label,
                key=intent.key,
                labels=intent.labels,
                digest=digest,
                arguments=self.payloads.arguments(new, intent.arguments),
            )
            answer = await self._allow(write, Held(new, owner, 1), doubtful=False)
            if answer.held is not None:
                return StoredRecord(new, self, answer.held)
            assert answer.row is not None
            keys.check_same(answer.row, intent.kind, intent.name, digest)
            found = await self._met(answer.row, may_repeat)
            if found is not None:
                return found

    async def _met(self, row: Row, may_repeat: MayRepeat) -> StoredRecord | Earlier | None:
        """Act on the earlier call with the same key; None if its record has changed meanwhile."""
        match keys.next_step(row):
            case "wait":
                await _answered_elsewhere(self._access, self._session, row)
                return None
            case "ask" if not await may_repeat():
                raise keys.uncertain(row)
            case "ask" | "repeat" as step:
                return await self._repeat(row, doubtful=step == "ask")
            case _:
                return await self._earlier(row)

    async def _repeat(self, row: Row, *, doubtful: bool) -> StoredRecord | None:
        """Have a call sent again; None if another client was faster."""
        owner = self._session.owner.owner
        write = Retry(id=row.id, fence=row.fence, owner=owner, at=datetime.now(UTC))
        held = await self._allow(write, Held(row.id, owner, row.fence + 1), doubtful=doubtful)
        return None if held is None else StoredRecord(row.id, self, held, doubtful)

    async def _allow(self, write: Write[AnswerT], held: Held, *, doubtful: bool) -> AnswerT:
        """Carry out a write that allows a call to be sent.

        If nobody knows whether the write was carried out, since the caller was cancelled or the connection broke, a
        second write says that the call was not sent.

        Args:
            write: The write.
            held: The lease that the write gives.
            doubtful: See `nothing_came`.
        """
        try:
            return await self.commit(write)
        except BaseException as exc:
            if not isinstance(exc, StoreError) or exc.unknown:
                words = self.payloads.words(held.id, "the call was given up before it was sent")
                self.soon(nothing_came(held, words, doubtful=doubtful))
            raise

    async def _earlier(self, row: Row) -> Earlier:
        """The earlier call and its outcome. Its task is taken if it is free."""
        sealed = await self._access.read(lambda backend: backend.payload(row.id, "result")) if row.has_result else None
        outcome = keys.outcome_of(row, sealed, self.payloads)
        reference = keys.reference_of(row)
        if reference is None:
            raise StoreError(f"the record {row.id} names no task: forget it, with Store.forget")
        record: Record = StoredRecord(row.id, self, None)
        if row.phase == "created":
            adopted = await self.adopt(reference)
            # A task that another client holds is taken when it becomes free, if somebody waits for it then.
            record = adopted if adopted.holds else self.resumed(reference)
        return Earlier(
            record=record, reference=reference, created_at=row.created_at, outcome=outcome, traceparent=row.traceparent
        )

    def resumed(self, reference: TaskReference) -> Record:
        """See `Journal`."""
        return Resumed(partial(self.adopt, reference), partial(self._origin, reference))

    async def _origin(self, reference: TaskReference) -> Origin | None:
        found = await self._access.read(lambda backend: backend.find_task(self._endpoint, reference.task_id))
        return None if found is None else Origin(found.traceparent)

    async def adopt(self, reference: TaskReference) -> StoredRecord:
        """See `Journal`."""
        adopted = await self.commit(_adoption(reference, self._session.owner.owner, self._endpoint))
        return self._taken(adopted.row.id, adopted.held, adopted.takeover, adopted.row.takeovers)

    def _taken(self, name: str, held: Held | None, takeover: bool, takeovers: int) -> StoredRecord:
        """The record of a task that other clients may have held. Reports the lease if it was given.

        Args:
            name: The id of the record.
            held: The lease; None if it was not given.
            takeover: Whether the task was taken over from a client that died.
            takeovers: How often that has happened to the task.
        """
        if held is not None:
            self._trace.note(Leased("taken", name, takeover))
        return StoredRecord(name, self, held, inherited=True, takeovers=takeovers)

    # ---- where the records' writes go ----

    @property
    def payloads(self) -> Payloads:
        """See `Desk`."""
        return self._session.payloads

    @property
    def holds(self) -> bool:
        """See `Desk`."""
        return self._session.holds

    async def read(self, function: Callable[[Backend], T]) -> T:
        """See `Desk`."""
        return await self._access.read(function)

    async def commit(self, write: Write[AnswerT], *, keep: bool = False) -> AnswerT:
        """See `Desk`."""
        return await self._session.commit(write, keep=keep)

    def later(self, write: Write[Any], *, again: bool = False) -> None:
        """See `Desk`."""
        self._session.later(write, (lambda _: self.owe(lambda: write)) if again else None)

    def soon(
        self,
        write: Write[AnswerT],
        told: Callable[[AnswerT], None] | None = None,
        again: Callable[[], Write[Any]] | None = None,
    ) -> anyio.Event:
        """See `Desk`."""
        return self._session.soon(write, told, lambda _: self.owe(again or (lambda: write), told))

    def lost(self, record_id: str) -> None:
        """See `Desk`."""
        self._trace.note(Leased("lost", record_id))

    def owe(self, write: Callable[[], Write[Any]], done: Callable[[Any], None] | None = None) -> None:
        """See `Desk`."""
        self._owed.add(write, done)


def _timing(run: LearnedRun) -> Timing:
    """A run as the engine knows it."""
    return Timing(
        kind=cast("Kind", run.kind),
        name=run.name,
        low=run.low,
        high=run.high,
        least=run.least,
        arguments=run.arguments,
        size=run.size,
    )


def _run(endpoint: str, timing: Timing, arguments: str | None) -> LearnedRun:
    """A run as the store keeps it."""
    return LearnedRun(
        endpoint=endpoint,
        kind=timing.kind,
        name=timing.name,
        low=timing.low,
        high=timing.high,
        least=timing.least,
        arguments=arguments,
        size=timing.size,
        at=datetime.now(UTC),
    )


def _adoption(reference: TaskReference, owner: str, endpoint: str) -> Adopt:
    return Adopt(
        id=new_id(),
        owner=owner,
        endpoint=endpoint,
        task_id=reference.task_id,
        at=datetime.now(UTC),
        era=reference.era,
        kind=reference.kind,
        name=reference.name,
        label=reference.label,
        expires_at=reference.expires_at,
    )


async def _answered_elsewhere(access: Access, session: Session, row: Row) -> None:
    """Wait until a call that another client has under way has its answer, or that client's lease has ended."""
    while True:
        seen = await access.read(lambda backend: backend.changes())
        found = await access.read(lambda backend: backend.find(row.id, limit=1))
        if not found or found[0].id != row.id or keys.next_step(found[0]) != "wait":
            return
        await access.changed(seen, access.lease.pause)
        await access.bury(session.owner)
