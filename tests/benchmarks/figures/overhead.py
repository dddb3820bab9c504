"""Figures 4 and 5, and what a blocking call costs: this project's own share, beside the bare SDK, the async client and
a bare portal."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from tests.benchmarks import portal_overhead
from tests.benchmarks.numbers import paired_ratio
from tests.benchmarks.processes import Server, run_client
from tests.benchmarks.report import Row

_BARE = 1.25
_THREADS = 0.8
_PORTAL = 1.3
_WORKERS = 64


def in_process(quick: bool) -> list[Row]:
    """Figure 4."""
    rows: list[Row] = []
    for backend in ("asyncio", "trio"):
        for batch, rounds in ((1, 40), (100, 25)):
            params = {"batch": batch, "rounds": 3 if quick else rounds, "seconds": 0.1, "backend": backend}
            rows += in_process_rows(backend, batch, run_client("ours", params, 240, script="in_process"))
    return rows


def in_process_rows(backend: str, batch: int, result: Mapping[str, Any]) -> list[Row]:
    """One way to do it, beside bare requests on the same kind of connection, and beside the SDK's direct calls."""
    times = {side: statistics.median(result[side]) * 1000 for side in ("ours", "streams", "direct")}
    sent = ", ".join(f"{count:.2f} {method}" for method, count in sorted(result["sent"].items()))
    how = f"{backend}, {'one by one' if batch == 1 else f'{batch} at once'}"
    rows: list[Row] = []
    for side, words in (("streams", "bare requests"), ("direct", "bare requests without streams")):
        found = paired_ratio(result["ours"], result[side])
        rows.append(
            Row(
                figure=f"4 CPU per task in process, {how}, beside {words}",
                ours=f"{times['ours']:.2f} ms ({sent})",
                other=f"{times[side]:.2f} ms",
                ratio=f"{found:.2f}",
                limit=str(_BARE),
                reached=found <= _BARE,
            )
        )
    return rows


def threads(quick: bool) -> list[Row]:
    """Figure 5."""
    params = {"workers": _WORKERS, "calls": 1 if quick else 5, "rounds": 2 if quick else 5}
    with Server("scriptable") as server:
        return [threads_row(run_client("ours", {**params, "url": server.url("ours")}, 240, script="threads"))]


def threads_row(result: Mapping[str, Any]) -> Row:
    """Blocking beside async."""
    rates = {side: statistics.median(result[side]) for side in ("threads", "tasks")}
    found = paired_ratio(result["threads"], result["tasks"])
    return Row(
        figure=f"5 tasks a second, {_WORKERS} threads with the blocking client, HTTP, pushing",
        ours=f"{rates['threads']:.0f} a second",
        other=f"{_WORKERS} async tasks: {rates['tasks']:.0f} a second",
        ratio=f"{found:.2f}",
        limit=f"at least {_THREADS}",
        reached=found >= _THREADS,
    )


def portal(quick: bool) -> list[Row]:
    """A blocking call beside a bare call through anyio's portal."""
    rows: list[Row] = []
    for backend in portal_overhead.BACKENDS:
        if portal_overhead.installed(backend):
            rows += map(portal_row, portal_overhead.measure(backend, *((6, 50) if quick else (40, 200))))
    return rows


def portal_row(row: portal_overhead.Row) -> Row:
    """One call on one backend."""
    return Row(
        figure=f"7 a blocking call: {row.call}, {row.backend}",
        ours=f"{row.ours * 1e6:.0f} us",
        other=f"anyio's portal: {row.bare * 1e6:.0f} us",
        ratio=f"{row.ratio:.2f}",
        limit=str(_PORTAL),
        reached=row.ratio <= _PORTAL,
    )
