"""The parts of a backend that do not depend on the database: the function for each write, and the reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar

from mcptasks._core.exceptions import StoreError
from mcptasks._store.backend import Payload
from mcptasks._store.deliveries import Next, Pending, Told
from mcptasks._store.records import LearnedRun, Owner, Query, Question, Row
from mcptasks._store.sql import calls, migrating, reading, tasks, telling, upkeep
from mcptasks._store.sql.dialect import Connection
from mcptasks._store.sql.values import indexed, micros
from mcptasks._store.upkeep import Beat, Claim, EraKnown, Forget, Learned, Purge, Release, Retire, Settle
from mcptasks._store.writes import (
    Acknowledged,
    Adopt,
    Asked,
    CancelAsked,
    Created,
    Decide,
    Forgotten,
    Immediate,
    Intend,
    Over,
    Refused,
    Retry,
    StatusSeen,
    Uncertain,
    Write,
)

T = TypeVar("T")

TOGETHER: Mapping[type[Write[Any]], Callable[[Connection, Any], list[Any]]] = {
    Intend: calls.intend,
    Created: calls.created,
    Immediate: calls.immediate,
    Refused: calls.refused,
    Uncertain: calls.uncertain,
    StatusSeen: tasks.status_seen,
    Over: tasks.over,
    Forgotten: tasks.forgotten,
    CancelAsked: tasks.cancel_asked,
    Asked: tasks.asked,
    Decide: tasks.decide,
    Acknowledged: tasks.acknowledged,
    Learned: upkeep.learned,
}
"""The functions for the kinds of writes that are carried out many at once. Each of these writes is about one task, or
about none."""
ALONE: Mapping[type[Write[Any]], Callable[[Connection, Any], Any]] = {
    Retry: calls.retry,
    Adopt: calls.adopt,
    Beat: upkeep.beat,
    Retire: upkeep.retire,
    Claim: upkeep.claim,
    Release: upkeep.release,
    Settle: upkeep.settle,
    Forget: upkeep.forget,
    Purge: upkeep.purge,
    EraKnown: upkeep.era_known,
    Next: telling.next_,
    Told: telling.told,
}
"""The functions for the other kinds."""
_APART = (EraKnown,)
"""Writes that are carried out alone and touch no task, so that their place in the order does not matter."""


def groups(writes: Sequence[Write[Any]]) -> Iterator[list[int]]:
    """The indexes of the writes in a batch, in the order in which they are carried out: writes of one kind together if
    that changes no result. Two writes about one task stay in their order. Pure."""
    waiting: dict[type[Write[Any]], list[int]] = {}
    kinds: dict[str, type[Write[Any]]] = {}
    for place, write in enumerate(writes):
        kind = type(write)
        task = _task(write) if kind in TOGETHER else ""
        if (kind not in TOGETHER and kind not in _APART) or kinds.get(task, kind) is not kind:
            yield from waiting.values()
            waiting, kinds = {}, {}
        if kind not in TOGETHER:
            yield [place]
            continue
        waiting.setdefault(kind, []).append(place)
        kinds[task] = kind
    yield from waiting.values()


def _task(write: Any) -> str:
    """The id of the record that a write is about; for a write about none, a name that no record has."""
    if isinstance(write, Learned):
        return "learned"
    name: str = write.id if isinstance(write, Intend) else write.held.id
    return name


def carry_out(connection: Connection, writes: Sequence[Write[Any]]) -> list[Any]:
    """Carry out a batch; the answer to each write.

    Raises:
        StoreError: A write holds a value that no database can hold (`refused` is True).
    """
    answers: list[Any] = [None] * len(writes)
    try:
        for places in groups(writes):
            kind = type(writes[places[0]])
            if kind in TOGETHER:
                found = TOGETHER[kind](connection, [writes[place] for place in places])
            else:
                found = [ALONE[kind](connection, writes[place]) for place in places]
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer
    except (ArithmeticError, TypeError, ValueError) as exc:
        raise StoreError(f"the store cannot hold a value: {type(exc).__name__}: {exc}"[:300], refused=True) from exc
    return answers


class SqlBackend(ABC):
    """The common base of the backends. A subclass says how to write in a transaction, and how to read."""

    @abstractmethod
    def write(self, work: Callable[[Connection], T]) -> T:
        """Call a function in a transaction, which is committed durably, or undone if the function raises. Threads take
        turns. If the connection is lost, the function may be called again, in a new transaction."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for one statement that reads, or for several that need not see the same state."""

    def apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """See `Backend.apply`."""
        return self.write(lambda connection: carry_out(connection, writes))

    def rows(self, query: Query) -> list[Row]:
        """See `Backend.rows`."""
        with self.reading() as connection:
            return reading.rows(connection, query)

    def find(self, which: str, *, limit: int = 2) -> list[Row]:
        """See `Backend.find`."""
        with self.reading() as connection:
            return reading.find(connection, which, limit=limit)

    def find_task(self, endpoint: str | None, task_id: str) -> Row | None:
        """See `Backend.find_task`."""
        where = "t.task_id = :task_id" if endpoint is None else "t.task_id = :task_id AND t.endpoint = :endpoint"
        with self.reading() as connection:
            return reading.one(connection, where, {"task_id": indexed(task_id), "endpoint": indexed(endpoint)})

    def questions(self, ids: Collection[str] | None = None, *, all_of_them: bool = False) -> list[Question]:
        """See `Backend.questions`."""
        with self.reading() as connection:
            if ids is None:
                return reading.open_questions(connection)
            return reading.questions(connection, ids, all_of_them=all_of_them)

    def payload(self, task: str, column: Payload) -> bytes | None:
        """See `Backend.payload`."""
        with self.reading() as connection:
            found = connection.all(f"SELECT {column} FROM task WHERE id = :id", {"id": task})
        return bytes(found[0][0]) if found and found[0][0] is not None else None

    def owners(self) -> list[Owner]:
        """See `Backend.owners`."""
        with self.reading() as connection:
            return reading.owners(connection)

    def runs(self, endpoint: str) -> list[LearnedRun]:
        """See `Backend.runs`."""
        with self.reading() as connection:
            return reading.runs(connection, endpoint)

    def era(self, endpoint: str, since: datetime | None = None) -> str | None:
        """See `Backend.era`."""
        which = {"it": indexed(endpoint), "since": -1 if since is None else micros(since)}
        with self.reading() as connection:
            found = connection.all("SELECT era FROM endpoint WHERE endpoint = :it AND at > :since", which)
        return found[0][0] if found else None

    def meta(self, name: str, value: str) -> str:
        """See `Backend.meta`."""
        with self.reading() as connection:
            found = migrating.read_meta(connection, name)
        if found is not None:
            return found
        return self.write(lambda connection: migrating.keep_meta(connection, name, value))

    def pending(self, consumer: str, *, limit: int) -> list[Pending]:
        """See `Backend.pending`."""
        with self.reading() as connection:
            return telling.pending(connection, consumer, limit)

    def elsewhere(self, query: Query, owner: str) -> int:
        """See `Backend.elsewhere`."""
        with self.reading() as connection:
            return reading.held_elsewhere(connection, query, owner)
