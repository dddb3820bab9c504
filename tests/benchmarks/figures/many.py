"""Figure 3: many tasks on one client: whether all finish, processor time, requests, memory.

Processor time is that of the client's process, from the first call to the last result, after a warm-up. In process it
includes the server's. All calls are made at once, and each task is waited for as soon as it is created.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Literal

from attrs import frozen

from tests.benchmarks.clients.measuring import WARM_UP
from tests.benchmarks.processes import ClientKind, ProcessFailedError, Server, ServerKind, run_client
from tests.benchmarks.report import Row

_LIMITS = {("fastmcp 4", 2): 0.85, ("fastmcp 4", 20): 0.6, ("scriptable", 2): 0.6, ("scriptable", 20): 0.6}
_MEMORY_LIMIT = 12_000
_GROWTH_LIMIT = 1.2
_GIVE_UP = 280.0
PEER: ClientKind = "fastmcp 4"
PUSH: dict[ServerKind, str] = {"fastmcp 4": "poll-only", "scriptable": "pushing"}
Local = Literal["stdio", "in process"]


@frozen
class Many:
    """What one run came to; or several, by their medians."""

    count: int
    finished: int
    cpu: float
    """Seconds, all tasks together."""
    requests: float | None
    """For each task."""
    memory: float | None
    """Bytes for each task, where it was measured."""
    words: str = ""
    """What went wrong."""

    @property
    def text(self) -> str:
        """For the table."""
        if self.count == 0:
            return self.words
        parts = [f"{self.cpu:.1f} s"]
        if self.requests is not None:
            parts.append(f"{self.requests:.1f} requests a task")
        if self.finished < self.count:
            parts.append(f"only {self.finished} finished {self.words}".strip())
        return ", ".join(parts)

    @property
    def complete(self) -> bool:
        """Whether all tasks finished."""
        return self.count > 0 and self.finished == self.count


def over_http(server_kind: ServerKind, client: ClientKind, count: int, seconds: float, **more: Any) -> Many:
    """One run over HTTP, on a server of its own, since servers keep what they did."""
    params = {"load": "many", "count": count, "seconds": seconds, "how": "each", "limit": _GIVE_UP, **more}
    with Server(server_kind) as server:
        try:
            result = run_client(client, {**params, "url": server.url("client")}, _GIVE_UP + 60)
        except ProcessFailedError as exc:
            if client == "ours":
                raise
            return Many(0, 0, 0.0, None, None, f"failed: {str(exc).splitlines()[-1][:120]}")
        requests = server.asked("client").total / (count + WARM_UP)
    return _read(count, result, requests)


def locally(target: Local, backend: str, count: int, seconds: float) -> Many:
    """One run of ours over stdio or in process, on the scriptable server."""
    params = {"load": "many", "count": count, "seconds": seconds, "how": "each", "limit": _GIVE_UP}
    result = run_client("ours", {**params, "target": target, "backend": backend}, _GIVE_UP + 60)
    return _read(count, result, None)


def _read(count: int, result: dict[str, Any], requests: float | None) -> Many:
    words = "; ".join(f"{times} x {error}" for error, times in list(result["errors"].items())[:2])
    if result["gave_up"]:
        words = f"in {_GIVE_UP:.0f} s; {words}"
    return Many(count, result["finished"], result["cpu"], requests, result["memory"], words)


def middle(runs: Sequence[Many]) -> Many:
    """Several runs by their medians; the worst where tasks did not finish."""
    for run in runs:
        if not run.complete:
            return run
    requests = [run.requests for run in runs if run.requests is not None]
    memory = [run.memory for run in runs if run.memory is not None]
    return Many(
        runs[0].count,
        runs[0].finished,
        statistics.median(run.cpu for run in runs),
        statistics.median(requests) if requests else None,
        statistics.median(memory) if memory else None,
    )


# --- over HTTP --------------------------------------------------------------------------------------------------------


def http(quick: bool) -> list[Row]:
    """Processor time beside the fastmcp client's, and how it grows."""
    loads = [(50, 2, 1)] if quick else [(1000, 2, 2), (5000, 2, 1), (1000, 20, 1)]
    few, much = (20, 50) if quick else (500, 5000)
    rows: list[Row] = []
    costs: dict[tuple[ServerKind, int], Many] = {}
    for count, seconds, rounds in loads:
        runs: dict[tuple[ServerKind, ClientKind], list[Many]] = {}
        for _ in range(rounds):
            # In turn, so that whatever the machine does hits all alike.
            for server in PUSH:
                for client in ("ours", PEER):
                    runs.setdefault((server, client), []).append(over_http(server, client, count, float(seconds)))
        found = {key: middle(values) for key, values in runs.items()}
        for server in PUSH:
            rows.append(cpu_row(server, count, seconds, found[server, "ours"], found["fastmcp 4", PEER]))
            if server == "scriptable":
                rows[-1] = _with_same_server(rows[-1], found[server, PEER])
            if seconds == 2:
                costs[server, count] = found[server, "ours"]
    for server, words in PUSH.items():
        less = middle([over_http(server, "ours", few, 2.0) for _ in range(2)])
        rows.append(growth_row(words, less, costs[server, much]))
    return rows


def _with_same_server(row: Row, run: Many) -> Row:
    """The row, also with what the peer's client took on the same pushing server."""
    return Row(
        figure=row.figure,
        ours=row.ours,
        other=f"{row.other} (on the poll-only server; {run.text} on this one)",
        ratio=row.ratio,
        limit=row.limit,
        reached=row.reached,
        finished=row.finished,
    )


def cpu_row(server: ServerKind, count: int, seconds: int, ours: Many, other: Many) -> Row:
    """Processor time beside the fastmcp client's on the poll-only server."""
    limit = _LIMITS[server, seconds]
    ratio = ours.cpu / other.cpu if other.complete else None
    return Row(
        figure=f"3 client CPU, {count:,} tasks of {seconds} s, HTTP, {PUSH[server]}",
        ours=ours.text,
        other=other.text,
        ratio=f"{ratio:.2f}" if ratio is not None else "-",
        limit=str(limit),
        # A peer that does not finish is no measure; then all that counts is that ours does.
        reached=ours.complete and (ratio is None or ratio <= limit),
        finished=ours.complete,
    )


def growth_row(where: str, few: Many, much: Many) -> Row:
    """Whether a task costs more where there are more of them."""
    each = [1000 * run.cpu / run.count for run in (few, much)]
    return Row(
        figure=f"3 CPU per task, {much.count:,} tasks beside {few.count:,}, {where}",
        ours=f"{each[1]:.2f} ms",
        other=f"{each[0]:.2f} ms",
        ratio=f"{each[1] / each[0]:.2f}",
        limit=str(_GROWTH_LIMIT),
        reached=each[1] <= _GROWTH_LIMIT * each[0],
        finished=few.complete and much.complete,
    )


# --- memory -----------------------------------------------------------------------------------------------------------


def memory(quick: bool) -> list[Row]:
    """Memory while all tasks are alive."""
    count, seconds = (50, 3.0) if quick else (1000, 30.0)
    rows: list[Row] = []
    for how, words in (("rss", "resident memory"), ("traced", "tracemalloc")):
        other = over_http("fastmcp 4", PEER, count, seconds, memory=how)
        for server, push in PUSH.items():
            ours = over_http(server, "ours", count, seconds, memory=how)
            rows.append(memory_row(f"{words}, {count:,} alive, HTTP, {push}", ours, other))
    return rows


def memory_row(where: str, ours: Many, other: Many) -> Row:
    """Memory for each task, all of them alive and waited for."""
    known = ours.memory is not None and other.memory is not None and other.memory > 0
    return Row(
        figure=f"3 memory per task: {where}",
        ours="-" if ours.memory is None else f"{ours.memory / 1000:.1f} KB",
        other="-" if other.memory is None else f"{other.memory / 1000:.1f} KB",
        ratio=f"{ours.memory / other.memory:.2f}" if known and ours.memory and other.memory else "-",
        limit=f"{_MEMORY_LIMIT / 1000:.0f} KB",
        reached=ours.memory is not None and ours.memory <= _MEMORY_LIMIT,
        finished=ours.complete,
    )


# --- stdio and in process -----------------------------------------------------------------------------------------


def local(quick: bool) -> list[Row]:
    """The same numbers of tasks without HTTP."""
    counts = (20, 50) if quick else (1000, 5000)
    targets: tuple[Local, ...] = ("stdio", "in process")
    rows: list[Row] = []
    for target in targets:
        for backend in ("asyncio", "trio"):
            few, much = (locally(target, backend, count, 2.0) for count in counts)
            rows.append(local_row(target, backend, few, much))
    return rows


def local_row(target: Local, backend: str, few: Many, much: Many) -> Row:
    """The larger number beside the smaller one."""
    each = [f"{1000 * run.cpu / run.count:.2f} ms a task" for run in (few, much)]
    words = ["all finished" if run.complete else f"only {run.finished} finished {run.words}" for run in (few, much)]
    server = ", with the server's" if target == "in process" else ""
    return Row(
        figure=f"3 CPU, {target}{server}, {backend}, tasks of 2 s",
        ours=f"{much.count:,}: {each[1]}, {words[1]}",
        other=f"ours, {few.count:,}: {each[0]}, {words[0]}",
        ratio=f"{(much.cpu / much.count) / (few.cpu / few.count):.2f}",
        limit="all finish",
        reached=few.complete and much.complete,
        finished=few.complete and much.complete,
    )
