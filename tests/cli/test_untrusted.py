"""Text of servers: nothing reaches a terminal that moves its cursor, writes its clipboard or hides text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._cli import untrusted
from mcptasks._cli.tables import table

ATTACKS = {
    "clipboard (OSC 52)": "\x1b]52;c;ZXZpbA==\x07",
    "link (OSC 8)": "\x1b]8;;https://evil.example\x1b\\text\x1b]8;;\x1b\\",
    "clear (CSI 2J)": "\x1b[2J\x1b[H",
    "one byte CSI": "\x9b2J",
    "carriage return": "safe\rsudo",
    "backspace": "safe\b\b\b\b",
    "bidi override": "\u202eevil",
    "bidi isolate": "\u2066evil\u2069",
    "zero width": "ev\u200bil\u200c\u200d\u2060\ufeff",
    "tags": "\U000e0041",
    "delete": "\x7f",
    "half a character": "\ud800",
}
harmful = pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS.keys())


def is_harmless(text: str, allowed: str = "") -> bool:
    """Whether a terminal only draws the text."""
    return all(
        char in allowed
        or (char.isprintable() and unicodedata.category(char) != "Cf")
        or unicodedata.category(char) == "Zs"
        for char in text
    )


@harmful
def test_line(text: str) -> None:
    """On one line, attacks are spelled out; also line breaks and tabs are."""
    shown = untrusted.line(f"a{text}b\n\tc")
    assert is_harmless(shown)
    assert shown.endswith("b\\n\\tc")


@harmful
def test_lines(text: str) -> None:
    """In a text of several lines, attacks are spelled out, and lines and tabs stay."""
    shown = untrusted.lines(f"a\n\tb{text}")
    assert is_harmless(shown, "\n\t")
    assert shown.startswith("a\n\tb")


@given(st.text())
def test_whatever(text: str) -> None:
    """No text at all comes through with a character that is not drawn."""
    assert is_harmless(untrusted.line(text))
    assert is_harmless(untrusted.lines(text), "\n\t")
    assert is_harmless(untrusted.message(text), "\n\t")


def test_joiners_between_letters() -> None:
    """Zero-width joiners are spelled out also where they would join letters of a script."""
    assert untrusted.line("ن\u200cن") == "ن\\u200cن"


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        *(("abc", 3, "abc"), ("abcd", 3, "ab…"), ("abc", 1, "…"), ("abc", 0, "")),
        *(("日本語", 6, "日本語"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")),
        ("e\u0301a", 2, "e\u0301a"),
    ],
)
def test_fitted(text: str, cells: int, shown: str) -> None:
    """A text is cut by the cells that it takes, not by its characters."""
    assert untrusted.fitted(text, cells) == shown
    assert untrusted.width(shown) <= cells


@given(
    st.lists(st.lists(st.text(alphabet="aé日 ", max_size=30), min_size=3, max_size=3), max_size=5), st.integers(1, 80)
)
def test_tables_fit(rows: list[list[str]], width: int) -> None:
    """No line of a table is wider than the terminal."""
    assert all(untrusted.width(line) <= width for line in table(("ID", "NAME", "SAID"), rows, width))


def test_tables_in_pipes() -> None:
    """In a pipe nothing is cut."""
    assert table(("ID", "SAID"), [("1", "x" * 500)], None) == ["ID  SAID", "1   " + "x" * 500]


def test_first_column_stays() -> None:
    """On a narrow terminal the column of the ids stays whole, so that an id can be copied."""
    _, line = table(("ID", "NAME", "SAID"), [("3f2a91bc", "report of the month", "half way there")], 20)
    assert line.startswith("3f2a91bc ")
