"""How far a task is, in HTML: bars, elapsed and expected times, and moments as "3 min ago". Pure: no clock.

A page that nobody updates shows exact times only, since "3 min ago" would soon be wrong there.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mcptasks._core.progress import Expectation, TaskProgress
from mcptasks._core.progress_lines import Row, Tally, duration, remaining, tallies
from mcptasks._core.safe_text import cut

BLUE = "#3b82f6"
RED = "#dc2626"
_WORDS = 200
"""The most characters of a tool's name. A server chooses how long names are."""
_TRACK = "display:inline-block;width:10em;height:0.7em;border:1px solid #808080;vertical-align:middle;"


def bar(progress: TaskProgress | None) -> str:
    """A bar and the numbers in words; the numbers alone without a total; empty without any."""
    if progress is None or progress.progress is None:
        return ""
    if progress.fraction is None or progress.total is None:
        return f"{progress.progress:,g}"
    return f"{track(progress.fraction)} ({progress.progress:,g} of {progress.total:,g})"


def track(fraction: float) -> str:
    """A bar that is filled up to a fraction, and the per cent in words."""
    percent = int(fraction * 100)
    filled = f'<span style="display:block;width:{percent}%;height:100%;background:{BLUE};"></span>'
    return f'<span style="{_TRACK}">{filled}</span> {percent} %'


def times(elapsed: timedelta | None, expected: Expectation | None) -> str:
    """The elapsed time, and the remaining time that earlier runs make likely; empty if neither is known."""
    known = [] if elapsed is None else [duration(elapsed)]
    return ", ".join(known if expected is None else [*known, remaining(expected)])


def ago(value: datetime, exact: str, now: datetime) -> str:
    """A moment as people say it, such as "3 min ago", with the exact time as a tooltip.

    Args:
        value: The moment, by the server's clock, which may be ahead of this machine's.
        exact: The exact time, as HTML.
        now: The present, with a zone.
    """
    passed = now - (value.replace(tzinfo=UTC) if value.tzinfo is None else value)
    words = "just now" if passed < timedelta(seconds=1) else f"{_rough(passed)} ago"
    return f'<span title="{exact}">{words}</span>'


def tallies_html(items: Sequence[Row | Tally]) -> str:
    """A line for each tool: how many of its tasks are over, failed or asking, with a bar."""
    return "".join(f"<div>{_tally(each)}</div>" for each in tallies(items))


def red(content: str) -> str:
    """HTML in the colour of failure."""
    return f'<span style="color:{RED};">{content}</span>'


def folded(title: str, content: str) -> str:
    """HTML that is shown when somebody opens it."""
    return f"<details><summary>{title}</summary>{content}</details>"


def _tally(tally: Tally) -> str:
    total = "" if tally.total is None else f" of {tally.total:,}"
    parts = [f"<code>{html.escape(cut(tally.name, _WORDS))}</code>"]
    parts += [] if tally.fraction is None else [track(tally.fraction)]
    parts.append(f"{tally.over:,}{total} over")
    parts += [red(f"{tally.failed:,} failed")] if tally.failed else []
    parts += [f"{tally.asks:,} wait{'s' if tally.asks == 1 else ''} for input"] if tally.asks else []
    return " ".join([*parts, html.escape(times(tally.elapsed, tally.expected))])


def _rough(passed: timedelta) -> str:
    """A time span in one unit."""
    seconds = int(passed.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"
