"""Times, numbers and text in their form in the columns. Pure.

Times are whole microseconds since 1970 (UTC). Text that a server chose (task ids, the keys of questions) may hold
characters that a database refuses: half a surrogate pair, or U+0000 in PostgreSQL. Such characters are
written as U+FDD0, which stands for no character, and four hexadecimal digits.

PostgreSQL refuses rows whose indexed columns have more than 2,704 bytes together. Therefore an indexed column has a
digest in place of a text that is longer than `LONGEST` (`indexed`). If the text is needed again, another column has it
(`beyond`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MARK = "\ufdd0"
"""Stands before the digits of a character that a database refuses, and in no other place."""

AT_ONCE = 500
"""How many ids one statement has at most. SQLite before version 3.32 takes 999 parameters."""
LONGEST = 800
"""How many bytes of a text an index holds unchanged. Three such texts fit into one row of an index."""
_MOST = 2**31 - 1
"""The largest number of rows that a statement asks for: more than any store has, and a number to every database."""


def micros(moment: datetime | None) -> int | None:
    """A time as it is stored."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    """A stored time."""
    return _EPOCH + timedelta(0, 0, stored)


def moment_or_none(stored: int | None) -> datetime | None:
    """A stored time, if there is one."""
    return None if stored is None else _EPOCH + timedelta(0, 0, stored)


def text(value: str | None) -> str | None:
    """Text as it is stored."""
    if value is None or (value.isascii() and "\x00" not in value):
        return value
    return "".join(f"{MARK}{ord(each):04x}" if _is_refused(each) else each for each in value)


def _is_refused(character: str) -> bool:
    return "\ud800" <= character <= "\udfff" or character in ("\x00", MARK)


def indexed(value: str | None) -> str | None:
    """Text for an indexed column: the text itself or a digest, so short enough, and equal for equal texts."""
    stored = text(value)
    if stored is None or _fits(stored):
        return stored
    import hashlib  # A shell that completes ids waits for each import, and long texts are rare.

    # Escaped characters have digits behind the mark, so that no other text looks like that.
    return f"{MARK}#{hashlib.sha256(stored.encode()).hexdigest()}"


def beyond(value: str | None) -> str | None:
    """Text as it is stored, if the indexed column has only its digest; None otherwise."""
    stored = text(value)
    return None if stored is None or _fits(stored) else stored


def fits(value: str) -> bool:
    """Whether an indexed column holds a text unchanged."""
    return beyond(value) is None


def for_index(value: str | None) -> tuple[str | None, str | None]:
    """The results of `indexed` and `beyond`."""
    if value is None or (len(value) * 4 <= LONGEST and value.isascii() and "\x00" not in value):
        return value, None
    return indexed(value), beyond(value)


def _fits(stored: str) -> bool:
    return len(stored) * 4 <= LONGEST or len(stored.encode()) <= LONGEST


def most(limit: int) -> int:
    """A number of rows, as a database takes it."""
    return min(limit, _MOST)


def read_text(stored: str) -> str:
    """Stored text."""
    if MARK not in stored:
        return stored
    first, *rest = stored.split(MARK)
    return first + "".join(chr(int(part[:4], 16)) + part[4:] for part in rest)


def read_text_or_none(stored: str | None) -> str | None:
    """Stored text, if there is any."""
    return None if stored is None else read_text(stored)


def listed(prefix: str, items: Iterable[str]) -> tuple[str, dict[str, str]]:
    """The parameters of an SQL list, such as ":id0, :id1", and their values."""
    values = {f"{prefix}{number}": item for number, item in enumerate(items)}
    return ", ".join(f":{name}" for name in values) or "NULL", values
