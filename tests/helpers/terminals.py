"""A terminal to write to. The text goes through a real pty, and an emulator keeps the screen."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading
import tty
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO

import pyte

_pyte: Any = pyte
"""`Any`, since pyte has no annotations."""
_CHUNK = 65_536


class Terminal:
    """The screen of a terminal, and the file that writes to it.

    Args:
        columns: The width.
        lines: The height.
        encoding: The encoding of the file.
    """

    def __init__(self, columns: int = 80, lines: int = 24, encoding: str = "utf-8") -> None:
        self.raw = bytearray()
        """All bytes that were written."""
        self.title = "untouched"
        self._screen = _pyte.Screen(columns, lines)
        self._screen.title = self.title
        self._stream = _pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.file: TextIO = os.fdopen(slave, "w", encoding=encoding)
        self.resize(columns, lines)
        self._reader = threading.Thread(target=self._read, name="terminal")
        self._reader.start()

    def resize(self, columns: int, lines: int) -> None:
        """Change the terminal's size."""
        fcntl.ioctl(self.file.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        with self._lock:
            self._screen.resize(lines, columns)

    @property
    def lines(self) -> list[str]:
        """The lines on the screen, without the empty ones at the end."""
        with self._lock:
            shown = [str(line).rstrip() for line in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    @property
    def text(self) -> str:
        """The lines on the screen as one text."""
        return "\n".join(self.lines)

    @property
    def shown_title(self) -> str:
        """The window's title."""
        return str(self._screen.title)

    def close(self) -> None:
        """Wait until everything that was written is on the screen."""
        self.file.close()
        self._reader.join()
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, _CHUNK)
            except OSError:  # The other end was closed (Linux).
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                # A raw terminal leaves line ends as they are.
                self._stream.feed(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


@contextmanager
def terminal(columns: int = 80, lines: int = 24, encoding: str = "utf-8") -> Generator[Terminal]:
    """A block with a terminal. After the block, all that was written is on the screen."""
    found = Terminal(columns, lines, encoding)
    try:
        yield found
    finally:
        found.close()
