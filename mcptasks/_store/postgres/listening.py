"""LISTEN on a connection of its own: commits of other processes make its socket readable.

A notification carries the name of the session that committed, and nothing about a task: all users of a database can
listen, and a notification holds less than 8,000 bytes (PostgreSQL's documentation, NOTIFY).
"""

from __future__ import annotations

import os
from hashlib import sha256

import psycopg
from attrs import define, field
from psycopg import sql

from mcptasks._core.exceptions import StoreError
from mcptasks._store.dropped import when_dropped
from mcptasks._store.postgres.address import Address
from mcptasks._store.postgres.failures import failure
from mcptasks._store.postgres.session import Connection, Session, connect
from mcptasks._store.sql.dialect import Connection as SqlConnection

HEARD_WITHIN = 2.0
"""Seconds within which a new listener must hear a test notification. A notification takes about a millisecond."""
_TEST = "test "


def channel(schema: str) -> str:
    """The channel of the stores in a schema. A digest stands for the schema, since a channel's name has at most 63
    bytes."""
    return f"mcptasks_{sha256(schema.encode()).hexdigest()[:16]}"


def notify(connection: SqlConnection, schema: str, payload: str) -> None:
    """Tell the listeners, once the transaction is committed."""
    connection.all("SELECT pg_notify(:channel, :payload)", {"channel": channel(schema), "payload": payload})


@define
class PostgresListener:
    """Hears of commits of other sessions. See `backend.Listener`."""

    _connection: Connection
    _address: Address
    _own: str
    """The name of this client's own session, whose notifications are ignored."""
    _pid: int = field(factory=os.getpid, init=False)

    def __attrs_post_init__(self) -> None:
        """Close the connection when the listener is dropped, as at the end of an event loop. A forked child leaves the
        parent's connection open."""
        when_dropped(self, self._connection.close)

    def __del__(self) -> None:
        """The same at the end of the program."""
        if self._pid == os.getpid():
            self._connection.close()

    def fileno(self) -> int:
        """The socket that becomes readable."""
        return self._connection.fileno()

    def heard(self) -> bool:
        """Whether another session has committed anything since the last call."""
        try:
            payloads = [notification.payload for notification in self._connection.notifies(timeout=0)]
        except psycopg.Error as error:
            met = failure(error, self._address, connected=False)
            raise StoreError(met.sentence) from error
        return any(payload != self._own and not payload.startswith(_TEST) for payload in payloads)

    def close(self) -> None:
        """Stop listening."""
        self._connection.close()


def listen(session: Session, schema: str) -> PostgresListener | None:
    """A listener that has been tested; None if notifications do not arrive, as behind PgBouncer.

    Raises:
        StoreError: The server cannot be reached.
    """
    address, test = session.address, f"{_TEST}{session.name}"
    try:
        connection = connect(address)
    except psycopg.Error as error:
        raise StoreError(failure(error, address, connected=False).sentence) from error
    listener = PostgresListener(connection, address, session.name)
    try:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel(schema))))
        # From the session's connection: PgBouncer may give both statements of one connection the same server.
        session.read(lambda other: other.execute("SELECT pg_notify(%s, %s)", [channel(schema), test]))
        heard = any(each.payload == test for each in connection.notifies(timeout=HEARD_WITHIN, stop_after=1))
    except psycopg.Error as error:
        listener.close()
        raise StoreError(failure(error, address, connected=False).sentence) from error
    except BaseException:
        listener.close()
        raise
    if not heard:
        listener.close()
        return None
    return listener
