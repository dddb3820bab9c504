"""Waiting for commits of other processes on PostgreSQL: one connection hears for all who wait."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import closing
from functools import partial

import anyio
import pytest
from anyio import to_thread

from mcptasks._store import access as module
from mcptasks._store.access import Access
from mcptasks._store.lease import Lease
from mcptasks._store.payloads import Payloads
from mcptasks._store.postgres.backend import PostgresBackend
from mcptasks._store.records import Keep, new_id
from mcptasks._store.writes import Intend
from tests.helpers.stores import ENDPOINT, NOW, alive, intended, owner
from tests.store.postgres import Postgres

pytestmark = pytest.mark.anyio

FOREVER = 3600.0
"""Seconds that no test takes, so that nobody is woken by the end of its patience."""


def ears(postgres: Postgres, dsn: str) -> list[int]:
    """The sessions of a database that listen."""
    name = dsn.partition("@/")[2].partition("?")[0]
    query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN %%'"
    return [pid for (pid,) in postgres.run(query, name)]


async def listening(postgres: Postgres, dsn: str, wanted: Callable[[list[int]], bool] = bool) -> list[int]:
    """The sessions that listen, once they are what is wanted."""
    while True:
        found = await to_thread.run_sync(ears, postgres, dsn)
        if wanted(found):
            return found
        await anyio.sleep(0.01)


async def wait(access: Access, seen: object) -> None:
    """Wait until the store is another one than that."""
    await access.changed(seen, FOREVER)
    assert await access.read(lambda backend: backend.changes()) != seen


async def test_one_connection_hears_for_all(postgres: Postgres, dsn: str) -> None:
    """However many wait, and however often, one connection listens; a commit of another process wakes them all."""
    heard: list[list[int]] = []
    with closing(PostgresBackend(dsn)) as backend, closing(PostgresBackend(dsn)) as other:
        access = Access(backend, Payloads(Keep(), None), Lease(30.0), None)
        alive(other)
        with anyio.fail_after(60):
            for _ in range(3):
                seen = await access.read(lambda backend: backend.changes())
                async with anyio.create_task_group() as waiting:
                    for _ in range(8):
                        waiting.start_soon(wait, access, seen)
                    heard.append(await listening(postgres, dsn))
                    await to_thread.run_sync(intended, other)
        assert len(heard[0]) == 1
        assert heard == [heard[0]] * 3
        await access.close()
        with anyio.fail_after(60):
            await listening(postgres, dsn, operator.not_)


async def test_whoever_listens_is_cancelled(dsn: str) -> None:
    """The one that listens for the others may give up at any time: another one goes on."""
    with closing(PostgresBackend(dsn)) as backend, closing(PostgresBackend(dsn)) as other:
        access = Access(backend, Payloads(Keep(), None), Lease(30.0), None)
        alive(other)
        seen = await access.read(lambda backend: backend.changes())
        with anyio.fail_after(60):
            async with anyio.create_task_group() as staying, anyio.create_task_group() as going:
                going.start_soon(access.changed, seen, FOREVER)
                await anyio.wait_all_tasks_blocked()
                staying.start_soon(wait, access, seen)
                await anyio.wait_all_tasks_blocked()
                going.cancel_scope.cancel()
                staying.start_soon(to_thread.run_sync, partial(intended, other))
        await access.close()


async def test_the_connection_that_listens_is_lost(postgres: Postgres, dsn: str) -> None:
    """A new one is made, and nothing is missed."""
    with closing(PostgresBackend(dsn)) as backend, closing(PostgresBackend(dsn)) as other:
        access = Access(backend, Payloads(Keep(), None), Lease(30.0), None)
        alive(other)
        seen = await access.read(lambda backend: backend.changes())
        with anyio.fail_after(60):
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(wait, access, seen)
                found = await listening(postgres, dsn)
                await to_thread.run_sync(postgres.run, "SELECT pg_terminate_backend(%s)", found[0])
                await listening(postgres, dsn, lambda again: bool(again) and again != found)
                await to_thread.run_sync(intended, other)
        await access.close()


async def test_a_connection_for_which_nobody_waits_is_closed(
    postgres: Postgres, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL keeps notifications for whoever listens, so the next write of a client gives an idle one up."""
    monkeypatch.setattr(module, "_EAR_SECONDS", 0.0)
    with closing(PostgresBackend(dsn)) as backend:
        access = Access(backend, Payloads(Keep(), None), Lease(30.0), None)
        await to_thread.run_sync(alive, backend)
        await access.changed(await access.read(lambda backend: backend.changes()), 0.5)
        assert len(await to_thread.run_sync(ears, postgres, dsn)) <= 1
        await access.apply([Intend(id=new_id(), owner=owner().owner, endpoint=ENDPOINT, at=NOW)])
        with anyio.fail_after(60):
            await listening(postgres, dsn, operator.not_)
        await access.close()
