"""Finds the tables in their schema, and makes or migrates them under a lock of the database."""

from __future__ import annotations

from hashlib import sha256

from psycopg import sql

from mcptasks._core.exceptions import StoreError
from mcptasks._store.postgres.address import Address
from mcptasks._store.postgres.dialect import Transaction, Translator
from mcptasks._store.postgres.session import Connection
from mcptasks._store.sql.migrating import Found, found_in, migrate, pending

_MARK = (
    "CREATE TABLE IF NOT EXISTS mark (session TEXT PRIMARY KEY, number BIGINT NOT NULL, changes BIGINT NOT NULL, "
    "at TIMESTAMPTZ NOT NULL)"
)
"""One row for each session, with the number of its latest transaction; see `session.py`."""


def prepare(connection: Connection, address: Address, schema: str, *, may: bool) -> None:
    """Make the tables if there are none, and migrate them if they are old.

    Args:
        connection: A connection without a transaction.
        address: Where the database is, for errors.
        schema: The schema of the tables.
        may: Whether tables that exist may be migrated (`migrate="auto"`).

    Raises:
        StoreVersionError: The tables are of a newer version, or of an older version and must not be migrated.
        StoreError: The database does not store text as UTF-8.
    """
    encoding = connection.execute("SHOW server_encoding").fetchall()[0][0]
    if encoding != "UTF8":
        raise StoreError(
            f"the store on {address.shown}: the database has the encoding {encoding}, which cannot store all text; "
            "create one with the encoding UTF8"
        )
    place = f"on {address.shown}, schema {schema!r}"
    transaction = Transaction(connection, Translator())
    with connection.transaction():
        # Tables that are up to date are only read, so that the role needs no right to make tables.
        if not pending(_version(connection, schema), place, may=may):
            return
    with connection.transaction():
        # A lock of the transaction, not of the session: PgBouncer may give each transaction another session.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_number(schema)])
        steps = pending(_version(connection, schema), place, may=may)
        if not steps:
            return
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        migrate(transaction, steps)
        connection.execute(_MARK)


def _version(connection: Connection, schema: str) -> Found:
    """The version of the tables. Sets the search path of the transaction."""
    connection.execute("SELECT set_config('search_path', %s, true)", [sql.Identifier(schema).as_string()])
    # `to_regclass` answers from a cache that does not know yet what another process made while this one waited.
    there = connection.execute(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s "
        "AND c.relname = 'meta'",
        [schema],
    ).fetchall()
    if not there:
        return Found(0)
    # With the schema's name, so that a role without a right to the schema gets an error. A search path would skip it.
    connection.execute(sql.SQL("SELECT FROM {} LIMIT 0").format(sql.Identifier(schema, "meta")))
    return found_in(Transaction(connection, Translator()))


def _lock_number(schema: str) -> int:
    """The number of the lock: one for each schema, and none that another program is likely to use."""
    return int.from_bytes(sha256(f"mcptasks store {schema}".encode()).digest()[:8], "big", signed=True)
