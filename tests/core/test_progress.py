"""How reports of progress are merged, how often callbacks are called, and what is expected from earlier runs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._core.progress import MOST, TaskProgress, merged, next_call, shown

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=5)


def at(progress: float | None, total: float | None = None, message: str | None = None) -> TaskProgress:
    """A progress that came at noon."""
    return TaskProgress(progress=progress, total=total, message=message, at=NOON)


NONSENSE: list[Any] = [None, math.nan, math.inf, -math.inf, -1, -0.1, True, False, "3", b"3", [], {}, 10**400]


@pytest.mark.parametrize("progress", NONSENSE, ids=repr)
def test_what_is_no_progress(progress: Any) -> None:
    """A progress that is no finite number of at least 0 changes nothing, whatever was known before."""
    assert merged(None, progress, 10, "words", NOON) is None
    assert merged(at(1), progress, 10, "words", NOON) is None


@pytest.mark.parametrize("total", [*NONSENSE, 0], ids=repr)
def test_what_is_no_total(total: Any) -> None:
    """A total that is no number above 0 is none; the progress counts all the same, and has no fraction."""
    found = merged(None, 3, total, None, NOON)
    assert found is not None
    assert found == at(3)
    assert found.fraction is None


@pytest.mark.parametrize("message", [None, "", 3, b"x", ["x"], True], ids=repr)
def test_what_is_no_message(message: Any) -> None:
    """A message that is no text, or empty, is none."""
    assert merged(None, 3, 4, message, NOON) == at(3, 4)


def test_it_never_goes_back() -> None:
    """A report with less progress than the latest one is late, whatever else it says."""
    assert merged(at(3, 10, "three"), 2.9, 20, "late", LATER) is None


def test_only_news_counts() -> None:
    """The same report again is dropped. The same progress with another total or message is news."""
    before = at(3, 10, "three")
    assert merged(before, 3, 10, "three", LATER) is None
    assert merged(before, 3, 20, "three", LATER) == evolve(before, total=20, at=LATER)
    assert merged(before, 3, 10, "still three", LATER) == evolve(before, message="still three", at=LATER)
    assert merged(before, 3, None, None, LATER) == TaskProgress(progress=3, at=LATER)


@given(st.lists(st.tuples(st.one_of(st.floats(), st.integers(-5, 5), st.sampled_from(NONSENSE)), st.floats())))
def test_any_reports(reports: list[tuple[Any, Any]]) -> None:
    """Whatever comes, what a program reads grows, is a finite number, and its fraction lies between 0 and 1."""
    latest: TaskProgress | None = None
    for progress, total in reports:
        news = merged(latest, progress, total, None, NOON)
        if news is None:
            continue
        assert news.progress is not None
        assert math.isfinite(news.progress)
        assert latest is None or latest.progress is None or news.progress >= latest.progress
        assert news.fraction is None or 0 <= news.fraction <= 1
        latest = news


@pytest.mark.parametrize(
    ("progress", "total", "fraction"),
    [(1, 4, 0.25), (4, 4, 1.0), (9, 4, 1.0), (0, 4, 0.0), (3, None, None), (None, None, None), (5e-324, 1e308, 0.0)],
)
def test_fractions(progress: float | None, total: float | None, fraction: float | None) -> None:
    """The fraction comes from progress and total alone; more than the total is all of it."""
    assert at(progress, total).fraction == fraction


def test_the_status_message_fills_in() -> None:
    """A program reads the report's own message; the status message if there is none; None if nothing was said."""
    assert shown(None, None, LATER) is None
    assert shown(None, "half way", LATER) == TaskProgress(message="half way", at=LATER)
    assert shown(at(1, 2, "own"), "half way", LATER) == at(1, 2, "own")
    assert shown(at(1, 2), "half way", LATER) == at(1, 2, "half way")
    assert shown(at(1, 2), None, LATER) == at(1, 2)


@given(st.lists(st.floats(0, 0.3), min_size=30, max_size=60))
def test_at_most_ten_calls_a_second(gaps: list[float]) -> None:
    """However reports come, no second has more than ten calls."""
    called: list[float] = []
    now = 0.0
    for gap in gaps:
        now = max(now + gap, next_call(called))
        called.append(now)
    for first, eleventh in zip(called, called[MOST:], strict=False):
        assert eleventh >= first + 1


def test_a_short_sequence_is_called_at_once() -> None:
    """Five calls in a row wait for nothing; then there is a pause between them."""
    called: list[float] = []
    for _ in range(5):
        assert next_call(called) <= 0.0
        called.append(0.0)
    assert next_call(called) == pytest.approx(0.1)
    assert next_call([*called, 0.1]) == pytest.approx(0.2)
    assert next_call([0.0, 0.0, 0.0, 0.0, 5.0]) == pytest.approx(1.0)
