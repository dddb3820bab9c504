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
"""`Neither later nor more requests`: within this, since no two runs are alike."""


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

    @property
    def gets_text(self) -> str:
        """How often was looked."""
        return f"{self.gets:.1f}"


@frozen
class Failure:
    """What came of a peer that failed."""

    text: str
    """In the place of its numbers."""
    gets_text: str = "-"


@frozen
class Load:
    """What one client is to do."""

    client: ClientKind
    name: str
    """Under which the server counts its requests."""
    params: Mapping[str, Any]


def seconds(value: float) -> str:
    """A time, with the digits that count."""
    return f"{value:.3f} s" if abs(value) < 0.1 else f"{value:.2f} s"


def late_ratio(ours: Lateness, other: Lateness | Failure) -> str:
    """Median and p90 beside the other's."""
    if isinstance(other, Failure):
        return "-"
    return f"{ours.median / other.median:.2f} / {ours.p90 / other.p90:.2f}"


def gets_ratio(ours: Lateness, other: Lateness | Failure) -> str:
    """The looks beside the other's."""
    return f"{ours.gets / other.gets:.2f}" if isinstance(other, Lateness) and other.gets else "-"


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


def run_together(server: Server, loads: Sequence[Load]) -> list[dict[str, Lateness] | Failure]:
    """Run clients at the same time; their results, or why there is none."""
    running = [
        Running(load.client, {"load": "latency", "url": server.url(load.name), "ping_every": PING_EVERY, **load.params})
        for load in loads
    ]
    found: list[dict[str, Lateness] | Failure] = []
    for client, load in zip(running, loads, strict=True):
        try:
            found.append(evaluate(client.result(300), server.asked(load.name)))
        except ProcessFailedError as exc:
            if load.client == "ours":
                raise
            found.append(Failure(f"failed: {str(exc).splitlines()[-1]}"))
    return found


def _ours(found: dict[str, Lateness] | Failure, group: str) -> Lateness:
    assert not isinstance(found, Failure)
    return found[group]


def _other(found: dict[str, Lateness] | Failure, group: str) -> Lateness | Failure:
    return found if isinstance(found, Failure) else found[group]


# --- figure 1 ---------------------------------------------------------------------------------------------------------


def pushing(quick: bool) -> list[Row]:
    """Servers that push."""
    count, over, length = (10, 4.0, (1.0, 3.0)) if quick else (60, 20.0, LONG)
    servers: list[tuple[ServerKind, ClientKind, str]] = [
        ("scriptable", "fastmcp 4", "2026-07-28"),
        ("fastmcp 3", "fastmcp 3", "2025-11-25"),
    ]
    rows: list[Row] = []
    for kind, peer, version in servers:
        tasks = plan("pushed", count, length, over, tools=["work"], seed=SEED)
        with Server(kind) as server:
            # One after the other: the peers' polling would hold up what is pushed to ours.
            (ours,) = run_together(server, [Load("ours", "ours", {"plan": tasks})])
            (other,) = run_together(server, [Load(peer, "peer", {"plan": tasks})])
        where = f"{kind}, {version}, {length[0]:.0f} to {length[1]:.0f} s"
        rows += pushed_rows(where, peer, _ours(ours, "pushed"), _other(other, "pushed"))
    return rows


def pushed_rows(where: str, peer: str, ours: Lateness, other: Lateness | Failure) -> list[Row]:
    """The rows for one server."""
    trips = f"{ours.median / ours.trip:.1f} / {ours.p90 / ours.trip:.1f} round trips of {seconds(ours.trip)}"
    return [
        Row(
            figure=f"1 lateness, median / p90: {where}",
            ours=f"{ours.text} ({trips})",
            other=f"{peer}: {other.text}",
            ratio=late_ratio(ours, other),
            limit=f"{_TRIPS_MEDIAN} / {_TRIPS_P90} round trips",
            reached=ours.median <= _TRIPS_MEDIAN * ours.trip and ours.p90 <= _TRIPS_P90 * ours.trip,
        ),
        Row(
            figure=f"1 tasks/get per task: {where}",
            ours=ours.gets_text,
            other=f"{peer}: {other.gets_text}",
            ratio=gets_ratio(ours, other),
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
        ("0.3 s", 9, 0.3),
        ("1 s", 9, 1.0),
        ("3 s", 9, 3.0),
        ("5 to 15 s", 25, LONG),
    ]
    if quick:
        groups = [("0.3 s", 3, 0.3), ("1 s", 3, 1.0)]
    # Each task is of a tool of its own, so that not even the tasks of one run teach the client anything. There are not
    # more of them since fastmcp's server takes the longer for each request, the more tools it has.
    names = iter(f"work_{number}" for number in range(sum(count for _, count, _ in groups)))
    tasks: list[dict[str, Any]] = []
    for group, count, length in groups:
        tools = [next(names) for _ in range(count)]
        tasks += plan(group, count, length, 3.0 if quick else 40.0, tools=tools, seed=SEED)
    with Server("fastmcp 4", more_names=len(tasks)) as server:
        loads = [Load("ours", "ours", {"plan": tasks}), Load("fastmcp 4", "peer", {"plan": tasks})]
        ours, other = run_together(server, loads)
    return [row for group, _, _ in groups for row in unseen_rows(group, _ours(ours, group), _other(other, group))]


def unseen_rows(group: str, ours: Lateness, other: Lateness | Failure) -> list[Row]:
    """The rows for tasks of one length, of tools never seen before."""
    on_time = fewer = None
    if isinstance(other, Lateness):
        # A round trip more or less is not what this is about.
        slack = max(ours.trip, other.trip)
        on_time = ours.median <= other.median * _TOLERANCE + slack and ours.p90 <= other.p90 * _TOLERANCE + slack
        fewer = ours.gets <= other.gets * _TOLERANCE
    return [
        Row(
            figure=f"2 lateness, median / p90: tool never seen, {group}",
            ours=ours.text,
            other=other.text,
            ratio=late_ratio(ours, other),
            limit="not later",
            reached=on_time,
        ),
        Row(
            figure=f"2 tasks/get per task: tool never seen, {group}",
            ours=ours.gets_text,
            other=other.gets_text,
            ratio=gets_ratio(ours, other),
            limit="not more",
            reached=fewer,
        ),
    ]


def _learned(quick: bool) -> list[Row]:
    lengths = (0.6,) if quick else (7.3, 2.6)
    count, over = (4, 2.0) if quick else (20, 10.0)
    loads: list[Load] = []
    for length in lengths:
        params = {
            "before": [{"tool": "work_0", "seconds": length}] * 5,
            "plan": plan("learned", count, length, over, tools=["work_0"], seed=SEED),
        }
        loads += [Load("ours", f"ours {length}", params), Load("fastmcp 4", f"peer {length}", params)]
    with Server("fastmcp 4", more_names=1) as server:
        found = run_together(server, loads)
    rows: list[Row] = []
    for length, ours, other in zip(lengths, found[::2], found[1::2], strict=True):
        rows += learned_rows(f"{length} s", _ours(ours, "learned"), _other(other, "learned"))
    return rows


def learned_rows(length: str, ours: Lateness, other: Lateness | Failure) -> list[Row]:
    """The rows for a tool that was run five times before."""
    return [
        Row(
            figure=f"2 lateness, median / p90: after five runs, {length}",
            ours=ours.text,
            other=other.text,
            ratio=late_ratio(ours, other),
            limit=f"median {_LATE_LEARNED} s",
            reached=ours.median <= _LATE_LEARNED,
        ),
        Row(
            figure=f"2 tasks/get per task: after five runs, {length}",
            ours=ours.gets_text,
            other=other.gets_text,
            ratio=gets_ratio(ours, other),
            limit=str(_GETS_LEARNED),
            reached=ours.gets <= _GETS_LEARNED,
        ),
    ]
