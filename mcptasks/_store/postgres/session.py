"""One connection of a store: made when it is first needed, made again when it is lost, with transactions that repeat.

A transaction that failed before its COMMIT was sent has changed nothing, and is repeated. If the answer to the COMMIT
is lost, the client does not know whether the transaction was committed. Therefore each transaction of a session has a
number, and writes it to the session's row of the table `mark`. The repetition waits at that row for the end of the
first attempt, and does nothing if it finds its own number there. (`pg_xact_status` would not help: after a crash,
PostgreSQL may reuse the id of a transaction that was undone.)

The rows of `mark` also count the transactions that others may wait for.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import psycopg
from attrs import define, field
from psycopg import sql
from psycopg.pq import TransactionStatus

from mcptasks._core.exceptions import StoreError
from mcptasks._store.dropped import when_dropped
from mcptasks._store.postgres.address import Address
from mcptasks._store.postgres.failures import Remedy, failure

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

PATIENCE = 5.0
"""Seconds for which a transaction is tried while the server cannot be reached. A restart takes about a second. An owner
that waited for much longer would risk its lease (30 s, renewed every 10 s)."""
STUCK = 10.0
"""Seconds after which the server undoes a transaction whose process sends nothing. Usually statements follow one
another within milliseconds; a lease is 30 s."""
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Seconds before each repetition after a lost connection; the last pause stands before all further ones."""
_CONFLICTS = 20
"""How often a transaction is repeated because of conflicts with others. In each conflict another transaction succeeds,
so this many in a row mean a fault."""
_BEGIN = sql.SQL(
    # Settings of a whole session would reach other sessions behind PgBouncer, so each transaction has its own.
    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT set_config('search_path', {path}, true), "
    # A process that was stopped (SIGSTOP) within a transaction loses its connection and its locks, so that others can
    # take its tasks over. `lock_timeout` is longer than this, so the others wait long enough.
    "set_config('idle_in_transaction_session_timeout', {idle}, true), set_config('lock_timeout', {lock}, true), "
    # "off" would let a crash of the server take back what the store has reported as stored.
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END"
)
_NUMBERED = sql.SQL(
    "; INSERT INTO mark (session, number, changes, at) VALUES ({session}, {number}, {changes}, clock_timestamp()) "
    "ON CONFLICT (session) DO UPDATE SET number = excluded.number, changes = mark.changes + excluded.changes, "
    "at = excluded.at WHERE mark.number < excluded.number RETURNING number"
)
_FOLD = (
    # The row without a name gets the changes of deleted rows, so that the sum of all rows only grows.
    "WITH gone AS (DELETE FROM {mark} WHERE {which} RETURNING changes) "
    "INSERT INTO {mark} AS mark (session, number, changes, at) "
    "SELECT '', 0, sum(changes), 'infinity' FROM gone HAVING count(*) > 0 "
    "ON CONFLICT (session) DO UPDATE SET changes = mark.changes + excluded.changes"
)
_FOLD_ONE = sql.SQL(_FOLD.replace("{which}", "session = {session}"))
_FOLD_OLD = sql.SQL("; " + _FOLD.replace("{which}", "at < clock_timestamp() - interval '1 day'"))
"""Deletes the rows of sessions that were not closed. A session needs its row for seconds only, so a day is enough."""


@define
class _Attempts:
    """The attempts of one piece of work so far."""

    deadline: float
    lost: int = 0
    conflicts: int = 0

    def pause(self, remedy: Remedy) -> float | None:
        """Seconds until the next attempt; None if there is none."""
        if remedy is Remedy.REPEAT:
            self.conflicts += 1
            return 0.0 if self.conflicts <= _CONFLICTS else None
        if remedy is Remedy.NONE or (remedy is Remedy.RECONNECT_ONCE and self.lost > 0):
            return None
        pause = _PAUSES[min(self.lost, len(_PAUSES) - 1)]
        self.lost += 1
        return pause if time.monotonic() + pause < self.deadline else None


@define
class _Process:
    """The part of a session that belongs to one process: a connection must not cross a fork."""

    inherited: _Process | None
    """The part from before the fork. It is kept alive, since closing its connection would end the parent's session."""
    pid: int = field(factory=os.getpid)
    name: str = field(factory=lambda: secrets.token_hex(8))
    """The name of the session in the table `mark`."""
    number: int = 0
    """The number of the latest transaction."""
    connection: Connection | None = None
    lock: threading.RLock = field(factory=threading.RLock)

    def end(self) -> None:
        """Close the connection, if there is one."""
        if self.connection is not None:
            self.connection.close()


@define
class Session:
    """The connection of one store. Threads take turns.

    Args:
        address: Where the server is.
        schema: The schema of the tables.
        prepare: Called with each new connection before its first use.
        patience: For how many seconds to try a server that cannot be reached.
        stuck: For how many seconds a transaction may send nothing before the server ends its session.
    """

    address: Address
    schema: str
    prepare: Callable[[Connection], None]
    patience: float = PATIENCE
    stuck: float = STUCK
    _process: _Process = field(factory=lambda: _Process(None), init=False)

    def __attrs_post_init__(self) -> None:
        """Close the connection when the session is dropped. A program need not close a store, and psycopg would
        warn."""
        when_dropped(self, self._process.end)

    def __del__(self) -> None:
        """The same at the end of the program."""
        if self._process.pid == os.getpid():
            self._process.end()

    @property
    def name(self) -> str:
        """The unique name of this session."""
        return self._mine().name

    def read(self, work: Callable[[Connection], T]) -> T:
        """Call a function that only reads; each of its statements sees what was committed when the statement began.

        Raises:
            StoreError: The server cannot be reached, or reports an error.
        """

        def run(connection: Connection) -> T:
            connection.execute(self._begin_reading())
            answer = work(connection)
            connection.execute("COMMIT")
            return answer

        return self._persist(run, unknown=lambda: False)

    def write(self, work: Callable[[Connection], T], *, changes: bool = True) -> T:
        """Call a function that writes, in one transaction: all of it, or nothing. The function may run several times.

        Args:
            work: The function.
            changes: Whether others may wait for these writes, so that the transaction counts among the `changes`.

        Raises:
            StoreError: Nothing was written, unless `unknown` is True.
        """
        process = self._mine()
        with process.lock:
            process.number += 1
            begin = self._begin(process, changes)
            transaction = _Transaction(begin, work)
            return self._persist(transaction.run, unknown=lambda: transaction.unanswered)

    def close(self) -> None:
        """Close the connection if there is one. The next use makes a new one."""
        process = self._mine()
        with process.lock:
            if process.connection is not None and process.number:
                self._forget(process, process.connection)
            self._drop(process)

    def _begin_reading(self) -> sql.Composed:
        path = sql.Identifier(self.schema).as_string()
        idle, lock = f"{self.stuck * 1000:.0f}", f"{self.stuck * 1500:.0f}"  # milliseconds
        return _BEGIN.format(path=sql.Literal(path), idle=sql.Literal(idle), lock=sql.Literal(lock))

    def _begin(self, process: _Process, changes: bool) -> sql.Composed:
        begin = self._begin_reading()
        if process.number == 1:
            begin += _FOLD_OLD.format(mark=sql.Identifier("mark"))
        return begin + _NUMBERED.format(
            session=sql.Literal(process.name), number=sql.Literal(process.number), changes=sql.Literal(int(changes))
        )

    def _persist(self, work: Callable[[Connection], T], *, unknown: Callable[[], bool]) -> T:
        """Call a function with the connection, and repeat it as long as a repetition may help."""
        process = self._mine()
        attempts = _Attempts(time.monotonic() + self.patience)
        with process.lock:
            while True:
                try:
                    return work(self._connected(process))
                except psycopg.Error as error:
                    connected = process.connection is not None and not process.connection.closed
                    met = failure(error, self.address, connected=connected)
                    if met.remedy is not Remedy.REPEAT and not met.refused:
                        self._drop(process)
                    pause = attempts.pause(met.remedy)
                    if pause is None:
                        raise StoreError(met.sentence, unknown=unknown(), refused=met.refused) from error
                except BaseException:
                    # An error of the work itself must leave no transaction open.
                    self._drop(process)
                    raise
                time.sleep(pause)

    def _connected(self, process: _Process) -> Connection:
        connection = process.connection
        if connection is not None and connection.info.transaction_status is TransactionStatus.IDLE:
            return connection
        self._drop(process)
        process.connection = connection = connect(self.address)
        self.prepare(connection)
        return connection

    def _mine(self) -> _Process:
        if self._process.pid != os.getpid():
            self._process = _Process(self._process)
            when_dropped(self, self._process.end)
        return self._process

    def _forget(self, process: _Process, connection: Connection) -> None:
        """Delete the session's row, which is no longer needed, and take a new name."""
        mark = sql.Identifier(self.schema, "mark")
        try:
            connection.execute(_FOLD_ONE.format(mark=mark, session=sql.Literal(process.name)))
        except psycopg.Error:
            return  # A later session deletes the row (`_FOLD_OLD`).
        # A COMMIT that arrives late must not look like a later transaction.
        process.name, process.number = secrets.token_hex(8), 0

    def _drop(self, process: _Process) -> None:
        connection, process.connection = process.connection, None
        if connection is not None:
            connection.close()


class _Transaction(Generic[T]):
    """One transaction and its repetitions, of which exactly one is committed."""

    def __init__(self, begin: sql.Composed, work: Callable[[Connection], T]) -> None:
        self._begin = begin
        self._work = work
        self._answers: list[T] = []
        self.unanswered = False
        """Whether a COMMIT was sent whose answer did not come."""

    def run(self, connection: Connection) -> T:
        """Begin, work, commit; or return the answer of an earlier attempt that was committed after all."""
        try:
            if not self._begun(connection):
                connection.execute("ROLLBACK")
                return self._answers[-1]
            self.unanswered = False
            answer = self._work(connection)
            self._answers.append(answer)
            self._commit(connection)
        except psycopg.Error:
            if not connection.closed:
                connection.execute("ROLLBACK")
            raise
        return answer

    def _begun(self, connection: Connection) -> bool:
        """Begin. Returns False if an earlier attempt was committed, so that there is nothing to do."""
        cursor = connection.execute(self._begin)
        while cursor.nextset():
            pass
        return cursor.fetchone() is not None

    def _commit(self, connection: Connection) -> None:
        self.unanswered = True
        try:
            connection.execute("COMMIT")
        except psycopg.Error:
            self.unanswered = connection.closed
            raise
        self.unanswered = False


def connect(address: Address) -> Connection:
    """A new connection, outside of any transaction."""
    # Prepared statements and settings of a session break behind a PgBouncer in transaction mode.
    return psycopg.connect(address.conninfo(), autocommit=True, prepare_threshold=None)
