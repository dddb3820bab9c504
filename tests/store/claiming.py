"""A process that works on the tasks of a store on PostgreSQL, and kills itself at a chosen statement.

Started as `python claiming.py DSN LOG STATEMENTS`, in a fork of a process that has imported everything. It dies at the
statement with that number, before the statement is carried out if the number is odd, and after that if it is even. 0
lets the process live. What it would tell servers and people goes into the log, one line each.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

import psycopg

from mcptasks._store.postgres.backend import PostgresBackend
from mcptasks._store.records import Owner, Query, new_id
from mcptasks._store.upkeep import Beat, Claim, Claimed
from mcptasks._store.writes import Acknowledged, Asked, Decide, Over
from tests.helpers.stores import ENDPOINT, do
from tests.helpers.warm import Running, Warm

LEASE = 1.0
"""Seconds until the tasks of a process that was killed are free."""
AT_ONCE = 5
"""Tasks of one claim."""


def dying(function: Callable[..., Any], statements: int) -> Callable[..., Any]:
    """The function, which kills the process in its call with that number."""
    count = 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == statements and statements % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **options)
        if count == statements:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return counted


def finish(backend: PostgresBackend, claimed: Claimed, log: FileIO) -> None:
    """Answer the question of a task and see its end."""
    held, at = claimed.held, datetime.now(UTC)
    if not do(backend, Asked(held=held, key="question", at=at, request=b"{}")):
        return
    decision = do(backend, Decide(held=held, key="question", at=at, answer=f"{held.owner} {held.fence}".encode()))
    if decision is None:
        return
    if decision.answer is not None:
        log.write(f"sent {held.id} {decision.answer.decode()}\n".encode())
    do(backend, Acknowledged(held=held, key="question", at=at, keep=True))
    if do(backend, Over(held=held, at=at, status="completed", keep=True)):
        log.write(f"over {held.id}\n".encode())


def main(dsn: str, log: str, statements: int) -> None:
    """Work until no task is left."""
    psycopg.Connection.execute = dying(psycopg.Connection.execute, statements)  # type: ignore[method-assign]
    name = new_id()
    backend = PostgresBackend(dsn)
    # One write of a few bytes to a file that is open for appending is whole, or not there.
    with Path(log).open("ab", buffering=0) as file:
        while True:
            do(backend, Beat(owner=Owner(owner=name, host="here", scene="", process=""), lease=LEASE))
            taken = do(backend, Claim(owner=name, endpoint=ENDPOINT, at=datetime.now(UTC), limit=AT_ONCE))
            for claimed in taken:
                finish(backend, claimed, file)
            if not taken:
                if not backend.rows(Query(phases=frozenset({"created"}))):
                    break
                time.sleep(0.05)  # others are at work on what is left, or are dead
    backend.close()


def start(warm: Warm, dsn: str, log: Path, statements: int) -> Running:
    """Begin such a process."""
    return warm.run_file(__file__, dsn, str(log), str(statements))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
