"""What only a store on PostgreSQL has: many processes at once, lost connections, notifications."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from mcptasks import StoreError, StoreVersionError
from mcptasks._store.backend import Listener
from mcptasks._store.postgres import listening as module
from mcptasks._store.postgres.backend import PostgresBackend
from mcptasks._store.postgres.listening import channel, listen
from mcptasks._store.records import Owner, Query, new_id
from mcptasks._store.upkeep import Beat, Claim, Release
from mcptasks._store.writes import Created, Held, Intend, Over, StatusSeen
from mcptasks.store import Store
from tests.store.cutting import Cut, Relay
from tests.store.postgres import Postgres

T = TypeVar("T")
AT = datetime(2026, 7, 28, tzinfo=UTC)
SERVER = "https://mcp.example/mcp"
LONGEST = 60
"""More messages than a backend needs to make its tables and carry out one batch."""
WITHIN = 60.0
"""Seconds within which a listener has to hear of a commit. It takes about a millisecond."""


def owner(name: str) -> Owner:
    """An owner whose process nobody looks for."""
    return Owner(owner=name, host="here", scene="", process="")


def intend(name: str, key: str | None = None) -> Intend:
    """A call of an owner that is about to be sent."""
    return Intend(id=new_id(), owner=name, endpoint=SERVER, at=AT, key=key)


def make_tasks(backend: PostgresBackend, count: int, name: str) -> list[str]:
    """Tasks that an owner holds; their ids."""
    calls = backend.apply([intend(name) for _ in range(count)])
    backend.apply([Created(held=call.held, spare=new_id(), task_id=f"task {call.held.id}", at=AT) for call in calls])
    return [call.held.id for call in calls]


def at_once(work: Sequence[Callable[[], T]]) -> list[T]:
    """Begin several pieces of work at the same moment, each on its own thread; their results."""
    barrier = threading.Barrier(len(work))

    def run(each: Callable[[], T]) -> T:
        barrier.wait(60)
        return each()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


@contextmanager
def several(dsn: str, count: int) -> Generator[list[PostgresBackend]]:
    """Backends as in several processes."""
    backends = [PostgresBackend(dsn) for _ in range(count)]
    try:
        yield backends
    finally:
        for backend in backends:
            backend.close()


@pytest.fixture
def backend(dsn: str) -> Iterator[PostgresBackend]:
    """A store in an empty database."""
    with closing(PostgresBackend(dsn)) as backend:
        yield backend


@pytest.fixture
def other(dsn: str) -> Iterator[PostgresBackend]:
    """The same store in another process, as it were."""
    with closing(PostgresBackend(dsn)) as backend:
        yield backend


# ---- tables ----


def test_many_make_the_tables_at_the_same_moment(dsn: str) -> None:
    """Processes that open a new store at the same moment all find it made, and made once."""
    with several(dsn, 8) as backends:
        assert at_once([backend.owners for backend in backends]) == [[]] * 8
        assert {backend.meta("made_by", "nobody") for backend in backends} != {"nobody"}


def test_a_newer_version_is_left_alone(dsn: str, backend: PostgresBackend) -> None:
    """A store that a newer version made for itself is refused, with both versions, and not touched."""
    backend.owners()
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE mcptasks.meta SET value = '1000' WHERE name IN ('version', 'reads_from')")
    with closing(PostgresBackend(dsn)) as late, pytest.raises(StoreVersionError, match="1000") as raised:
        late.owners()
    assert raised.value.found == 1000


def test_tables_of_the_first_version_are_migrated(dsn: str) -> None:
    """Tables of version 1 are migrated when the store is opened; their tasks stay, and their takeovers count from 0."""
    with closing(PostgresBackend(dsn)) as made:
        make_tasks(made, 1, "dead")
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE mcptasks.task DROP COLUMN takeovers")
        connection.execute("UPDATE mcptasks.meta SET value = '1' WHERE name = 'version'")
    with closing(PostgresBackend(dsn, migrate=False)) as check, pytest.raises(StoreVersionError, match="needs version"):
        check.owners()
    with closing(PostgresBackend(dsn)) as late:
        assert [each.takeovers for each in late.rows(Query())] == [0]
        late.apply([Claim(owner="me", endpoint=SERVER, at=AT)])
        assert [each.takeovers for each in late.rows(Query())] == [1]


def test_schemas_are_stores_of_their_own(dsn: str) -> None:
    """Stores in two schemas of a database know nothing of each other, whatever the schemas are called."""
    with closing(PostgresBackend(dsn, schema='a "b" c')) as one, closing(PostgresBackend(dsn)) as another:
        one.apply([Beat(owner=owner("me"), lease=30.0)])
        assert len(one.owners()) == 1
        assert another.owners() == []


# ---- transactions ----


@pytest.mark.parametrize("kind", ["unanswered", "late"])
def test_tables_are_made_although_connections_are_cut(postgres: Postgres, dsn: str, kind: Cut) -> None:
    """A new store is made, whole, if the connection is cut while its tables are made, also if the server goes on with
    that while the process begins again."""
    with Relay(postgres.folder) as relay:
        for number in range(2, LONGEST, 4):
            with closing(PostgresBackend(relay.dsn(dsn), schema=f"s{number}", patience=WITHIN)) as backend:
                relay.cut(number, kind)
                backend.apply([Beat(owner=owner("me"), lease=30.0)])
                if not relay.has_cut:
                    break
        else:
            pytest.fail("every message was cut")
    assert number > 25


@pytest.mark.parametrize("kind", ["lost", "unanswered", "late"])
def test_a_batch_is_carried_out_once(postgres: Postgres, dsn: str, kind: Cut) -> None:
    """A batch is carried out once and answers what it did, wherever its connection is cut: while the backend connects,
    at each statement and at COMMIT."""
    calls: list[Intend] = []
    with Relay(postgres.folder) as relay:
        for number in range(1, LONGEST):
            with closing(PostgresBackend(relay.dsn(dsn), patience=WITHIN)) as backend:
                backend.owners()
                backend._session._drop(backend._session._process)
                calls.append(intend("me", key=f"key {number}"))
                relay.cut(number, kind)
                (intended, *_) = backend.apply([calls[-1], Beat(owner=owner("me"), lease=30.0)])
                # An answer without a lease would say that somebody else had taken the key.
                assert intended.held is not None, number
                if not relay.has_cut:
                    break
        else:
            pytest.fail("every message was cut")
    with closing(PostgresBackend(dsn)) as backend:
        assert {row.id for row in backend.rows(Query())} == {call.id for call in calls}
    assert number > 8


def test_a_session_keeps_nothing(backend: PostgresBackend) -> None:
    """Between transactions a connection has no settings, prepared statements or locks, so that it works through a
    PgBouncer that gives each transaction any connection."""
    make_tasks(backend, 20, "me")
    for _ in range(10):
        backend.rows(Query())
    connection = backend._session._process.connection
    assert connection is not None
    for query in (
        "SELECT name FROM pg_prepared_statements",
        "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        "SELECT pg_listening_channels()",
        # libpq sets these two when it connects.
        "SELECT name FROM pg_settings WHERE source IN ('client', 'session') AND name NOT IN ('application_name', "
        "'client_encoding') AND setting <> reset_val",
    ):
        assert connection.execute(query).fetchall() == [], query


def test_a_claim_waits_for_no_transaction(dsn: str) -> None:
    """A task that another process is just writing to is left out of a claim, which does not wait for that process."""
    with several(dsn, 2) as (writer, other):
        make_tasks(writer, 1, "dead")
        writer._session.stuck = 120.0
        inside, go_on = threading.Event(), threading.Event()

        def work(connection: Any) -> int:
            changed: int = connection.run("UPDATE task SET label = 'new' WHERE owner = 'dead'")
            inside.set()
            assert go_on.wait(60)
            return changed

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(writer.write, work)
            assert inside.wait(60)
            (taken,) = other.apply([Claim(owner="me", endpoint=SERVER, at=AT)])
            go_on.set()
            assert writing.result(60) == 1
        assert taken == []


def test_a_process_that_stops_in_a_transaction_gives_its_locks_back(dsn: str) -> None:
    """Others take a task over although the process that was just writing to it was stopped: the server ends its
    session. Nothing of its transaction stands until it goes on."""
    with several(dsn, 2) as (stopped, other):
        (task,) = make_tasks(stopped, 1, "dead")
        stopped._session.stuck = 2.0
        inside, go_on, times = threading.Event(), threading.Event(), [0]

        def work(connection: Any) -> int:
            changed: int = connection.run("UPDATE task SET label = 'late' WHERE owner = 'dead'")
            times[0] += 1
            if times[0] == 1:
                inside.set()
                assert go_on.wait(60)
                connection.all("SELECT 1")
            return changed

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(stopped.write, work)
            assert inside.wait(60)
            # A write about the task waits for the row, and so for the end of that session.
            changed = other.write(lambda connection: connection.run("UPDATE task SET owner = NULL"))
            ((claimed,),) = other.apply([Claim(owner="me", endpoint=SERVER, at=AT)])
            go_on.set()
            assert writing.result(60) == 0
        assert changed == 1
        assert claimed.row.id == task
        assert times == [2]
        assert [row.label for row in other.rows(Query())] == [None]


def test_no_task_is_claimed_twice(dsn: str) -> None:
    """Eight processes that claim the tasks of a dead owner at the same time get each task once."""
    with several(dsn, 8) as backends:
        tasks = make_tasks(backends[0], 400, "dead")

        taken: list[str] = []
        limit = time.monotonic() + 60.0

        def claim(number: int) -> None:
            backend, name = backends[number], f"owner {number}"
            backend.apply([Beat(owner=owner(name), lease=300.0)])
            while len(taken) < len(tasks):
                assert time.monotonic() < limit
                (claimed,) = backend.apply([Claim(owner=name, endpoint=SERVER, at=AT, limit=5)])
                taken.extend(each.row.id for each in claimed)

        at_once([partial(claim, number) for number in range(8)])
    assert sorted(taken) == sorted(tasks)


# ---- notifications ----


@contextmanager
def listening(backend: PostgresBackend) -> Generator[Listener]:
    """A listener that works."""
    listener = backend.listener()
    assert listener is not None
    try:
        yield listener
    finally:
        listener.close()


def hear(listener: Listener) -> bool:
    """Wait until a listener has something to say."""
    select.select([listener.fileno()], [], [], WITHIN)
    return listener.heard()


def hear_something(listener: Listener) -> None:
    """Wait for a commit of another process."""
    while not hear(listener):
        pass


@pytest.mark.anyio
async def test_a_listener_wakes_for_commits_of_others(backend: PostgresBackend, other: PostgresBackend) -> None:
    """A task that waits for the listener's socket wakes when another process has committed something, every time."""
    with listening(backend) as listener:
        assert not listener.heard()
        for _ in range(3):
            await anyio.to_thread.run_sync(other.apply, [intend("other")])
            with anyio.fail_after(WITHIN):
                await anyio.wait_readable(listener.fileno())
            assert listener.heard()
            assert not listener.heard()


@pytest.mark.anyio
async def test_finished_is_told_by_a_notification(postgres: Postgres, dsn: str, other: PostgresBackend) -> None:
    """`Store.finished` waits at a listener, and hands out the end that another process records."""
    store, kinds = Store(dsn), list[str]()
    (task,) = await anyio.to_thread.run_sync(make_tasks, other, 1, "other")
    ends = store.finished(consumer="test")

    async def tell() -> None:
        kinds.append((await anext(ends)).kind)

    is_listening = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN%%' AND state = 'idle'"
    name = conninfo_to_dict(dsn)["dbname"]
    held = Held(task, "other", 1)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as group:
            group.start_soon(tell)
            while not await anyio.to_thread.run_sync(postgres.run, is_listening, name):
                await anyio.lowlevel.checkpoint()
            await anyio.to_thread.run_sync(other.apply, [Over(held=held, at=AT, status="completed")])
    assert kinds == ["over"]
    await ends.aclose()
    await store.close()


def test_a_listener_does_not_hear_what_is_no_news(backend: PostgresBackend, other: PostgresBackend) -> None:
    """What this process commits, signs of life, and statuses that may get lost do not wake a listener."""
    (call,) = other.apply([intend("other")])
    other.apply([Created(held=call.held, spare=new_id(), task_id="task", at=AT)])
    with closing(listen(backend._session, "mcptasks") or pytest.fail("nothing arrives")) as listener:
        make_tasks(backend, 3, "me")
        other.apply([Beat(owner=owner("other"), lease=30.0)])
        other.apply([StatusSeen(held=call.held, at=AT, status="working")])
        # The server delivers in the order of commits, so nothing of the above comes later than this.
        other.apply([Release(held=call.held, at=AT)])
        payloads: list[str] = []
        for found in listener._connection.notifies(timeout=WITHIN):
            payloads.append(found.payload)
            if found.payload == other._session.name:
                break
    assert payloads == [backend._session.name] * 2 + [other._session.name]


def test_a_notification_shows_nothing_of_a_task(dsn: str, backend: PostgresBackend) -> None:
    """Whoever listens on a channel of the database learns that something was committed, and nothing else."""
    with psycopg.connect(dsn, autocommit=True) as spy:
        spy.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel("mcptasks"))))
        backend.apply([intend("sentinel-owner", "sentinel-key")])
        (found,) = list(spy.notifies(timeout=WITHIN, stop_after=1))
    assert found.payload == backend._session.name


def test_no_listener_where_notifications_get_lost(
    postgres: Postgres, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no listener if notifications do not arrive, as behind PgBouncer; then `changes` tells of commits."""
    monkeypatch.setattr(module, "HEARD_WITHIN", 0.5)
    with Relay(postgres.folder, deaf=True) as relay, closing(PostgresBackend(relay.dsn(dsn))) as backend:
        assert backend.listener() is None
        before = backend.changes()
        with closing(PostgresBackend(dsn)) as other:
            other.apply([intend("other")])
        assert backend.changes() != before


def test_a_listener_that_is_lost_says_so(postgres: Postgres, dsn: str, backend: PostgresBackend) -> None:
    """A listener whose session has ended raises, and the next one hears again."""
    with listening(backend) as listener:
        postgres.terminate(dsn)
        with pytest.raises(StoreError, match="cannot be reached"):
            hear_something(listener)
    with listening(backend) as listener, closing(PostgresBackend(dsn)) as other:
        other.apply([intend("other")])
        assert hear(listener)


def test_changes_are_what_others_wait_for(backend: PostgresBackend, other: PostgresBackend) -> None:
    """The mark of changes differs after a commit that others may wait for, also if the session has ended since, and
    not after signs of life."""
    seen = [backend.changes()]
    for _ in range(2):
        other.apply([intend("other")])
        seen.append(backend.changes())
        other.close()
        assert backend.changes() == seen[-1]
    backend.apply([intend("me")])
    seen.append(backend.changes())
    backend.apply([Beat(owner=owner("me"), lease=30.0)])
    assert backend.changes() == seen[-1]
    assert len(set(seen)) == 4


# ---- what PostgreSQL does for itself ----


def test_a_backup_is_made_with_tools_of_postgresql(backend: PostgresBackend) -> None:
    """A backup names the command that makes one, with the schema and the file."""
    with pytest.raises(StoreError, match=r"pg_dump --schema=mcptasks --file=there\.sql"):
        backend.backup("there.sql")


def test_a_server_that_does_not_sync_is_named(backend: PostgresBackend) -> None:
    """The check names a setting with which a power failure damages the database; the tests' server has it."""
    (found,) = backend.check()
    assert "fsync = on" in found
