"""Is interrupted many times, at random moments from the very beginning of a call on, and says how it went.

Arguments: the URL of a server with the tools `work` and `must`; the backend; how many interrupts.
"""

from __future__ import annotations

import gc
import os
import queue
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from mcptasks.sync import Client, Task
from tests.helpers.threads import eventually, loop_tasks, threads
from tests.portal.scripts.talk import hear, make_client, say

url, backend, times = sys.argv[1:]
chance = random.Random(7)
orders: queue.SimpleQueue[float] = queue.SimpleQueue()
sent: list[float] = []


def interrupt() -> None:
    """Send a real SIGINT so many seconds after each order."""
    while True:
        delay = orders.get()
        time.sleep(delay)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)


def moments() -> list[float]:
    """When to interrupt: at once, nearly at once, and at any moment of the first 50 ms."""
    return [0.0, 0.0, *(chance.uniform(0, 0.002) for _ in range(4)), *(chance.uniform(0, 0.05) for _ in range(24))]


threading.Thread(target=interrupt, name="interrupts", daemon=True).start()
with make_client(url, backend) as client:
    task: Task[Any] = client.call_tool("work", task=True)
    task.status()
    tasks = loop_tasks(client)
    updates = task.updates()
    next(updates)
    opened: list[Client] = []

    def reopen() -> None:
        """Open and close another client, again and again."""
        while True:
            other = make_client(url, backend)
            opened.append(other)
            other.open()
            other.close()

    def repeat(call: Callable[[], object]) -> Callable[[], None]:
        """Call again and again what returns soon."""

        def endlessly() -> None:
            while True:
                call()

        return endlessly

    ways: dict[str, Callable[[], object]] = {
        "result": task.result,
        "wait": task.wait,
        "updates": lambda: next(updates),
        "plain": lambda: client.call_tool("must"),
        "create": repeat(lambda: client.call_tool("work", task=True)),
        "status": repeat(task.status),
        "open": reopen,
        "callbacks": repeat(lambda: task.on_status_change(lambda status: None)()),
    }
    say("ready")
    while (way := hear()) != "finish":
        late: list[float] = []
        # Python drops an interrupt that comes in a `__del__`, such as that of a client that was not kept.
        gc.collect()
        gc.disable()
        for delay in (moments() * 40)[: int(times)]:
            try:
                orders.put(delay)
                ways[way]()
            except KeyboardInterrupt:
                late.append(time.monotonic() - sent[-1])
        gc.enable()
        for other in opened:
            other.close()
        opened.clear()
        eventually(lambda: loop_tasks(client) <= tasks, f"{way}: tasks of interrupted calls are left on the loop")
        client.list_tools()
        say("late", *late)
    say("result", task.result(timeout=120).data)
# An interrupt must not lose a client either, whose thread would stay.
eventually(lambda: {thread.name for thread in threads()} == {"MainThread", "interrupts"}, "a thread is left")
say("closed")
