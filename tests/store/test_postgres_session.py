"""Transactions over one connection to PostgreSQL: repeated after any loss, carried out once."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mcptasks import StoreError
from mcptasks._store.postgres import address
from mcptasks._store.postgres.session import Connection, Session
from tests.store.cutting import Cut, Relay
from tests.store.postgres import Postgres, PostgresServer

TABLES = """
CREATE SCHEMA IF NOT EXISTS s;
CREATE TABLE IF NOT EXISTS s.mark (session text PRIMARY KEY, number bigint NOT NULL, changes bigint NOT NULL,
    at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS s.line (words text NOT NULL);
"""
LONGEST = 40
"""More messages than a session needs for one transaction, connecting included."""


def session_of(dsn: str, patience: float = 20.0) -> Session:
    """A session whose connections need no preparation."""
    return Session(address.read(dsn), "s", lambda _: None, patience)


def insert(connection: Connection) -> str:
    """What a transaction of these tests does: two statements, with an answer that the transaction alone can give."""
    connection.execute("INSERT INTO s.line VALUES (%s)", ["one"])
    rows = connection.execute("INSERT INTO s.line VALUES ('two') RETURNING pg_current_xact_id()::text").fetchall()
    return str(rows[0][0])


def insert_words(connection: Connection, words: str) -> None:
    """Insert one line."""
    connection.execute("INSERT INTO s.line VALUES (%s)", [words])


def lines(dsn: str) -> list[tuple[Any, ...]]:
    """What the transactions left, and which transaction did."""
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT words, xmin::text FROM s.line ORDER BY words").fetchall()


@pytest.fixture
def tables(dsn: str) -> str:
    """A database with the tables of these tests."""
    with psycopg.connect(dsn) as connection:
        connection.execute(TABLES)
    return dsn


@pytest.fixture
def relay(postgres: Postgres) -> Iterator[Relay]:
    """A relay in front of the server."""
    with Relay(postgres.folder) as relay:
        yield relay


@pytest.mark.parametrize("kind", ["lost", "unanswered", "late"])
@pytest.mark.parametrize("warm", [False, True], ids=["new", "used"])
def test_a_transaction_is_carried_out_once(tables: str, relay: Relay, kind: Cut, warm: bool) -> None:
    """A transaction is carried out once, and answers what it did, wherever its connection is cut: at each message from
    the first one of connecting to COMMIT, whether the message or its answer gets lost, or the message comes late."""
    for number in range(1, LONGEST):
        session = session_of(relay.dsn(tables))
        if warm:
            session.read(lambda connection: connection.execute("SELECT 1"))
        relay.cut(number, kind)
        answer = session.write(insert)
        done = not relay.has_cut
        relay.cut(0, "lost")
        session.close()
        assert lines(tables) == [("one", answer), ("two", answer)], number
        with psycopg.connect(tables) as connection:
            connection.execute("TRUNCATE s.line")
        if done:
            break
    else:
        pytest.fail("every message was cut")
    assert number > (4 if warm else 6)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_terminated_session_is_made_again(tables: str, postgres: Postgres, after: int) -> None:
    """A transaction is carried out once if an administrator ends its session before any of its statements."""
    session, left = session_of(tables), [after]

    def work(connection: Connection) -> str:
        for number in range(3):
            if left and number == left[0]:
                left.clear()
                postgres.terminate(tables)
            connection.execute("INSERT INTO s.line VALUES (%s)", [str(number)])
        return "done"

    assert session.write(work) == "done"
    assert [words for words, _ in lines(tables)] == ["0", "1", "2"]
    session.close()


def test_an_error_of_the_work_leaves_nothing(tables: str) -> None:
    """A transaction whose work raises is taken back, and the session goes on."""
    session = session_of(tables)

    def work(connection: Connection) -> None:
        insert(connection)
        raise KeyError("a fault of the program")

    with pytest.raises(KeyError):
        session.write(work)
    session.write(insert)
    assert len(lines(tables)) == 2
    session.close()


@pytest.mark.parametrize("kind", ["lost", "unanswered"])
def test_a_commit_that_nobody_answers_is_unknown(tables: str, relay: Relay, kind: Cut) -> None:
    """An error says that the change may have been stored if the server is away for good after COMMIT was sent. It says
    nothing of that kind if the server was lost earlier."""
    session = session_of(relay.dsn(tables), patience=0.3)
    session.read(lambda connection: connection.execute("SELECT 1"))

    def work(connection: Connection) -> None:
        insert(connection)
        relay.cut(1, kind, for_good=True)

    with pytest.raises(StoreError, match="cannot be reached") as raised:
        session.write(work)
    assert raised.value.unknown
    with pytest.raises(StoreError) as raised:
        session.write(insert)
    assert not raised.value.unknown


def test_close_leaves_no_mark(tables: str) -> None:
    """Closing a session deletes its row and keeps the count of changes; the session can be used again. The rows of
    sessions that were not closed go after a day."""
    session, forgotten = session_of(tables), session_of(tables)
    forgotten.write(insert)
    with psycopg.connect(tables) as connection:
        connection.execute("UPDATE s.mark SET at = at - interval '25 hours'")
    for _ in range(2):
        session.write(insert)
        session.write(insert, changes=False)
        session.close()
    with psycopg.connect(tables) as connection:
        assert connection.execute("SELECT session, changes FROM s.mark").fetchall() == [("", 3)]
    forgotten.close()


def test_a_session_that_is_given_up_ends_its_connection(tables: str, postgres: Postgres) -> None:
    """A session that nobody has any more ends its connection, without a warning."""
    session = session_of(tables)
    session.write(insert)
    del session
    gc.collect()
    mine = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'mcptasks' AND datname = %s"
    limit = time.monotonic() + 60.0
    while postgres.run(mine, conninfo_to_dict(tables)["dbname"]):
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_forked_process_has_its_own_connection(tables: str) -> None:
    """A child that is forked, also while another thread uses the session, writes on a connection of its own, and the
    parent's goes on."""
    session, inside, go_on = session_of(tables), threading.Event(), threading.Event()

    def slow(connection: Connection) -> str:
        inside.set()
        assert go_on.wait(120)
        return insert(connection)

    thread = threading.Thread(target=session.write, args=(slow,))
    thread.start()
    assert inside.wait(120)
    if (child := os.fork()) == 0:
        try:
            session.write(insert)
            session.close()
        finally:
            # Also after a failure: this process must not run the rest of the tests.
            os._exit(0)
    os.waitpid(child, 0)
    assert len(lines(tables)) == 2
    go_on.set()
    thread.join()
    assert len(lines(tables)) == 4
    session.close()


@pytest.mark.parametrize("signal", ["INT", "QUIT"])
def test_ten_writers_survive_restarts(signal: str) -> None:
    """Ten writers lose and double nothing while the server is stopped in order or crashes, three times."""
    with PostgresServer() as server:
        dsn = server.database()
        with psycopg.connect(dsn) as connection:
            connection.execute(TABLES)
        written: list[str] = []
        stop = threading.Event()
        sessions = [session_of(dsn, patience=120.0) for _ in range(10)]

        def write(session: Session, writer: int) -> None:
            number = 0
            while not stop.is_set():
                words = f"{writer} {number}"
                session.write(partial(insert_words, words=words))
                written.append(words)
                number += 1
            session.close()

        threads = [threading.Thread(target=write, args=(session, index)) for index, session in enumerate(sessions)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = len(written)
            while len(written) < before + 200:
                assert any(thread.is_alive() for thread in threads)
                time.sleep(0.005)
            server.stop(signal)
            server.start()
        stop.set()
        for thread in threads:
            thread.join()
        assert sorted(words for words, _ in lines(dsn)) == sorted(written)
