"""How the scripts talk with the test that runs them, and what they have in common."""

from __future__ import annotations

import faulthandler
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import mcptasks
from mcptasks import PollingPolicy
from mcptasks.sync import Client

faulthandler.register(signal.SIGUSR1)
# A shell has its background jobs ignore SIGINT, and Python leaves that as it is. These scripts stand for programs that
# a person runs, also where the tests themselves run in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

QUICK = PollingPolicy(first=0.01, floor=0.01, default_interval=0.02)
PACKAGE = str(Path(mcptasks.__file__).parent)


def say(*words: object) -> None:
    """Say a line to the test."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def hear() -> str:
    """Wait for a line of the test; empty when the test is gone."""
    return sys.stdin.readline().strip()


def make_client(target: Any, backend: Any, **options: Any) -> Client:
    """A client that looks often."""
    settings: dict[str, Any] = {"polling": QUICK, "reconnect_timeout": 30.0, **options}
    return Client(target, backend=backend, **settings)


def asleep(thread: threading.Thread) -> bool:
    """Whether a thread waits for something other than a processor: on a busy machine a thread may stand at one place
    though it could go on. Without /proc, always true."""
    try:
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return re.search(r"^State:\s+S", status, re.MULTILINE) is not None


def say_when_still(word: str) -> None:
    """Say the word as soon as the main thread stands still inside the package, or in a handler called by it."""
    main = threading.main_thread()

    def place() -> list[tuple[str, int]]:
        frame, stack = sys._current_frames().get(main.ident or 0), list[tuple[str, int]]()
        while frame is not None:
            stack.append((frame.f_code.co_filename, frame.f_lasti))
            frame = frame.f_back
        return stack if asleep(main) and any(name.startswith(PACKAGE) for name, _ in stack) else []

    def watch() -> None:
        last: list[tuple[str, int]] = []
        while not last or place() != last:
            last = place()
            time.sleep(0.02)
        say(word)

    threading.Thread(target=watch, daemon=True).start()
