"""What a live display says of tasks: one line a task or a tool, never wider than the terminal, harmless."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._core.progress import Expectation
from mcptasks._core.progress_lines import Item, Row, Tally, cells, duration, frame, summary, tallies

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\r\nnew line\x00\b"
"""A window title (OSC), a cleared screen (CSI in two forms), reversed text, and a line of its own."""


def row(**fields: Any) -> Row:
    """A task under way."""
    known: dict[str, Any] = {"name": "slow", "word": "working", **fields}
    return Row(**known)


def lines(*items: Row | Tally, width: int = 100, height: int = 24, plain: bool = False) -> list[str]:
    """The texts of a frame."""
    return [line.text for line in frame(items, width=width, height=height, plain=plain)]


def seconds(soonest: float, latest: float) -> Expectation:
    """What is expected, in seconds."""
    return Expectation(soonest=timedelta(seconds=soonest), latest=timedelta(seconds=latest))


def test_one_line_a_task() -> None:
    """A few tasks have a line each: name, label, bar, state, message, elapsed and expected time, in columns."""
    assert lines(
        row(fraction=0.45, words="step 3", elapsed=timedelta(seconds=12), expected=seconds(13, 28)),
        row(name="ask", label="2026-11", word="waits for input", asks=True, words="Which size?"),
        row(word="failed", failed=True, over=True, words="no such city", elapsed=timedelta(seconds=75)),
        row(word="completed", over=True, fraction=0.3),
    ) == [
        "slow           ━━━━━━━━━───────────  45 %  working: step 3  12 s  about 13 s to 28 s more",
        "ask '2026-11'  waits for input: Which size?",
        "slow           failed: no such city  1 min 15 s",
        "slow           completed",
    ]


def test_tones() -> None:
    """Each line says what it is about, for a display that has colours."""
    items = [row(), row(over=True), row(over=True, failed=True), row(asks=True)]
    assert [line.tone for line in frame(items, width=80, height=24)] == ["", "over", "failed", "asks"]


def test_many_tasks_have_a_line_a_tool() -> None:
    """More tasks than ten, or than the terminal has lines, are counted for each tool."""
    many = [row(over=n < 4, failed=n == 0, elapsed=timedelta(seconds=n)) for n in range(16)]
    asking = row(name="ask", asks=True, words="Which size?")
    assert lines(*many, asking) == [
        "slow  ━━━━━───────────────  25 %  4 of 16 over  1 failed  15 s",
        "ask   ────────────────────   0 %  0 of 1 over  1 waits for input: Which size?",
    ]
    assert len(lines(*many[:5], height=4)) == 1
    tools = lines(*(row(name=f"tool {n}") for n in range(50)))
    assert len(tools) == 10
    assert tools[-1] == "... and 41 more tools"


def test_a_tally_of_unknown_size() -> None:
    """Where the number of tasks is not known yet, there is no bar, and what is over is counted."""
    assert lines(Tally(name="slow", total=None, over=3)) == ["slow  3 over"]


def test_sums() -> None:
    """All work counts the same, and the whole takes as long as its longest part."""
    (found,) = tallies(
        [
            row(fraction=0.5, expected=seconds(1, 9)),
            row(over=True, expected=seconds(50, 60)),
            row(expected=seconds(2, 5)),
        ]
    )
    assert found.fraction == pytest.approx(0.5)
    assert found.expected == seconds(2, 9)


def test_the_summary() -> None:
    """One line says it all; without times it differs only if something has changed."""
    items = [row(elapsed=timedelta(seconds=5)), row(over=True, failed=True, elapsed=timedelta(seconds=9))]
    assert summary(items) == "1 of 2 over  1 failed  9 s"
    assert summary(items[:1]) == "slow  working  5 s"
    later = [row(elapsed=timedelta(seconds=6)), items[1]]
    assert summary(items, times=False) == summary(later, times=False)
    assert summary(items, times=False) != summary([items[1], items[1]], times=False)


@pytest.mark.parametrize("plain", [False, True])
def test_hostile_words(plain: bool) -> None:
    """No control character, line break or change of direction in a name, label or message comes through."""
    items = [row(name=HOSTILE, label=HOSTILE, words=HOSTILE), row(asks=True, words=HOSTILE)]
    for text in [
        *lines(*items, width=1000, plain=plain),
        summary(items),
        *lines(*tallies(items), width=1000, plain=plain),
    ]:
        assert not [char for char in text if unicodedata.category(char)[0] == "C"], text
        assert "\\x1b" in text
        assert text.isascii() or not plain


@given(st.text(max_size=60), st.text(max_size=60), st.integers(1, 120), st.booleans())
def test_no_line_is_too_wide(name: str, words: str, width: int, plain: bool) -> None:
    """Whatever is shown, a line is narrower than the terminal, so that it does not wrap, and has no breaks."""
    items: list[Item] = [
        row(name=name, words=words, fraction=0.5, label=words),
        Tally(name=name, total=3, asks=1, words=words),
    ]
    for text in lines(*items, width=width, plain=plain):
        assert cells(text) < max(width, 2)
        assert not [char for char in text if unicodedata.category(char) in ("Cc", "Zl", "Zp")]


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), ("漢字", 4), ("e\u0301", 1), ("👍", 2), ("❤\ufe0f", 2), ("ﾊ", 1)]
)
def test_cells(text: str, width: int) -> None:
    """Wide letters take two cells, accents none."""
    assert cells(text) == width


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 00 s"),
        (3725, "1 h 02 min"),
        (90_000, "1 d 1 h"),
        (1e9, "11,574 d 1 h"),
    ],
)
def test_durations(value: float, words: str) -> None:
    """A time span is said in at most two units."""
    assert duration(timedelta(seconds=value)) == words
