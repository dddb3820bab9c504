"""The backends that the conformance suite runs on, and the PostgreSQL servers of this test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import pytest

from mcptasks._store.backend import Backend
from mcptasks._store.postgres import listening
from mcptasks._store.postgres.backend import PostgresBackend
from tests.helpers.stores import MAKERS, Place
from tests.store.postgres import PostgresServer, installations

POSTGRES = {f"postgres-{programs.parent.name}": programs for programs in installations()}
"""Each PostgreSQL that is installed here."""


@pytest.fixture(autouse=True)
def patient_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no listener is taken for one that hears nothing."""
    monkeypatch.setattr(listening, "HEARD_WITHIN", 60.0)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[Path], PostgresServer]]:
    """A server from each folder of programs, started when the first test asks for it."""
    with ExitStack() as running:

        @cache
        def server(programs: Path) -> PostgresServer:
            return running.enter_context(PostgresServer(programs))

        yield server


@pytest.fixture(scope="session")
def postgres(servers: Callable[[Path], PostgresServer]) -> PostgresServer:
    """The server for tests that are about PostgreSQL."""
    return servers(installations()[0])


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    """The address of an empty database."""
    return postgres.database()


@pytest.fixture(params=sorted([*MAKERS, *POSTGRES]))
def place(request: pytest.FixtureRequest, tmp_path: Path, servers: Callable[[Path], PostgresServer]) -> Iterator[Place]:
    """A database of each kind, yet to be opened."""
    name: str = request.param
    if name in MAKERS:
        yield MAKERS[name](tmp_path)
        return
    address = servers(POSTGRES[name]).database()
    with ExitStack() as opened:
        yield Place(name, lambda: opened.enter_context(closing(PostgresBackend(address))))


@pytest.fixture
def backend(place: Place) -> Iterator[Backend]:
    """An open backend of each kind."""
    found = place.open()
    yield found
    found.close()
