"""A store without a file and without a thread: it ends with the process. For tests, also on a virtual clock.

A virtual clock would jump hours ahead while a thread works, so this backend is called on the event loop itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import anyio
from anyio.lowlevel import RunVar

from mcptasks._store.sql import migrating
from mcptasks._store.sql.migrations import MIGRATIONS
from mcptasks._store.sqlite.backend import OneConnection
from mcptasks._store.sqlite.clock import LeaseClock
from mcptasks._store.sqlite.connection import SqliteConnection
from mcptasks._store.sqlite.opening import connect, set_up


class LoopClock:
    """The clock of the running event loop, in seconds; a virtual clock if the loop has one. The time continues from one
    event loop to the next, although trio begins each run at another time."""

    def __init__(self) -> None:
        self._shift: RunVar[float] = RunVar(f"mcptasks_loop_clock_{id(self)}")
        self._told: tuple[float, float] | None = None
        """The latest time told, and the machine's time then."""

    def __call__(self) -> float:
        """The time now."""
        here, machine = anyio.current_time(), time.monotonic()
        shift = self._shift.get(None)
        if shift is None:
            shift = 0.0 if self._told is None else self._told[0] + machine - self._told[1] - here
            self._shift.set(shift)
        self._told = (here + shift, machine)
        return here + shift


class MemoryBackend(OneConnection):
    """A store in memory.

    Args:
        now: The clock by which leases are measured, in seconds.
    """

    threaded = False

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._clock = LeaseClock(now, "")

    @property
    def place(self) -> str:
        """See `Backend.place`."""
        return "in memory"

    @property
    def key_file(self) -> Path | None:
        """See `Backend.key_file`."""
        return None

    def _open(self) -> SqliteConnection:
        connection = SqliteConnection(connect(":memory:", self._busy), self._clock)
        set_up(connection)
        migrating.migrate(connection, MIGRATIONS)
        return connection

    def close(self) -> None:
        """Do nothing: closing would delete the data."""
