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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyte
import pytest
from attrs import define, field, frozen

from tests.helpers.forks import folder_of_run
from tests.helpers.stand_ins import StandIns
from tests.helpers.warm import STDIN, Running, Warm

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

    def run(
        self,
        *words: str,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        script: Path | str | None = None,
    ) -> Done:
        """Run a command in pipes, or a Python program if `script` names its file, and wait for its end."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        environ = self.variables(env)
        if (warm := self._warm_for(environ)) is not None and len(given) <= STDIN:
            with warm.start_in_pipes(words, environ, self.folder, given, str(script) if script else None) as running:
                out, err = running.communicate(timeout=LIMIT)
            return Done(running.wait(), out, err)
        done = subprocess.run(
            [*(COMMAND if script is None else (sys.executable, "-W", "error", script)), *words],
            input=given,
            capture_output=True,
            timeout=LIMIT,
            check=False,
            env=environ,
            cwd=self.folder,
            start_new_session=True,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str] | Running:
        """Start a command in pipes."""
        environ = self.variables(env)
        if (warm := self._warm_for(environ)) is not None:
            return warm.start_in_pipes(words, environ, self.folder)
        return subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
            cwd=self.folder,
            start_new_session=True,
        )

    def terminal(self, *words: str, columns: int = 80, env: Mapping[str, str] | None = None) -> Terminal:
        """Start a command at a terminal."""
        environ = self.variables(env)
        warm = self._warm_for(environ)
        found = words if warm is not None else (*COMMAND, *words)
        return Terminal(found, environ, self.folder, columns, warm)

    def _warm_for(self, environ: Mapping[str, str]) -> Warm | None:
        """What forks a command with this environment; None if a fresh Python must run it."""
        return self.warm if self.warm is not None and self.warm.suits(environ) else None


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Warm]:
    """What forks the commands of all tests, since the imports of a fresh Python take four fifths of a command's time.

    What a start itself does is tested with `COMMAND`."""
    environ = Home(tmp_path_factory.mktemp("warm")).variables()
    with Warm(environ, folder_of_run(pytestconfig) / "warm") as found:
        yield found


@pytest.fixture
def stand_ins(warm: Warm) -> Iterator[StandIns]:
    """What forks those that other programs start."""
    with StandIns(warm) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, warm: Warm) -> Home:
    """A home directory with nothing in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder, warm=warm)


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
