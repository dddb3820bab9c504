"""A quick read of the tasks in a file: for a shell that completes task ids while somebody types, and for `mcptasks
list`.

A person notices how long the import of an event loop takes. So this module reads the file without an event loop, and
without the classes that write. It makes no file, migrates none, and waits for a lock for at most 0.05 s.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import quote

from mcptasks._store.sql.values import read_text, read_text_or_none
from mcptasks._store.sqlite import files
from mcptasks._store.sqlite.connection import APPLICATION_ID

if TYPE_CHECKING:
    from mcptasks._store.records import Phase, TaskRecord

_PATIENCE = 0.05
"""Seconds to wait for a process that has locked the file. A longer wait would be felt at the keyboard."""
_NEWEST = (
    "SELECT id, endpoint, kind, name, labels, phase, status, error IS NOT NULL "
    "FROM (SELECT id, endpoint, kind, name, labels, phase, status, error, created_at FROM task "
    "ORDER BY created_at DESC, id DESC LIMIT ?) "
    "WHERE substr(id, 1, length(?)) = ? ORDER BY created_at DESC, id DESC LIMIT ?"
)
"""Looks at a limited number of rows, however long the table is, and at none of their payloads."""


class Glance(NamedTuple):
    """The fields of a task that a glance reads; their names are those of `TaskRecord`."""

    id: str
    endpoint: str
    kind: str | None
    name: str | None
    labels: Mapping[str, str]
    phase: str
    """The phase in the row: a call whose owner has died is still "intended"."""
    status: str | None
    has_error: bool


def newest(
    target: str | os.PathLike[str] | None, *, among: int, prefix: str = "", limit: int | None = None
) -> list[Glance]:
    """Return the newest tasks of a store in a file, the newest first.

    The list is empty if there is no such file, if it is no store of a version with these columns, or if the file is
    locked: a completion offers nothing then, and says nothing.

    Args:
        target: The path; None for the user's own file.
        among: How many tasks to search, the newest ones.
        prefix: Only tasks whose ids begin with this.
        limit: How many tasks at most; None for all that are found.
    """
    path = _readable(target)
    if path is None:
        return []
    try:
        with closing(_connect(path)) as raw:
            if raw.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return []
            found = raw.execute(_NEWEST, (among, prefix, prefix, among if limit is None else limit)).fetchall()
    except (sqlite3.Error, UnicodeError):
        return []
    return [
        Glance(
            id=task,
            endpoint=read_text(endpoint),
            kind=kind,
            name=read_text_or_none(name),
            labels=cast("Mapping[str, str]", json.loads(labels)),
            phase=phase,
            status=status,
            has_error=bool(has_error),
        )
        for task, endpoint, kind, name, labels, phase, status, has_error in found
    ]


def tasks(
    target: str | os.PathLike[str] | None,
    *,
    phases: Collection[Phase] | None = None,
    name: str | None = None,
    labels: Mapping[str, str],
    since: datetime | None = None,
    limit: int,
) -> list[TaskRecord] | None:
    """Return what `Store.tasks` returns; None if only an open store can tell.

    Only an open store can tell if there is no such file, or if the file is locked, damaged, encrypted, or of another
    version.

    Args:
        target: The path; None for the user's own file.
        phases: Only tasks in these phases.
        name: Only tasks of this tool, prompt or resource.
        labels: Only tasks that have all of these labels.
        since: Only tasks that were recorded at this time or later.
        limit: How many tasks at most.
    """
    from mcptasks._core.exceptions import StoreError
    from mcptasks._store.payloads import Payloads
    from mcptasks._store.recording import task_records
    from mcptasks._store.records import Keep, Query
    from mcptasks._store.sql import migrating, reading
    from mcptasks._store.sql.migrations import NEWEST
    from mcptasks._store.sqlite.clock import lease_clock
    from mcptasks._store.sqlite.connection import SqliteConnection

    path = _readable(target)
    if path is None:
        return None
    payloads = Payloads(Keep(), None)
    query = Query(
        phases=None if phases is None else frozenset(phases), name=name, labels=labels, since=since, limit=limit
    )
    try:
        with closing(_connect(path)) as raw:
            connection = SqliteConnection(raw, lease_clock(shared=False))
            if raw.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return None
            if migrating.found_in(connection).version != NEWEST:
                return None
            if migrating.read_meta(connection, "codec") != payloads.marker():
                return None
            rows = reading.rows(connection, query)
            questions = reading.open_questions(connection) if rows else []
        return task_records(rows, questions, payloads, datetime.now(UTC))
    except (sqlite3.Error, StoreError, ArithmeticError, TypeError, ValueError):
        return None  # The caller then opens a store, whose error says what is wrong.


def _readable(target: str | os.PathLike[str] | None) -> Path | None:
    """The path of a store's file, if there is one on this machine; None for the address of a database."""
    if isinstance(target, str) and "://" in target:
        return None
    path = files.default_place() if target is None else Path(os.path.abspath(os.fspath(target)))  # noqa: PTH100
    # SQLite waits for the locks of a network file system as long as the network does.
    return path if path.is_file() and files.network_file_system(path) is None else None


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_PATIENCE)
