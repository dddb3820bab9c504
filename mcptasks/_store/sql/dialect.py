"""Where the databases differ, and what a connection must be able to do for the shared SQL.

Statements are written in the SQL that SQLite (3.34 and newer) and PostgreSQL have in common, with parameters as `:name`
and these words in braces:

| word | means |
| --- | --- |
| `{now}` | the time by which leases are measured, in seconds |
| `{margin}` | seconds by which leases are prolonged if the clock is unreliable |
| `{boot}` | identifies the present run of that clock: leases of earlier runs have ended |
| `{blob}`, `{float}` | column types |
| `{claim}` | locks the rows of `t` that are read, and leaves out those that others have locked |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

Values = Mapping[str, Any]
NOTHING: Values = {}


@frozen(kw_only=True)
class Dialect:
    """The words in braces, for one database."""

    now: str
    boot: str
    margin: str
    blob: str
    float: str
    claim: str

    def text(self, statement: str) -> str:
        """A statement in this dialect; its parameters are still written as `:name`."""
        return statement.format(
            now=self.now, boot=self.boot, margin=self.margin, blob=self.blob, float=self.float, claim=self.claim
        )


class Connection(Protocol):
    """An open transaction, or a connection for reading. It translates statements itself."""

    def run(self, statement: str, values: Values = NOTHING) -> int:
        """Carry out a statement; how many rows it changed."""
        ...

    def all(self, statement: str, values: Values = NOTHING) -> list[tuple[Any, ...]]:
        """Carry out a query; its rows, fetched whole."""
        ...

    def each(self, statement: str, values: Sequence[Values]) -> list[int]:
        """Carry out a statement for each of several values, in order; how many rows each changed."""
        ...

    def all_each(self, statement: str, values: Sequence[Values]) -> list[list[tuple[Any, ...]]]:
        """Carry out a query for each of several values; the rows of each."""
        ...

    def wiped(self) -> None:
        """Note that payloads were removed: after the commit, no file of the database may hold a byte of them."""
        ...
