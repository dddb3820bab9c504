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
"""Seconds for which a connection that hears of commits is kept though nobody waits. PostgreSQL keeps notifications for
those who do not read them, so that such a connection must not stay for ever."""

_LOOK_SECONDS = 0.5
"""Seconds between two looks whether another process has changed a store that cannot tell: a look reads no table."""


@define(eq=False)
class _Home:
    """What a store has on one event loop."""

    limiter: anyio.CapacityLimiter
    """Of the store's own: anyio's default is shared with the program, which may have used it up."""
    bell: anyio.Event
    """Wakes who waits for a change."""
    ear: Listener | None = None
    """Hears of commits by other processes. Kept between two waits, since it takes a connection of its own."""
    heard_at: float = 0.0
    """When somebody listened last."""
    turn: anyio.Lock = field(factory=anyio.Lock)
    """Held by the one that listens."""
    making: anyio.Lock = field(factory=anyio.Lock)
    """Held while the ear is made."""

    def ring(self) -> None:
        """Wake who waits."""
        bell, self.bell = self.bell, anyio.Event()
        bell.set()

    def deafen(self) -> None:
        """Give up the ear. Who waits looks at the store, and makes a new one."""
        ear, self.ear = self.ear, None
        if ear is not None:
            ear.close()
            self.ring()


class Access:
    """A store, for any number of clients of any event loop.

    Args:
        backend: The database.
        payloads: What is kept, and how.
        lease: How long an owner that was heard of is believed to live.
        name: The program's own name for its owners, or None.
    """

    def __init__(self, backend: Backend, payloads: Payloads, lease: Lease, name: str | None) -> None:
        self.backend = backend
        self.payloads = payloads
        self.lease = lease
        self.name = name
        self._digests: Digests | None = None
        self._checked_by = 0
        # Several event loops may use a store at the same time; each has what belongs to it, for as long as it lives.
        self._homes: RunVar[_Home] = RunVar("mcptasks_store")

    async def apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """Carry out writes in one durable transaction; see `Backend.apply`. What has begun is finished, also if the
        caller is cancelled."""

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
        """Call something that only reads. A caller that is cancelled does not wait for it."""
        return await self._on_thread(lambda: function(self._checked()), abandon=True)

    async def tasks(self, query: Query) -> list[TaskRecord]:
        """The tasks of a query as programs see them, newest first. All of it is done on the thread, since ten thousand
        tasks take a tenth of a second."""

        def found(backend: Backend) -> list[TaskRecord]:
            rows = backend.rows(query)
            # Reading all open questions costs less than a query that names ten thousand tasks.
            questions = backend.questions() if rows else []
            return task_records(rows, questions, self.payloads, datetime.now(UTC))

        return await self.read(found)

    async def digests(self) -> Digests:
        """What makes digests of arguments here."""
        if self._digests is None:
            self._digests = await self._on_thread(self._read_key, abandon=False)
        return self._digests

    async def changed(self, seen: object, limit: float) -> None:
        """Wait until something was committed since a look, but no longer than `limit` seconds.

        Args:
            seen: What `Backend.changes` said at that look.
            limit: Seconds.
        """
        home = self._home()
        with anyio.move_on_after(limit):
            ear = await self._ear(home)
            while True:
                # A change may come while this is read, so the bell is the one from before.
                bell = home.bell
                if await self.read(lambda backend: backend.changes()) != seen:
                    return
                await self._rung(home, bell, ear)
                ear = await self._ear(home)

    async def _rung(self, home: _Home, bell: anyio.Event, ear: Listener | None) -> None:
        """Wait for a change by this process or by others, or until it is time to look for one by others."""
        if ear is None:
            with anyio.move_on_after(_LOOK_SECONDS if self.backend.threaded else math.inf):
                await bell.wait()
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, home, ear)
            await bell.wait()
            group.cancel_scope.cancel()

    async def _listen(self, home: _Home, ear: Listener) -> None:
        """Ring for everybody once another process has committed. One of those who wait listens at a time."""
        async with home.turn:
            if home.ear is ear:
                home.heard_at = self.now()
                await anyio.wait_readable(ear.fileno())
                try:
                    ear.heard()
                except StoreError as exc:
                    # Whoever waits looks at the store now, and learns whether it is away.
                    logger.debug("the connection that listens is lost: %s", exc)
                    home.deafen()
                home.ring()

    async def _ear(self, home: _Home) -> Listener | None:
        """What hears of commits by other processes: one for all who wait on this loop."""
        if not self.backend.threaded:
            return None
        async with home.making:
            home.heard_at = self.now()
            if home.ear is None:
                home.ear = await self._on_thread(lambda: self._checked().listener(), abandon=False)
            return home.ear

    async def bury(self, here: Owner) -> list[str]:
        """Free what belongs to owners whose process is known to be dead, so that nobody waits for the end of their
        lease.

        Args:
            here: An owner of this process.

        Returns:
            The owners that are dead.
        """
        owners = await self.read(lambda backend: backend.owners())
        dead = scene.dead(owners, here.scene, scene.is_running)
        if dead:
            await self.apply([Retire(owner=owner) for owner in dead])
        return dead

    def now(self) -> float:
        """The time by which an owner counts its own lease, in seconds: it goes on while the machine sleeps."""
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
        """The backend, once its payloads are known to be of the kind that this process reads."""
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
