"""Reads the version of a database, decides which steps it needs, and carries them out.

The caller of `migrate` holds a lock that keeps other processes from migrating at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from mcptasks._core.exceptions import StoreVersionError
from mcptasks._store.sql.dialect import Connection
from mcptasks._store.sql.migrations import META, MIGRATIONS, Migration
from mcptasks._version import __version__


@frozen
class Found:
    """The version of a database, from its table `meta`."""

    version: int
    """0 for a database without tables."""
    reads_from: int = 0
    """The oldest version of the schema whose code can use these tables."""


def found_in(connection: Connection) -> Found:
    """Read the version of a database that has the table `meta`."""
    values = dict(connection.all("SELECT name, value FROM meta WHERE name IN ('version', 'reads_from')"))
    return Found(int(values.get("version", 0)), int(values.get("reads_from", 0)))


def pending(found: Found, place: str, *, may: bool, steps: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """The steps that a database needs. Pure.

    Args:
        found: The version of the database.
        place: The place of the database, for the error.
        may: Whether this process may migrate (`migrate="auto"`). A new database is always made.
        steps: All steps that there are.

    Raises:
        StoreVersionError: The database is newer than this package understands, or it is older and must not be migrated.
    """
    newest = steps[-1].version
    if found.version > newest and found.reads_from > newest:
        raise StoreVersionError(
            f"the store {place} has version {found.version}, and this mcptasks ({__version__}) understands version "
            f"{newest} at most: update mcptasks; the store was not touched",
            found=found.version,
            understood=newest,
        )
    missing = [step for step in steps if step.version > found.version]
    if missing and found.version and not may:
        raise StoreVersionError(
            f"the store {place} has version {found.version}, and this mcptasks ({__version__}) needs version {newest}: "
            'run `python -m mcptasks store migrate`, or use migrate="auto"; the store was not touched',
            found=found.version,
            understood=newest,
        )
    return missing


def migrate(connection: Connection, steps: Sequence[Migration]) -> None:
    """Carry out some steps, in the transaction that the caller has begun."""
    if not steps:
        return
    if steps[0].version == 1:
        connection.run(META)
    for step in steps:
        for statement in step.statements:
            connection.run(statement)
    last = steps[-1]
    for name, value in (
        ("version", str(last.version)),
        ("reads_from", str(last.reads_from)),
        ("made_by", f"mcptasks {__version__}"),
    ):
        write_meta(connection, name, value)


def read_meta(connection: Connection, name: str) -> str | None:
    """A value of the table `meta`."""
    found = connection.all("SELECT value FROM meta WHERE name = :name", {"name": name})
    return found[0][0] if found else None


def keep_meta(connection: Connection, name: str, value: str) -> str:
    """Set a value of the table `meta` unless it is set; returns the value that the table has then."""
    connection.run(
        "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING",
        {"name": name, "value": value},
    )
    found = read_meta(connection, name)
    assert found is not None, "it was written in this transaction"
    return found


def write_meta(connection: Connection, name: str, value: str) -> None:
    """Set a value of the table `meta`."""
    connection.run(
        "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        {"name": name, "value": value},
    )
