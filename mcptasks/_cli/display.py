"""Tasks that are followed, shown on standard error: moving on a terminal, one line for each change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve, frozen

from mcptasks._cli import durations, untrusted
from mcptasks._cli.screen import Screen

if TYPE_CHECKING:
    from rich.live import Live

PAUSE = 10.0
"""Seconds between two lines about one task in a log or pipe, so that the log of a long run stays short. A change of
status is written at once."""
BEAT = 0.5
"""Seconds between two drawings on a terminal."""
_LEAST = 0.8 * BEAT
"""Fewest seconds between two beats that count. Each followed task has beats of its own, so there may be more."""
_SHARE = 50
"""The pause between two drawings is this many times the processor time of one drawing (2 % of a core), up to
`_MOST`."""
_MOST = 5.0
"""The longest pause in seconds between two drawings."""
_COLORS = {"completed": "green", "failed": "red", "cancelled": "yellow", "input_required": "cyan"}


@frozen
class Row:
    """One task in a display. The texts are the server's, unchanged."""

    id: str
    name: str
    status: str = "connecting"
    message: str = ""
    fraction: float | None = None
    since: float = 0.0
    """When the task was first shown, by the monotonic clock."""


class Display(Protocol):
    """Shows tasks while they are followed."""

    def update(self, row: Row) -> None:
        """Show the present state of a task."""

    def end(self, row: Row) -> None:
        """Write a line that stays about a task that has ended."""

    def beat(self) -> None:
        """Draw again if this display redraws; called every `BEAT` seconds."""

    def still(self) -> Any:
        """A block in which nothing is drawn, because somebody types."""

    def close(self) -> None:
        """Show no more."""


def is_due(before: Row | None, row: Row, told_at: float, now: float) -> bool:
    """Whether a line about a change is to be written. Pure.

    Args:
        before: The row of the latest line about the task; None if there was no line.
        row: The present row.
        told_at: When the latest line was written.
        now: The time, by the same clock.
    """
    if before is None:
        # A task that is over when it is first seen needs no line here: `end` writes one.
        return row.status not in ("completed", "failed", "cancelled")
    if before.status != row.status or (row.message and not before.message):
        return True
    changed = (before.message, before.fraction) != (row.message, row.fraction)
    return changed and now - told_at >= PAUSE


def words(row: Row) -> str:
    """Return the state of a task on one line, legible. Pure."""
    share = "" if row.fraction is None else f"{row.fraction:4.0%}"
    texts = (row.id, untrusted.line(row.name, 80), row.status, share, untrusted.line(row.message))
    return "  ".join(text for text in texts if text)


class Silent:
    """Shows nothing."""

    def update(self, row: Row) -> None:
        """Show nothing."""

    def end(self, row: Row) -> None:
        """Show nothing."""

    def beat(self) -> None:
        """Draw nothing."""

    @contextmanager
    def still(self) -> Generator[None]:
        """A block; nothing is drawn anyway."""
        yield

    def close(self) -> None:
        """There is nothing to end."""


class Lines(Silent):
    """One line for each change, for pipes, logs and terminals that cannot move.

    Args:
        screen: Where the lines go.
        clock: The monotonic time.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._clock = clock
        self._due = 0.0
        self._latest: dict[str, Row] = {}
        self._told: dict[str, tuple[Row, float]] = {}

    def update(self, row: Row) -> None:
        """Write a line if something has changed and the previous line is old enough; otherwise a later beat writes
        it."""
        self._latest[row.id] = row
        self._tell(row)

    def end(self, row: Row) -> None:
        """Write a line, unless the latest one says the same."""
        told, _ = self._told.get(row.id, (None, 0.0))
        if told is None or told.status != row.status:
            self._screen.say(words(row), _COLORS.get(row.status))

    def beat(self) -> None:
        """Write the lines that have become due."""
        if (now := self._clock()) < self._due:
            return
        self._due = now + _LEAST
        for row in list(self._latest.values()):
            self._tell(row)

    def _tell(self, row: Row) -> None:
        before, told_at = self._told.get(row.id, (None, 0.0))
        now = self._clock()
        if is_due(before, row, told_at, now):
            self._told[row.id] = row, now
            self._screen.say(words(row))


class Moving:
    """A table that is drawn again and again, on a terminal, with rich.

    Args:
        screen: Where the table is.
        clock: The monotonic time.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._clock = clock
        self._due = 0.0
        self._rows: dict[str, Row] = {}
        self._live: Live | None = None
        self._stopped = 0
        self._drawn = 0

    def update(self, row: Row) -> None:
        """Note the state; the next beat draws it."""
        self._rows[row.id] = evolve(row, since=self._rows.get(row.id, row).since or self._clock())

    def end(self, row: Row) -> None:
        """Write a line above the table."""
        with self.still():
            self._screen.say(words(row), _COLORS.get(row.status))

    def beat(self) -> None:
        """Draw the table, unless it was drawn just now."""
        now = self._clock()
        if self._stopped or not self._rows or now < self._due:
            return
        if self._live is None:
            self._live = self._started()
        self._drawn += 1
        began = time.thread_time()
        self._live.update(self._table(), refresh=True)
        self._due = now + min(max(_LEAST, _SHARE * (time.thread_time() - began)), _MOST)

    @contextmanager
    def still(self) -> Generator[None]:
        """A block in which the table is removed."""
        self._stopped += 1
        self._end()
        try:
            yield
        finally:
            self._stopped -= 1

    def close(self) -> None:
        """Remove the table."""
        self._stopped += 1
        self._end()

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _started(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        plain = not self._screen.styled("x", "red", self._screen.err).startswith("\x1b")
        console = Console(file=self._screen.err, force_terminal=True, no_color=plain, highlight=False, markup=False)
        live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
        live.start()
        return live

    def _table(self) -> Any:
        from rich.text import Text

        width, now = self._screen.width, self._clock()
        sign = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[self._drawn % 10]
        found: list[Text] = []
        for row in self._rows.values():
            passed = durations.words(now - row.since)
            text = untrusted.fitted(f"{sign} {words(row)}", max(width - len(passed) - 3, 1))
            found.append(Text(f"{text}  {passed}", style=_COLORS.get(row.status, ""), no_wrap=True, overflow="crop"))
        return Text("\n").join(found)


def display_of(screen: Screen, *, silent: bool = False) -> Display:
    """Return the display that suits standard error. Without the package rich, it is `Lines`."""
    if silent or screen.manner.json or screen.manner.quiet:
        return Silent()
    if screen.is_live:
        return Moving(screen) if find_spec("rich") is not None else Lines(screen)
    return Lines(screen)
