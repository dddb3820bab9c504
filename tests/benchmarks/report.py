"""The table: its rows, how they are written, and their place in a page of the documentation. Pure.

A page holds the table between two markers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

BEGIN = "<!-- benchmarks: begin -->"
END = "<!-- benchmarks: end -->"
HEADINGS = ("figure", "ours", "the other side", "ratio", "limit", "reached")


@frozen(kw_only=True)
class Row:
    """One line."""

    figure: str
    """Begins with the figure's number in issue 5."""
    ours: str
    other: str = "-"
    ratio: str = "-"
    limit: str = "-"
    reached: bool | None = None
    """None where there is no limit."""
    finished: bool = True
    """False where tasks of ours did not finish, which is worse than any number."""

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in the columns."""
        word = "-" if self.reached is None else "yes" if self.reached else "**no**"
        cells = (self.figure, self.ours, self.other, self.ratio, self.limit, word)
        return tuple(cell.replace("|", "/").replace("\n", " ") for cell in cells)


def figure_in(line: str) -> str:
    """The figure that a line of the page's table is about."""
    return line.removeprefix("|").split("|")[0].strip()


def for_terminal(rows: Sequence[Row]) -> str:
    """The table with its columns in line."""
    lines = [HEADINGS, *(tuple(cell.replace("**", "") for cell in row.cells) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([texts[0], "  ".join("-" * width for width in widths), *texts[1:]])


def for_page(rows: Iterable[Row]) -> list[str]:
    """The table's lines as Markdown, without its heading."""
    return [f"| {' | '.join(row.cells)} |" for row in rows]


def merged(old: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The lines of a table in which those about figures that were measured anew are replaced, by number."""
    lines = {figure_in(line): line for line in (*old, *for_page(rows))}
    return sorted(lines.values(), key=lambda line: int(figure_in(line).split(" ")[0]))


def section_of(page: str) -> str:
    """What stands between the markers.

    Raises:
        ValueError: The markers are missing, repeated or in the wrong order.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page must have {BEGIN} once and {END} once after it")
    return page.partition(BEGIN)[2].partition(END)[0]


def with_table(page: str, rows: Sequence[Row], circumstances: str, *, whole: bool) -> str:
    """The page with the rows in its table.

    Args:
        page: The page as it was.
        rows: The new rows.
        circumstances: What is to be said of the run above the table.
        whole: Whether these are all the rows there are; else the old ones of other figures stay.

    Raises:
        ValueError: See `section_of`.
    """
    heading = f"| {' | '.join(HEADINGS)} |"
    rule = f"|{' --- |' * len(HEADINGS)}"
    old = [line for line in section_of(page).splitlines() if line.startswith("|") and line not in (heading, rule)]
    lines = [BEGIN, circumstances, "", heading, rule, *merged([] if whole else old, rows), END]
    return page.partition(BEGIN)[0] + "\n".join(lines) + page.partition(END)[2]
