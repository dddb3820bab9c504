"""Figure 9: what a store costs a client, beside the same client without one, and how long a store takes."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mcptasks._store.sqlite.opening import Journal
from tests.benchmarks.numbers import paired_ratio
from tests.benchmarks.processes import Server, run_client
from tests.benchmarks.report import Row

_LONE = 1.5
"""Milliseconds that a lone call may take longer with a store."""
_CPU = 1.02
"""What 1,000 calls at once may take of the processor, beside the same calls without a store."""
_TASKS = 0.15
_RECOVER = 1.0
"""Seconds for `Store.tasks()` and `Client.recover()`, with 10,000 tasks in the store."""
_IDLE = 10.0
"""Seconds for which an idle client may carry out one statement."""
_LEASE = 3.0
JOURNALS: Mapping[Journal, str] = {"truncate": "a rollback journal", "wal": "a write-ahead log"}
"""The two kinds of SQLite file. Which kind a new store gets depends on SQLite's version."""


def durable(quick: bool) -> list[Row]:
    """Figure 9."""
    count, seconds = (200, 3.0) if quick else (10_000, 60.0)
    rows: list[Row] = []
    with Server("scriptable") as server, tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(99))

        def measure(what: str, **params: Any) -> Mapping[str, Any]:
            store = str(Path(folder) / f"{next(numbers)}.db")
            return run_client(
                "ours", {"what": what, "url": server.url("ours"), "store": store, **params}, 900, script="durable"
            )

        for task in (False, True):
            for journal in JOURNALS:
                lone = measure("calls", batch=1, rounds=3 if quick else 200, task=task, journal=journal)
                rows.append(lone_row(lone, task=task, journal=journal))
            many = measure("calls", batch=20 if quick else 1000, rounds=1 if quick else 6, task=task)
            rows.append(cpu_row(many, task=task))
        rows += reading_rows(measure("reading", count=count, rounds=2 if quick else 5), count)
        rows.append(idle_row(measure("idle", seconds=seconds), seconds))
        rows.append(takeover_row(measure("takeover", lease=_LEASE, rounds=1 if quick else 5)["took"]))
    return rows


def _kind(task: bool) -> str:
    return "a task and its result" if task else "a call that is answered at once"


def lone_row(result: Mapping[str, Any], *, task: bool, journal: Journal) -> Row:
    """One call at a time."""
    ours, other = (statistics.median(result[name]) * 1000 for name in ("with", "without"))
    more = ours - other
    return Row(
        figure=f"9 {_kind(task)}, one by one, with a store that has {JOURNALS[journal]}",
        ours=f"{ours:.2f} ms",
        other=f"without: {other:.2f} ms",
        ratio=f"{more:+.2f} ms",
        limit=f"+{_LONE} ms",
        reached=more <= _LONE,
    )


def cpu_row(result: Mapping[str, Any], *, task: bool) -> Row:
    """Many calls at once."""
    found = paired_ratio(result["with cpu"], result["without cpu"])
    ours, other = (statistics.median(result[f"{name} cpu"]) for name in ("with", "without"))
    return Row(
        figure=f"9 client CPU of 1,000 at once with a store: {_kind(task)}",
        ours=f"{ours:.2f} s",
        other=f"without: {other:.2f} s",
        ratio=f"{found:.2f}",
        limit=str(_CPU),
        reached=found <= _CPU,
    )


def reading_rows(result: Mapping[str, Any], count: int) -> list[Row]:
    """Lists and recoveries."""
    named = (("tasks", "Store.tasks()", _TASKS), ("recover", "Client.recover(), until the first poll", _RECOVER))
    rows: list[Row] = []
    for name, words, limit in named:
        took = statistics.median(result[name])
        rows.append(
            Row(
                figure=f"9 {words}, {count:,} tasks in the store",
                ours=f"{took * 1000:.0f} ms",
                limit=f"{limit * 1000:.0f} ms",
                reached=took <= limit,
            )
        )
    return rows


def idle_row(result: Mapping[str, Any], seconds: float) -> Row:
    """A client that has nothing to do."""
    allowed = max(1.0, seconds / _IDLE)
    return Row(
        figure=f"9 statements of an idle client in {seconds:.0f} s",
        ours=str(result["statements"]),
        limit=f"{allowed:.0f}",
        reached=result["statements"] <= allowed,
    )


def takeover_row(took: Sequence[float]) -> Row:
    """A holder that gives no sign of life any more."""
    longest = max(took)
    return Row(
        figure=f"9 takeover from a client that was stopped, lease {_LEASE:.0f} s, the longest of {len(took)}",
        ours=f"{longest:.2f} s",
        limit=f"{_LEASE + 1:.0f} s",
        reached=longest <= _LEASE + 1,
    )
