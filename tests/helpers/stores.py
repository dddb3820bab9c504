"""Backends of a store for tests, by name, and short forms of the writes that most tests need."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from attrs import frozen

from mcptasks import StoreError
from mcptasks._async.store import access_of
from mcptasks._store.backend import Backend
from mcptasks._store.records import Owner, Row, new_id
from mcptasks._store.sqlite.backend import FileBackend
from mcptasks._store.sqlite.memory import MemoryBackend
from mcptasks._store.sqlite.opening import Journal, Options
from mcptasks._store.upkeep import Beat
from mcptasks._store.writes import Created, Held, Intend, Intended, Write
from mcptasks.store import Store

AnswerT = TypeVar("AnswerT")

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
ENDPOINT = "https://example.com/mcp"
LATER = timedelta(seconds=1)


def file_backend(path: Path, *, journal: Journal = "truncate", busy: float = 30.0) -> FileBackend:
    """A store in a file."""
    return FileBackend(Options(path=path, journal=journal, busy=busy))


@frozen
class Place:
    """A database that can be opened several times, as by several processes."""

    name: str
    open: Callable[[], Backend]


def _memory(_: Path) -> Place:
    # Always the same object, since a second memory backend would be another database.
    backend = MemoryBackend(time.monotonic)
    return Place("memory", lambda: backend)


def _file(journal: Journal) -> Callable[[Path], Place]:
    return lambda folder: Place(
        f"sqlite-{journal}", lambda: file_backend(folder / "store" / "tasks.db", journal=journal)
    )


MAKERS: Mapping[str, Callable[[Path], Place]] = {
    "memory": _memory,
    "sqlite-truncate": _file("truncate"),
    "sqlite-wal": _file("wal"),
}
"""The databases on which the conformance suite runs. Each gets a folder of its own."""


def do(backend: Backend, write: Write[AnswerT]) -> AnswerT:
    """Carry out one write."""
    answer: AnswerT = backend.apply([write])[0]
    return answer


def owner(name: str = "one", *, process: str = "1:1", scene: str = "") -> Owner:
    """An owner."""
    return Owner(owner=name, host="host", scene=scene, process=process)


def alive(backend: Backend, name: str = "one", lease: float = 30.0) -> str:
    """Begin an owner's lease, and return the owner's name. A lease of 0 seconds has already run out."""
    do(backend, Beat(owner=owner(name), lease=lease))
    return name


def intend(backend: Backend, by: str = "one", **fields: Any) -> Intended:
    """A call that is about to be sent."""
    values: dict[str, Any] = {"endpoint": ENDPOINT, "at": NOW, "kind": "tool", "name": "work", **fields}
    return do(backend, Intend(id=values.pop("id", new_id()), owner=by, **values))


def intended(backend: Backend, by: str = "one", **fields: Any) -> Held:
    """The lease on a new call."""
    held = intend(backend, by, **fields).held
    assert held is not None
    return held


def created(backend: Backend, by: str = "one", task_id: str = "t1", **fields: Any) -> Held:
    """The lease on a new task."""
    held = intended(backend, by, **fields)
    placed = do(backend, Created(held=held, spare=new_id(), task_id=task_id, at=NOW))
    assert placed.ours
    return placed.held


def row(backend: Backend, held: Held | str) -> Row:
    """The task as it is now."""
    (found,) = backend.find(held if isinstance(held, str) else held.id)
    return found


@contextmanager
def files_up_to(size: int) -> Generator[None]:
    """In the block no file of this process may grow beyond so many bytes, as under a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Outage:
    """Has a store refuse writes of some kinds, as one does whose database is down.

    Args:
        store: The store.
        kinds: The kinds of writes; all of them if none is named.
        answer_lost: Whether the first write is carried out, and its answer gets lost.
    """

    def __init__(self, store: Store, *kinds: type[Write[Any]], answer_lost: bool = False) -> None:
        self.refused = 0
        """How many transactions were refused."""
        self._answer_lost = answer_lost
        self._backend = cast("Any", access_of(store).backend)
        self._apply = self._backend.apply
        self._kinds = kinds or (Write,)
        self._backend.apply = self._refuse

    def _refuse(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """Refuse, or hand on."""
        if any(isinstance(write, self._kinds) for write in writes):
            self.refused += 1
            if lost := self._answer_lost:
                self._answer_lost = False
                self._apply(writes)
            raise StoreError("the database is down", unknown=lost)
        found: list[Any] = self._apply(writes)
        return found

    def over(self) -> None:
        """The store is back."""
        self._backend.apply = self._apply
