"""Looks at threads, event loops and processes. Does not need pytest, since scripts of tests use it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import mcptasks
from mcptasks.sync import Client

PACKAGE = str(Path(mcptasks.__file__).parent)
LIMIT = 120.0
"""Seconds that anything may take; then the test fails. Nothing should come near."""


def eventually(check: Callable[[], object], what: str, limit: float = LIMIT) -> None:
    """Wait until `check` is true. Fail, with `what` in the message, if that takes too long."""
    deadline = time.monotonic() + limit
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def threads() -> set[threading.Thread]:
    """The living threads, except for idle ones that trio keeps for 10 s."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}


def stands_inside(thread: threading.Thread) -> bool:
    """Whether a thread is inside a call of this package."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGE):
            return True
        frame = frame.f_back
    return False


def portal_thread(client: Client) -> int:
    """The identity of the thread on which the client's event loop runs."""
    return client._run(threading.get_ident)


def loop_tasks(client: Client) -> int:
    """How many tasks live on the client's event loop."""

    def count() -> int:
        if client.backend == "trio":
            import trio

            return trio.lowlevel.current_statistics().tasks_living
        return len(asyncio.all_tasks())

    return client._run(count)


def has_ended(pid: int) -> bool:
    """Whether a process has ended. A zombie, for which nobody has waited yet, has ended."""
    return not is_running(pid)


def parent_of(pid: int | None) -> int:
    """The id of the process that has started a process."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def is_running(pid: int) -> bool:
    """Whether a process runs: the opposite of `has_ended`."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        # The process ended just now. Or there is no /proc, and the signal above has told that the process exists.
        return not Path("/proc/self/stat").exists()
    # In a container without an init process, orphans stay zombies.
    return status.rsplit(")", 1)[1].split()[0] != "Z"
