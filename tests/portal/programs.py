"""Runs the scripts of tests/portal/scripts in processes of their own, and talks with them line by line."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.helpers.threads import LIMIT

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
START_LIMIT = 180.0
"""Starting an interpreter takes its time on a busy machine."""

WARNINGS = ("-W", "default", "-W", "ignore:Async generator:ResourceWarning")
"""All warnings but one: the SDK's HTTP client leaves event streams half read, which trio remarks on."""


class Program:
    """A script that runs: it says lines and is told lines, and every wait for it is bounded.

    It shows all warnings, so that whoever expects nothing on stderr hears of those too. It leads a process group of its
    own, as a program in a terminal does.
    """

    def __init__(self, script: str, *arguments: object, options: tuple[str, ...] = WARNINGS) -> None:
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            [sys.executable, *options, str(SCRIPTS / script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def says(self, limit: float = START_LIMIT) -> str:
        """The next line that it says."""
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            raise AssertionError(f"the program says nothing; {self._how_it_stands()}") from None
        assert line is not None, f"the program ended; {self._how_it_stands()}"
        return line

    def expect(self, word: str, limit: float = START_LIMIT) -> list[str]:
        """Read a line that begins with this word; the words after it."""
        line = self.says(limit)
        assert line.split()[:1] == [word], f"expected {word!r}, heard {line!r}; {self._how_it_stands()}"
        return line.split()[1:]

    def tell(self, line: str) -> None:
        """Say a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def interrupt(self, *, group: bool = False) -> float:
        """Send SIGINT, to its children too with `group`, as a terminal does; when that was (`time.monotonic`)."""
        begun = time.monotonic()
        if group:
            os.killpg(self._process.pid, signal.SIGINT)
        else:
            self._process.send_signal(signal.SIGINT)
        return begun

    def ends(self, limit: float = LIMIT) -> int:
        """Wait until it has ended; its exit code."""
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program does not end; {self._how_it_stands()}") from None

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        self._errors.seek(0)
        return self._errors.read()

    def ends_well(self, limit: float = LIMIT) -> None:
        """Wait until it has ended, with exit code 0 and without a word on stderr."""
        code = self.ends(limit)
        assert (code, self.errors) == (0, "")

    def _how_it_stands(self) -> str:
        if self._process.poll() is None:
            # The scripts have every thread's stack written at this signal.
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
        return f"exit code {self._process.poll()}, stderr:\n{self.errors}"

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # With what it has started, which would hold its pipes open.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(LIMIT)
        self._reader.join(LIMIT)
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()
