"""Statements of the shared SQL in the form for SQLite: for one row, and for many rows at once. Pure.

The thread of a store gives up Python's lock (GIL) in each statement, and waits for the lock after it while the event
loop is busy. Therefore many rows are written by few statements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from attrs import define, field

from mcptasks._store.sql.dialect import Dialect, Values

DIALECT = Dialect(now=":now", boot=":boot", margin=":margin", blob="BLOB", float="REAL", claim="")
"""The time is a parameter. A transaction that writes has the only lock from its beginning, so no row needs one."""
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
_TIMED = frozenset({"now", "boot", "margin"})
_INSERT = re.compile(r"(INSERT INTO \w+ \([^()]*\) VALUES )\(([^()]*)\)( ON CONFLICT .*DO NOTHING)?")
_UPDATE = re.compile(r"(UPDATE \w+ SET (?:(?!SELECT| WHERE ).)*)( WHERE id = :id AND (?:(?!SELECT).)*)")
"""Changes one row at most, since `id` is the primary key."""
SIZES = (64, 16)
"""How many rows a statement may have. Only a few sizes, so that each is prepared only once."""


@define
class Statement:
    """A statement in SQLite's dialect."""

    text: str
    """With "?" for each parameter: SQLite finds a parameter by its name more slowly."""
    names: tuple[str, ...]
    """The parameters' names, in order."""
    timed: bool
    """Whether the time is a parameter."""
    wide: Callable[[int], str] | None = None
    """Makes the statement for so many rows; None if there is none."""
    wide_names: tuple[str, ...] = ()
    """The names of the parameters for each row of it."""
    keyed: bool = False
    """Whether each row must have another `id` in it."""
    known: dict[int, str] = field(factory=dict[int, str])
    """The statements for many rows that were made already."""
    row: Callable[[Values], tuple[Any, ...]] = field(init=False)
    """Picks the parameters of one row."""
    wide_row: Callable[[Values], tuple[Any, ...]] = field(init=False)
    """The same for a statement for many rows."""

    def __attrs_post_init__(self) -> None:
        """Prepare what picks the parameters."""
        self.row, self.wide_row = _picker(self.names), _picker(self.wide_names)

    def for_rows(self, count: int) -> str:
        """The statement for so many rows."""
        text = self.known.get(count)
        if text is None:
            assert self.wide is not None
            text = self.known[count] = self.wide(count)
        return text


def translated(statement: str) -> Statement:
    """A statement of the shared SQL."""
    text = DIALECT.text(statement)
    names = tuple(_PARAMETER.findall(text))
    timed = not _TIMED.isdisjoint(names)
    one = _PARAMETER.sub("?", text)
    if (found := _INSERT.fullmatch(text)) is not None:
        begin, values, end = (_PARAMETER.sub("?", part or "") for part in found.groups())
        return Statement(one, names, timed, lambda count: begin + ", ".join([f"({values})"] * count) + end, names)
    if (found := _UPDATE.fullmatch(text)) is not None and not timed:
        columns = {name: number for number, name in enumerate(dict.fromkeys(names), 1)}
        changes, where = (_PARAMETER.sub(lambda name: f"v.column{columns[name[1]]}", part) for part in found.groups())
        marks = f"({', '.join('?' * len(columns))})"
        return Statement(
            one,
            names,
            timed,
            lambda count: f"{changes} FROM (VALUES {', '.join([marks] * count)}) AS v{where}",
            tuple(columns),
            keyed=True,
        )
    return Statement(one, names, timed)


def parts(count: int) -> Iterator[int]:
    """How many rows each statement has that carries out a part of so many rows."""
    for size in SIZES:
        yield from [size] * (count // size)
        count %= size
    yield from [1] * count


def _picker(names: Sequence[str]) -> Callable[[Values], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)
