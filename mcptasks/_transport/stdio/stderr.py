"""A server's stderr: passed on unchanged to this program's stderr, with the last lines kept for errors."""

from __future__ import annotations

import logging
import os
import re
import select
import sys
from contextlib import suppress

import anyio

from mcptasks._core import safe_text
from mcptasks._transport.stdio.pipes import Inlet

logger = logging.getLogger("mcptasks")

_KEPT = 4096
"""How many bytes of the end are kept; older ones are dropped. Enough for the lines of an error, control sequences
included."""
_LINES, _CHARACTERS = 5, 500
"""How many lines, and characters in all, go into an error; the beginning is cut off, for the end of a traceback says
what happened."""
_WAITING = 256 * 1024
"""How many bytes may wait for this program's stderr. Further bytes are lost: a server whose pipe is full would stop."""
_FLUSH_SECONDS = 0.5
"""Seconds that this program's stderr has to take the waiting bytes at the end; then they are lost."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)")
"""Control sequences, which colour text on a terminal or move it about (ECMA-48, 5)."""


class Stderr:
    """One server's stderr.

    Args:
        source: The pipe that the server writes to.
    """

    def __init__(self, source: Inlet) -> None:
        self._source = source
        self._fd = _own_stderr()
        self._is_read = self._fd is not None
        self._waiting = bytearray()
        self._news = anyio.Event()
        self._flushed = anyio.Event()
        self._end = b""

    @property
    def last_words(self) -> str:
        """The last lines, joined into one and made harmless for terminals; empty if the server wrote nothing."""
        return last_words(self._end)

    async def run(self) -> None:
        """Pass on the server's output until it ends."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._pass_on)
            while chunk := await self._source.read():
                self._take(chunk)
            await self.flush()
            group.cancel_scope.cancel()

    def catch_up(self) -> None:
        """Pass on the bytes that are in the pipe, without waiting."""
        while chunk := self._source.read_now():
            self._take(chunk)

    async def flush(self) -> None:
        """Wait, for a short time, until this program's stderr has taken the waiting bytes."""
        self._write()
        if self._waiting:
            self._flushed = anyio.Event()
            with anyio.move_on_after(_FLUSH_SECONDS):
                await self._flushed.wait()

    def close(self) -> None:
        """Close the descriptor. `run` must have ended."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _take(self, chunk: bytes) -> None:
        self._end = (self._end + chunk)[-_KEPT:]
        if not self._is_read:
            return
        room = _WAITING - len(self._waiting)
        if room < len(chunk):
            logger.debug("nobody reads this program's stderr; some of what a server writes is lost")
        self._waiting += chunk[:room]
        self._write()
        self._news.set()

    async def _pass_on(self) -> None:
        """Write the bytes that this program's stderr did not take at once."""
        while self._fd is not None:
            await self._news.wait()
            self._news = anyio.Event()
            while self._waiting:
                await anyio.wait_writable(self._fd)
                self._write()
            self._flushed.set()

    def _write(self) -> None:
        """Write as much as can be written without blocking.

        Other programs may share the file, so we must not make it non-blocking.
        """
        try:
            while self._waiting and self._fd is not None and _is_writable(self._fd):
                # A writable pipe takes PIPE_BUF bytes without blocking (POSIX, `write`).
                written = os.write(self._fd, self._waiting[: select.PIPE_BUF])
                del self._waiting[:written]
        except BlockingIOError:
            pass
        except OSError:
            self._is_read = False
            self._waiting.clear()


def last_words(end: bytes) -> str:
    """The last lines of a text, joined into one line and without control sequences."""
    text = _SEQUENCE.sub("", end.decode("utf-8", errors="replace"))
    lines = [
        legible
        for line in text.splitlines()
        if (legible := safe_text.line(line[-2 * _CHARACTERS :], 20 * _CHARACTERS).strip())
    ]
    words = " | ".join(lines[-_LINES:])
    return words if len(words) <= _CHARACTERS else f"…{words[1 - _CHARACTERS :]}"


def _own_stderr() -> int | None:
    """A duplicate of the descriptor of this program's stderr, which may be replaced; None if there is none."""
    for stream in (sys.stderr, sys.__stderr__):
        # Streams of notebooks and tests need not have a descriptor.
        with suppress(AttributeError, OSError, ValueError):
            return None if stream is None else os.dup(stream.fileno())
    return None


def _is_writable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
