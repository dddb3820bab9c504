"""Figures 1 and 2: how late results are, and how many requests that takes.

Late is what lies between the end of the work, as the tool itself notes it, and the client's having the result. Client
and server run on one machine, so they read one clock. It includes what the server does to publish a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from tests.benchmarks.numbers import median_and_p90, percentile, plan
from tests.benchmarks.processes import Asked, ClientKind, ProcessFailedError, Running, Server, ServerKind
from tests.benchmarks.report import Row

LONG = (5.0, 15.0)
SEED = 5
PING_EVERY = 0.4
_TRIPS_MEDIAN = 3
_TRIPS_P90 = 6
_GETS_PUSHED = 2
_LATE_LEARNED = 0.3
_GETS_LEARNED = 5
_TOLERANCE = 1.05
"""`Neither later nor more requests`: within this, since the moments at which the tasks begin differ."""


@frozen
class Lateness:
    """What came out for the tasks of one group."""

    median: float
    p90: float
    gets: float
    """`tasks/get` for each task."""
    trip: float
    """The median round trip in the same run."""

    @property
    def text(self) -> str:
        """Median and p90."""
        return f"{seconds(self.median)} / {seconds(self.p90)}"


def seconds(value: float) -> str:
    """A time, with the digits that count."""
    return f"{value:.3f} s" if abs(value) < 0.1 else f"{value:.2f} s"


def evaluate(result: Mapping[str, Any], asked: Asked) -> dict[str, Lateness]:
    """What came out, by group."""
    trip = percentile(result["trips"], 0.5)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in result["records"]:
        groups.setdefault(record["group"], []).append(record)
    found: dict[str, Lateness] = {}
    for group, records in groups.items():
        median, p90 = median_and_p90([record["late"] for record in records])
        gets = sum(asked.gets.get(record["task_id"], 0) for record in records) / len(records)
        found[group] = Lateness(median, p90, gets, trip)
    return found


def run_together(
    server: Server, loads: Sequence[tuple[ClientKind, str, Mapping[str, Any]]]
) -> list[dict[str, Lateness] | str]:
    """Run clients at the same time, each under a name; their results, or why there is none."""
    running = [
        Running(kind, {"load": "latency", "url": server.url(name), "ping_every": PING_EVERY, **params})
        for kind, name, params in loads
    ]
    found: list[dict[str, Lateness] | str] = []
    for client, (kind, name, _) in zip(running, loads, strict=True):
        try:
            found.append(evaluate(client.result(300), server.asked(name)))
        except ProcessFailedError as exc:
            if kind == "ours":
                raise
            found.append(f"failed: {str(exc).splitlines()[-1]}")
    return found


def _of(found: dict[str, Lateness] | str, group: str) -> Lateness | None:
    return None if isinstance(found, str) else found[group]


# --- figure 1 ---------------------------------------------------------------------------------------------------------


def pushing(quick: bool) -> list[Row]:
    """Servers that push."""
    count, over = (10, 4.0) if quick else (60, 20.0)
    rows: list[Row] = []
    servers: list[tuple[ServerKind, ClientKind, str]] = [
        ("scriptable", "fastmcp 4", "2026-07-28"),
        ("fastmcp 3", "fastmcp 3", "2025-11-25"),
    ]
    for kind, peer, version in servers:
        length = (1.0, 3.0) if quick else LONG
        tasks = plan("pushed", count, length, over, tools=["work"], seed=SEED)
        with Server(kind) as server:
            # One after the other: the peers' polling would hold up what is pushed to ours.
            (ours,) = run_together(server, [("ours", "ours", {"plan": tasks})])
            (other,) = run_together(server, [(peer, "peer", {"plan": tasks})])
        mine, its = _of(ours, "pushed"), _of(other, "pushed")
        assert mine is not None
        rows += pushed_rows(f"{kind}, {version}, {length[0]:.0f} to {length[1]:.0f} s", peer, mine, its or str(other))
    return rows


def pushed_rows(where: str, peer: str, ours: Lateness, other: Lateness | str) -> list[Row]:
    """The rows for one server."""
    trips = f"{ours.median / ours.trip:.1f} / {ours.p90 / ours.trip:.1f} round trips of {seconds(ours.trip)}"
    reached = ours.median <= _TRIPS_MEDIAN * ours.trip and ours.p90 <= _TRIPS_P90 * ours.trip
    known = isinstance(other, Lateness)
    return [
        Row(
            figure=f"1 lateness, median / p90: {where}",
            ours=f"{ours.text} ({trips})",
            other=f"{peer}: {other.text}" if known else f"{peer}: {other}",
            ratio=f"{ours.median / other.median:.2f} / {ours.p90 / other.p90:.2f}" if known else "-",
            limit=f"{_TRIPS_MEDIAN} / {_TRIPS_P90} round trips",
            reached=reached,
        ),
        Row(
            figure=f"1 tasks/get per task: {where}",
            ours=f"{ours.gets:.1f}",
            other=f"{peer}: {other.gets:.1f}" if known else "-",
            ratio=f"{ours.gets / other.gets:.2f}" if known and other.gets else "-",
            limit=str(_GETS_PUSHED),
            reached=ours.gets <= _GETS_PUSHED,
        ),
    ]


# --- figure 2 ---------------------------------------------------------------------------------------------------------


def polling(quick: bool) -> list[Row]:
    """A server that only answers looks."""
    return [*_unseen(quick), *_learned(quick)]


def _unseen(quick: bool) -> list[Row]:
    groups: list[tuple[str, int, float | tuple[float, float]]] = [
        ("0.3 s", 12, 0.3),
        ("1 s", 12, 1.0),
        ("3 s", 12, 3.0),
        ("5 to 15 s", 40, LONG),
    ]
    if quick:
        groups = [("0.3 s", 3, 0.3), ("1 s", 3, 1.0)]
    # Each task is of a tool of its own, so that not even the tasks of one run teach the client anything.
    names = iter(f"work_{number}" for number in range(sum(count for _, count, _ in groups)))
    tasks: list[dict[str, Any]] = []
    for group, count, length in groups:
        tools = [next(names) for _ in range(count)]
        tasks += plan(group, count, length, 3.0 if quick else 25.0, tools=tools, seed=SEED)
    with Server("fastmcp 4", more_names=len(tasks)) as server:
        ours, other = run_together(
            server, [("ours", "ours", {"plan": tasks}), ("fastmcp 4", "peer", {"plan": tasks})]
        )
    rows: list[Row] = []
    for group, _, _ in groups:
        mine = _of(ours, group)
        assert mine is not None
        rows += unseen_rows(group, mine, _of(other, group) or str(other))
    return rows


def unseen_rows(group: str, ours: Lateness, other: Lateness | str) -> list[Row]:
    """The rows for tasks of one length, of tools never seen before."""
    if not isinstance(other, Lateness):
        return [
            Row(figure=f"2 lateness, median / p90: tool never seen, {group}", ours=ours.text, other=other),
            Row(figure=f"2 tasks/get per task: tool never seen, {group}", ours=f"{ours.gets:.1f}", other=other),
        ]
    # A round trip more or less is not what this is about.
    slack = max(ours.trip, other.trip)
    on_time = ours.median <= other.median * _TOLERANCE + slack and ours.p90 <= other.p90 * _TOLERANCE + slack
    return [
        Row(
            figure=f"2 lateness, median / p90: tool never seen, {group}",
            ours=ours.text,
            other=other.text,
            ratio=f"{ours.median / other.median:.2f} / {ours.p90 / other.p90:.2f}",
            limit="not later",
            reached=on_time,
        ),
        Row(
            figure=f"2 tasks/get per task: tool never seen, {group}",
            ours=f"{ours.gets:.1f}",
            other=f"{other.gets:.1f}",
            ratio=f"{ours.gets / other.gets:.2f}" if other.gets else "-",
            limit="not more",
            reached=ours.gets <= other.gets * _TOLERANCE,
        ),
    ]


def _learned(quick: bool) -> list[Row]:
    lengths = (0.6,) if quick else (7.3, 2.6)
    count, over = (4, 2.0) if quick else (20, 10.0)
    loads: list[tuple[ClientKind, str, Mapping[str, Any]]] = []
    for length in lengths:
        params = {
            "before": [{"tool": "work_0", "seconds": length}] * 5,
            "plan": plan("learned", count, length, over, tools=["work_0"], seed=SEED),
        }
        loads += [("ours", f"ours {length}", params), ("fastmcp 4", f"peer {length}", params)]
    with Server("fastmcp 4", more_names=1) as server:
        found = run_together(server, loads)
    rows: list[Row] = []
    for number, length in enumerate(lengths):
        mine = _of(found[2 * number], "learned")
        assert mine is not None
        other = _of(found[2 * number + 1], "learned")
        rows += learned_rows(f"{length} s", mine, other or str(found[2 * number + 1]))
    return rows


def learned_rows(length: str, ours: Lateness, other: Lateness | str) -> list[Row]:
    """The rows for a tool that was run five times before."""
    known = isinstance(other, Lateness)
    return [
        Row(
            figure=f"2 lateness, median / p90: after five runs, {length}",
            ours=ours.text,
            other=other.text if known else other,
            ratio=f"{ours.median / other.median:.2f} / {ours.p90 / other.p90:.2f}" if known else "-",
            limit=f"median {_LATE_LEARNED} s",
            reached=ours.median <= _LATE_LEARNED,
        ),
        Row(
            figure=f"2 tasks/get per task: after five runs, {length}",
            ours=f"{ours.gets:.1f}",
            other=f"{other.gets:.1f}" if known else "-",
            ratio=f"{ours.gets / other.gets:.2f}" if known and other.gets else "-",
            limit=str(_GETS_LEARNED),
            reached=ours.gets <= _GETS_LEARNED,
        ),
    ]
