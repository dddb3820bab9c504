"""The command line as a real process: in pipes, and at a terminal whose screen is read back.

Each process has a home directory and a session of its own, so that signals reach only this process. A test waits for
what the process prints, never for a time.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyte
from attrs import define, field, frozen

from tests.helpers.warm import Running, Warm

LIMIT = 180.0
"""Seconds for one command; after that its test fails. Generous, since CI machines are busy."""

# A shell starts background jobs with SIGINT ignored, and Python does not change that.
_MAIN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
if os.isatty(0):
    import fcntl, termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches the command
sys.argv[0] = "mcptasks"
from mcptasks.__main__ import main
sys.exit(main())
"""
COMMAND = (sys.executable, "-W", "error", "-c", _MAIN)


@frozen
class Done:
    """How a command in pipes ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)


@define
class Home:
    """A home directory, in which commands are run."""

    folder: Path
    environ: dict[str, str] = field(factory=dict[str, str])
    warm: Warm | None = None
    """Forks the commands; None for a fresh Python for each."""

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a command."""
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
        root = str(Path(__file__).parent.parent.parent)
        own = {"HOME": str(self.folder), "TERM": "xterm-256color", "PYTHONPATH": root}
        return {**kept, **own, **self.environ, **(more or {})}

    def run(self, *words: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None) -> Done:
        """Run a command in pipes, and wait for its end."""
        if self.warm is not None:
            assert not stdin
            return self._run_warm(self.warm, words, env)
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*COMMAND, *words],
            input=given,
            capture_output=True,
            timeout=LIMIT,
            check=False,
            env=self.variables(env),
            cwd=self.folder,
            start_new_session=True,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def _run_warm(self, warm: Warm, words: Sequence[str], env: Mapping[str, str] | None) -> Done:
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        with open(out, "rb") as reads_out, open(err, "rb") as reads_err:  # noqa: PTH123 - these are pipes
            with Path(os.devnull).open("rb") as nothing:
                streams = nothing.fileno(), their_out, their_err
                running = warm.start(words, self.variables(env), self.folder, streams)
            os.close(their_out)
            os.close(their_err)
            limit = threading.Timer(LIMIT, running.kill)
            limit.start()
            try:
                found, said = reads_out.read(), reads_err.read()  # What is said is less than a pipe holds.
                return Done(running.wait(LIMIT), found.decode(), said.decode())
            finally:
                limit.cancel()

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command in pipes."""
        return subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.variables(env),
            cwd=self.folder,
            start_new_session=True,
        )

    def terminal(self, *words: str, columns: int = 80, env: Mapping[str, str] | None = None) -> Terminal:
        """Start a command at a terminal."""
        found = words if self.warm is not None else (*COMMAND, *words)
        return Terminal(found, self.variables(env), self.folder, columns, self.warm)


class Terminal:
    """A command whose standard streams are a terminal. `with` ends the command.

    Args:
        words: The command line.
        environ: Its environment.
        folder: Its working directory.
        columns: The terminal's width; a terminal may report 0.
        warm: Forks the command, if given; `words` then follow the program's name.
    """

    def __init__(
        self, words: Sequence[str], environ: Mapping[str, str], folder: Path, columns: int, warm: Warm | None = None
    ) -> None:
        self.raw = b""
        """The command's whole output, byte for byte."""
        self._screen = pyte.HistoryScreen(columns or 80, 50, history=1000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._process: subprocess.Popen[bytes] | Running
        if warm is not None:
            self._process = warm.start(words, environ, folder, (theirs, theirs, theirs))
        else:
            self._process = subprocess.Popen(
                words,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env=dict(environ),
                cwd=folder,
                start_new_session=True,
            )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with suppress(ChildProcessError):
            self._process.wait(LIMIT)
        os.close(self._own)

    @property
    def lines(self) -> list[str]:
        """The lines on the screen now."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The text on the screen now, without the line breaks that come from the terminal's width."""
        return "".join(
            line if len(line) == self._screen.columns else line.rstrip() + "\n" for line in self._screen.display
        )

    def until(self, *words: str) -> str:
        """Read until all of these words stand on the screen, and return its text."""
        self._read(lambda: all(word in self.text for word in words))
        return self.text

    def type(self, text: str) -> None:
        """Type something; Enter is "\\n", and control characters are themselves."""
        os.write(self._own, text.encode())

    def send(self, number: signal.Signals) -> None:
        """Send the command a signal."""
        self._process.send_signal(number)

    def resize(self, columns: int) -> None:
        """Make the terminal wider or narrower."""
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._process.send_signal(signal.SIGWINCH)

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        self._read(lambda: False, to_end=True)
        return self._process.wait(LIMIT)

    def _read(self, enough: Callable[[], bool], *, to_end: bool = False) -> None:
        deadline = time.monotonic() + LIMIT
        while not enough():
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._own], [], [], max(left, 0))
            assert ready, f"the command says no more; the screen:\n{self.text}"
            try:
                piece = os.read(self._own, 65536)
            except OSError:
                piece = b""  # On Linux, reading a terminal that nobody has open fails with EIO.
            if not piece:
                assert to_end, f"the command has ended; the screen:\n{self.text}"
                return
            self.raw += piece
            self._stream.feed(piece)
