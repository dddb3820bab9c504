"""Figure 2, learning: how late results are while a client learns how long a tool takes, run after run.

The server is only polled. Each row is one tool with its own client, beside a client that polls at the server's
interval. The tool is called with the same arguments each time; the server has the lengths of its runs.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

from attrs import frozen

from tests.benchmarks.figures.lateness import seconds
from tests.benchmarks.processes import Running, Server
from tests.benchmarks.report import Row

_LEARNING = 3
"""Runs of a length that teach it; those after them are held against the limit."""
_LATE = 0.3
"""Seconds that the median of these may be late."""
_TIMEOUT = 600.0

Lengths = list[list[float]]
"""The lengths of runs: those of an inner list begin at once, when those of the one before have ended."""


def _one_by_one(*lengths: float) -> Lengths:
    return [[length] for length in lengths]


def scripts(quick: bool) -> dict[str, Lengths]:
    """What is run, by the name of its row."""
    if quick:
        return {"0.4, 0.4, ...": _one_by_one(*[0.4] * 5)}
    crowd = random.Random(5)
    return {
        "3, 3, ...": _one_by_one(*[3.0] * 16),
        "7.3, 7.3, ...": _one_by_one(*[7.3] * 16),
        "3, 6, 3, 6, ...": _one_by_one(*[3.0, 6.0] * 16),
        "10, 10, 10, 1, 1, ...": _one_by_one(*[10.0] * 3, *[1.0] * 12),
        "four of 4, then 8, 8, ...": _one_by_one(*[4.0] * 4, *[8.0] * 12),
        "twenty of 5 to 15 at once, then 3, 3, ...": [
            [crowd.uniform(5, 15) for _ in range(20)],
            *_one_by_one(*[3.0] * 12),
        ],
    }


@frozen
class Learned:
    """What came out for one tool and one client."""

    late: tuple[tuple[float, ...], ...]
    """How late results were, in seconds, in the order in which the batches of runs began."""
    gets: float
    """`tasks/get` for each run."""

    @property
    def mean(self) -> float:
        """How late all results were on average, those that taught included."""
        return statistics.mean(late for batch in self.late for late in batch)

    def later(self, lengths: Lengths) -> float:
        """The highest median of a length, after the runs that taught it."""
        found = dict[float, list[float]]()
        for batch, late in zip(lengths, self.late, strict=True):
            if len(batch) == 1:  # Runs that began at once end in an order that does not tell their lengths.
                found.setdefault(batch[0], []).append(late[0])
        return max(statistics.median(late[_LEARNING:]) for late in found.values() if len(late) > _LEARNING)


def learning(quick: bool) -> list[Row]:
    """A tool whose runs come one after the other, or many at once before that."""
    chosen = scripts(quick)
    tools = {f"{client}_{number}": each for number, each in enumerate(chosen.values()) for client in ("ours", "strict")}
    with Server("fastmcp 4", scripts={tool: list(chain(*each)) for tool, each in tools.items()}) as server:
        running = {tool: _running(server, tool, each) for tool, each in tools.items()}
        results = {tool: client.result(_TIMEOUT) for tool, client in running.items()}
        found = {tool: _learned(tools[tool], result, server.asked(tool).gets) for tool, result in results.items()}
    return [
        row
        for number, (name, each) in enumerate(chosen.items())
        for row in learning_rows(name, each, found[f"ours_{number}"], found[f"strict_{number}"])
    ]


def _running(server: Server, tool: str, lengths: Lengths) -> Running:
    params = {"tool": tool, "batches": [len(batch) for batch in lengths], "strict": tool.startswith("strict")}
    return Running("ours", {"load": "in_turn", "url": server.url(tool), **params})


def _learned(lengths: Lengths, result: Mapping[str, Any], gets: Mapping[str, int]) -> Learned:
    ends = list(accumulate(len(batch) for batch in lengths))
    late: Sequence[float] = result["late"]
    batches = tuple(tuple(late[begin:end]) for begin, end in pairwise([0, *ends]))
    return Learned(batches, sum(gets.get(each, 0) for each in result["ids"]) / len(late))


def learning_rows(name: str, lengths: Lengths, ours: Learned, regular: Learned) -> list[Row]:
    """The rows for one tool."""
    median, polled = ours.later(lengths), regular.later(lengths)
    return [
        Row(
            figure=f"2 lateness, median after three runs of a length: {name}",
            ours=seconds(median),
            other=f"polled at the interval: {seconds(polled)}",
            ratio=f"{median / polled:.2f}",
            limit=f"{_LATE} s",
            reached=median <= _LATE,
        ),
        Row(
            figure=f"2 lateness, mean over all runs: {name}",
            ours=f"{seconds(ours.mean)}, {ours.gets:.1f} tasks/get",
            other=f"polled at the interval: {seconds(regular.mean)}, {regular.gets:.1f} tasks/get",
            ratio=f"{ours.mean / regular.mean:.2f}",
            limit="less late",
            reached=ours.mean < regular.mean,
        ),
    ]
