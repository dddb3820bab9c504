"""Writes strangers' values as text for people: bounded in length, without invisible characters. Pure.

All text that a person may see goes through this module: errors, reprs, log records, the demonstration, notebooks. There
are four ways to write a value:

    cut      a text, with its lines
    line     a text on one line
    short    any value, as a literal on one line
    outline  any value, as a literal on several lines

No function raises because of a value, however large, deep or hostile. The work grows with the limit, not with the
value, except for objects that have a `__repr__` of their own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, cast

WORDS = 2000
"""How many characters of one message are shown; the rest is counted. More than people read in an error."""
LINES = 50
"""How many lines of one message are shown; the rest is counted. More lines would fill the screen."""

_DEPTH = 6
"""How many levels of nested containers are opened; deeper ones show only how many entries they have."""
_ITEMS = 30
"""How many entries of one container are shown; the rest is counted."""
_STRING = 1000
"""How many characters of a string inside a container are shown; the rest is counted."""
_NAMED = 20
"""How many entries `several` shows."""
_NAME = 80
"""How many characters of each entry `several` shows."""
_MARKS = 8
"""How many combining marks in a row a character may have; further marks are spelled out. They would cover the lines
above and below."""

_WIDEST = 20
"""How many characters one character may need when it is spelled out, also within a literal."""

_JOINERS = "\u200c\u200d"
"""Joiners, which shape the letters of some scripts and join emoji. Between other characters they are only invisible."""

_UNSEEN = frozenset(
    map(
        chr,
        (
            0x34F,  # combining grapheme joiner
            *(0x115F, 0x1160, 0x3164, 0xFFA0),  # fillers of Hangul
            *(0x17B4, 0x17B5),  # vowels of Khmer that are never drawn
            *(0x180B, 0x180C, 0x180D, 0x180F),  # variation selectors of Mongolian
            *range(0xFE00, 0xFE0E),  # variation selectors, except the two that choose between text and emoji
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""Characters that are printable for `str.isprintable`, which goes by Unicode's categories, but that nobody can see."""


def cut(text: str, limit: int = WORDS, *, lines: int | None = None) -> str:
    """The text, made legible and cut to a limit, with a note of how much was cut off. Newlines and tabs stay.

    Args:
        text: The text.
        limit: How many characters to show.
        lines: How many lines to show; None for any number.
    """
    shown, rest = _fitted(text, limit, lines=lines)
    return shown + _left_out(rest, "character") if rest else shown


def message(text: str) -> str:
    """The message of an error, made legible and cut to `WORDS` characters and `LINES` lines."""
    return cut(text, lines=LINES)


def line(text: str, limit: int = WORDS) -> str:
    """The text, made legible, on one line and cut to a limit, with a note of how much was cut off."""
    shown, rest = _fitted(text, limit, breaks=False)
    return shown + _left_out(rest, "character") if rest else shown


def several(values: Iterable[Any], limit: int = 200) -> str:
    """The first of some values as literals with commas between them, on one line of about `limit` characters."""
    return line(", ".join(short(value, _NAME) for value in islice(values, _NAMED)), limit)


def _fitted(text: str, limit: int, *, breaks: bool = True, lines: int | None = None) -> tuple[str, int]:
    """The beginning of a text that fits into the limit, made legible, and how many characters were cut off."""
    if len(text) <= limit and text.isascii() and (lines is None or text.count("\n") < lines):
        visible = text.replace("\n", "").replace("\t", "") if breaks else text
        if visible.isprintable():
            return text, 0
    pieces: list[str] = []
    left, line, marks = limit, 1, 0
    for index, char in enumerate(text):
        line += char == "\n"
        marks = marks + 1 if not char.isascii() and unicodedata.category(char) in ("Mn", "Me") else 0
        if char == "\r" and text[index + 1 : index + 2] == "\n":
            continue
        piece = char if marks <= _MARKS and _is_legible(text, index, breaks) else _spelled(char)
        left -= len(piece)
        if left < 0 or (lines is not None and line > lines):
            if pieces and pieces[-1] in _JOINERS:
                # The joiner shapes the character after it. That is cut off, so the joiner would be invisible: drop it.
                return "".join(pieces[:-1]), len(text) - index + 1
            return "".join(pieces), len(text) - index
        pieces.append(piece)
    return "".join(pieces), 0


def _is_legible(text: str, index: int, breaks: bool) -> bool:
    """Whether the character at an index can be shown unchanged."""
    char = text[index]
    if char in "\n\t":
        return breaks
    if char in _JOINERS:
        return _is_joined(text[index - 1 : index]) and _is_joined(text[index + 1 : index + 2])
    return char not in _UNSEEN if char.isprintable() else unicodedata.category(char) == "Zs"


def _is_joined(char: str) -> bool:
    """Whether a joiner beside the character shapes it: a letter or mark of a script that has joiners, or an emoji."""
    return not char.isascii() and char not in _UNSEEN and unicodedata.category(char)[0] in "LMS"


def short(value: Any, limit: int = 400) -> str:
    """Like `repr`, on one line of at most about `limit` characters."""
    return _Outline(limit, indented=False).of(value)


def outline(value: Any, limit: int = 4000) -> str:
    """Like `repr`, with a line for each entry of a container, and at most about `limit` characters."""
    return _Outline(limit, indented=True).of(value)


class _Outline:
    """A text that is being written, and the room that is left for it."""

    def __init__(self, limit: int, *, indented: bool) -> None:
        self._limit = limit
        self._left = limit
        self._indented = indented
        self._pieces: list[str] = []

    def of(self, value: Any) -> str:
        try:
            self._write(value, 0)
        except Exception as exc:  # noqa: BLE001 - iterating a stranger's container may raise anything
            self._pieces.append(_broken(value, exc))
        return "".join(self._pieces)

    def _add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._left -= len(piece)

    def _write(self, value: Any, level: int) -> None:
        # Only these two types, not their subclasses, are known to have a `repr` on one line.
        if type(value) is str or type(value) is bytes:
            self._add(self._string(value))
        elif isinstance(value, Mapping):
            self._container("{", "}", cast("Mapping[Any, Any]", value), level)
        elif isinstance(value, list):
            self._container("[", "]", cast("list[Any]", value), level)
        elif type(value) is tuple:
            entries = cast("tuple[Any, ...]", value)
            self._container("(", ",)" if len(entries) == 1 else ")", entries, level)
        else:
            self._add(self._other(value))

    def _container(self, begin: str, end: str, entries: Any, level: int) -> None:
        if not entries:
            self._add(begin + end.lstrip(","))
            return
        if level == _DEPTH:
            self._add(f"{begin}{_left_out(len(entries), 'entry')}{end.lstrip(',')}")
            return
        margin = "\n" + "  " * level if self._indented else ""
        step = margin + "  " if self._indented else ""
        self._add(begin)
        for count, entry in enumerate(entries):
            self._add((step if self._indented else "") if not count else "," + (step or " "))
            if count == _ITEMS or self._left <= 0:
                self._add(_left_out(len(entries) - count, "entry"))
                break
            self._write(entry, level + 1)
            if begin == "{":
                self._add(": ")
                self._write(entries[entry], level + 1)
        self._add(margin + end)

    def _string(self, value: str | bytes) -> str:
        room = max(min(self._left, self._limit if not self._pieces else _STRING), 0)
        shown = line(_repr(value[:room]), room * _WIDEST + _WIDEST)
        if len(value) <= room:
            return shown
        return shown + _left_out(len(value) - room, "character" if isinstance(value, str) else "byte")

    def _other(self, value: Any) -> str:
        text, room = _repr(value), max(self._left, 0)
        return cut(text, room) if self._indented else line(text, room)


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as exc:  # noqa: BLE001 - a stranger's `repr` may raise anything
        return _broken(value, exc)


def _broken(value: Any, exc: Exception) -> str:
    return f"<{type(value).__name__} that cannot be shown: {type(exc).__name__}>"


def _left_out(count: int, what: str) -> str:
    many = what if count == 1 else f"{what.removesuffix('y')}ies" if what.endswith("y") else f"{what}s"
    return f"… ({count:,} more {many})"


def _spelled(char: str) -> str:
    code = ord(char)
    if char in "\n\t\r":
        return repr(char)[1:-1]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
