"""Text of servers on its way to a terminal: legible, and as wide as it may be.

Every string that a server can fill passes through here before a terminal shows it. `_core.safe_text` spells control
characters and what hides text; here the two joiners that it lets through between letters are spelled as well. Pure.
"""

from __future__ import annotations

import unicodedata

from mcptasks._core import safe_text

FIELD = 400
"""The most characters of one field, such as a name or a status message. A server chooses how long these are."""

_UNLIMITED = 2**62
"""A limit in characters that no text reaches."""
_JOINERS = str.maketrans({"\u200c": "\\u200c", "\u200d": "\\u200d"})


def line(text: object, limit: int = FIELD) -> str:
    """Return a text of a server on one line, in at most `limit` characters and a note of how many are left out."""
    return safe_text.line(text if isinstance(text, str) else safe_text.short(text), limit).translate(_JOINERS)


def lines(text: str) -> str:
    """Return a whole text of a server, with its line breaks and tabs and nothing else that moves a cursor."""
    return safe_text.cut(text, _UNLIMITED).translate(_JOINERS)


def message(text: str) -> str:
    """Return the words of an error, on several lines if it has several, bounded."""
    return safe_text.message(text).translate(_JOINERS)


def width(text: str) -> int:
    """Return how many cells of a terminal a legible text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def fitted(text: str, cells: int) -> str:
    """Return a legible text cut to so many cells, with "…" in the place of what is left out."""
    if width(text) <= cells:
        return text
    kept: list[str] = []
    left = cells - 1
    for char in text:
        left -= _cells(char)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept) + "…" if cells > 0 else ""


def padded(text: str, cells: int) -> str:
    """Return a legible text, cut or filled with spaces to so many cells."""
    found = fitted(text, cells)
    return found + " " * (cells - width(found))


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
