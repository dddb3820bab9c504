"""What tests and their scripts look at, without pytest: threads, event loops, processes."""

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
LIMIT = 15.0
"""The longest that anything may take, which nothing should come near."""


def eventually(check: Callable[[], object], what: str, limit: float = LIMIT) -> None:
    """Wait until the check is true; fail with these words if that takes too long."""
    deadline = time.monotonic() + limit
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def threads() -> set[threading.Thread]:
    """The threads that live, but for those that trio keeps for 10 s in case that they are needed again."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}


def stands_inside(thread: threading.Thread) -> bool:
    """Whether a thread is in a call of this package."""
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
    """Whether a process runs no more; one that nobody has waited for yet has ended."""
    return not is_running(pid)


def is_running(pid: int) -> bool:
    """The contrary."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        # It ended just now; where there is no /proc at all, the signal has said all there is to know.
        return not Path("/proc/self/stat").exists()
    # Orphans of a container that has no init process stay zombies for ever.
    return status.rsplit(")", 1)[1].split()[0] != "Z"
