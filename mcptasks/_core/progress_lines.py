"""The text of a live display of tasks, for a terminal or a pipe: rows in, lines of text out. Pure: no clock, no
terminal.

Every word of a server or program is legible and on one line (`safe_text`), so that no escape sequence reaches a
terminal. A line is not wider than the terminal, even with characters that take two cells or none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal, TypeAlias

from attrs import evolve, frozen

from mcptasks._core.progress import Expectation
from mcptasks._core.safe_text import line as legible
from mcptasks._core.safe_text import short

Tone: TypeAlias = Literal["", "over", "failed", "asks"]
"""What a line is about, for a display that has colours."""

_ROWS = 10
"""Up to this many tasks have a line each; more are shown as one line for each tool."""
_NAME = 32
"""How many cells a task's name and label take at most."""
_BAR = 20
"""Cells of a bar."""
_NARROW = 60
"""A terminal with fewer cells has no room for bars."""
_WORDS = 300
"""How many characters of a message or question are considered; the rest is ignored, to bound the time."""
_JOINED = "\ufe0f"
"""Makes an emoji of the character before it, which then takes two cells."""


@frozen(kw_only=True)
class Row:
    """One task as a display shows it."""

    name: str
    """The name of the tool or prompt, or the URI of the resource."""
    label: str | None = None
    word: str
    """The task's status, or other words in its place."""
    over: bool = False
    """Whether the display waits for nothing more from this task."""
    failed: bool = False
    asks: bool = False
    """Whether the task waits for input."""
    words: str | None = None
    """The status message, or the question."""
    fraction: float | None = None
    elapsed: timedelta | None = None
    expected: Expectation | None = None


@frozen(kw_only=True)
class Tally:
    """The tasks of one tool together."""

    name: str
    total: int | None
    """How many there are; None if that is not known yet."""
    over: int = 0
    """How many of the tasks are over, the failed ones included."""
    failed: int = 0
    asks: int = 0
    fraction: float | None = None
    """How much of the work of all tasks is done, from 0 to 1."""
    elapsed: timedelta | None = None
    expected: Expectation | None = None
    words: str | None = None
    """A question that waits for an answer."""


Item: TypeAlias = Row | Tally


@frozen
class Line:
    """A line of a frame."""

    text: str
    tone: Tone = ""


def frame(items: Sequence[Item], *, width: int, height: int, plain: bool = False) -> list[Line]:
    """The lines of a display that is drawn anew each time.

    Args:
        items: What is shown.
        width: Cells of the terminal's lines.
        height: Lines of the terminal.
        plain: Whether the terminal takes ASCII only.
    """
    room = max(min(_ROWS, height - 1), 1)
    if len(items) > room:
        items = tallies(items)
    shown = items if len(items) <= room else items[: room - 1]
    heads = [fit(_head(item), _NAME, plain=plain) for item in shown]
    column = max(map(cells, heads), default=0)
    texts = [
        f"{head}{' ' * (column - cells(head))}  {_rest(item, width, plain)}"
        for head, item in zip(heads, shown, strict=True)
    ]
    lines = [Line(fit(text, width - 1, plain=plain), _tone(item)) for text, item in zip(texts, shown, strict=True)]
    if len(shown) < len(items):
        lines.append(Line(fit(f"... and {len(items) - len(shown):,} more tools", width - 1, plain=plain)))
    return lines


def summary(items: Sequence[Item], *, times: bool = True) -> str:
    """All that is shown on one line of any length.

    Args:
        items: What is shown.
        times: Whether to include elapsed and remaining times. Without them, two summaries differ only if a task has
            changed.
    """
    if not times:
        items = [evolve(item, elapsed=None, expected=None) for item in items]
    if len(items) == 1:
        return f"{_head(items[0])}  {_rest(items[0], 0, True)}"
    return _joined(_counts(_sum("", items, "tasks")))


def tallies(items: Iterable[Item]) -> list[Tally]:
    """The items summed up for each tool, in the order in which the tools first occur."""
    tools: dict[str, list[Item]] = {}
    for item in items:
        tools.setdefault(item.name, []).append(item)
    return [_sum(name, members, name) for name, members in tools.items()]


def duration(value: timedelta) -> str:
    """A time span for people, in at most two units."""
    seconds = round(value.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 60:
        return f"{minutes} min {seconds % 60:02} s"
    return f"{hours} h {minutes % 60:02} min" if hours < 24 else f"{hours // 24:,} d {hours % 24} h"


def remaining(expected: Expectation) -> str:
    """The expected remaining time, for people."""
    soonest, latest = duration(expected.soonest), duration(expected.latest)
    return f"about {latest} more" if soonest == latest else f"about {soonest} to {latest} more"


def cells(text: str) -> int:
    """How many cells of a terminal a legible text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if char == _JOINED:
        return 1
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def fit(text: str, width: int, *, plain: bool = False) -> str:
    """As much of a text as fits into `width` cells, with a mark at the end if something was cut off."""
    if plain:
        text = text.encode("ascii", "backslashreplace").decode()
    if cells(text) <= width:
        return text
    mark = "..." if plain else "…"
    if width <= len(mark):
        return mark[: max(width, 0)]
    left, end = width - len(mark), 0
    for char in text:
        left -= _cells(char)
        if left < 0:
            break
        end += 1
    return text[:end] + mark


def _sum(name: str, items: Sequence[Item], called: str) -> Tally:
    counts = [_tally(item) for item in items]
    totals = [each.total for each in counts]
    total = None if None in totals else sum(filter(None, totals))
    elapsed = [each.elapsed for each in counts if each.elapsed is not None]
    expected = [each.expected for each in counts if each.expected is not None]
    fractions = [(each.fraction or 0.0) * (each.total or 0) for each in counts]
    known = any(each.fraction is not None for each in counts)
    return Tally(
        name=name or called,
        total=total,
        over=sum(each.over for each in counts),
        failed=sum(each.failed for each in counts),
        asks=sum(each.asks for each in counts),
        fraction=sum(fractions) / total if total and known else None,
        elapsed=max(elapsed, default=None),
        # All tasks together take as long as the longest one. Tasks of which nothing is known may take longer.
        expected=None
        if not expected
        else Expectation(soonest=max(each.soonest for each in expected), latest=max(each.latest for each in expected)),
        words=next((each.words for each in counts if each.words), None),
    )


def _tally(item: Item) -> Tally:
    if isinstance(item, Tally):
        return item
    return Tally(
        name=item.name,
        total=1,
        over=item.over,
        failed=item.failed,
        asks=item.asks,
        fraction=1.0 if item.over else item.fraction or 0.0,
        elapsed=item.elapsed,
        expected=None if item.over else item.expected,
        words=item.words if item.asks else None,
    )


def _head(item: Item) -> str:
    name = legible(item.name, _WORDS)
    return f"{name} {short(item.label, _WORDS)}" if isinstance(item, Row) and item.label else name


def _rest(item: Item, width: int, plain: bool) -> str:
    parts: list[str] = []
    fraction = None if isinstance(item, Row) and item.over else item.fraction
    if fraction is not None and not (width < _NARROW and isinstance(item, Tally)):
        percent = f"{int(fraction * 100):3} %"
        parts.append(percent if width < _NARROW else f"{_bar(fraction, plain)} {percent}")
    if isinstance(item, Tally):
        return _joined([*parts, *_counts(item)])
    words = [] if not item.words else [legible(item.words, _WORDS)]
    return _joined([*parts, _joined([item.word, *words], ": "), *_times(item)])


def _counts(tally: Tally) -> list[str]:
    total = "" if tally.total is None else f" of {tally.total:,}"
    parts = [f"{tally.over:,}{total} over"]
    if tally.failed:
        parts.append(f"{tally.failed:,} failed")
    if tally.asks:
        question = f": {legible(tally.words, _WORDS)}" if tally.words else ""
        parts.append(f"{tally.asks:,} wait{'s' if tally.asks == 1 else ''} for input{question}")
    return [*parts, *_times(tally)]


def _times(item: Item) -> list[str]:
    parts = [] if item.elapsed is None else [duration(item.elapsed)]
    return parts if item.expected is None else [*parts, remaining(item.expected)]


def _joined(parts: Iterable[str], separator: str = "  ") -> str:
    return separator.join(parts)


def _bar(fraction: float, plain: bool) -> str:
    full = int(fraction * _BAR)
    done, rest = ("#", "-") if plain else ("━", "─")
    return done * full + rest * (_BAR - full)


def _tone(item: Item) -> Tone:
    if item.failed:
        return "failed"
    if item.asks:
        return "asks"
    over = item.over if isinstance(item, Row) else item.over == item.total
    return "over" if over else ""
