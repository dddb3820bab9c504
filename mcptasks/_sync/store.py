# Generated from mcptasks/_async/store.py by `nox -s generate`. Do not edit: change the source and run that again.
"""`Store`, with the methods that programs call. Clients write to a store through `mcptasks._store.session`."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from mcptasks._async.store import Store as AsyncStore
from mcptasks._core.iterators import BlockingResults
from mcptasks._portal.facade import Backend, StoreFacade, blocking
from mcptasks._store.codec import Codec
from mcptasks._store.records import Keep, Phase, TaskEvent, TaskRecord

if TYPE_CHECKING:
    from mcptasks._core.models import TaskReference


class Store(StoreFacade):
    """Keeps the tasks of clients, so that no task is lost if a program dies.

    ```python
    with Client("https://example.com/mcp", store=Store()) as client:
        client.call_tool("slow_computation", {"duration": 10}, task=True)

    for record in Store().tasks(phase="created"):
        print(record.name, record.status, record.created_at)
    ```

    One store may serve many clients, threads and event loops. The first use opens the database, which needs no closing.
    Credentials and headers are not stored; `keep` says which payloads are.

    Args:
        target: A path (SQLite), a `postgresql://` URL (needs the extra `postgres`), or None for the user's own file,
            `~/.local/state/mcptasks/tasks.db` (`$XDG_STATE_HOME` is respected). ":memory:" for `Store.memory()`.
        keep: Which payloads stay in the store. By default (`Keep()`) arguments and results are not kept, and answers
            only until the server has acknowledged them.
        codec: Encrypts payloads, for example a `FernetCodec`. Every process of the store needs the same codec.
        lease: How long a client holds its tasks without a sign of life, in seconds or as a `timedelta`. After that,
            another process may take the tasks. A client sends three signs of life in each lease. Use the same lease in
            all processes.
        owner: A name for the clients of this process, which records show; by default the machine's name.
        migrate: "auto" brings an older store up to date; "check" raises `StoreVersionError` for an older store.
        network: Whether the file may lie on a network file system. The locks of such file systems are not reliable.
        schema: The schema in PostgreSQL.
        backend: The event loop of the background thread: "asyncio", "uvloop" (where it is installed) or "trio".

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument has an invalid value.
        StoreError: The package for the database is not installed.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | None = None,
        *,
        keep: Keep | None = None,
        codec: Codec | None = None,
        lease: float | timedelta = 30.0,
        owner: str | None = None,
        migrate: Literal["auto", "check"] = "auto",
        network: bool = False,
        schema: str = "mcptasks",
        backend: Backend = "asyncio",
    ) -> None:
        super().__init__(backend)
        self._inner = AsyncStore(
            target, keep=keep, codec=codec, lease=lease, owner=owner, migrate=migrate, network=network, schema=schema
        )

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def place(self) -> str:
        """Where the store is: the path of its file, or the database without credentials."""
        return self._inner.place

    @blocking
    def tasks(
        self,
        *,
        endpoint: str | None = None,
        phase: Phase | Collection[Phase] | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        since: datetime | None = None,
        limit: int = 1000,
        after: str | None = None,
    ) -> list[TaskRecord]:
        """Return the tasks in the store, newest first.

        Args:
            endpoint: Only tasks of this server, written as in `TaskRecord.endpoint`.
            phase: Only tasks in this phase, or in one of several.
            name: Only tasks of this tool, prompt or resource.
            labels: Only tasks that have all of these labels.
            since: Only tasks that were recorded at this time or later; a time without a zone is local.
            limit: How many tasks to return at most.
            after: The `id` of the last record on the previous page.

        Raises:
            StoreError: The store cannot be read.
            TypeError: An argument is of a wrong type.
            ValueError: There is no such phase, or `limit` is not positive.
        """
        return self._call(
            lambda: self._inner.tasks(
                endpoint=endpoint, phase=phase, name=name, labels=labels, since=since, limit=limit, after=after
            ),
        )

    @blocking
    def get(self, which: str | TaskReference) -> TaskRecord:
        """Return one task, with all questions that the store knows of it.

        Args:
            which: The record's `id` or a unique beginning of that, the task's id at its server, the call's key, or a
                reference.

        Raises:
            LookupError: The store has no such task, or several.
            StoreError: The store cannot be read.
            TypeError: `which` is neither a string nor a reference.
        """
        return self._call(lambda: self._inner.get(which))

    @blocking
    def result(self, which: str | TaskReference, *, as_type: Any = None) -> Any:
        """Return the result that the store kept (`Keep(results=True)`), as `Task.result` returns it.

        Args:
            which: The task; see `get`.
            as_type: The type against which the tool's value is validated; see `Client.call_tool`.

        Raises:
            LookupError: The store has no such task, or several.
            StoreError: The store did not keep the result, or cannot be read.
            TaskStateError: The task is not over.
            TaskFailedError: The work failed.
            ToolError: The tool reports an error.
            TaskProtocolError: The result does not match the request, or `as_type`.
        """
        return self._call(lambda: self._inner.result(which, as_type=as_type))

    @blocking
    def settle(self, which: str | TaskReference, reference: TaskReference | None) -> None:
        """Record what became of an uncertain call, after somebody has found out at the server.

        Args:
            which: The call; see `get`.
            reference: The task that the call created, which can be recovered from now on; None if the call had no
                effect.

        Raises:
            LookupError: The store has no such call, or several.
            TaskStateError: The call is not uncertain.
            TypeError: `reference` is neither a reference nor None.
            ValueError: The reference belongs to another server, or another record already has the task.
            StoreError: The store cannot be written.
        """
        self._call(lambda: self._inner.settle(which, reference))

    @blocking
    def forget(self, *which: str | TaskReference) -> int:
        """Delete records, and return how many. Tasks go on at their servers; a call that is being made stays.

        Args:
            which: The tasks; see `get`.

        Raises:
            LookupError: The store has no such task, or several; nothing is deleted then.
            StoreError: The store cannot be written.
        """
        return self._call(lambda: self._inner.forget(*which))

    @blocking
    def purge(
        self,
        older_than: float | timedelta,
        *,
        phase: Phase | Collection[Phase] = ("over", "immediate", "forgotten", "refused"),
    ) -> int:
        """Delete the records that have not changed for a given time, and return how many.

        Args:
            older_than: The time without a change, in seconds or as a `timedelta`.
            phase: Only records in this phase, or in one of several; by default those in which nothing is left to do.

        Raises:
            TypeError: `older_than` is not a duration.
            ValueError: `older_than` is negative or not finite, or there is no such phase.
            StoreError: The store cannot be written.
        """
        return self._call(lambda: self._inner.purge(older_than, phase=phase))

    @blocking
    def check(self) -> list[str]:
        """Examine the store, and return a sentence for each problem: damage, files that others can read, and clients
        that have died and left tasks.

        Raises:
            StoreError: The store cannot be opened.
            StoreVersionError: The store has another version.
        """
        return self._call(self._inner.check)

    @blocking
    def backup(self, path: str | os.PathLike[str]) -> None:
        """Write a consistent copy of the store to a new file, without the key of the digests, while clients go on.

        Args:
            path: The new file.

        Raises:
            StoreError: The file exists or cannot be written, or the store is in PostgreSQL, which has its own backups.
        """
        self._call(lambda: self._inner.backup(path))

    @blocking
    def release_dead(self) -> int:
        """Free the tasks of clients of this machine whose processes are gone, and return how many clients these are.

        Raises:
            StoreError: The store cannot be read or written.
        """
        return self._call(self._inner.release_dead)

    @blocking
    def finished(self, *, consumer: str, wait: bool = True) -> BlockingResults[TaskEvent]:
        """Iterate over the events of all tasks in the store (ends, failures and questions), and wait for more.

        Each consumer gets each event once, even after a restart. A program confirms an event by asking for the next
        one; an event that was not confirmed when the program died comes again. If several processes iterate for one
        consumer, one of them gets the events, and another takes its place when it ends.

        Args:
            consumer: A name of your own for the reader of the events.
            wait: False to end the iteration after the events that there are now.

        Raises:
            TypeError: `consumer` is not a string.
            ValueError: `consumer` is empty.
            StoreError: The store cannot be read or written; a later step may succeed.
        """
        return self._iterate(lambda: self._inner.finished(consumer=consumer, wait=wait))

    @blocking
    def close(self) -> None:
        """Close the connection to the database; the next use opens it again. Not needed at the end of a program."""
        self._call(self._inner.close)
