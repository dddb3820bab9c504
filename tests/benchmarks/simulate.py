"""Simulates a client's polls in virtual time, and tabulates how late they are beside others.

    python -m tests.benchmarks.simulate [FAMILY ...] [--fleets N ...] [--seed N] [--write PAGE]

It is pure and deterministic: no sockets, no clock. `simulated/families.py` has the lengths of runs, `fleets.py` the
client and what others do, `best.py` the best schedule for whoever knows the lengths, `table.py` the rows. All families
and fleets take some minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.simulated.families import FAMILIES
from tests.benchmarks.simulated.table import FLEETS, HEADINGS, INTERVALS, Row, row

BEGIN, END = "<!-- simulated: begin -->", "<!-- simulated: end -->"


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.simulate", description="Simulate and tabulate.")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"{', '.join(FAMILIES)} (default: all)")
    parser.add_argument("--fleets", nargs="+", type=int, choices=list(FLEETS), default=list(FLEETS), metavar="N")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table into this page")
    parser.add_argument("--seed", type=int, default=24, metavar="N", help="of the lengths and the jitter (default: 24)")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.families) - FAMILIES.keys()
    if unknown:
        parser.error(f"no such family: {', '.join(sorted(unknown))}")
    return chosen


def as_markdown(rows: Sequence[Row]) -> str:
    """The table as it stands in a page."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(each.cells for each in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_table(page: str, table: str) -> str:
    """The page with this table between its markers.

    Raises:
        ValueError: The markers are missing or repeated.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page must have {BEGIN} once and {END} once")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 if a row misses what it should reach."""
    chosen = read_arguments(arguments)
    rows: list[Row] = []
    for family in chosen.families or FAMILIES:
        for interval in INTERVALS:
            for workers in chosen.fleets:
                rows.append(row(family, interval, workers, FLEETS[workers], seed=chosen.seed))
                print(" | ".join(rows[-1].cells), flush=True)
    if chosen.write is not None:
        page = chosen.write.read_text(encoding="utf-8")
        chosen.write.write_text(with_table(page, as_markdown(rows)), encoding="utf-8")
    missed = sum(not (each.on_time and each.in_budget) for each in rows)
    print(f"{len(rows) - missed} of {len(rows)} rows reach what they should")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
