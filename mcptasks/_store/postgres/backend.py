"""A store in a PostgreSQL database, which many processes on many machines share."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define

from mcptasks._core.exceptions import StoreError
from mcptasks._store.backend import Listener
from mcptasks._store.deliveries import Next, Told
from mcptasks._store.postgres.address import read
from mcptasks._store.postgres.dialect import Transaction, Translator
from mcptasks._store.postgres.listening import listen, notify
from mcptasks._store.postgres.session import PATIENCE, Connection, Session
from mcptasks._store.postgres.tables import prepare
from mcptasks._store.sql.backend import SqlBackend, T, carry_out
from mcptasks._store.sql.dialect import NOTHING, Values
from mcptasks._store.sql.dialect import Connection as SqlConnection
from mcptasks._store.upkeep import Beat
from mcptasks._store.writes import Write

_SILENT = (Beat, Next, Told)
"""Writes for which no other process waits. Nobody waits for lazy writes either."""
_DEAF = 600.0
"""Seconds until the client tries again to listen, after notifications did not arrive. Each attempt takes 2 seconds."""
_SCHEMA_BYTES = 63
"""The longest name that PostgreSQL keeps whole."""


class PostgresBackend(SqlBackend):
    """A store in a PostgreSQL database. See `backend.Backend`.

    Args:
        target: A connection string of libpq: `postgresql://...` or `host=... dbname=...`.
        schema: The schema of the tables; made if it does not exist.
        migrate: Whether tables of an older version are migrated; if not, opening such a store raises an error.
        patience: For how many seconds to try a server that cannot be reached.
    """

    def __init__(
        self, target: str, *, schema: str = "mcptasks", migrate: bool = True, patience: float = PATIENCE
    ) -> None:
        if not schema or "\0" in schema or len(schema.encode()) > _SCHEMA_BYTES:
            raise ValueError(f"schema must have 1 to {_SCHEMA_BYTES} bytes; got {schema!r}")
        self._address = read(target)
        self._schema = schema
        self._may_migrate = migrate
        self._translated = Translator()
        self._session = Session(self._address, schema, self._prepare, patience)
        self._prepared = False
        self._deaf_until = -math.inf

    def __repr__(self) -> str:
        return f"PostgresBackend({self.place})"

    @property
    def threaded(self) -> bool:
        """Calls wait for a server."""
        return True

    @property
    def place(self) -> str:
        """Where the database is."""
        return f"{self._address.shown}, schema {self._schema!r}"

    @property
    def key_file(self) -> Path | None:
        """None: processes on many machines share the key, so the key lies in the database."""
        return None

    def write(self, work: Callable[[SqlConnection], T]) -> T:
        """See `SqlBackend.write`."""
        return self._session.write(lambda connection: work(Transaction(connection, self._translated)))

    def apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """See `Backend.apply`. Listeners hear of the commit if another process may wait for one of the writes."""
        loud = any(not write.lazy and not isinstance(write, _SILENT) for write in writes)

        def work(connection: Connection) -> list[Any]:
            transaction = Transaction(connection, self._translated)
            answers = carry_out(transaction, writes)
            if loud:
                notify(transaction, self._schema, self._session.name)
            return answers

        return self._session.write(work, changes=loud)

    @contextmanager
    def reading(self) -> Generator[_Reading]:
        """A connection whose statements are read, and repeated, each for itself."""
        yield _Reading(self._session, self._translated)

    def changes(self) -> object:
        """See `Backend.changes`: the number of transactions that others may wait for."""
        with self.reading() as connection:
            return connection.all("SELECT CAST(COALESCE(sum(changes), 0) AS bigint) FROM mark")[0][0]

    def listener(self) -> Listener | None:
        """LISTEN; None if notifications do not arrive, as behind PgBouncer in transaction mode."""
        if time.monotonic() < self._deaf_until:
            return None
        listener = listen(self._session, self._schema)
        if listener is None:
            self._deaf_until = time.monotonic() + _DEAF
        return listener

    def check(self) -> list[str]:
        """See `Backend.check`. A damaged table is found when it is read."""
        with self.reading() as connection:
            settings = connection.all(
                "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'"
            )
        return [
            f"the store on {self.place}: the server's setting {name} is off, so that a power failure damages the "
            f"database; set {name} = on in postgresql.conf"
            for (name,) in settings
        ]

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Raises `StoreError`: PostgreSQL has its own tools for that."""
        raise StoreError(
            "a store on PostgreSQL is saved with PostgreSQL's own tools: "
            f"pg_dump --schema={self._schema} --file={os.fspath(path)}"
        )

    def close(self) -> None:
        """Close the connection. The next use opens it again."""
        self._session.close()

    def _prepare(self, connection: Connection) -> None:
        if not self._prepared:
            prepare(connection, self._address, self._schema, may=self._may_migrate)
            self._prepared = True


@define
class _Reading:
    """Statements that read, each repeated by itself if the connection is lost."""

    _session: Session
    _translated: Translator

    def run(self, statement: str, values: Values = NOTHING) -> int:
        """Carry out a statement that reads."""
        return len(self.all(statement, values))

    def all(self, statement: str, values: Values = NOTHING) -> list[tuple[Any, ...]]:
        """Carry out a query; its rows."""
        return self._session.read(lambda connection: Transaction(connection, self._translated).all(statement, values))

    def each(self, statement: str, values: Sequence[Values]) -> list[int]:
        """Carry out a statement that reads for each of several values."""
        return [self.run(statement, each) for each in values]

    def all_each(self, statement: str, values: Sequence[Values]) -> list[list[tuple[Any, ...]]]:
        """Carry out a query for each of several values; the rows of each."""
        return [self.all(statement, each) for each in values]

    def wiped(self) -> None:
        """Reads remove nothing."""
