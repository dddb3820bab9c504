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
from tests.helpers.warm import Running, Warm

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
START_LIMIT = 180.0
"""Starting an interpreter takes its time on a busy machine."""

WARNINGS = ("default", "ignore:Async generator:ResourceWarning")
"""All warnings but one: the SDK's HTTP client leaves event streams half read, which trio remarks on."""


class Program:
    """A script that runs: it says lines and is told lines, and every wait for it is bounded.

    It shows all warnings, so that whoever expects nothing on stderr hears of those too. It leads a process group of its
    own, as a program in a terminal does.

    Args:
        script: The file's name.
        *arguments: What the script is given.
        warm: Forks the program; None for a fresh Python, which imports everything for 2 s of processor time.
    """

    def __init__(self, script: str, *arguments: object, warm: Warm | None = None) -> None:
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environ = {**kept, "PYTHONPATH": str(ROOT)}
        (reads, tells), (hears, says) = os.pipe(), os.pipe()
        self._stdin, self._stdout = (
            open(number, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - closed by __exit__
            for number, mode in ((tells, "w"), (hears, "r"))
        )
        streams = (reads, says, self._errors.fileno())
        path, words = str(SCRIPTS / script), [str(each) for each in arguments]
        self._process: subprocess.Popen[bytes] | Running
        try:
            if warm is not None:
                self._process = warm.start(words, environ, ROOT, streams, path, WARNINGS)
            else:
                stdin, stdout, stderr = streams
                self._process = subprocess.Popen(
                    [sys.executable, *(f"-W{each}" for each in WARNINGS), path, *words],
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    cwd=ROOT,
                    env=environ,
                    start_new_session=True,
                )
        finally:
            os.close(reads)
            os.close(says)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def _read(self) -> None:
        for line in self._stdout:
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
        self._stdin.write(line + "\n")
        self._stdin.flush()

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
        except (subprocess.TimeoutExpired, TimeoutError):
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
        try:
            code = self._process.wait(0)
        except (subprocess.TimeoutExpired, TimeoutError):
            code = None
            # The scripts have every thread's stack written at this signal.
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
        return f"exit code {code}, stderr:\n{self.errors}"

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
        with suppress(BrokenPipeError):  # What was said last is not written if nobody hears it.
            self._stdin.close()
        self._stdout.close()
        self._errors.close()
