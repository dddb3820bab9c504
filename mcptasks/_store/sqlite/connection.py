"""Statements in SQLite's dialect, and SQLite's errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from mcptasks._core.exceptions import StoreError
from mcptasks._store.sql.dialect import NOTHING, Dialect, Values
from mcptasks._store.sqlite.clock import LeaseClock

DIALECT = Dialect(now=":now", boot=":boot", margin=":margin", blob="BLOB", float="REAL", claim="")
"""The time is a parameter. A transaction that writes has the only lock from its beginning, so no row needs one."""

_TEXTS = 256
"""How many translated statements are remembered; with more, all are dropped. There are some 60 statements; one with a
list has a text for each length of the list."""
APPLICATION_ID = 0x4D435054
"""Bytes 68 to 71 of a store's file: "MCPT"."""


class SqliteConnection:
    """A connection, for the shared SQL.

    Args:
        raw: SQLite's own connection, which begins no transactions by itself.
        clock: Measures leases.
    """

    def __init__(self, raw: sqlite3.Connection, clock: LeaseClock) -> None:
        self.raw = raw
        self.clock = clock
        self.has_wiped = False
        self._texts: dict[str, tuple[str, bool]] = {}
        """Each statement in this dialect, and whether it asks for the time."""

    def run(self, statement: str, values: Values = NOTHING) -> int:
        """See `Connection.run`."""
        return self._execute(statement, values).rowcount

    def all(self, statement: str, values: Values = NOTHING) -> list[tuple[Any, ...]]:
        """See `Connection.all`."""
        return self._execute(statement, values).fetchall()

    def each(self, statement: str, values: Sequence[Values]) -> list[int]:
        """See `Connection.each`. One by one, since there is no server and no round trip to save."""
        return [self._execute(statement, each).rowcount for each in values]

    def all_each(self, statement: str, values: Sequence[Values]) -> list[list[tuple[Any, ...]]]:
        """See `Connection.all_each`."""
        return [self._execute(statement, each).fetchall() for each in values]

    def wiped(self) -> None:
        """See `Connection.wiped`."""
        self.has_wiped = True

    def _execute(self, statement: str, values: Values) -> sqlite3.Cursor:
        text, timed = self._texts.get(statement) or self._translated(statement)
        if not timed:
            return self.raw.execute(text, values)
        clock = self.clock
        known = {"now": clock.now(), "boot": clock.boot, "margin": clock.margin}
        return self.raw.execute(text, {**values, **known})

    def _translated(self, statement: str) -> tuple[str, bool]:
        if len(self._texts) >= _TEXTS:
            self._texts.clear()
        text = DIALECT.text(statement)
        found = self._texts[statement] = text, any(word in statement for word in ("{now}", "{boot}", "{margin}"))
        return found


_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REFUSED = frozenset({sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE})
_UNWRITABLE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH})


@contextmanager
def in_our_words(place: str, busy: float) -> Generator[None]:
    """Turn SQLite's errors into `StoreError`.

    Args:
        place: The file, for people.
        busy: Seconds that SQLite waits for a lock.
    """
    try:
        yield
    except sqlite3.Error as exc:
        raise StoreError(words(exc, place, busy), refused=is_refusal(exc)) from exc


def is_refusal(exc: sqlite3.Error) -> bool:
    """Whether SQLite rejects a value, so that another attempt would fail too. Pure."""
    if isinstance(exc, sqlite3.DataError | sqlite3.IntegrityError | sqlite3.InterfaceError | sqlite3.ProgrammingError):
        return True
    return _code(exc) in _REFUSED


def is_unwritable(exc: BaseException | None) -> bool:
    """Whether an error says that a file cannot be opened or written. Pure."""
    return isinstance(exc, sqlite3.Error) and _code(exc) in _UNWRITABLE


def _code(exc: sqlite3.Error) -> int:
    # Extended codes have further bits above these: https://www.sqlite.org/rescode.html
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF


def words(exc: sqlite3.Error, place: str, busy: float) -> str:
    """The message for an error of SQLite: what it means, and what to do. Pure."""
    code = _code(exc)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"the store {place} was locked by another process for {busy:g} seconds: end that process, or try again"
    if code == sqlite3.SQLITE_FULL:
        return f"the store {place} cannot grow, since the disk is full: make room, or purge old tasks"
    if code == sqlite3.SQLITE_IOERR:
        return (
            f"the store {place} cannot be read or written ({exc}): see the disk, its quota, and the limit for the size "
            "of files (ulimit -f)"
        )
    if code in _DAMAGED:
        return f"the store {place} is damaged ({exc}): put a backup in its place, or move the file away"
    if code in _UNWRITABLE:
        return f"the store {place} cannot be opened or written ({exc}): see the modes of the file and of its folder"
    return f"the store {place} failed: {exc}"
