"""The interface of the databases behind a store. Backends are synchronous: a store calls them on a thread."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from mcptasks._store.deliveries import Pending
from mcptasks._store.records import LearnedRun, Owner, Query, Question, Row
from mcptasks._store.writes import Write

Payload = Literal["arguments", "result"]
"""The payload columns of a task that are read one at a time."""


class Listener(Protocol):
    """Hears that other processes have changed the store. Its methods do not block and need no thread."""

    def fileno(self) -> int:
        """The file descriptor that becomes readable, for `anyio.wait_readable`."""
        ...

    def heard(self) -> bool:
        """Whether another process has committed since the last call. Raises `StoreError` if the connection is lost."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Backend(Protocol):
    """A database with the tables of a store.

    A backend opens its database when it is first used, and again in a process that was forked. Its methods may be
    called from any thread, also from several at once. Every method raises `StoreError` if the database cannot be
    reached or is damaged, and `StoreVersionError` if the database has another version than this package understands.
    """

    @property
    def threaded(self) -> bool:
        """Whether calls may block and belong on a thread."""
        ...

    @property
    def place(self) -> str:
        """Where the database is, for people; without credentials."""
        ...

    @property
    def key_file(self) -> Path | None:
        """The file for the key of digests; None if the key lies in the database."""
        ...

    def apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """Carry out a batch in one durable transaction: all of it, or nothing. Returns the answer to each write.

        The backend itself repeats a batch that fails because another process is in the way. `StoreError` means that
        nothing was written, unless `error.unknown` is True: then the connection broke during the commit.
        """
        ...

    def rows(self, query: Query) -> list[Row]:
        """The tasks that match a query, newest first."""
        ...

    def find(self, which: str, *, limit: int = 2) -> list[Row]:
        """The tasks whose record id, key or task id is `which`; if there are none, those whose record id begins with
        it."""
        ...

    def find_task(self, endpoint: str | None, task_id: str) -> Row | None:
        """The newest record of a task, by its id at the server. `endpoint` None means any server."""
        ...

    def questions(self, ids: Collection[str] | None = None, *, all_of_them: bool = False) -> list[Question]:
        """The questions without an acknowledged answer, oldest first: of some tasks, or of all tasks if `ids` is None.
        `all_of_them` adds the acknowledged questions of those tasks."""
        ...

    def payload(self, task: str, column: Payload) -> bytes | None:
        """One payload of a task, or None if it is not kept."""
        ...

    def owners(self) -> list[Owner]:
        """The owners on record, including those whose lease has ended."""
        ...

    def runs(self, endpoint: str) -> list[LearnedRun]:
        """The runs that were learned of an endpoint, oldest first."""
        ...

    def era(self, endpoint: str, since: datetime | None = None) -> str | None:
        """Which protocol an endpoint spoke last; None if that is not known, or was last recorded before `since`."""
        ...

    def pending(self, consumer: str, *, limit: int) -> list[Pending]:
        """The events that a consumer was not told yet, oldest first. Unlike `Next`, it does not reserve the
        consumer."""
        ...

    def elsewhere(self, query: Query, owner: str) -> int:
        """How many tasks of a query another live owner holds."""
        ...

    def meta(self, name: str, value: str) -> str:
        """Set a value of the whole store unless it is set already. Returns the value that the store has then."""
        ...

    def changes(self) -> object:
        """A mark that differs from an earlier mark if anything was committed in between. Cheap; for waiting. Signs of
        life and lazy writes, for which nobody waits, may leave the mark unchanged."""
        ...

    def listener(self) -> Listener | None:
        """A listener for commits of other processes; None if the backend has none. The caller then compares `changes()`
        from time to time."""
        ...

    def check(self) -> list[str]:
        """The faults of the database, one sentence each; empty if there are none."""
        ...

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Write a consistent copy to a new file."""
        ...

    def close(self) -> None:
        """Close the connection. The next use opens it again."""
        ...
