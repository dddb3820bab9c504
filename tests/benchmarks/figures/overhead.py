"""Figures 4, 5, 7, 8, 10 and 11: what this project's own code costs.

Each is measured beside the same work without it: the bare SDK, the async client, a bare portal, a bare POST, a client
without telemetry.
"""

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
_BY_HAND = 1.02
_DISPLAY = 0.02
_TELEMETRY = {"none": (1.01, "no OpenTelemetry SDK"), "memory": (1.05, "spans and metrics in memory")}


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
                **_at_most(_BARE, found),
            )
        )
    return rows


def _at_most(limit: float, found: float) -> dict[str, Any]:
    """The columns of a ratio that has an upper limit."""
    return {"ratio": f"{found:.2f}", "limit": str(limit), "reached": found <= limit}


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
        **_at_most(_PORTAL, row.ratio),
    )


def looks(quick: bool) -> list[Row]:
    """Figure 8."""
    rows: list[Row] = []
    batch, rounds = (10, 2) if quick else (50, 30)
    with Server("scriptable") as server:
        for mode, version in (("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")):
            for backend in ("asyncio", "trio"):
                params = {"url": server.url("ours"), "batch": batch, "rounds": rounds, "mode": mode, "backend": backend}
                rows.append(looks_row(version, backend, run_client("ours", params, 240, script="looks")))
    return rows


def looks_row(version: str, backend: str, result: Mapping[str, Any]) -> Row:
    """A look beside a bare POST."""
    times = {side: statistics.median(result[side]) * 1000 for side in ("ours", "bare")}
    found = paired_ratio(result["ours"], result["bare"])
    return Row(
        figure=f"8 client CPU of a tasks/get, HTTP, {version}, {backend}",
        ours=f"{times['ours']:.2f} ms",
        other=f"a bare POST of the same bytes: {times['bare']:.2f} ms",
        **_at_most(_BARE, found),
    )


def telemetry(quick: bool) -> list[Row]:
    """Figure 10."""
    rows: list[Row] = []
    for sdk in _TELEMETRY:
        for backend in ("asyncio", "trio"):
            params = {"batch": 10 if quick else 50, "rounds": 2 if quick else 20, "sdk": sdk, "backend": backend}
            rows += telemetry_rows(sdk, backend, run_client("ours", params, 240, script="telemetry"))
    return rows


def telemetry_rows(sdk: str, backend: str, result: Mapping[str, Any]) -> list[Row]:
    """Spans and metrics beside none, and beside the same ones made by hand."""
    times = {side: f"{statistics.median(taken) * 1000:.2f} ms" for side, taken in result.items()}
    limit, words = _TELEMETRY[sdk]
    what = f"10 CPU per short task in process with telemetry, {words}, {backend}"
    beside_none = _at_most(limit, paired_ratio(result["on"], result["off"]))
    rows = [Row(figure=what, ours=times["on"], other=f"telemetry=False: {times['off']}", **beside_none)]
    if "by hand" in result:
        beside_same = _at_most(_BY_HAND, paired_ratio(result["on"], result["by hand"]))
        other = f"the same spans and metrics by hand: {times['by hand']}"
        rows.append(Row(figure=f"{what}, beside the same by hand", ours=times["on"], other=other, **beside_same))
    return rows


def display(quick: bool) -> list[Row]:
    """Figure 11."""
    params = {"count": 100, "seconds": 3 if quick else 10, "rounds": 1 if quick else 4}
    return [display_row(run_client("ours", params, 240, script="display"))]


def display_row(result: Mapping[str, Any]) -> Row:
    """A live display's share of a core."""
    shares = {side: statistics.median(taken) for side, taken in result.items()}
    found = shares["display"] - shares["without"]
    return Row(
        figure="11 CPU of a live display of 100 tasks in a terminal",
        ours=f"{shares['display']:.2%} of a core",
        other=f"the same waits without it: {shares['without']:.2%}",
        ratio=f"{found:.2%} more",
        limit=f"{_DISPLAY:.0%} more",
        reached=found <= _DISPLAY,
    )
