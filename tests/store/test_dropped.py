"""A store, a session or a listener that nobody has any more closes its connection before that one can warn."""

from __future__ import annotations

import gc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mcptasks._store.postgres.address import read
from mcptasks._store.postgres.listening import PostgresListener
from mcptasks._store.postgres.session import Session
from mcptasks._store.sqlite.memory import MemoryBackend


class Raw:
    """A connection that notes whether it was closed when it is finalized."""

    def __init__(self, ends: list[bool]) -> None:
        self._ends = ends
        self._closed = False

    def close(self) -> None:
        """Close it."""
        self._closed = True

    def __del__(self) -> None:
        self._ends.append(self._closed)


def a_store(raw: Any) -> object:
    """A store on this connection."""
    backend: Any = MemoryBackend(lambda: 0.0)
    backend._open = lambda: SimpleNamespace(raw=raw)
    backend._current()
    return backend


def a_session(raw: Any) -> object:
    """A session of a PostgreSQL database on this connection."""
    session = Session(read("postgresql://127.0.0.1:1/database"), "s", lambda _connection: None)
    session._process.connection = raw
    return session


def a_listener(raw: Any) -> object:
    """A listener on this connection."""
    return PostgresListener(raw, read("postgresql://127.0.0.1:1/database"), "s")


@pytest.mark.parametrize("make", [a_store, a_session, a_listener])
def test_dropped_in_a_cycle(make: Callable[[Any], object]) -> None:
    """The connection is closed first, though the garbage collector, which takes older objects first, would finalize it
    before its owner."""
    ends: list[bool] = []
    gc.collect()
    raw = Raw(ends)
    cycle: list[Any] = [make(raw)]
    cycle.append(cycle)
    del raw, cycle
    gc.collect()
    assert ends == [True]
