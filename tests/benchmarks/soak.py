"""Thousands of tasks that come and go on one client, in bad weather, for minutes; then all must be as it was.

    python -m tests.benchmarks.soak [--minutes 10] [--tasks 2000] [--era both] [--backend asyncio] [--seed 1]

The server (`soak_server.py`) runs in a process of its own and has faults all the time: resets, 503 with Retry-After,
answers cut in the middle, streams that end, silence. Every result must come, and be the right one. After a warm-up, and
again at the end, all tasks are let go: threads, descriptors, event loop tasks, streams, watches and entries of the plan
must be no more than after the warm-up, and memory must not have grown in the second half. The minutes are shared by the
eras. Prints what it saw; exit code 1 where anything of that does not hold.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
from attrs import define, field, frozen

from mcptasks import Client, TaskError, TaskTimeoutError

Era = Literal["modern", "legacy"]
SHORTEST, LONGEST = 2.0, 40.0
"""Seconds that tasks take."""
PAUSE = 8.0
"""The longest that a place is empty after a task."""
PATIENCE = 240.0
"""Seconds after which a result is said not to come."""
WARM_UP = 0.3
"""The part of the time that is no measurement."""
IDLE = 60.0
"""Seconds in which what is not needed any more is to be given up."""
SPARE_DESCRIPTORS = 16
"""Idle connections are kept, more or less of them."""
GROWTH, GROWTH_PART = 8.0, 0.05
"""Megabytes, and the part of what it is, by which memory may differ between halves: allocators keep some in reserve."""


@frozen
class State:
    """What a client holds, and its process."""

    threads: int
    descriptors: int
    loop_tasks: int
    streams: int
    watches: int
    handles: int
    planned: int
    megabytes: float

    def __str__(self) -> str:
        counts = f"threads {self.threads}, descriptors {self.descriptors}, loop tasks {self.loop_tasks}, "
        held = f"streams {self.streams}, watches {self.watches}, handles {self.handles}, planned {self.planned}, "
        return f"{counts}{held}{self.megabytes:.1f} MB"


def megabytes() -> float:
    """What the process has in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def state_of(client: Client) -> State:
    """The present state."""
    gc.collect()
    host: Any = client._host
    session: Any = host.engine
    return State(
        threads=threading.active_count(),
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        loop_tasks=len(anyio.get_running_tasks()),
        streams=len(session.core.push._running),
        watches=len(session.core.monitor._known._watches),
        handles=len(session.handles),
        planned=session.core.monitor._schedule._plan._valid,
        megabytes=megabytes(),
    )


@define
class Soak:
    """One client under load."""

    client: Client
    places: int
    chance: random.Random
    done: int = 0
    late: list[float] = field(factory=list[float])
    """How long after its end each result came, in seconds, about."""
    faults: Counter[str] = field(factory=Counter[str])
    """What the program was told of the weather."""
    wrong: list[str] = field(factory=list[str])
    """What must not be."""
    memory: list[float] = field(factory=list[float])
    seconds: int = 0
    pushed: int = 0
    """Seconds under load, and in how many of them there were streams with pushes."""
    _number: int = 0

    async def load(self, seconds: float) -> None:
        """Keep all places busy for so long, then let every task end."""
        until = anyio.current_time() + seconds
        self.memory.clear()
        async with anyio.create_task_group() as sampling:
            sampling.start_soon(self._sample)
            async with anyio.create_task_group() as group:
                for _ in range(self.places):
                    group.start_soon(self._place, until)
            sampling.cancel_scope.cancel()

    async def _sample(self) -> None:
        while True:
            self.memory.append(megabytes())
            self.seconds += 1
            self.pushed += self.client.task_support.push is True
            await anyio.sleep(1)

    async def _place(self, until: float) -> None:
        # Not all at the same moment.
        await anyio.sleep(self.chance.uniform(0, PAUSE))
        while anyio.current_time() < until:
            self._number += 1
            await self._one(self._number)
            await anyio.sleep(self.chance.uniform(0, PAUSE))

    async def _one(self, number: int) -> None:
        seconds = self.chance.uniform(SHORTEST, LONGEST)
        try:
            task = await self.client.call_tool("work", {"seconds": seconds, "number": number}, task=True)
        except TaskError as exc:
            # It is not sent again, since it may have arrived; that is for the program to decide.
            self.faults[f"not created: {type(exc).__name__}"] += 1
            return
        begin = anyio.current_time()
        try:
            if number % 3 == 0:
                task.on_status_change(lambda status: self.faults.update([f"told: {status.status}"]))
            if number % 4 == 0:
                await self._lose_patience(task)
            result = await task.result(timeout=seconds + PATIENCE)
        except Exception as exc:
            self.wrong.append(f"task {number} of {seconds:.1f} s: {exc!r}")
            return
        self.late.append(anyio.current_time() - begin - seconds)
        self.done += 1
        if result.data != {"number": number}:
            self.wrong.append(f"task {number} has the result {result.data!r}")

    async def _lose_patience(self, task: Any) -> None:
        try:
            await task.wait(timeout=self.chance.uniform(0.01, 5))
        except TaskTimeoutError:
            self.faults["gave up for a while"] += 1

    async def settled(self) -> State:
        """The state when nothing is under way, after the time that streams take to close."""
        deadline = anyio.current_time() + IDLE
        while (state := state_of(self.client)).streams or state.watches > 1 or state.handles:
            if anyio.current_time() > deadline:
                break
            await anyio.sleep(1)
        return state


def compare(before: State, after: State, memory: Sequence[float]) -> list[str]:
    """What is not as it was."""
    wrong = [
        f"{name}: {getattr(before, name)} before, {getattr(after, name)} after"
        for name, spare in (("threads", 0), ("descriptors", SPARE_DESCRIPTORS), ("loop_tasks", SPARE_DESCRIPTORS))
        if getattr(after, name) > getattr(before, name) + spare
    ]
    # The monitor may hold the one that it looked at last.
    left = {"streams": after.streams, "watches": after.watches - 1, "handles": after.handles, "planned": after.planned}
    wrong += [f"{name}: {number} are left" for name, number in left.items() if number > 0]
    quarter = len(memory) // 4
    if quarter:
        third, last = (statistics.mean(part) for part in (memory[2 * quarter : 3 * quarter], memory[3 * quarter :]))
        say(f"  memory under load: third quarter {third:.1f} MB, last quarter {last:.1f} MB\n")
        if last - third > max(GROWTH, GROWTH_PART * third):
            wrong.append(f"memory grew from {third:.1f} MB to {last:.1f} MB in the second half")
    return wrong


def say(words: str) -> None:
    """Print at once."""
    sys.stdout.write(words)
    sys.stdout.flush()


async def soak(url: str, tasks: int, seconds: float, seed: int) -> list[str]:
    """Run it against a server; what is wrong."""
    async with Client(url, timeout=10, reconnect_timeout=120) as client:
        run = Soak(client, tasks, random.Random(seed))
        await run.load(seconds * WARM_UP)
        before = await run.settled()
        say(f"  after the warm-up: {before}\n")
        begin, cpu = time.monotonic(), time.process_time()
        done = run.done
        await run.load(seconds * (1 - WARM_UP))
        spent, used = time.monotonic() - begin, time.process_time() - cpu
        after = await run.settled()
        say(f"  at the end:        {after}\n")
        each = 1000 * used / max(run.done - done, 1)
        say(f"  {run.done} results, {run.done - done} of them in {spent:.0f} s, {each:.1f} ms of CPU each\n")
        cuts = statistics.quantiles(run.late, n=100) if len(run.late) > 1 else [0.0] * 99
        say(f"  late by: median {cuts[49]:.2f} s, 90 % {cuts[89]:.2f} s, 99 % {cuts[98]:.2f} s, ")
        say(f"most {max(run.late, default=0):.2f} s\n")
        say(f"  pushes in {run.pushed} of {run.seconds} s\n")
        say(f"  told: {dict(sorted(run.faults.items()))}\n")
        return [*run.wrong, *compare(before, after, run.memory)]


@contextmanager
def served(era: Era, seed: int) -> Generator[str]:
    """The server in a process of its own: its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.soak_server", "--era", era, "--seed", str(seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http"), url
            yield url
        finally:
            told, _ = process.communicate(timeout=60)
            say(f"  faults met: {json.loads(told)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all eras together (default: %(default)s)")
    parser.add_argument("--tasks", type=int, default=2000, help="at once (default: %(default)s)")
    parser.add_argument("--era", choices=("modern", "legacy", "both"), default="both")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    eras: tuple[Era, ...] = ("modern", "legacy") if chosen.era == "both" else (chosen.era,)
    wrong: list[str] = []
    # The SDK warns of each request that is given up; what matters is told below.
    logging.getLogger().addHandler(logging.NullHandler())
    for era in eras:
        say(f"{era} on {chosen.backend}, {chosen.tasks} tasks at once, seed {chosen.seed}\n")
        seconds = chosen.minutes * 60 / len(eras)
        with served(era, chosen.seed) as url:
            found = anyio.run(soak, url, chosen.tasks, seconds, chosen.seed, backend=chosen.backend)
        wrong += [f"{era}: {each}" for each in found]
    for each in wrong[:50]:
        say(f"WRONG {each}\n")
    say(f"{len(wrong)} wrong\n" if wrong else "all as it was\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
