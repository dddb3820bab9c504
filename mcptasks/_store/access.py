"""An open store: one backend, called on a thread if its calls may block, and what all users of the store share."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.lowlevel import RunVar
from attrs import define, field

from mcptasks._core.exceptions import StoreError
from mcptasks._store import digests, scene
from mcptasks._store.backend import Backend, Listener
from mcptasks._store.digests import Digests
from mcptasks._store.lease import Lease
from mcptasks._store.payloads import Payloads
from mcptasks._store.recording import task_records
from mcptasks._store.records import Owner, Query, TaskRecord
from mcptasks._store.upkeep import Retire
from mcptasks._store.writes import Write

logger = logging.getLogger("mcptasks")

T = TypeVar("T")

_EAR_SECONDS = 60.0
"""Seconds for which a listening connection is kept while nobody waits. PostgreSQL stores notifications for a connection
that does not read them, so such a connection must not stay for ever."""

_LOOK_SECONDS = 0.5
"""Seconds between two checks whether another process has changed the store, if the store has no listener. A check reads
no table."""


@define(eq=False)
class _Home:
    """The parts of a store that belong to one event loop."""

    limiter: anyio.CapacityLimiter
    """The store's own limiter: anyio's default is shared with the program, which may have used it up."""
    bell: anyio.Event
    """Wakes everybody who waits for a change."""
    ear: Listener | None = None
    """Hears of commits by other processes. Kept between two waits, since it needs a connection of its own."""
    heard_at: float = 0.0
    """The latest time at which somebody listened."""
    turn: anyio.Lock = field(factory=anyio.Lock)
    """Held by the waiter that listens."""
    making: anyio.Lock = field(factory=anyio.Lock)
    """Held while the ear is made."""

    def ring(self) -> None:
        """Wake everybody who waits."""
        bell, self.bell = self.bell, anyio.Event()
        bell.set()

    def deafen(self) -> None:
        """Close the ear, and wake everybody who waits, so that a waiter checks the store and makes a new ear."""
        ear, self.ear = self.ear, None
        if ear is not None:
            ear.close()
            self.ring()


class Access:
    """A store, for any number of clients of any event loop.

    Args:
        backend: The database.
        payloads: Seals and opens payloads.
        lease: How long an owner counts as alive after its latest sign of life.
        name: The program's own name for its owners, or None.
    """

    def __init__(self, backend: Backend, payloads: Payloads, lease: Lease, name: str | None) -> None:
        self.backend = backend
        self.payloads = payloads
        self.lease = lease
        self.name = name
        self._digests: Digests | None = None
        self._checked_by = 0
        # Several event loops may use a store at the same time; each has its own `_Home`, which ends with the loop.
        self._homes: RunVar[_Home] = RunVar("mcptasks_store")

    async def apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """Carry out writes in one durable transaction; see `Backend.apply`. A transaction that has begun is finished
        even if the caller is cancelled."""

        def work() -> list[Any]:
            return self._checked().apply(writes)

        answers: list[Any] = []
        with anyio.CancelScope(shield=True):  # bounded by the time that the database waits for a lock
            answers = await self._on_thread(work, abandon=False)
        home = self._home()
        home.ring()
        if home.ear is not None and not home.turn.locked() and self.now() - home.heard_at > _EAR_SECONDS:
            home.deafen()
        return answers

    async def read(self, function: Callable[[Backend], T]) -> T:
        """Call a function that only reads. A caller that is cancelled does not wait for it."""
        return await self._on_thread(lambda: function(self._checked()), abandon=True)

    async def tasks(self, query: Query) -> list[TaskRecord]:
        """The tasks of a query as programs see them, newest first. The records are made on the thread, since ten
        thousand of them take a tenth of a second."""

        def found(backend: Backend) -> list[TaskRecord]:
            rows = backend.rows(query)
            # Reading all open questions costs less than a query that names ten thousand tasks.
            questions = backend.questions() if rows else []
            return task_records(rows, questions, self.payloads, datetime.now(UTC))

        return await self.read(found)

    async def digests(self) -> Digests:
        """Return what makes the digests of arguments, with the store's key."""
        if self._digests is None:
            self._digests = await self._on_thread(self._read_key, abandon=False)
        return self._digests

    async def changed(self, seen: object, limit: float) -> None:
        """Wait until something was committed, but no longer than `limit` seconds.

        Args:
            seen: The earlier result of `Backend.changes`, after which a commit counts.
            limit: The longest wait in seconds.
        """
        home = self._home()
        with anyio.move_on_after(limit):
            ear = await self._ear(home)
            while True:
                # A change may come during the read, so take the bell before it.
                bell = home.bell
                if await self.read(lambda backend: backend.changes()) != seen:
                    return
                await self._rung(home, bell, ear)
                ear = await self._ear(home)

    async def _rung(self, home: _Home, bell: anyio.Event, ear: Listener | None) -> None:
        """Wait for a change by this process or another, or until it is time to check for changes by others."""
        if ear is None:
            with anyio.move_on_after(_LOOK_SECONDS if self.backend.threaded else math.inf):
                await bell.wait()
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, home, ear)
            await bell.wait()
            group.cancel_scope.cancel()

    async def _listen(self, home: _Home, ear: Listener) -> None:
        """Ring for everybody once another process has committed. Only one waiter listens at a time."""
        async with home.turn:
            if home.ear is ear:
                home.heard_at = self.now()
                await anyio.wait_readable(ear.fileno())
                try:
                    ear.heard()
                except StoreError as exc:
                    # Every waiter now checks the store, and so learns whether it is away.
                    logger.debug("the connection that listens is lost: %s", exc)
                    home.deafen()
                home.ring()

    async def _ear(self, home: _Home) -> Listener | None:
        """The listener for commits by other processes, one for all waiters of this loop; None if there is none."""
        if not self.backend.threaded:
            return None
        async with home.making:
            home.heard_at = self.now()
            if home.ear is None:
                home.ear = await self._on_thread(lambda: self._checked().listener(), abandon=False)
            return home.ear

    async def bury(self, here: Owner) -> list[str]:
        """Free the tasks of owners whose process is known to be dead, so that nobody waits for the end of their leases.

        Args:
            here: An owner of this process.

        Returns:
            The owners that are dead.
        """
        owners = await self.read(lambda backend: backend.owners())
        dead = scene.dead(owners, here.scene, scene.is_running)
        if dead:
            await self.apply([Retire(owner=owner, dead=True) for owner in dead])
        return dead

    def now(self) -> float:
        """The time by which an owner counts its own lease, in seconds. The clock runs on while the machine sleeps."""
        boottime = getattr(time, "CLOCK_BOOTTIME", None)
        if not self.backend.threaded or boottime is None:
            return anyio.current_time()
        return time.clock_gettime(boottime)

    async def close(self) -> None:
        """Close the connections. The next use opens them again."""
        home = self._home()
        if not home.turn.locked():
            home.deafen()
        await self._on_thread(self.backend.close, abandon=False)

    async def _on_thread(self, work: Callable[[], T], *, abandon: bool) -> T:
        if not self.backend.threaded:
            await anyio.lowlevel.checkpoint()
            return work()
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=abandon, limiter=self._home().limiter)

    def _home(self) -> _Home:
        try:
            return self._homes.get()
        except LookupError:
            home = _Home(anyio.CapacityLimiter(1), anyio.Event())
            self._homes.set(home)
            return home

    def _checked(self) -> Backend:
        """The backend. The first call in a process checks that its payloads were written with the same codec."""
        if self._checked_by != os.getpid():
            marker = self.backend.meta("codec", self.payloads.marker())
            self.payloads.check(marker, self.backend.place)
            self._checked_by = os.getpid()
        return self.backend

    def _read_key(self) -> Digests:
        backend = self._checked()
        path = backend.key_file
        if path is not None:
            return Digests(digests.key_in(path))
        stored = backend.meta("digest_key", self.payloads.own_secret(digests.new_key()))
        return Digests(self.payloads.read_own_secret(stored))
