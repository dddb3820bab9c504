"""This program's ends of the pipes to a subprocess, read and written without blocking the event loop."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from contextlib import suppress

import anyio

_CHUNK = 64 * 1024
"""How many bytes are read at a time: as many as a pipe of Linux holds."""
_LEFT = 1024 * 1024
"""How many bytes are read after `finish`; the rest is lost. A process that goes on writing must not delay the end."""


class Pipe:
    """This program's end of a pipe. A second `close` does nothing."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd

    def close(self) -> None:
        """Close this end. No task may be reading from it or writing to it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class Inlet(Pipe):
    """The pipe that a subprocess writes to."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._waiting = anyio.CancelScope()
        self._left: int | None = None

    def finish(self) -> None:
        """Make `read` return what is in the pipe now, and then the end.

        The true end may not come: a child of the subprocess may hold the other end of the pipe open.
        """
        self._left = _LEFT
        self._waiting.cancel()

    async def read(self) -> bytes:
        """Wait for bytes and return them; empty at the end."""
        while True:
            with anyio.CancelScope() as self._waiting:
                if self._fd is not None and self._left is None:
                    await anyio.wait_readable(self._fd)
            chunk = self.read_now()
            if chunk is not None:
                return chunk
            if self._left is not None:
                return b""

    def read_now(self) -> bytes | None:
        """The bytes that are there; empty at the end, None if nothing is there yet."""
        if self._fd is None or self._left == 0:
            return b""
        try:
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return None
        if self._left is not None:
            self._left = max(self._left - len(chunk), 0)
        return chunk


class Outlet(Pipe):
    """The pipe that a subprocess reads from."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._sent = 0

    @property
    def is_untouched(self) -> bool:
        """Whether the subprocess has read nothing of what was sent; False also if the system does not tell."""
        if self._fd is None:
            return False
        with suppress(OSError):
            answer = fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4))
            return bool(struct.unpack("i", answer)[0] == self._sent)
        return False

    async def send(self, data: bytes) -> None:
        """Write all bytes.

        Raises:
            OSError: One end of the pipe is closed.
        """
        rest = memoryview(data)
        while self._fd is not None:
            with suppress(BlockingIOError):
                written = os.write(self._fd, rest)
                self._sent += written
                rest = rest[written:]
            if not rest:
                return
            await anyio.wait_writable(self._fd)
        raise BrokenPipeError


def make_pipe(*, to_child: bool) -> tuple[int, int]:
    """Make a pipe; returns this program's end and the child's."""
    reading, writing = os.pipe()
    return (writing, reading) if to_child else (reading, writing)
