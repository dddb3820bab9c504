"""`Store`, with the methods that programs call. Clients write to a store through `mcptasks._store.session`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, cast

from mcptasks._core.exceptions import StoreError, TaskFailedError, TaskStateError
from mcptasks._core.iterators import Results
from mcptasks._core.public_names import Named
from mcptasks._store import places, scene
from mcptasks._store.access import Access
from mcptasks._store.codec import Codec
from mcptasks._store.finished import Finished
from mcptasks._store.lease import Lease
from mcptasks._store.payloads import Payloads
from mcptasks._store.recording import task_records
from mcptasks._store.records import OPEN, PHASES, Keep, Phase, Query, Row, TaskEvent, TaskRecord, new_id
from mcptasks._store.upkeep import Forget, Purge, Settle

if TYPE_CHECKING:
    # Only for type checkers: `models` imports pydantic, and a command that lists tasks must not wait for that.
    from mcptasks._core.models import TaskReference

_MEMORY = ":memory:"
_SHORTEST_LEASE = 0.3
"""Fewest seconds of a lease. A shorter one would be renewed more than ten times a second, so it raises an error."""


class Store(Named):
    """Keeps the tasks of clients, so that no task is lost if a program dies.

    ```python
    async with Client("https://example.com/mcp", store=Store()) as client:
        await client.call_tool("slow_computation", {"duration": 10}, task=True)

    for record in await Store().tasks(phase="created"):
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
    ) -> None:
        if not isinstance(cast("object", keep), Keep | None):
            raise TypeError(f"keep must be a mcptasks.store.Keep or None, not {type(keep).__name__}")
        if migrate not in ("auto", "check"):
            raise ValueError(f'migrate must be "auto" or "check"; got {migrate!r:.40}')
        options = places.PlaceOptions(migrate=migrate, network=network, schema=schema)
        backend = places.memory() if target == _MEMORY else places.backend_of(target, options)
        self._access = Access(
            backend, Payloads(keep or Keep(), codec), Lease(_seconds(lease, "lease", least=_SHORTEST_LEASE)), owner
        )

    @classmethod
    def memory(
        cls,
        *,
        keep: Keep | None = None,
        codec: Codec | None = None,
        lease: float | timedelta = 30.0,
        owner: str | None = None,
    ) -> Self:
        """Make a store that ends with the process, for tests. It uses no thread, so it works on a virtual clock."""
        return cls(_MEMORY, keep=keep, codec=codec, lease=lease, owner=owner)

    def __repr__(self) -> str:
        return f"<Store {self.place}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a store cannot be pickled; make one in each process")

    @property
    def place(self) -> str:
        """Where the store is: the path of its file, or the database without credentials."""
        return self._access.backend.place

    async def tasks(
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
        if isinstance(cast("object", limit), bool) or not isinstance(cast("object", limit), int) or limit < 1:
            raise ValueError(f"limit must be a positive number of tasks; got {limit!r:.40}")
        query = Query(
            endpoint=endpoint,
            phases=None if phase is None else _phases(phase),
            name=name,
            labels=_labels(labels),
            since=None if since is None else since.astimezone(UTC),
            limit=limit,
            after=after,
        )
        return await self._access.tasks(query)

    async def get(self, which: str | TaskReference) -> TaskRecord:
        """Return one task, with all questions that the store knows of it.

        Args:
            which: The record's `id` or a unique beginning of that, the task's id at its server, the call's key, or a
                reference.

        Raises:
            LookupError: The store has no such task, or several.
            StoreError: The store cannot be read.
            TypeError: `which` is neither a string nor a reference.
        """
        return (await self._records([await self._find(which)], all_questions=True))[0]

    async def result(self, which: str | TaskReference, *, as_type: Any = None) -> Any:
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
        row = await self._find(which)
        sealed = await self._access.read(lambda backend: backend.payload(row.id, "result"))
        record = (await self._records([row]))[0]
        if sealed is not None:
            return _decoded(self._access.payloads.read_result(row.id, sealed), record, as_type)
        if record.phase in OPEN:
            raise TaskStateError(f"the task is not over: its phase is {record.phase!r}", reference=record.reference)
        if record.error is not None:
            raise TaskFailedError(record.error, reference=record.reference)
        raise StoreError(
            "the store has not kept the result: give Keep(results=True) to the store of the client that waits for it",
            reference=record.reference,
        )

    async def settle(self, which: str | TaskReference, reference: TaskReference | None) -> None:
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
        row = await self._find(which)
        if reference is not None:
            from mcptasks._core.models import TaskReference, checked

            if not isinstance(cast("object", reference), TaskReference):
                raise TypeError("reference must be a TaskReference, or None for a call without effect")
            reference = checked(reference)
            if reference.endpoint is not None and row.endpoint and reference.endpoint != row.endpoint:
                raise ValueError(f"the reference is of {reference.endpoint}, and the call went to {row.endpoint}")
        write = Settle(
            id=row.id,
            at=datetime.now(UTC),
            task_id=None if reference is None else reference.task_id,
            kind=None if reference is None else reference.kind,
            name=None if reference is None else reference.name,
            era=None if reference is None else reference.era,
            expires_at=None if reference is None else reference.expires_at,
        )
        (answer,) = await self._access.apply([write])
        if answer == "certain":
            raise TaskStateError(f"there is no doubt about the call: its phase is {row.phase!r}", reference=reference)
        if answer == "taken":
            raise ValueError("another record has that task already: settle the call with None, or forget that record")

    async def forget(self, *which: str | TaskReference) -> int:
        """Delete records, and return how many. Tasks go on at their servers; a call that is being made stays.

        Args:
            which: The tasks; see `get`.

        Raises:
            LookupError: The store has no such task, or several; nothing is deleted then.
            StoreError: The store cannot be written.
        """
        ids = tuple([(await self._find(each)).id for each in which])
        return await self._count(Forget(ids))

    async def purge(
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
        age = _seconds(older_than, "older_than", least=0.0)
        try:
            before = datetime.now(UTC) - timedelta(seconds=age)
        except OverflowError:
            return 0
        return await self._count(Purge(before=before, phases=_phases(phase)))

    async def check(self) -> list[str]:
        """Examine the store, and return a sentence for each problem: damage, files that others can read, and clients
        that have died and left tasks.

        Raises:
            StoreError: The store cannot be opened.
            StoreVersionError: The store has another version.
        """
        found = await self._access.read(lambda backend: backend.check())
        owners = await self._access.read(lambda backend: backend.owners())
        rows = await self._access.read(lambda backend: backend.rows(Query(phases=OPEN, limit=None)))
        holders = {row.owner for row in rows}
        return found + [
            f"the client {each.owner} on {each.host} has given no sign of life for longer than its lease: its tasks "
            "are free, and recover() or claims() takes them"
            for each in owners
            if each.lease_left <= 0 and each.owner in holders
        ]

    async def backup(self, path: str | os.PathLike[str]) -> None:
        """Write a consistent copy of the store to a new file, without the key of the digests, while clients go on.

        Args:
            path: The new file.

        Raises:
            StoreError: The file exists or cannot be written, or the store is in PostgreSQL, which has its own backups.
        """
        await self._access.read(lambda backend: backend.backup(path))

    async def release_dead(self) -> int:
        """Free the tasks of clients of this machine whose processes are gone, and return how many clients these are.

        Raises:
            StoreError: The store cannot be read or written.
        """
        return len(await self._access.bury(scene.new_owner(None, new_id())))

    def finished(self, *, consumer: str, wait: bool = True) -> Results[TaskEvent]:
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
        if not isinstance(cast("object", consumer), str):
            raise TypeError(f"consumer must be a string, not {type(consumer).__name__}")
        if not consumer:
            raise ValueError("consumer must not be empty")
        return Finished(self._access, consumer, wait=wait)

    async def close(self) -> None:
        """Close the connection to the database; the next use opens it again. Not needed at the end of a program."""
        await self._access.close()

    async def _count(self, write: Forget | Purge) -> int:
        (count,) = await self._access.apply([write])
        return cast("int", count)

    async def _find(self, which: str | TaskReference) -> Row:
        """Return the one row that `which` names; see `get` for the errors."""
        if isinstance(which, str):
            if not which:
                raise ValueError("the name of a task must not be empty")
            found = await self._access.read(lambda backend: backend.find(which))
            if len(found) > 1:
                raise LookupError(f"the store has several tasks that {which[:80]!r} may mean: use the id of one")
        else:
            task_id, endpoint = getattr(which, "task_id", None), getattr(which, "endpoint", None)
            if not isinstance(task_id, str):
                raise TypeError(f"a task is named by a string or a TaskReference, not by a {type(which).__name__}")
            row = await self._access.read(lambda backend: backend.find_task(endpoint, task_id))
            found = [] if row is None else [row]
        if not found:
            named = which if isinstance(which, str) else which.task_id
            raise LookupError(f"the store {self.place} has no task {named[:80]!r}")
        return found[0]

    async def _records(self, rows: list[Row], *, all_questions: bool = False) -> list[TaskRecord]:
        ids = {row.id for row in rows} if all_questions else None
        questions = await self._access.read(lambda backend: backend.questions(ids, all_of_them=all_questions))
        return task_records(rows, questions, self._access.payloads, datetime.now(UTC))


access_of: Callable[[Store], Access] = attrgetter("_access")
"""Returns the part of a store that its clients work with."""


def _decoded(raw: Any, record: TaskRecord, as_type: Any) -> Any:
    """Return a result as `Task.result` does."""
    from mcptasks._core.events import Finished as Outcome
    from mcptasks._core.outcome import Decoding, decode

    return decode(Outcome(raw), Decoding(kind=record.kind, as_type=as_type), record.reference)


def _seconds(value: object, name: str, *, least: float) -> float:
    """Return a duration in seconds. `argument_checks` does the same, but imports pydantic."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError(f"{name} must be a number of seconds or a timedelta; got {value!r:.80}")
    if not math.isfinite(number) or number < least:
        raise ValueError(f"{name} must be a finite number of seconds, {least:g} or more; got {value!r:.80}")
    return float(number)


def _phases(phase: Phase | Collection[Phase]) -> frozenset[Phase]:
    found = frozenset({phase} if isinstance(phase, str) else phase)
    unknown = sorted(map(str, found - set(PHASES)))
    if unknown:
        raise ValueError(f"phase must be one or several of {', '.join(PHASES)}; got {unknown[0][:40]!r}")
    return cast("frozenset[Phase]", found)


def _labels(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    found: Mapping[Any, Any] = {} if labels is None else labels
    if not isinstance(cast("object", found), Mapping) or not all(isinstance(e, str) for p in found.items() for e in p):
        raise TypeError("labels must be a mapping whose names and values are strings")
    return dict(found)
