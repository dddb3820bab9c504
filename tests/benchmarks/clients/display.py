"""Figure 11: what a live display costs: tasks that are waited for, with a display in a terminal of its own and without.

Parameters: `count`, how many tasks; `seconds` for each measurement; `rounds`; `backend`. Results: the processor seconds
for each second, with the display and without.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
import time
from contextlib import suppress
from typing import Any

import anyio

import mcptasks
from mcptasks import Client
from mcptasks.testing import Options, TaskServer
from tests.benchmarks.clients import measuring
from tests.benchmarks.servers.scriptable_server import work

LINES, COLUMNS = 24, 100
LEARNED = 3
SETTLE = 10.0
"""Seconds for the polls with which waits begin, 16 a second."""


def terminal() -> tuple[int, Any]:
    """A terminal, whose output is read and thrown away."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def read() -> None:
        with suppress(OSError):  # The other side was closed.
            while os.read(master, 65536):
                pass

    threading.Thread(target=read, daemon=True).start()
    return master, os.fdopen(slave, "w", encoding="utf-8")


async def run(params: dict[str, Any]) -> dict[str, Any]:
    """Measure."""
    os.environ["TERM"] = "xterm"
    _, file = terminal()
    # The interval is so long that there are no polls beside the display.
    server = TaskServer("bench", options=Options(poll_interval_ms=3_600_000))
    shares: dict[str, list[float]] = {"without": [], "display": []}
    server.tool("work")(work)
    async with server.running(), Client(server) as client, anyio.create_task_group() as group:
        for _ in range(LEARNED):
            await (await client.call_tool("work", {"seconds": 0.1}, task=True))
        tasks = [await client.call_tool("work", {"seconds": 3600.0}, task=True) for _ in range(params["count"])]
        for task in tasks:
            group.start_soon(task.wait)
        await anyio.sleep(SETTLE)
        for number in range(2 * params["rounds"]):
            side = ("without", "display")[number % 2]
            with anyio.move_on_after(params["seconds"] + 2):
                async with anyio.create_task_group() as shown:
                    if side == "display":
                        shown.start_soon(lambda: mcptasks.progress(*tasks, file=file))
                    await anyio.sleep(2)  # The first drawing imports rich.
                    begun, at = time.process_time(), time.perf_counter()
                    await anyio.sleep(params["seconds"] - 1)
                    shares[side].append((time.process_time() - begun) / (time.perf_counter() - at))
                    shown.cancel_scope.cancel()
        group.cancel_scope.cancel()
    return shares


if __name__ == "__main__":
    measuring.main(run)
