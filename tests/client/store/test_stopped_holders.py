"""A process that is stopped for longer than its lease loses its tasks, and does no harm when it goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks.store import Store
from mcptasks.testing import elicit
from tests.helpers import holding
from tests.helpers.people import Oracle, answered
from tests.helpers.support import LIMIT, connected, http, make_server

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
LEASE = 3.0
"""Seconds. A process that is stopped for as long has lost it."""


@contextmanager
def holder(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """A program that holds a task; see `tests.helpers.holding`."""
    process = subprocess.Popen(
        [sys.executable, "-m", holding.__name__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def said(process: subprocess.Popen[str]) -> str:
    """The next line of a program."""
    assert process.stdout is not None
    with anyio.fail_after(LIMIT):
        line = await anyio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True)
    return line.strip()


async def stop(process: subprocess.Popen[str], path: str) -> None:
    """Stop a program, at a moment when it has no lock on the database: nobody else could write it until the program
    goes on."""
    while True:
        process.send_signal(signal.SIGSTOP)
        await anyio.to_thread.run_sync(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as database:
            try:
                database.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
                await anyio.sleep(0.01)
            else:
                return


def tell(process: subprocess.Popen[str]) -> None:
    """Have the program's handler answer."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def test_a_holder_that_was_stopped(tmp_path: Path, anyio_backend_name: str) -> None:
    """Another client takes the task when the lease is over. The holder, when it goes on, is refused what it writes: its
    handler's answer is dropped. It still waits, and gets the result."""
    server, path, think = make_server("modern"), str(tmp_path / "tasks.db"), anyio.Event()

    async def answer() -> Any:
        await think.wait()
        return {"value": "in time"}

    oracle = Oracle(**{"Who?": answer})
    with http(server) as url, holder(url, path, str(LEASE), anyio_backend_name) as process:
        steered = await server.next_task()
        steered.need_input({"q": elicit("Who?")})
        assert await said(process) == "asked"
        await stop(process, path)
        # The client that takes the task does not lose it, however slow the machine is.
        store = Store(path, lease=10 * LIMIT)
        async with connected(url, store=store, elicitation_handler=oracle, limit=2 * LIMIT) as client:
            task = await anext(client.claims())
            async with anyio.create_task_group() as group:
                group.start_soon(task.result)
                process.send_signal(signal.SIGCONT)
                tell(process)
                assert await said(process) == "sent False"
                assert server.requests.count("tasks/update") == 0
                think.set()
                assert await answered(steered) == [{"action": "accept", "content": {"value": "in time"}}]
                steered.complete("done")
        assert await said(process) == "done"
        with anyio.fail_after(LIMIT):
            assert await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True) == 0
    record = await store.get(task.reference)
    assert (record.phase, record.fence) == ("over", 2)
    assert server.requests.count("tasks/update") == 1
