"""How far a task is: the values that programs see, and the rules by which reports of progress are merged. Pure.

The rules:

- Progress never goes back. The protocol demands that it grows, so a report with less than the latest one is late.
- A report is ignored if its progress is not a finite number of 0 or more. A total is ignored if it is not above 0.
- A report that says nothing new is dropped.
- A callback is called at most 10 times a second. The latest report wins.
- An expectation from earlier runs is a guess, and does not become part of the progress.

Source: 2025-11-25 and 2026-07-28, "Progress" ("The progress value MUST increase with each notification").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from mcptasks._core import safe_text
from mcptasks._core.json import as_number

MOST = 10
"""The most calls of one callback in any second."""
_AT_ONCE = 5
"""How many calls within a second come without a pause between them, so that a short sequence of reports arrives
whole."""
PAUSE = 0.1
"""Seconds between two calls after these."""
_SECOND = 1.0


@frozen(kw_only=True)
class TaskProgress:
    """How far a task is, by the server's reports to this client."""

    __module__ = "mcptasks"

    progress: float | None = None
    """The progress so far, in whatever unit the server counts; None if the server has reported no number."""
    total: float | None = None
    """How much there is to do, in the same unit; None if the server does not say."""
    message: str | None = field(default=None, repr=safe_text.short)
    """The server's words with the report; if the report has none, the task's status message."""
    at: datetime
    """When the report came, by this machine's clock. For a status message alone, the time of that status by the
    server's clock, if the server gives one."""

    @property
    def fraction(self) -> float | None:
        """`progress` divided by `total`, from 0 to 1 (also if the server reports more than the total); None if either
        is not known."""
        if self.progress is None or self.total is None:
            return None
        return min(self.progress / self.total, 1.0)


@frozen(kw_only=True)
class Expectation:
    """How much longer a task may take: a guess from earlier runs of the same tool, which this process has seen or the
    client's store has kept."""

    __module__ = "mcptasks"

    soonest: timedelta
    """The remaining time if the run is one of the shortest that still last as long as this one has."""
    latest: timedelta
    """The remaining time if the run is one of the longest."""


def merged(
    before: TaskProgress | None, progress: object, total: object, message: object, at: datetime
) -> TaskProgress | None:
    """The latest progress after a report; None if the report is late, says nothing new or makes no sense.

    Args:
        before: The latest progress so far.
        progress: The report's progress, unchecked.
        total: The report's total, unchecked.
        message: The report's message, unchecked.
        at: When the report came.
    """
    done, whole = as_number(progress), as_number(total)
    if done is None or done < 0:
        return None
    known = None if before is None else before.progress
    if known is not None and done < known:
        return None
    news = TaskProgress(
        progress=done,
        total=whole if whole is not None and whole > 0 else None,
        message=message if isinstance(message, str) and message else None,
        at=at,
    )
    return None if before is not None and evolve(news, at=before.at) == before else news


def shown(reported: TaskProgress | None, message: str | None, at: datetime) -> TaskProgress | None:
    """The progress that a program sees: the latest report, with the status message if the report has no message.

    Args:
        reported: The latest report; None if there was none.
        message: The task's status message; None if it has none.
        at: The time of the status, if there is no report.
    """
    if reported is None:
        return TaskProgress(message=message, at=at) if message else None
    return evolve(reported, message=message) if reported.message is None and message else reported


def next_call(called: Sequence[float]) -> float:
    """When a callback may be called next, in seconds of the clock that measured the earlier calls.

    Args:
        called: When the callback was called, oldest first. The latest `MOST` times are enough.
    """
    if len(called) < _AT_ONCE:
        return -math.inf
    spaced = called[-1] + PAUSE
    if len(called) >= MOST:
        spaced = max(spaced, called[-MOST] + _SECOND)
    return min(spaced, called[-_AT_ONCE] + _SECOND)
