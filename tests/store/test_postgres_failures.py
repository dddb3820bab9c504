"""What a store on PostgreSQL says if it cannot work: one sentence with what to do, and no password in it."""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from mcptasks import StoreError
from mcptasks._store.places import PlaceOptions, backend_of
from mcptasks._store.postgres.backend import PostgresBackend
from tests.helpers.source_tree import ROOT
from tests.store.postgres import PASSWORD, Postgres, PostgresServer

WRONG = "sentinel-of-a-wrong-password"
PATIENCE = 0.3
"""Seconds for which these tests try a server that cannot be reached."""
WITHIN = 60.0
"""Seconds within which a server has to have room again."""


def opened(dsn: str, schema: str, use: Callable[[PostgresBackend], object]) -> None:
    """Open a store and use it once."""
    with closing(PostgresBackend(dsn, schema=schema, patience=PATIENCE)) as backend:
        assert PASSWORD not in repr(backend)
        assert WRONG not in repr(backend)
        use(backend)


def refusal(
    dsn: str, schema: str = "mcptasks", use: Callable[[PostgresBackend], object] = PostgresBackend.owners
) -> str:
    """The sentence with which a store refuses; asserts that nothing of the error shows a password."""
    with pytest.raises(StoreError) as raised:
        opened(dsn, schema, use)
    everything = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
    assert PASSWORD not in everything
    assert WRONG not in everything
    assert not raised.value.unknown
    return str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://user:{WRONG}@host:port/database",
        f"postgresql://user:{WRONG}@@@[host/database?no_such_option=1",
        f"host=here password={WRONG} 'nothing",
        f"postgresql://user:{WRONG}/{WRONG}@host/database",
        f"postgresql://user:1234/{WRONG}@host/database",
        f"postgresql://user:{WRONG}@{WRONG}@host/database",
    ],
)
def test_an_address_that_cannot_be_read(address: str) -> None:
    """A text that is no connection string is refused with the form of one, before anything is connected."""
    assert "postgresql://USER@HOST" in refusal(address)


@pytest.mark.parametrize("schema", ["", "x" * 64, "ä" * 32, "a\0b"])
def test_a_schema_that_cannot_be_named(dsn: str, schema: str) -> None:
    """A schema's name that PostgreSQL would cut short or refuse is a ValueError."""
    with pytest.raises(ValueError, match="schema"):
        PostgresBackend(dsn, schema=schema)


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        (f"postgresql://u:{WRONG}@/database?host=/no/such/folder", "check that it runs"),
        (f"postgresql://u:{WRONG}@127.0.0.1:1/database", "check that it runs"),
        (f"postgresql://u:{WRONG}@127.0.0.1:1,127.0.0.1:2/database", "check that it runs"),
    ],
)
def test_a_server_that_is_not_there(address: str, advice: str) -> None:
    """A server that cannot be reached is named, with its address."""
    sentence = refusal(address)
    assert advice in sentence
    assert "database 'database'" in sentence


def test_a_wrong_password(postgres: Postgres) -> None:
    """A password that the server refuses is not repeated in the error."""
    assert "refuses the password" in refusal(postgres.dsn(password=WRONG))


def test_a_missing_database(postgres: Postgres) -> None:
    """A database that does not exist is named, with the way to make it."""
    sentence = refusal(postgres.dsn("no_such_database"))
    assert "createdb" in sentence
    assert "no_such_database" in sentence


def test_a_database_of_another_encoding(postgres: Postgres) -> None:
    """A database that cannot store all text is refused when the store is opened, not at the first such text."""
    postgres.run("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    assert "LATIN1" in refusal(postgres.dsn("latin"))


def test_tables_of_another_program(dsn: str) -> None:
    """A schema with another program's tables is refused and left as it was."""
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE task (number integer)")
    assert "another one with schema=" in refusal(dsn, "public")
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        assert found.fetchall() == [("task",)]


def test_a_schema_that_is_dropped(dsn: str) -> None:
    """A store whose tables vanish while it is open says so."""

    def use(backend: PostgresBackend) -> None:
        backend.owners()
        with psycopg.connect(dsn) as connection:
            connection.execute("DROP SCHEMA mcptasks CASCADE")
        backend.owners()

    assert "was the schema dropped?" in refusal(dsn, use=use)


def test_a_role_without_rights(postgres: Postgres, dsn: str) -> None:
    """A role that may not make tables learns which rights it needs. These rights are enough if the tables exist."""
    postgres.run(f"CREATE ROLE worker LOGIN PASSWORD '{WRONG}'")
    with psycopg.connect(dsn) as connection:
        worker = postgres.dsn(connection.info.dbname, "worker", WRONG)
    assert "grant CREATE" in refusal(worker)
    maker = PostgresBackend(dsn)
    maker.owners()
    maker.close()
    assert "grant CREATE" in refusal(worker)
    with psycopg.connect(dsn) as connection:
        connection.execute("GRANT USAGE ON SCHEMA mcptasks TO worker")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mcptasks TO worker")
    backend = PostgresBackend(worker, migrate=False)
    assert backend.apply([]) == []
    backend.close()


def test_a_statement_that_may_not_take_so_long(dsn: str) -> None:
    """A statement that the server ends for its length names the setting."""

    def use(backend: PostgresBackend) -> None:
        backend.owners()
        with psycopg.connect(dsn) as connection:
            connection.execute("LOCK TABLE mcptasks.owner")
            backend.owners()

    assert "statement_timeout" in refusal(f"{dsn}&options=-cstatement_timeout%3D50", use=use)


@pytest.fixture(scope="module")
def small() -> Iterator[PostgresServer]:
    """A server with few connections, which becomes a standby in the end."""
    with PostgresServer(None, "max_connections=6", "superuser_reserved_connections=1") as server:
        yield server


def connected(dsn: str) -> psycopg.Connection[Any]:
    """A connection, as soon as there is room: the server is done with a session a moment after its client."""
    limit = time.monotonic() + WITHIN
    while True:
        try:
            return psycopg.connect(dsn)
        except psycopg.OperationalError:
            assert time.monotonic() < limit
            time.sleep(0.02)


def test_a_server_without_a_free_connection(small: PostgresServer) -> None:
    """A full server is named as that; the store works as soon as a connection is free."""
    dsn = small.database()
    backend = PostgresBackend(dsn, patience=WITHIN)
    with ExitStack() as connections:
        for _ in range(6):
            connections.enter_context(connected(dsn))
        assert "no free connection slot" in refusal(dsn)
    assert backend.apply([]) == []
    backend.close()


def test_a_standby(small: PostgresServer) -> None:
    """A standby serves readers, and a write says that it needs the primary."""
    dsn = small.database()
    backend = PostgresBackend(dsn, patience=WITHIN)
    backend.apply([])
    small.become_standby()
    assert backend.owners() == []
    backend.close()
    assert "address of the primary" in refusal(dsn, use=lambda backend: backend.apply([]))
    assert "address of the primary" in refusal(dsn, schema="another")


def test_without_psycopg() -> None:
    """Without psycopg an address of PostgreSQL is refused with the command that installs it."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from mcptasks._store.places import PlaceOptions, backend_of\n"
        "from mcptasks import StoreError\n"
        "try: backend_of('postgresql://here/there', PlaceOptions())\n"
        "except StoreError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "pip install 'mcptasks[postgres]'" in run.stdout


def test_opening_connects_nothing() -> None:
    """A backend is made without a connection, so that a program starts while its database is down."""
    backend = backend_of("postgresql://127.0.0.1:1/database", PlaceOptions())
    assert backend.place == "PostgreSQL at 127.0.0.1:1, database 'database', schema 'mcptasks'"
    backend.close()
