"""Makes and opens the file of a store. A file that is no store is refused, and not touched.

The header of the file is read before SQLite sees it (https://www.sqlite.org/fileformat2.html#the_database_header):
opening alone can write to a file, if a journal lies beside it.
"""

from __future__ import annotations

import sqlite3
import struct
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import quote

from attrs import frozen

from mcptasks._core.exceptions import StoreError
from mcptasks._store.sql import migrating
from mcptasks._store.sql.migrations import NEWEST
from mcptasks._store.sqlite import files
from mcptasks._store.sqlite.clock import lease_clock
from mcptasks._store.sqlite.connection import APPLICATION_ID, SqliteConnection, in_our_words

Journal: TypeAlias = Literal["wal", "truncate"]

_OLDEST = (3, 34, 0)
"""The oldest SQLite that this package's SQL works with: the version in RHEL 9."""
_SOUND_WAL = (3, 51, 3)
"""Before this version, two connections that checkpoint and write at the same instant can damage a file in WAL mode:
https://www.sqlite.org/wal.html#walresetbug. Version 3.52.0 has the bug too, and was withdrawn."""
_WITHDRAWN = (3, 52, 0)
_MAGIC = b"SQLite format 3\x00"


@frozen(kw_only=True)
class Options:
    """How a file is opened."""

    path: Path
    migrate: bool = True
    """Whether this process may bring an older store up to date."""
    network: bool = False
    """Whether the file may lie on a network file system."""
    busy: float = 30.0
    """Seconds to wait for the lock of another process."""
    journal: Journal | None = None
    """The journal of a new file; None for the best one without known bugs."""


@frozen
class Opened:
    """An open file."""

    connection: SqliteConnection
    identity: tuple[int, int]
    """The device and inode, to notice that the file was replaced."""


def sound_journal(version: tuple[int, ...], *, network: bool) -> Journal:
    """The best journal for a new file, by SQLite's version. Pure."""
    sound = version >= _SOUND_WAL and version != _WITHDRAWN
    return "wal" if sound and not network else "truncate"


def open_file(options: Options) -> Opened:
    """Open a store, and make it if there is none.

    Raises:
        StoreError: The file is no store, is damaged, or cannot be opened here.
        StoreVersionError: The file has another version.
    """
    path = options.path
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StoreError(f"a store needs SQLite 3.34 or newer, and this Python has {sqlite3.sqlite_version}")
    kind = files.network_file_system(path)
    if kind is not None and not options.network:
        raise StoreError(
            f"the store {path} lies on a network file system ({kind}), whose locks cannot be relied on: use a "
            "local file, or PostgreSQL for several machines; network=True takes the risk"
        )
    is_new = files.make_file(path) or _is_empty(path)
    if not is_new:
        check_header(path)
    # A file that others reach over a network counts time by the clock that all machines have.
    clock = lease_clock(shared=kind is not None)
    with in_our_words(str(path), options.busy):
        raw = connect(f"file:{quote(str(path))}?mode=rw", options.busy)
        try:
            connection = SqliteConnection(raw, clock)
            prepare(connection, options, network=kind is not None)
        except BaseException:
            raw.close()
            raise
    state = path.stat()
    return Opened(connection, (state.st_dev, state.st_ino))


def connect(target: str, busy: float) -> sqlite3.Connection:
    """A connection that begins transactions only when told to, and that any thread may use."""
    return sqlite3.connect(target, uri=True, timeout=busy, isolation_level=None, check_same_thread=False)


def set_up(connection: SqliteConnection) -> None:
    """The settings that belong to a connection, not to a file."""
    for setting in ("foreign_keys = ON", "secure_delete = ON", "synchronous = FULL", "mmap_size = 0"):
        connection.raw.execute(f"PRAGMA {setting}")


def prepare(connection: SqliteConnection, options: Options, *, network: bool) -> None:
    """Bring a file up to date, in one transaction, and choose its journal.

    Raises:
        StoreVersionError: The file has another version.
    """
    raw, place = connection.raw, str(options.path)
    set_up(connection)
    in_wal = raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    if not in_wal:
        raw.execute("PRAGMA journal_mode = TRUNCATE")
    if migrating.pending(_found(connection, place), place, may=options.migrate):
        raw.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been faster.
            found = _found(connection, place)
            migrating.migrate(connection, migrating.pending(found, place, may=options.migrate))
            raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            raw.execute(f"PRAGMA user_version = {NEWEST}")
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        journal = options.journal or sound_journal(sqlite3.sqlite_version_info, network=network)
        if found.version == 0 and journal == "wal":
            # Another process that has just opened the file can prevent this; the other journal serves as well.
            with suppress(sqlite3.OperationalError):
                raw.execute("PRAGMA journal_mode = WAL")


def _found(connection: SqliteConnection, place: str) -> migrating.Found:
    tables = {name for (name,) in connection.all("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return migrating.Found(0)
    if "meta" not in tables:
        raise _no_store(place, "it has the tables of another program")
    return migrating.found_in(connection)


def _is_empty(path: Path) -> bool:
    """Whether a file was made and nothing was ever written to it."""
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def check_header(path: Path) -> None:
    """Check the header of a file that exists, without opening it as a database.

    Raises:
        StoreError: The file is no store of mcptasks, or its end is missing.
    """
    try:
        if path.is_dir():
            raise StoreError(f"the store {path} is a folder: name a file in it")
        with path.open("rb") as file:
            header = file.read(100)
        size = path.stat().st_size
    except OSError as exc:
        raise StoreError(
            f"the store {path} cannot be read: {exc.strerror or type(exc).__name__}; see the modes of the file and of "
            "its folder"
        ) from exc
    if len(header) < 100 or not header.startswith(_MAGIC):
        why = "it holds nothing but zeros" if not header.strip(b"\x00") else "it is no SQLite database"
        raise _no_store(str(path), why)
    (application,) = struct.unpack(">I", header[68:72])
    if application != APPLICATION_ID:
        raise _no_store(str(path), "it is the SQLite database of another program")
    (page,) = struct.unpack(">H", header[16:18])
    (pages,) = struct.unpack(">I", header[28:32])
    # The number of pages counts only if the version that wrote it is the one that last changed the file.
    counts = header[24:28] == header[92:96]
    if counts and size < pages * (65536 if page == 1 else page) and not _has_journal(path):
        raise StoreError(f"the store {path} is damaged, since its end is missing: put a backup in its place")


def _has_journal(path: Path) -> bool:
    """Whether a journal lies beside the file, from which SQLite will repair or complete the file."""
    beside = (path.with_name(path.name + suffix) for suffix in ("-journal", "-wal"))
    return any(each.exists() and each.stat().st_size for each in beside)


def _no_store(place: str, why: str) -> StoreError:
    return StoreError(f"{place} is no store of mcptasks: {why}; name another file. It was not touched")
