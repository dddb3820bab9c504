"""Tables for terminals and pipes: columns as wide as what stands in them, cut to the width of a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mcptasks._cli import untrusted

_GAP = "  "
_LEAST = 6
"""Cells that a column keeps when the terminal is too narrow."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Return the lines of a table. The columns to the right give way first.

    Args:
        head: The names of the columns.
        rows: Legible texts on one line each.
        width: The cells of a line; None for as many as it takes.
    """
    everything = [head, *rows]
    sizes = [max(untrusted.width(row[column]) for row in everything) for column in range(len(head))]
    if width is not None:
        sizes = _shrunk(sizes, width - len(_GAP) * (len(head) - 1))
    lines = [_GAP.join(untrusted.padded(*cell) for cell in zip(row, sizes, strict=True)).rstrip() for row in everything]
    return lines if width is None else [untrusted.fitted(line, width) for line in lines]


def _shrunk(sizes: list[int], room: int) -> list[int]:
    """Sizes that fit into the room, if that is possible; the first column stays whole."""
    found = list(sizes)
    for column in reversed(range(1, len(found))):
        over = sum(found) - room
        if over <= 0:
            break
        found[column] = max(min(found[column], _LEAST), found[column] - over)
    return found
