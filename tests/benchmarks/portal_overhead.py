"""What a blocking call costs: this project's portal beside a bare `BlockingPortal.call` of anyio, on the same backend.

    python -m tests.benchmarks.portal_overhead [--rounds N] [--calls N] [--most RATIO]

Each round times a batch of calls of both, one right after the other and in changing order, so that whatever the machine
does meanwhile hits both alike. What counts is the ratio within a round; the table gives its median over the rounds, and
between which values the middle half of them lies. With `--most`, a median above that is exit code 1.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from typing import Any, Literal

from anyio.from_thread import start_blocking_portal
from attrs import frozen

from mcptasks.sync import Client
from mcptasks.testing import TaskServer

Backend = Literal["asyncio", "uvloop", "trio"]
BACKENDS: dict[Backend, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


@frozen
class Row:
    """One line of the table; times in seconds a call."""

    backend: str
    call: str
    ours: float
    bare: float
    ratios: list[float]

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        low, _, high = statistics.quantiles(self.ratios, n=4)
        times = f"{self.ours * 1e6:8.1f} {self.bare * 1e6:8.1f}"
        return f"{self.backend:8} {self.call:24} {times} {self.ratio:7.2f}   {low:.2f} to {high:.2f}"


def installed(backend: Backend) -> bool:
    """Whether it can be measured."""
    return backend == "asyncio" or find_spec(backend) is not None


async def nothing() -> int:
    """The least that can be called."""
    return 1


def seconds(call: Callable[[], object], calls: int) -> float:
    """How long a call takes, on average over a batch."""
    begun = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begun) / calls


def compare(ours: Callable[[], object], bare: Callable[[], object], rounds: int, calls: int) -> list[list[float]]:
    """The times of both, round by round."""
    for _ in range(3):
        seconds(ours, calls)
        seconds(bare, calls)
    pairs: list[list[float]] = []
    for number in range(rounds):
        if number % 2:
            pairs.append([seconds(ours, calls), seconds(bare, calls)])
        else:
            pairs.append([seconds(bare, calls), seconds(ours, calls)][::-1])
    return pairs


def measure(backend: Backend, rounds: int, calls: int) -> list[Row]:
    """Compare on one backend."""
    server = TaskServer(era="modern")
    server.add_tool("quick", result=1)
    name, options = BACKENDS[backend]
    with start_blocking_portal(name, options) as portal, Client(server, backend=backend) as client:
        task = client.call_tool("quick", task=True)
        task.result()
        inner: Callable[[], Awaitable[Any]] = task._inner.result
        cases: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "an empty function": (lambda: client._call(nothing), lambda: portal.call(nothing)),
            "result() when it is there": (task.result, lambda: portal.call(inner)),
        }
        rows: list[Row] = []
        for call, (ours, bare) in cases.items():
            pairs = compare(ours, bare, rounds, calls)
            mean, other = (statistics.median(times) for times in zip(*pairs, strict=True))
            rows.append(Row(backend, call, mean, other, [first / second for first, second in pairs]))
        return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.portal_overhead")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--calls", type=int, default=200, help="in a batch (default: %(default)s)")
    parser.add_argument("--most", type=float, help="the highest ratio that is no failure")
    chosen = parser.parse_args(arguments)
    say = sys.stdout.write
    say(f"{'backend':8} {'call':24} {'ours/us':>8} {'bare/us':>8} {'ratio':>7}   middle half\n")
    worst = 0.0
    gc.disable()
    for backend in BACKENDS:
        if not installed(backend):
            say(f"{backend:8} is not installed\n")
            continue
        for row in measure(backend, chosen.rounds, chosen.calls):
            say(f"{row}\n")
            worst = max(worst, row.ratio)
        gc.collect()
    if chosen.most is not None and worst > chosen.most:
        say(f"the highest ratio is {worst:.2f}, more than {chosen.most}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
