"""Measures the figures, prints the table, and writes it into the documentation.

    python -m tests.benchmarks [FIGURE ...] [--quick] [--write PAGE | --no-write]

Without figures: all of them, and the table in docs/speed.md is written anew. With figures, or `--quick`, it is written
only where `--write` names a page, and the other rows there stay as they are. The exit code is 1 if something
crashed or if tasks of ours did not finish; a limit that was not reached is no failure, but stands in the table.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.circumstances import circumstances
from tests.benchmarks.figures import durable, imports, lateness, learning, many, overhead
from tests.benchmarks.processes import ROOT
from tests.benchmarks.report import Row, for_terminal, with_table

FIGURES: dict[str, tuple[str, Callable[[bool], list[Row]]]] = {
    "pushing": ("1, lateness on servers that push", lateness.pushing),
    "polling": ("2, lateness on a server that does not", lateness.polling),
    "learning": ("2, lateness while a tool's length is learned", learning.learning),
    "http": ("3, many tasks over HTTP", many.http),
    "memory": ("3, memory of many tasks", many.memory),
    "local": ("3, many tasks over stdio and in process", many.local),
    "inprocess": ("4, cost beside bare requests", overhead.in_process),
    "threads": ("5, threads beside async tasks", overhead.threads),
    "imports": ("6, imports and the command line", imports.imports),
    "portal": ("7, a blocking call", overhead.portal),
    "looks": ("8, a tasks/get beside a bare POST", overhead.looks),
    "telemetry": ("10, what spans and metrics cost", overhead.telemetry),
    "display": ("11, what a live display costs", overhead.display),
    "durable": ("9, what a store costs", durable.durable),
}
PAGE = ROOT / "docs" / "speed.md"


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure and tabulate.")
    words = "; ".join(f"{name}: {what}" for name, (what, _) in FIGURES.items())
    # No `choices`: an empty list of figures would have to be one of them.
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"{words} (default: all)")
    parser.add_argument("--quick", action="store_true", help="tiny versions of all, to try; their numbers mean nothing")
    writing = parser.add_mutually_exclusive_group()
    writing.add_argument("--write", type=Path, metavar="PAGE", help="write the table into this page")
    writing.add_argument("--no-write", action="store_true", help="do not write the table")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.figures) - FIGURES.keys()
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    return chosen


def measure(names: Sequence[str], quick: bool) -> tuple[list[Row], list[str]]:
    """The rows of these figures, and the names of those that crashed."""
    rows: list[Row] = []
    crashed: list[str] = []
    for name in names:
        what, figure = FIGURES[name]
        begun = time.monotonic()
        print(f"measuring {what} ...", file=sys.stderr, flush=True)
        try:
            found = figure(quick)
        except Exception:
            traceback.print_exc()
            crashed.append(name)
            continue
        rows += found
        print(f"{for_terminal(found)}\n{time.monotonic() - begun:.0f} s\n", file=sys.stderr, flush=True)
    return rows, crashed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    chosen = read_arguments(arguments)
    names = chosen.figures or list(FIGURES)
    rows, crashed = measure(names, chosen.quick)
    said = circumstances(chosen.quick)
    print(for_terminal(rows))
    print(said)
    page = chosen.write or (None if chosen.no_write or chosen.figures or chosen.quick or crashed else PAGE)
    if page is not None:
        whole = not chosen.figures and not crashed
        page.write_text(with_table(page.read_text(encoding="utf-8"), rows, said, whole=whole), encoding="utf-8")
    for name in crashed:
        print(f"{name} crashed; see above")
    for row in rows:
        if not row.finished:
            print(f"tasks did not finish: {row.figure}: {row.ours}")
    return 1 if crashed or not all(row.finished for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
