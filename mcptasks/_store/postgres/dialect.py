"""Translates the shared SQL into the form for PostgreSQL and psycopg."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import psycopg
from attrs import define, field

from mcptasks._store.postgres.session import Connection
from mcptasks._store.sql.dialect import NOTHING, Dialect, Values

_POSTGRESQL = Dialect(
    # `now()` would be the beginning of the transaction, and every lease that waits for a lock would be too short.
    now="EXTRACT(EPOCH FROM clock_timestamp())::double precision",
    # That clock continues after a restart, so there are no runs of it to distinguish.
    boot="''",
    margin="0",
    blob="bytea",
    float="double precision",
    # A row that another process is taking is left to that process.
    claim="FOR UPDATE OF t SKIP LOCKED",
)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")


@define
class Translator:
    """Statements of the shared SQL in the form for psycopg, each translated once."""

    _known: dict[str, bytes] = field(factory=dict[str, bytes], init=False)

    def __call__(self, statement: str) -> bytes:
        """One statement, with parameters as `%(name)s`."""
        found = self._known.get(statement)
        if found is None:
            text = _POSTGRESQL.text(statement).replace("%", "%%")
            found = self._known[statement] = _PARAMETER.sub(r"%(\1)s", text).encode()
        return found


@define
class Transaction:
    """A transaction on a connection of psycopg, for the shared SQL."""

    _connection: Connection
    _translated: Translator

    def run(self, statement: str, values: Values = NOTHING) -> int:
        """Carry out a statement; how many rows it changed."""
        return max(0, self._connection.execute(self._translated(statement), values).rowcount)

    def all(self, statement: str, values: Values = NOTHING) -> list[tuple[Any, ...]]:
        """Carry out a query; its rows."""
        return self._connection.execute(self._translated(statement), values).fetchall()

    def each(self, statement: str, values: Sequence[Values]) -> list[int]:
        """See `Connection.each`."""
        return [max(0, cursor.rowcount) for cursor in self._cursors(statement, values)]

    def all_each(self, statement: str, values: Sequence[Values]) -> list[list[tuple[Any, ...]]]:
        """See `Connection.all_each`."""
        return [cursor.fetchall() for cursor in self._cursors(statement, values)]

    def _cursors(self, statement: str, values: Sequence[Values]) -> list[psycopg.Cursor[tuple[Any, ...]]]:
        """Carry out a statement for each of several values, in one round trip if libpq is 14 or newer."""
        text, connection = self._translated(statement), self._connection
        together = len(values) > 1 and psycopg.Pipeline.is_supported()
        with connection.pipeline() if together else nullcontext():
            return [connection.execute(text, each) for each in values]

    def wiped(self) -> None:
        """Do nothing. Removed payloads stay in dead rows until VACUUM, and in the write-ahead log; a client cannot
        change that."""
