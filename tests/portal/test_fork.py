"""A child of `fork()` is told what to do, and a pool's processes take up the tasks that they are given."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mcptasks.testing import Options, TaskServer
from tests.helpers.blocking import Backend
from tests.helpers.support import http
from tests.helpers.threads import eventually, has_ended
from tests.helpers.warm import Warm
from tests.portal.programs import Program

pytestmark = pytest.mark.slow

REFUSED = [
    "list_tools", "call_tool", "plain", "resume", "task", "with", "open", "result", "look", "status", "wait", "updates",
    "next", "future", "outstanding", "completed", "cancel", "callback", "block",
]  # fmt: skip


@pytest.fixture
def server() -> TaskServer:
    """A server for the scripts."""
    server = TaskServer(era="modern", options=Options(poll_interval_ms=20))
    server.add_tool("work")
    server.add_tool("quick", result=1)
    return server


def assert_child(program: Program) -> None:
    """What a child says: each use of what it inherited is refused with words that help, and a new client works."""
    for name in REFUSED:
        assert program.expect("refused") == [name, "True"]
    assert program.expect("known") == ["True", "False", "True"]
    assert program.expect("new") == ["working", "2"]
    assert program.expect("called") == ["1"]


FORKS: list[tuple[Backend, Backend, str]] = [
    ("asyncio", "asyncio", "exit"),
    ("asyncio", "trio", "_exit"),
    ("trio", "trio", "exit"),
    ("trio", "asyncio", "_exit"),
]


@pytest.mark.parametrize(("backend", "others", "leaving"), FORKS)
def test_fork(warm: Warm, server: TaskServer, backend: Backend, others: Backend, leaving: str, tmp_path: Path) -> None:
    """In the child every use of what was inherited is an error that says what to do, and a new client works, on either
    backend, also where the background thread has forked. The parent does not notice: calls, iterators, futures and its
    stdio server go on, however the child leaves; neither writes a word on stderr."""
    words = (backend, others, leaving, tmp_path / "pid")
    with http(server) as url, Program("fork.py", url, *words, warm=warm) as program:
        assert_child(program)
        program.expect("leaving")
        assert program.expect("child") == ["0"]
        assert program.expect("stdio") == ["True", "1"]
        assert program.expect("inside") == ["1"]
        assert program.expect("child") == ["0"]
        assert program.expect("tools") == ["2"]
        server.next_task_blocking().complete("done")
        said = sorted(program.says() for _ in range(4))
        assert said == ["future done", "next completed", "parent's callback completed", "result done"]
        program.expect("closed")
        program.ends_well()


@pytest.mark.slow
def test_fork_beside_busy_threads(warm: Warm, server: TaskServer, backend: Backend) -> None:
    """A fork in the middle of other threads' calls, openings and closings leaves no lock of ours held in the child."""
    with http(server) as url, Program("forks.py", url, backend, 10, warm=warm) as program:
        for _ in range(10):
            assert program.expect("child") == ["0"]
        assert program.expect("tools") == ["2"]
        program.ends_well()


WORKERS: list[tuple[Backend, str, str, str]] = [
    ("asyncio", "fork", "process", "stubborn"),
    ("trio", "fork", "pool", "gentle"),
    ("trio", "fork", "executor", "stubborn"),
    ("asyncio", "forkserver", "pool", "stubborn"),
    ("trio", "forkserver", "process", "gentle"),
    ("asyncio", "spawn", "executor", "gentle"),
    ("trio", "spawn", "process", "stubborn"),
]


@pytest.mark.parametrize(("backend", "method", "kind", "manner"), WORKERS)
def test_workers_that_leave_clients_open(
    warm: Warm, backend: Backend, method: str, kind: str, manner: str, tmp_path: Path
) -> None:
    """The end of a process of `multiprocessing` is the end of a program: its threads finish their work, the clients
    that it left open are closed, and no stdio server outlives it, though such a process ends without exit handlers."""
    file = tmp_path / "pid"
    with Program("workers.py", backend, method, kind, file, manner, warm=warm) as program:
        program.expect("done")
        program.ends_well()
        pid = int(file.read_text(encoding="utf-8"))
        eventually(partial(has_ended, pid), "the server outlives the process")
    assert Path(f"{file}.tools").read_text(encoding="utf-8") == "1"


POOLS: list[tuple[Backend, str, str]] = [
    ("asyncio", "fork", "pool"),
    ("asyncio", "forkserver", "executor"),
    ("asyncio", "spawn", "pool"),
    ("trio", "fork", "executor"),
    ("trio", "forkserver", "pool"),
    ("trio", "spawn", "executor"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "method", "kind"), POOLS)
def test_pools(warm: Warm, server: TaskServer, backend: Backend, method: str, kind: str) -> None:
    """A `TaskReference` crosses into the processes of a pool, whichever way they are started, and comes back the same;
    there the task is taken up and waited for."""
    with http(server) as url, Program("pools.py", url, backend, method, kind, warm=warm) as program:
        program.expect("started")
        for n in range(4):
            server.next_task_blocking().complete(n)
        assert program.expect("found") == ["0", "1", "2", "3"]
        assert program.expect("own") == ["0", "1", "2", "3"]
        program.ends_well()
