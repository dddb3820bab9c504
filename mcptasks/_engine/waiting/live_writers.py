"""Writes a live display to a terminal, with rich or without, or to a pipe. A thread of its own does the writing.

A terminal may be slow, or stopped with Ctrl-S. Then only this thread waits for the terminal. It is a daemon thread, and
it skips a frame that it has not written when a newer one comes.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TextIO

import anyio
from attrs import define, field

from mcptasks import _eventloop
from mcptasks._core.progress_lines import Item, Row, Tone, cells, fit, frame, summary

logger = logging.getLogger("mcptasks")

_EVERY = 10.0
"""Seconds between two lines in a pipe, which may be a log file that somebody reads later."""
_CLOSE_SECONDS = 1.0
"""Seconds that the end of a display waits for the last frame; then the program goes on, since the terminal may be
stopped."""
_FAILED = 10
"""How many failed tasks are named below the last line of a display that shows one line."""
_SIZE = os.terminal_size((80, 24))
"""The size of a terminal that does not report one."""
_STYLES: dict[Tone, str] = {"": "", "over": "green", "failed": "red", "asks": "yellow"}
_DUMB = ("dumb", "unknown")
"""Values of TERM for a terminal that cannot move its cursor up."""


class Writer(Protocol):
    """One way to show a live display."""

    def draw(self, items: Sequence[Item], *, last: bool) -> None:
        """Show these items in place of the earlier ones.

        Args:
            items: The items to show.
            last: Whether this is the last drawing.
        """
        ...

    def rest(self) -> None:
        """Leave the terminal to a handler until the next drawing."""
        ...


def writer_for(file: TextIO) -> Writer:
    """The writer that suits a file."""
    plain = not _can_draw(file)
    if not file.isatty():
        return PipeWriter(file)
    if importlib.util.find_spec("rich") is None or os.environ.get("TERM", "") in _DUMB:
        return LineWriter(file, plain)
    return RichWriter(file, plain)


@define(eq=False)
class PipeWriter:
    """A line for each change, at most one each 10 s, in ASCII."""

    _file: TextIO
    _clock: Callable[[], float] = time.monotonic
    _said: str | None = field(default=None, init=False)
    _when: float = field(default=0.0, init=False)

    def draw(self, items: Sequence[Item], *, last: bool) -> None:
        """Write a line if something has changed. The last change is always written."""
        news, now = summary(items, times=False), self._clock()
        early = self._said is not None and now < self._when + _EVERY
        if news == self._said or (early and not last):
            return
        self._said, self._when = news, now
        self._file.write(_plain(summary(items)) + "\n" + (_endings(items) if last else ""))
        self._file.flush()

    def rest(self) -> None:
        """Do nothing: other lines may stand between ours."""


@define(eq=False)
class LineWriter:
    """One line of a fixed width that is overwritten by each drawing."""

    _file: TextIO
    _is_plain: bool
    _drawn: bool = field(default=False, init=False)

    def draw(self, items: Sequence[Item], *, last: bool) -> None:
        """Write over the line."""
        width = max(_size(self._file).columns - 1, 1)
        text = fit(summary(items), width, plain=self._is_plain)
        end = "\n" + _endings(items) if last else ""
        self._file.write(f"\r{text}{' ' * (width - cells(text))}{end}")
        self._file.flush()
        self._drawn = not last

    def rest(self) -> None:
        """Go on in a new line."""
        if self._drawn:
            self._file.write("\n")
            self._file.flush()
        self._drawn = False


@define(eq=False)
class RichWriter:
    """Several lines that rich keeps in place, in colours."""

    _file: TextIO
    _is_plain: bool
    _live: Any = field(default=None, init=False)

    def draw(self, items: Sequence[Item], *, last: bool) -> None:
        """Draw all lines anew."""
        from rich.text import Text

        size = _size(self._file)
        lines = frame(items, width=size.columns, height=size.lines, plain=self._is_plain)
        # Without markup, so that a server's text is shown as it is.
        texts = [Text(line.text, style=_STYLES[line.tone], no_wrap=True, overflow="crop") for line in lines]
        self._begun(size).update(Text("\n").join(texts), refresh=True)
        if last:
            self.rest()

    def rest(self) -> None:
        """Leave the lines where they are, and go on below."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begun(self, size: os.terminal_size) -> Any:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            console = Console(file=self._file, highlight=False)
            # rich must not redirect the streams, or `input()` would show no prompt.
            self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        self._live.console.size = (size.columns, size.lines)
        return self._live


class Screen:
    """The thread that writes. Made on the event loop.

    Args:
        make: Makes the writer, in the thread, since importing rich takes a while.
    """

    def __init__(self, make: Callable[[], Writer]) -> None:
        self._make = make
        self._ready = threading.Condition()
        self._items: Sequence[Item] = ()
        self._what: Literal["draw", "rest", "last"] | None = None
        """The next thing to do; None for nothing."""
        self.spent = 0.0
        """Processor seconds that the latest drawing took, without the first one, which imports rich."""
        self._written = anyio.Event()
        self._soon = _eventloop.finalizer()
        threading.Thread(target=self._work, name="mcptasks display", daemon=True).start()

    def draw(self, items: Sequence[Item]) -> None:
        """Have the thread show these items."""
        self._give("draw", items)

    def rest(self) -> None:
        """Have the thread leave the terminal to a handler."""
        self._give("rest", ())

    async def close(self, items: Sequence[Item]) -> None:
        """Have the thread show these items as the last ones, and wait up to `_CLOSE_SECONDS` for that."""
        self._give("last", items)
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await self._written.wait()

    def _give(self, what: Literal["draw", "rest", "last"], items: Sequence[Item]) -> None:
        with self._ready:
            self._what, self._items = what, items
            self._ready.notify()

    def _work(self) -> None:
        try:
            writer, what, is_first = self._make(), "", True
            while what != "last":
                with self._ready:
                    while self._what is None:
                        self._ready.wait()
                    what, items, self._what = self._what, self._items, None
                if what == "rest":
                    writer.rest()
                else:
                    began = time.thread_time()
                    writer.draw(items, last=what == "last")
                    self.spent = 0.0 if is_first else time.thread_time() - began
                    is_first = False
        except Exception:
            # The file is closed, or nobody reads the pipe. That ends the display, and nothing else.
            logger.debug("a live display ended early", exc_info=True)
        finally:
            self._soon(self._written.set)


def _size(file: TextIO) -> os.terminal_size:
    try:
        found = os.get_terminal_size(file.fileno())
    except (OSError, ValueError):
        return _SIZE
    return os.terminal_size((found.columns or _SIZE.columns, found.lines or _SIZE.lines))


def _can_draw(file: TextIO) -> bool:
    try:
        "━─…".encode(file.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def _plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _endings(items: Sequence[Item]) -> str:
    """Lines about the failed tasks among several."""
    failed = [item for item in items if isinstance(item, Row) and item.failed] if len(items) > 1 else []
    lines = [_plain(summary([item])) for item in failed[:_FAILED]]
    if len(failed) > _FAILED:
        lines.append(f"... and {len(failed) - _FAILED:,} more that failed")
    return "".join(f"{line}\n" for line in lines)
