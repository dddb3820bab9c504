"""How long an owner may act, who is dead, and a client's session in a store."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcptasks._core.exceptions import StoreError
from mcptasks._store import scene
from mcptasks._store.access import Access
from mcptasks._store.lease import Lease
from mcptasks._store.payloads import Payloads
from mcptasks._store.records import Keep, Owner, Query, new_id
from mcptasks._store.session import Session
from mcptasks._store.sqlite.memory import LoopClock, MemoryBackend
from mcptasks._store.upkeep import Claim
from mcptasks._store.writes import Decide, Intend, Over, Write
from mcptasks.store import Store
from tests.helpers.stores import ENDPOINT, NOW, alive, created, do, file_backend, owner, row
from tests.helpers.virtual_time import run_virtually

each_loop = pytest.mark.parametrize("loop", ["asyncio", "trio"])


def test_when_an_owner_stops_by_itself() -> None:
    """An owner acts until 5 s before the end of its lease, counted from before the beat that succeeded was sent."""
    lease = Lease(30.0)
    assert lease.holds(100.0, 124.9)
    assert not lease.holds(100.0, 125.0)
    assert Lease(3.0).holds(0.0, 2.4)
    assert not Lease(3.0).holds(0.0, 2.6)


def test_when_an_owner_beats() -> None:
    """Every third of the lease, and sooner after a failure."""
    lease = Lease(30.0)
    assert lease.next_beat(100.0, 101.0, failed=False) == 9.0
    assert lease.next_beat(100.0, 120.0, failed=False) == 0.0
    assert lease.next_beat(100.0, 100.2, failed=True) == pytest.approx(0.8)


def test_who_is_dead() -> None:
    """Only owners of the same scene are judged: a process id of another machine or container says nothing."""
    here, gone = owner("a", process="1:1", scene="s"), owner("b", process="2:2", scene="s")
    assert scene.dead([here, gone, owner("c", scene="t")], "s", {"1:1"}.__contains__) == ["b"]
    assert scene.dead([owner("d")], "", lambda _: False) == []


def test_processes_are_known() -> None:
    """This process runs; one that has ended, or that has the id of one that has ended, does not."""
    assert scene.is_running(scene.process())
    assert not scene.is_running(f"{os.getpid()}:1")
    assert not scene.is_running("")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = f"{child.pid}:{scene._started(child.pid)}"
    assert scene.is_running(name)
    child.kill()
    child.wait()
    assert child.stdin is not None
    child.stdin.close()
    assert not scene.is_running(name)
    assert scene.scene() == scene.scene() != ""


def access(backend: MemoryBackend, lease: float = 30.0) -> Access:
    """A store in memory on the test's clock."""
    return Access(backend, Payloads(Keep(), None), Lease(lease), "worker")


class Leaving(MemoryBackend):
    """A store that can be away."""

    away = False

    def apply(self, writes: Sequence[Write[Any]]) -> list[Any]:
        """Carry out writes, unless the store is away."""
        if self.away:
            raise StoreError("away")
        return super().apply(writes)


async def in_session(session: Session, body: Callable[[], Awaitable[None]]) -> None:
    """Run something while the session is open."""
    async with anyio.create_task_group() as tasks:
        await tasks.start(session.run)
        await body()
        session.stop()


@each_loop
def test_a_session_keeps_its_lease(loop: str) -> None:
    """An owner that is open for an hour holds its tasks all the time, and frees them when it is closed."""

    async def main() -> None:
        backend = MemoryBackend(anyio.current_time)
        session = Session(access(backend))
        beats = 0
        assert not session.holds

        async def body() -> None:
            nonlocal beats
            intended = await session.commit(Intend(id=new_id(), owner=session.owner.owner, endpoint=ENDPOINT, at=NOW))
            assert intended.held is not None
            for _ in range(360):
                await anyio.sleep(10)
                assert session.holds
                assert row(backend, intended.held).phase == "intended"
                beats += 1

        await in_session(session, body)
        assert beats == 360
        assert backend.owners() == []
        assert [each.phase for each in backend.rows(Query())] == ["uncertain"]
        with pytest.raises(StoreError, match="the client is closed"):
            await session.commit(Intend(id=new_id(), owner="x", endpoint=ENDPOINT, at=NOW))

    run_virtually(loop, main)


@each_loop
def test_a_session_whose_store_is_away(loop: str) -> None:
    """An owner that cannot show that it lives stops before its lease ends, and goes on when it can."""

    async def main() -> None:
        backend = Leaving(anyio.current_time)
        store = access(backend)
        session = Session(store)

        async def body() -> None:
            await anyio.sleep(11)
            backend.away = True
            await anyio.sleep(23)
            assert session.holds
            await anyio.sleep(4)
            stopped = not session.holds
            assert stopped
            with pytest.raises(StoreError, match="away"):
                await session.commit(Decide(held=created_by_other, key="q", at=NOW, answer=b"1"))
            backend.away = False
            await anyio.sleep(2)
            assert session.holds

        alive(backend, "other")
        created_by_other = created(backend, "other")
        await in_session(session, body)

    run_virtually(loop, main)


@each_loop
def test_a_session_that_cannot_begin(loop: str) -> None:
    """A store that is away when a client is opened is an error there, and no task is left."""

    async def main() -> None:
        backend = Leaving(anyio.current_time)
        backend.away = True
        with pytest.raises(StoreError, match="away"):
            await Session(access(backend)).run()

    run_virtually(loop, main)


@each_loop
def test_a_holder_that_was_stopped(loop: str) -> None:
    """A process that stands still past its lease loses its tasks, notices by itself, and what it writes is refused."""

    async def main() -> None:
        backend = MemoryBackend(anyio.current_time)
        alive(backend, "stopped", lease=30)
        held = created(backend, "stopped")
        lease, asked = Lease(30.0), anyio.current_time()
        alive(backend, "two", lease=3600)
        await anyio.sleep(29)
        assert do(backend, Claim(owner="two", endpoint=ENDPOINT, at=NOW)) == []
        await anyio.sleep(2)
        assert not lease.holds(asked, anyio.current_time())
        (taken,) = do(backend, Claim(owner="two", endpoint=ENDPOINT, at=NOW))
        assert do(backend, Decide(held=held, key="q", at=NOW, answer=b"old")) is None
        assert not do(backend, Over(held=held, at=NOW, status="failed"))
        assert do(backend, Over(held=taken.held, at=NOW, status="completed"))

    run_virtually(loop, main)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_memory_that_outlives_its_event_loop(loop: str) -> None:
    """Time goes on evenly where one event loop follows another: a lease neither ends early nor is prolonged."""
    clock = LoopClock()

    async def now() -> float:
        return clock()

    begun, told = time.monotonic(), [anyio.run(now, backend=loop) for _ in range(20)]
    assert told == sorted(told)
    assert told[-1] - told[0] <= time.monotonic() - begun


DIE = """
import os, sys
from pathlib import Path
from mcptasks._store import scene
from mcptasks._store.records import Owner
from mcptasks._store.upkeep import Beat
from tests.helpers.stores import created, do, file_backend
backend = file_backend(Path(sys.argv[1]))
owner = scene.new_owner(None, "dead")
do(backend, Beat(owner=owner, lease=3600))
created(backend, owner.owner)
os.kill(os.getpid(), 9)
"""


@pytest.mark.anyio
async def test_a_program_that_is_started_again(tmp_path: Path) -> None:
    """The tasks of a process of this machine that was killed are free at once, long before its lease ends."""
    path = tmp_path / "tasks.db"
    root = str(Path(__file__).parents[2])
    done = await anyio.run_process([sys.executable, "-c", DIE, str(path)], cwd=root, check=False)
    assert done.returncode == -9
    backend = file_backend(path)
    (dead,) = backend.owners()
    assert dead.lease_left > 3000
    store = Access(backend, Payloads(Keep(), None), Lease(30.0), None)
    session = Session(store)

    async def body() -> None:
        claim = Claim(owner=session.owner.owner, endpoint=ENDPOINT, at=NOW)
        assert len(await session.commit(claim)) == 1
        assert [each.owner for each in backend.owners()] == [session.owner.owner]

    await in_session(session, body)
    await store.close()


@pytest.mark.anyio
async def test_release_dead(tmp_path: Path) -> None:
    """Who only looks at records frees the tasks of a killed process before its lease ends, and learns of how many."""
    path = tmp_path / "tasks.db"
    root = str(Path(__file__).parents[2])
    await anyio.run_process([sys.executable, "-c", DIE, str(path)], cwd=root, check=False)
    store = Store(path)
    assert [each.is_free for each in await store.tasks()] == [False]
    assert await store.release_dead() == 1
    assert [each.is_free for each in await store.tasks()] == [True]
    assert await store.release_dead() == 0


def test_owners_are_told_apart() -> None:
    """Each opening of a client is an owner of its own, by the program's name or the machine's."""
    one, other = scene.new_owner("worker", "1"), scene.new_owner(None, "2")
    assert isinstance(one, Owner)
    assert one.owner == "worker/1"
    assert other.owner == f"{other.host}/2"
    assert one.process == other.process == scene.process()
