"""A process that is stopped for longer than its lease loses its tasks, and does no harm when it goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.to_thread
import pytest
from attrs import frozen

from mcptasks.store import Store
from mcptasks.testing import elicit
from tests.helpers import holding
from tests.helpers.command_line import warm
from tests.helpers.people import Oracle, answered
from tests.helpers.pushing import until
from tests.helpers.support import LIMIT, connected, http, make_server
from tests.helpers.warm import Running, Warm

__all__ = ["warm"]

pytestmark = pytest.mark.anyio

LEASE = 3.0
"""Seconds. A process that is stopped for as long has lost it."""


@frozen
class Holder:
    """A program that holds a task; see `tests.helpers.holding`."""

    process: Running
    stdin: IO[str]

    async def said(self) -> str:
        """The next line of the program."""
        assert self.process.stdout is not None
        with anyio.fail_after(LIMIT):
            line = await anyio.to_thread.run_sync(self.process.stdout.readline, abandon_on_cancel=True)
        return line.strip()

    def tell(self) -> None:
        """Have the program's handler answer."""
        self.stdin.write("\n")
        self.stdin.flush()

    async def stop(self, path: str) -> None:
        """Stop the program, at a moment when it has no lock on the database: nobody else could write it until the
        program goes on."""
        while True:
            self.process.send_signal(signal.SIGSTOP)
            await until(self.is_stopped)
            with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as database:
                try:
                    database.execute("BEGIN EXCLUSIVE")
                except sqlite3.OperationalError:
                    self.process.send_signal(signal.SIGCONT)
                    await anyio.sleep(0.01)
                else:
                    return

    def is_stopped(self) -> bool:
        """Whether all of the program stands still."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        stats = [(each / "stat").read_text(encoding="utf-8") for each in threads]
        return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


@contextmanager
def holder(warm: Warm, folder: Path, *arguments: str) -> Generator[Holder]:
    """Start it, and end it."""
    (reads, gives), (takes, writes) = os.pipe(), os.pipe()
    program = str(Path(holding.__file__))
    try:
        process = warm.start(arguments, dict(os.environ), folder, (reads, writes, 2), script=program)
    finally:
        os.close(reads)
        os.close(writes)
    process.stdout = open(takes, encoding="utf-8")  # noqa: PTH123, SIM115
    with open(gives, "w", encoding="utf-8") as stdin, process:  # noqa: PTH123
        try:
            yield Holder(process, stdin)
        finally:
            process.kill()


async def test_a_holder_that_was_stopped(tmp_path: Path, anyio_backend_name: str, warm: Warm) -> None:
    """Another client takes the task when the lease is over. The holder, when it goes on, is refused what it writes: its
    handler's answer is dropped. It still waits, and gets the result."""
    server, path, think = make_server("modern"), str(tmp_path / "tasks.db"), anyio.Event()

    async def answer() -> Any:
        await think.wait()
        return {"value": "in time"}

    oracle = Oracle(**{"Who?": answer})
    with http(server) as url, holder(warm, tmp_path, url, path, str(LEASE), anyio_backend_name) as held:
        steered = await server.next_task()
        steered.need_input({"q": elicit("Who?")})
        assert await held.said() == "asked"
        await held.stop(path)
        # The client that takes the task does not lose it, however slow the machine is.
        store = Store(path, lease=10 * LIMIT)
        async with connected(url, store=store, elicitation_handler=oracle, limit=2 * LIMIT) as client:
            task = await anext(client.claims())
            async with anyio.create_task_group() as group:
                group.start_soon(task.result)
                held.process.send_signal(signal.SIGCONT)
                held.tell()
                assert await held.said() == "sent False"
                assert server.requests.count("tasks/update") == 0
                think.set()
                assert await answered(steered) == [{"action": "accept", "content": {"value": "in time"}}]
                steered.complete("done")
        assert await held.said() == "done"
        with anyio.fail_after(LIMIT):
            assert await anyio.to_thread.run_sync(held.process.wait, abandon_on_cancel=True) == 0
    record = await store.get(task.reference)
    assert (record.phase, record.fence) == ("over", 2)
    assert server.requests.count("tasks/update") == 1
