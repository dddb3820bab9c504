"""One client's part in a store: an owner with a lease, and the queue of its writes.

The client runs `Session.run` in its task group. Writes that are queued earlier wait until it runs. Writes after its end
raise `StoreError`, so that no call is sent unrecorded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskStatus

from mcptasks._core.exceptions import StoreError
from mcptasks._store import scene
from mcptasks._store.access import Access
from mcptasks._store.payloads import Payloads
from mcptasks._store.records import Owner, new_id
from mcptasks._store.upkeep import Beat, Retire
from mcptasks._store.writer import Company, Lost, Writer
from mcptasks._store.writes import Write

logger = logging.getLogger("mcptasks")

AnswerT = TypeVar("AnswerT")


def _nobody(_seconds: float, _failed: bool) -> None:
    """Ignore a transaction; used if nobody counts them."""


class Session:
    """A client that writes to a store.

    Args:
        access: The store.
        committed: Called after each transaction with writes of this client, with its seconds and whether it failed.
    """

    def __init__(self, access: Access, committed: Callable[[float, bool], None] = _nobody) -> None:
        self.access = access
        self._committed = committed
        self.owner: Owner = scene.new_owner(access.name, new_id())
        self._writer = Writer(self._apply)
        self._asked: float | None = None
        """When the latest successful beat was sent; None before the first."""
        self.on_holding: list[Callable[[], None]] = []
        """Called when the client may act again, after a while in which it could not renew its lease."""
        self.stopped = anyio.Event()
        """Set when the client has come to its end."""

    @property
    def payloads(self) -> Payloads:
        """Seals what goes into the store, and opens what comes out."""
        return self.access.payloads

    @property
    def holds(self) -> bool:
        """Whether this client may act on the tasks that it holds: put questions, decide answers, cancel.

        The client stops to act before its lease ends, and may go on when a sign of life has reached the store again.
        The answer to the next write about a task tells whether another client has taken the task meanwhile.
        """
        return self._asked is not None and self.access.lease.holds(self._asked, self.access.now())

    @property
    def company(self) -> Company:
        """The calls of this client that are under way, each within this context."""
        return self._writer.company

    async def commit(self, write: Write[AnswerT], *, keep: bool = False) -> AnswerT:
        """Carry out a write durably, with those of others; see `Writer.commit`.

        Raises:
            StoreError: The store cannot be written, or the client is closed.
        """
        return await self._writer.commit(write, keep=keep)

    def later(self, write: Write[Any], lost: Lost | None = None) -> None:
        """Carry out a lazy write soon; see `Writer.later`."""
        self._writer.later(write, lost)

    def soon(
        self, write: Write[AnswerT], told: Callable[[AnswerT], None] | None = None, lost: Lost | None = None
    ) -> anyio.Event:
        """Carry out a write with the next transaction, without waiting for it; see `Writer.soon`."""
        return self._writer.soon(write, told, lost)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the lease and carry out writes, until `stop()` or cancelled. At the end, queued writes are carried out,
        and the owner's tasks become free.

        Raises:
            StoreError: The store cannot be opened or written at the beginning.
        """
        await self._beat()
        try:
            await self.access.bury(self.owner)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._writer.run)
                tasks.start_soon(self._keep_beating)
                task_status.started()
                await self.stopped.wait()
                self._writer.stop()
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True), suppress(StoreError):
                await self.access.apply([Retire(owner=self.owner.owner)])

    def stop(self) -> None:
        """Make `run` end."""
        self.stopped.set()

    async def _apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        began, failed = time.perf_counter(), True
        try:
            answers = await self.access.apply(writes)
            failed = False
        finally:
            self._committed(time.perf_counter() - began, failed)
        return answers

    async def _keep_beating(self) -> None:
        lease, tried, failed = self.access.lease, self.access.now(), False
        while True:
            await anyio.sleep(lease.next_beat(tried, self.access.now(), failed=failed))
            tried, failed = self.access.now(), False
            try:
                await self._beat()
            except StoreError as exc:
                failed = True
                logger.warning("the lease on tasks in the store could not be renewed: %s", exc)

    async def _beat(self) -> None:
        asked, held = self.access.now(), self.holds
        await self.access.apply([Beat(owner=self.owner, lease=self.access.lease.seconds)])
        self._asked = asked
        if not held:
            for observer in self.on_holding:
                observer()
