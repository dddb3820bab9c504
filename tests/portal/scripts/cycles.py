"""Opens and closes clients many times, and says what is left of them: threads, files, memory.

Arguments: "process", "stdio" or the URL of a server with the tool `quick`; the backend; how many times before the first
look, and between the first and the second; what is done in between ("open" for no more than that, or "use"); how
clients end ("close" or "drop").
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
import tracemalloc
import typing
import warnings
from pathlib import Path
from typing import Any, cast

from mcptasks.testing import Options, TaskServer
from tests.helpers.threads import eventually, threads
from tests.portal.functions import FUNCTIONS
from tests.portal.scripts.talk import make_client, say

where, backend, first, times, what, ending = sys.argv[1:]
warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
pid_file = Path(tempfile.gettempdir(), f"mcptasks-cycles-{os.getpid()}")


def target() -> Any:
    """What to connect to."""
    if where == "stdio":
        return [sys.executable, str(Path(__file__).with_name("tiny_server.py")), str(pid_file), "gentle"]
    if where != "process":
        return where
    server = TaskServer(era="modern", options=Options(poll_interval_ms=20))
    server.add_tool("quick", result=1)
    return server


def cycle() -> None:
    """One client's life, with a bit of everything that holds on to something."""
    client = make_client(target(), backend, **FUNCTIONS).open()
    if what == "use":
        task = client.call_tool("quick", task=True)
        remove = task.on_status_change(lambda status: None)
        assert [status.status for status in task.updates()][-1] == "completed"
        assert task.future().result(120).data == task.result().data == 1
        remove()
    client.list_tools()
    if ending == "close":
        client.close()


def look() -> tuple[int, int, int, int, int]:
    """Threads, files, objects, bytes that Python has allocated since the first look, and pages of memory."""
    eventually(lambda: len(threads()) == 1, f"threads are left: {threading.enumerate()}")
    # The SDK makes a type for each client, which lies in the caches of `typing` until 128 others came after it. Cleared
    # as Python's own tests for leaks do.
    for clear in cast(Any, typing)._cleanups:
        clear()
    gc.collect()
    folder = "/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd"
    memory = Path("/proc/self/statm")
    resident = int(memory.read_text(encoding="utf-8").split()[1]) if memory.exists() else 0
    files = len(os.listdir(folder))  # noqa: PTH208
    return len(threads()), files, len(gc.get_objects()), tracemalloc.get_traced_memory()[0], resident


def cycles(count: int) -> None:
    """So many lives."""
    for _ in range(count):
        cycle()


cycles(int(first))
say("look", *look())
tracemalloc.start()
cycles(int(times))
say("look", *look())
pid_file.unlink(missing_ok=True)
