"""A store in an SQLite file: one connection, which one thread uses at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from abc import abstractmethod
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from mcptasks._core.exceptions import StoreError
from mcptasks._store.backend import Listener
from mcptasks._store.dropped import when_dropped
from mcptasks._store.sql.backend import SqlBackend
from mcptasks._store.sql.dialect import Connection
from mcptasks._store.sqlite import files
from mcptasks._store.sqlite.connection import SqliteConnection, in_our_words, is_unwritable
from mcptasks._store.sqlite.opening import Options, open_file, sound_journal

T = TypeVar("T")


class OneConnection(SqlBackend):
    """The common base of stores in files and in memory."""

    _busy = 30.0
    """Seconds to wait for a lock that another process holds; see `Options.busy`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: SqliteConnection | None = None

    @property
    @abstractmethod
    def place(self) -> str:
        """See `Backend.place`."""

    @abstractmethod
    def _open(self) -> SqliteConnection:
        """Open the database."""

    def _current(self) -> SqliteConnection:
        """The connection, with the lock held."""
        if self._connection is None:
            self._connection = self._open()
            self._dropped = when_dropped(self, self._connection.raw.close)
        return self._connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """See `SqlBackend.write`."""
        with self.transaction() as connection:
            return work(connection)

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """A transaction, committed at the end of the block and undone if the block raises."""
        with self._lock, in_our_words(self.place, self._busy):
            connection = self._current()
            raw = connection.raw
            connection.has_wiped = False
            raw.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                raw.execute("COMMIT")
            except BaseException:
                # SQLite itself undoes a transaction for which the disk has no room.
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
                raise
            if connection.has_wiped:
                self._clear_journal(raw)

    def _clear_journal(self, raw: sqlite3.Connection) -> None:
        """Remove what was wiped from the journal too.

        A rollback journal is empty after a commit. A write-ahead log keeps old pages until it is emptied, which a
        reader can put off until the next time.
        """

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """See `SqlBackend.reading`."""
        with self._lock, in_our_words(self.place, self._busy):
            yield self._current()

    def changes(self) -> object:
        """See `Backend.changes`."""
        with self.reading():
            raw = self._current().raw
            # `data_version` differs after a commit of another connection: https://www.sqlite.org/pragma.html
            return raw.execute("PRAGMA data_version").fetchone()[0], raw.total_changes

    def listener(self) -> Listener | None:
        """See `Backend.listener`."""
        return None

    def check(self) -> list[str]:
        """See `Backend.check`."""
        with self.reading():
            found = self._current().raw.execute("PRAGMA integrity_check(10)").fetchall()
        return [f"the store {self.place} is damaged: {words}" for (words,) in found if words != "ok"]

    def backup(self, path: str | os.PathLike[str]) -> None:
        """See `Backend.backup`."""
        target = Path(path)
        if not files.make_file(target):
            raise StoreError(f"the backup {target} exists already: name a new file")
        try:
            with self.reading(), closing(sqlite3.connect(target)) as copy:
                self._copy(copy, target)
        except BaseException:
            for suffix in ("", "-journal"):
                target.with_name(target.name + suffix).unlink(missing_ok=True)
            raise

    def _copy(self, copy: sqlite3.Connection, target: Path) -> None:
        try:
            self._current().raw.backup(copy)
        except sqlite3.Error as exc:
            raise StoreError(
                f"the backup {target} cannot be made ({exc}): see whether its disk has room, and whether "
                "`mcptasks store check` finds damage"
            ) from exc

    def close(self) -> None:
        """See `Backend.close`."""
        with self._lock:
            self._shut()

    def __del__(self) -> None:
        self._shut()

    def _shut(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._dropped.detach()
            connection.raw.close()


class FileBackend(OneConnection):
    """A store in a file.

    Args:
        options: How the file is opened.
    """

    threaded = True

    def __init__(self, options: Options) -> None:
        super().__init__()
        self._options = options
        self._busy = options.busy
        self._identity = (0, 0)
        self._pid = os.getpid()
        self._inherited: list[SqliteConnection] = []

    @property
    def place(self) -> str:
        """See `Backend.place`."""
        return str(self._options.path)

    @property
    def key_file(self) -> Path | None:
        """See `Backend.key_file`."""
        return self._options.path.with_name(self._options.path.name + ".key")

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """See `OneConnection.transaction`."""
        self._after_fork()
        try:
            with super().transaction() as connection:
                yield connection
        except StoreError as exc:
            if is_unwritable(exc.__cause__):
                # SQLite opens a file that cannot be written for reading. The next use opens the file again.
                self.close()
            raise

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """See `SqlBackend.reading`."""
        self._after_fork()
        with super().reading() as connection:
            yield connection

    def close(self) -> None:
        """See `Backend.close`."""
        self._after_fork()
        super().close()

    def __del__(self) -> None:
        # In a forked child the connection is the parent's.
        if self._pid == os.getpid():
            super().__del__()

    def _after_fork(self) -> None:
        """Stop using the parent's connection in a forked child: https://www.sqlite.org/howtocorrupt.html, "Carrying an
        open database connection across a fork()". The connection is not closed, since closing works on the file."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        # A thread of the parent may have held the lock, and no thread of the child will give it back.
        self._lock = threading.Lock()
        if self._connection is not None:
            self._inherited.append(self._connection)
            self._connection = None

    def _open(self) -> SqliteConnection:
        opened = open_file(self._options)
        self._identity = opened.identity
        return opened.connection

    def _current(self) -> SqliteConnection:
        connection = super()._current()
        try:
            state = self._options.path.stat()
        except OSError:
            raise StoreError(
                f"the store {self.place} was moved or deleted while it was open: put the file back, or start the "
                "program again"
            ) from None
        if (state.st_dev, state.st_ino) != self._identity:
            raise StoreError(
                f"the store {self.place} was replaced by another file while it was open: start the program again"
            )
        return connection

    def _clear_journal(self, raw: sqlite3.Connection) -> None:
        if raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def check(self) -> list[str]:
        """See `Backend.check`."""
        found = [*super().check(), *files.loose_modes(self._options.path)]
        with self.reading():
            journal = self._current().raw.execute("PRAGMA journal_mode").fetchone()[0]
        if journal == "wal" and sound_journal(sqlite3.sqlite_version_info, network=self._options.network) != "wal":
            found.append(
                f"the store {self.place} has a write-ahead log, which SQLite {sqlite3.sqlite_version} can damage if "
                "several processes use it: use a Python with SQLite 3.51.3 or newer"
            )
        return found
