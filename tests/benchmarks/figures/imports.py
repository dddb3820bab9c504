"""Figure 6: how long importing takes, and how soon the command line answers. Each time is that of a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

from tests.benchmarks.numbers import paired_ratio
from tests.benchmarks.processes import ROOT
from tests.benchmarks.report import Row

_RATIO = 1.05
_HELP = 0.3
_STATEMENTS = {"mcp": "import mcp", "Client": "from mcptasks import Client", "lazy": "import mcptasks"}


def imports(quick: bool) -> list[Row]:
    """All of figure 6."""
    rounds = 3 if quick else 11
    times: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, statement in _STATEMENTS.items():
            value = _inside(statement)
            if number:  # The first round finds nothing in the file cache.
                times.setdefault(name, []).append(value)
    helps = [_command(["-m", "mcptasks", "--help"]) for _ in range(rounds)]
    starts = [_command(["-c", "pass"]) for _ in range(rounds)]
    return [*import_rows(times), help_row(helps, starts)]


def import_rows(times: Mapping[str, list[float]]) -> list[Row]:
    """Both ways to import ours beside the SDK."""
    middle = {name: statistics.median(values) for name, values in times.items()}
    return [
        Row(
            figure=f"6 {_STATEMENTS[name]}",
            ours=f"{middle[name] * 1000:.0f} ms",
            other=f"import mcp: {middle['mcp'] * 1000:.0f} ms",
            ratio=f"{paired_ratio(times[name], times['mcp']):.2f}",
            limit=str(_RATIO),
            reached=paired_ratio(times[name], times["mcp"]) <= _RATIO,
        )
        for name in ("Client", "lazy")
    ]


def help_row(helps: list[float], starts: list[float]) -> Row:
    """The command line's help."""
    taken = statistics.median(helps)
    return Row(
        figure="6 python -m mcptasks --help",
        ours=f"{taken:.3f} s",
        other=f"python -c pass: {statistics.median(starts):.3f} s",
        ratio=f"{taken / statistics.median(starts):.2f}",
        limit=f"{_HELP} s",
        reached=taken < _HELP,
    )


def _inside(statement: str) -> float:
    """The time of a statement, without the start of the interpreter."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _command(arguments: list[str]) -> float:
    """The time of a whole process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
    return time.perf_counter() - begun
