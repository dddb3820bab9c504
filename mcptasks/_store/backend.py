"""What every database behind a store can do. Backends are synchronous: a store calls them on a thread."""

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
"""The payload columns of a task that are read for themselves."""


class Listener(Protocol):
    """Hears that other processes have changed the store. Its methods do not block and need no thread."""

    def fileno(self) -> int:
        """The file descriptor that becomes readable, for `anyio.wait_readable`."""
        ...

    def heard(self) -> bool:
        """Whether there was anything since the last call. Raises `StoreError` if the connection is lost."""
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
        """Where the key for digests belongs; None if there is no folder for it, and it lies in the database."""
        ...

    def apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """Carry out a batch in one durable transaction: all of it, or nothing. Returns the answer to each write.

        A batch that fails because another process is in the way is repeated by the backend itself. `StoreError` says
        that nothing was written, unless `error.unknown` is True: then the connection broke during the commit.
        """
        ...

    def rows(self, query: Query) -> list[Row]:
        """The tasks that a query is after, newest first."""
        ...

    def find(self, which: str, *, limit: int = 2) -> list[Row]:
        """The tasks whose id begins so, or whose key or task id is that: an exact id or key before all others."""
        ...

    def find_task(self, endpoint: str | None, task_id: str) -> Row | None:
        """The task with that id at a server, the newest if there are several; None for no endpoint means any."""
        ...

    def questions(self, ids: Collection[str] | None = None, *, all_of_them: bool = False) -> list[Question]:
        """The questions that are not acknowledged, oldest first: of some tasks, or of every task if `ids` is None. With
        `all_of_them` also the acknowledged ones of those tasks."""
        ...

    def payload(self, task: str, column: Payload) -> bytes | None:
        """One payload of a task, or None if it is not kept."""
        ...

    def owners(self) -> list[Owner]:
        """The owners on record, also those whose lease has ended."""
        ...

    def runs(self, endpoint: str) -> list[LearnedRun]:
        """The runs that were learned of an endpoint, oldest first."""
        ...

    def era(self, endpoint: str, since: datetime | None = None) -> str | None:
        """Which protocol an endpoint spoke last; None also if that was not asked since a time."""
        ...

    def pending(self, consumer: str, *, limit: int) -> list[Pending]:
        """What a consumer was not told yet, oldest first, whoever tells this consumer; see `Next`."""
        ...

    def elsewhere(self, query: Query, owner: str) -> int:
        """How many tasks of a query another live owner holds."""
        ...

    def meta(self, name: str, value: str) -> str:
        """Set a value of the whole store, unless there is one already. Returns the one that stands."""
        ...

    def changes(self) -> object:
        """A mark that differs from an earlier one if anything was committed in between. Cheap; for waiting. Signs of
        life and lazy writes, for which nobody waits, may leave the mark as it was."""
        ...

    def listener(self) -> Listener | None:
        """Something that hears of commits of other processes; None if this backend has nothing of the kind, and the
        caller compares `changes()` from time to time."""
        ...

    def check(self) -> list[str]:
        """What is wrong with the database, one sentence each; empty if nothing is."""
        ...

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Write a consistent copy to a new file."""
        ...

    def close(self) -> None:
        """Close the connection. The next use opens it again."""
        ...
