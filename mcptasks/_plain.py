"""Text for people's eyes from values that strangers sent: bounded, on one line or indented, with nothing invisible.

Nothing here raises for what a value holds, however large, deep or hostile it is. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

_DEPTH = 6
"""How many containers inside each other are opened."""
_ITEMS = 30
"""How many entries of one container are shown."""
_STRING = 1000
"""How much of one string inside a container is shown."""

# Controls, what reorders or hides text around it, line separators, surrogates, tags and noncharacters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def legible(text: str) -> str:
    """The text with all that cannot be seen, or that moves other text about, spelled out; lines and tabs stay."""
    return _UNSEEN.sub(lambda found: _spelled(ord(found[0])), text.replace("\r\n", "\n"))


def cut(text: str, limit: int) -> str:
    """The text, legible, with at most so many of its characters and a note of how many are left out."""
    if len(text) <= limit:
        return legible(text)
    return f"{legible(text[:limit])}{_left_out(len(text) - limit, 'character')}"


def short(value: Any, limit: int = 400) -> str:
    """Like `repr`, on one line of about so many characters at most."""
    return _Outline(limit, indented=False).of(value)


def outline(value: Any, limit: int = 4000) -> str:
    """Like `repr` with one line for each entry of a container, about so many characters at most."""
    return _Outline(limit, indented=True).of(value)


class _Outline:
    """One text that is being written, and how much room is left for it."""

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
        # The `repr` of these two is known to be on one line and legible; a subclass may have its own.
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
        if len(value) <= room:
            return _repr(value)
        return _repr(value[:room]) + _left_out(len(value) - room, "character" if isinstance(value, str) else "byte")

    def _other(self, value: Any) -> str:
        text = _repr(value)
        if not self._indented:
            text = text.replace("\n", "\\n").replace("\t", "\\t")
        return cut(text, max(self._left, 0))


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


def _spelled(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
