"""Figure 3: many tasks on one client: whether all finish, processor time, requests, memory.

Processor time is that of the client's process, from the first call to the last result, after a warm-up. In process it
includes the server's. All calls are made at once, and each task is waited for as soon as it is created. The fastmcp
client is measured on the poll-only server, which is its own.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from typing import Any, Literal

from attrs import evolve, frozen

from tests.benchmarks.clients.measuring import WARM_UP
from tests.benchmarks.processes import ClientKind, ProcessFailedError, Server, ServerKind, run_client
from tests.benchmarks.report import Row

_LIMITS = {("fastmcp 4", 2): 0.85, ("fastmcp 4", 20): 0.6, ("scriptable", 2): 0.6, ("scriptable", 20): 0.6}
_MEMORY_LIMIT = 12_000
_GROWTH_LIMIT = 1.2
_GIVE_UP = 280.0
_CREATORS = 50
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
    words: str = ""
    """What else is to be said, such as what went wrong."""

    @property
    def text(self) -> str:
        """For the table."""
        if self.count == 0:
            return self.words
        parts = [f"{self.cpu:.1f} s"]
        if self.requests is not None:
            parts.append(f"{self.requests:.1f} requests a task")
        if self.finished < self.count:
            parts.append(f"only {self.finished} finished")
        if self.words:
            parts.append(self.words)
        return ", ".join(parts)

    @property
    def complete(self) -> bool:
        """Whether all tasks finished."""
        return self.count > 0 and self.finished == self.count


def over_http(server_kind: ServerKind, client: ClientKind, count: int, seconds: float, **more: Any) -> Many:
    """One run over HTTP, on a server of its own, since servers keep what they did."""
    params = {"load": "many", "count": count, "seconds": seconds, "how": "each", "limit": _GIVE_UP, **more}
    with Server(server_kind, more_names=1) as server:
        try:
            result = run_client(client, {**params, "url": server.url("client")}, _GIVE_UP + 60)
        except ProcessFailedError as exc:
            if client == "ours":
                raise
            found = Many(0, 0, 0.0, None, f"failed: {str(exc).splitlines()[-1][:120]}")
        else:
            found = _read(count, result, server.asked("client").total / (count + WARM_UP))
    _say(f"{client} on {server_kind}, HTTP, {count} x {seconds:.0f} s: {found.text}")
    return found


def peer_over_http(server_kind: ServerKind, count: int, seconds: float) -> Many:
    """The same for the peer. Where it fails with all calls at once, it is given a second chance with fewer."""
    found = over_http(server_kind, PEER, count, seconds)
    if found.complete:
        return found
    gentle = over_http(server_kind, PEER, count, seconds, creators=_CREATORS)
    failure = found.text.removeprefix("failed: ")
    return evolve(gentle, words=f"creating {_CREATORS} at a time; all at once: {failure}")


def _say(words: str) -> None:
    sys.stderr.write(f"  {words}\n")
    sys.stderr.flush()


def locally(target: Local, backend: str, count: int, seconds: float) -> Many:
    """One run of ours over stdio or in process, on the scriptable server."""
    params = {"load": "many", "count": count, "seconds": seconds, "how": "each", "limit": _GIVE_UP}
    found = _read(count, run_client("ours", {**params, "target": target, "backend": backend}, _GIVE_UP + 60), None)
    _say(f"{target}, {backend}, {count} x {seconds:.0f} s: {found.text}")
    return found


def _read(count: int, result: dict[str, Any], requests: float | None) -> Many:
    words = "; ".join(f"{times} x {error}" for error, times in list(result["errors"].items())[:2])
    if result["gave_up"]:
        words = f"given up after {_GIVE_UP:.0f} s; {words}"
    return Many(count, result["finished"], result["cpu"], requests, words)


def middle(runs: Sequence[Many]) -> Many:
    """Several runs by their medians; the worst where tasks did not finish."""
    for run in runs:
        if not run.complete:
            return run
    requests = [run.requests for run in runs if run.requests is not None]
    return Many(
        runs[0].count,
        runs[0].finished,
        statistics.median(run.cpu for run in runs),
        statistics.median(requests) if requests else None,
        runs[0].words,
    )


# --- over HTTP --------------------------------------------------------------------------------------------------------


def http(quick: bool) -> list[Row]:
    """Processor time beside the fastmcp client's, and how it grows."""
    loads = [(50, 2, 1)] if quick else [(1000, 2, 3), (5000, 2, 1), (1000, 20, 2)]
    few = 20 if quick else 500
    rows: list[Row] = []
    costs: dict[ServerKind, Many] = {}
    for count, seconds, rounds in loads:
        ours: dict[ServerKind, list[Many]] = {server: [] for server in PUSH}
        other: list[Many] = []
        for _ in range(rounds):
            # In turn, so that whatever the machine does hits all alike.
            ours["fastmcp 4"].append(over_http("fastmcp 4", "ours", count, float(seconds)))
            other.append(peer_over_http("fastmcp 4", count, float(seconds)))
            ours["scriptable"].append(over_http("scriptable", "ours", count, float(seconds)))
        rows += [cpu_row(server, count, seconds, middle(runs), middle(other)) for server, runs in ours.items()]
        if count == 1000:
            same = peer_over_http("scriptable", count, float(seconds))
            rows[-1] = evolve(rows[-1], other=f"{rows[-1].other} (on this server: {same.text})")
        if seconds == 2:
            costs.update({server: middle(runs) for server, runs in ours.items()})
    for server, words in PUSH.items():
        less = middle([over_http(server, "ours", few, 2.0) for _ in range(2)])
        rows.append(growth_row(words, less, costs[server]))
    return rows


def cpu_row(server: ServerKind, count: int, seconds: int, ours: Many, other: Many) -> Row:
    """Processor time beside the fastmcp client's on the poll-only server."""
    limit = _LIMITS[server, seconds]
    # The time for a part of the tasks says nothing.
    ratio = ours.cpu / other.cpu if ours.complete and other.complete else None
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
    complete = few.complete and much.complete
    each = [1000 * run.cpu / run.count for run in (few, much)]
    return Row(
        figure=f"3 CPU per task, {much.count:,} tasks beside {few.count:,}, {where}",
        ours=f"{each[1]:.2f} ms" if much.complete else "not all finished",
        other=f"{each[0]:.2f} ms" if few.complete else "not all finished",
        ratio=f"{each[1] / each[0]:.2f}" if complete else "-",
        limit=str(_GROWTH_LIMIT),
        reached=complete and each[1] <= _GROWTH_LIMIT * each[0],
        finished=complete,
    )


# --- memory -----------------------------------------------------------------------------------------------------------


def memory(quick: bool) -> list[Row]:
    """Memory while all tasks are alive."""
    count, rounds = (50, 1) if quick else (1000, 2)
    other: list[float | None] = []
    ours: dict[ServerKind, list[float | None]] = {server: [] for server in PUSH}
    for _ in range(rounds):
        other.append(memory_over_http("fastmcp 4", PEER, count))
        for server, values in ours.items():
            values.append(memory_over_http(server, "ours", count))
    return [
        memory_row(f"{count:,} alive, HTTP, {PUSH[server]}", _middle(values), _middle(other))
        for server, values in ours.items()
    ]


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def memory_over_http(server_kind: ServerKind, client: ClientKind, count: int) -> float | None:
    """Bytes for each task; None where it could not be measured."""
    params = {"load": "memory", "count": count, "seconds": 120.0, "creators": _CREATORS}
    found: float | None = None
    with Server(server_kind, more_names=1) as server:
        try:
            found = run_client(client, {**params, "url": server.url("client")}, _GIVE_UP)["memory"]
        except ProcessFailedError:
            if client == "ours":
                raise
    _say(f"memory of {client} on {server_kind}: {_kilobytes(found)}")
    return found


def _kilobytes(value: float | None) -> str:
    return "-" if value is None else f"{value / 1000:.1f} KB"


def memory_row(where: str, ours: float | None, other: float | None) -> Row:
    """Memory for each task."""
    return Row(
        figure=f"3 resident memory per task, {where}",
        ours=_kilobytes(ours),
        other=_kilobytes(other),
        ratio="-" if ours is None or not other else f"{ours / other:.2f}",
        limit=_kilobytes(_MEMORY_LIMIT),
        reached=None if ours is None else ours <= _MEMORY_LIMIT,
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
    words = ["all finished" if run.complete else f"only {run.finished} finished, {run.words}" for run in (few, much)]
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
