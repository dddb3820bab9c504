"""The PostgreSQL of the tests leaves nothing behind, on each installation that is there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.helpers.source_tree import ROOT
from tests.store.postgres import Postgres, PostgresServer, installations

WITHIN = 30.0
"""Seconds until a server has to be gone. It takes 0.1 s on an idle machine."""
INSTALLATIONS = installations()
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.store.postgres import PostgresServer
print(PostgresServer(Path(sys.argv[1])).folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=INSTALLATIONS, ids=lambda folder: folder.parent.name)
def programs(request: pytest.FixtureRequest) -> Path:
    """Each folder of programs in turn."""
    folder: Path = request.param
    return folder


def test_a_server_ends_with_a_process_that_is_killed(programs: Path) -> None:
    """A server ends and its data are removed if SIGKILL ends the process that started the server."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED, programs], capture_output=True, text=True, cwd=ROOT, check=False, timeout=100
    )
    assert run.returncode == -9, run.stderr
    limit = time.monotonic() + WITHIN
    while Path(run.stdout.strip()).exists():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.parametrize("signal", ["INT", "QUIT"])
def test_a_server_keeps_its_data_over_a_restart(programs: Path, signal: str) -> None:
    """What was committed is there after a server was stopped in order or crashed, and was started again."""
    with PostgresServer(programs) as server:
        dsn = server.database()
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE kept (number integer)")
        server.stop(signal)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn)
        server.start()
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT * FROM kept").fetchall() == []
    assert not server.folder.exists()


def test_an_emptied_database_is_like_a_new_one(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test left in a database is not there for the next test, and a database that is lent is nobody else's."""
    monkeypatch.setattr(postgres, "_free", tmp_path)  # so that no other process takes the database
    schemas = "SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_'"
    with postgres.lent() as used:
        with psycopg.connect(used) as connection:
            connection.execute("CREATE SCHEMA left_behind CREATE TABLE one (number integer)")
            connection.execute("CREATE TABLE public.two (number integer)")
        with postgres.lent() as new:
            assert new != used
            with psycopg.connect(new) as connection:
                expected = sorted(connection.execute(schemas).fetchall())
    (tmp_path / str(conninfo_to_dict(new)["dbname"])).unlink()
    limit = time.monotonic() + WITHIN
    while (again := postgres._given_back()) is None:  # The server ends a session a moment after the client.
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert again == used
    (tmp_path / str(conninfo_to_dict(used)["dbname"])).touch()
    with postgres.lent() as again, psycopg.connect(again) as connection:
        assert again == used
        assert sorted(connection.execute(schemas).fetchall()) == expected
