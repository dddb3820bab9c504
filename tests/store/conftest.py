"""The backends that the conformance suite runs on, and the PostgreSQL servers of this test run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from mcptasks._store.backend import Backend
from mcptasks._store.postgres import listening
from mcptasks._store.postgres.backend import PostgresBackend
from tests.helpers.forks import folder_of_run
from tests.helpers.shared import Shared
from tests.helpers.source_tree import ROOT
from tests.helpers.stores import MAKERS, Place
from tests.store.postgres import OF_SCHEMAS, Postgres, installations, keeper

POSTGRES = {f"postgres-{programs.parent.name}": programs for programs in installations()}
"""Each PostgreSQL that is installed here."""


@pytest.fixture(autouse=True)
def patient_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no listener is taken for one that hears nothing."""
    monkeypatch.setattr(listening, "HEARD_WITHIN", 60.0)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Callable[[Path], Postgres]]:
    """A server from each folder of programs, which all processes of the run share. The first test that asks for
    it starts it."""
    folder = folder_of_run(pytestconfig) / "postgres"
    with ExitStack() as held:

        @cache
        def server(programs: Path) -> Postgres:
            connection, found = Shared(folder / programs.parent.name).join(
                keeper(programs), {**os.environ, "PYTHONPATH": str(ROOT)}
            )
            held.enter_context(connection)
            return Postgres(Path(found))

        yield server


@pytest.fixture(scope="session")
def schemas() -> Iterator[str]:
    """Names of schemas that no other process of the run has."""
    return (f"test{os.getpid()}_{number}" for number in count(1))


@pytest.fixture(scope="session")
def postgres(servers: Callable[[Path], Postgres]) -> Postgres:
    """The server for tests that are about PostgreSQL."""
    return servers(installations()[0])


@pytest.fixture
def dsn(postgres: Postgres) -> Iterator[str]:
    """The address of an empty database."""
    with postgres.lent() as address:
        yield address


@pytest.fixture(params=sorted([*MAKERS, *POSTGRES]))
def place(
    request: pytest.FixtureRequest, tmp_path: Path, servers: Callable[[Path], Postgres], schemas: Iterator[str]
) -> Iterator[Place]:
    """A database of each kind, yet to be opened. In PostgreSQL it is a schema: a database takes far longer to make."""
    name: str = request.param
    if name in MAKERS:
        yield MAKERS[name](tmp_path)
        return
    address, schema = servers(POSTGRES[name]).dsn(OF_SCHEMAS), next(schemas)
    with ExitStack() as opened:
        yield Place(name, lambda: opened.enter_context(closing(PostgresBackend(address, schema=schema))))


@pytest.fixture
def backend(place: Place) -> Iterator[Backend]:
    """An open backend of each kind."""
    found = place.open()
    yield found
    found.close()
