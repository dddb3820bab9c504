"""A soak: thousands of tasks come and go on one client while things go wrong, and afterwards nothing is left.

`python -m tests.benchmarks.soak --minutes 10 --tasks 2000 --backend asyncio --era modern`. A short round first brings
the process to its working size; a long one follows. After each, all tasks are let go, and what the process holds is
counted. It prints both counts, and fails where a result was wrong or missing or where something was left behind.
"""

# ruff: noqa: T201 - a command

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
from attrs import asdict, define, frozen

from mcptasks import Client, TaskCancelledError, TaskStatus, TaskTimeoutError

_WARM_UP = 0.15
"""The part of the time that the first round takes."""
_SETTLE_SECONDS = 10.0
"""Longer than a stream of pushes lingers, and than a connection is kept idle."""
_LENGTHS = (2.0, 20.0)
_MORE_MEMORY = 1.15
_SPARE_MEMORY = 30_000_000
_SPARE_DESCRIPTORS = 12
"""Idle connections come and go."""
_PLANNED = 64
"""So many entries of a plan are kept until they are due."""


@frozen
class Held:
    """What a process holds when no task is left."""

    threads: int
    descriptors: int
    streams: int
    watches: int
    planned: int
    memory: int


@define
class Soak:
    """One client under load."""

    client: Client
    chance: random.Random
    seen: Counter[str]
    number: int = 0

    async def round(self, tasks: int, seconds: float) -> Held:
        """Keep so many tasks coming and going for so long; what is left then."""
        until = anyio.current_time() + seconds
        async with anyio.create_task_group() as group:
            for _ in range(tasks):
                group.start_soon(self._worker, until)
        await anyio.sleep(_SETTLE_SECONDS)
        return self._held()

    async def _worker(self, until: float) -> None:
        # Not all at once.
        await anyio.sleep(self.chance.uniform(0, 20))
        while anyio.current_time() < until:
            await self._one()

    async def _one(self) -> None:
        self.number += 1
        number, ways = self.number, ("result", "result", "result", "callback", "updates", "detached", "cancel")
        way, arguments = self.chance.choice(ways), {"seconds": self.chance.uniform(*_LENGTHS), "number": number}
        task: Any = await self.client.call_tool("work", arguments, task=True)
        told: list[str] = []
        if way == "callback":
            task.on_status_change(_nothing)
        elif way == "updates":
            told = [status.status async for status in task.updates()]
        elif way == "detached":
            try:
                await task.result(timeout=self.chance.uniform(0.1, 3))
            except TaskTimeoutError as error:
                task = self.client.resume(error.reference or task.reference)
        elif way == "cancel":
            await task.cancel()
        try:
            found = (await task.result()).data
        except TaskCancelledError:
            found = "cancelled"
        right = found == number * 2 + 1 or (way == "cancel" and found == "cancelled")
        if way == "updates":
            right = right and told[-1] == "completed"
        self.seen[f"{way}: {'right' if right else f'WRONG {found!r}'}"] += 1

    def _held(self) -> Held:
        gc.collect()
        core: Any = self.client._session and self.client._session.core
        status = Path("/proc/self/statm").read_text(encoding="ascii")
        return Held(
            threading.active_count(),
            len(list(Path("/proc/self/fd").iterdir())),
            len(core.push._streams),
            len(core.monitor._watches),
            len(core.monitor._plan._heap),
            int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        )


def _nothing(_: TaskStatus) -> None:
    """A callback keeps a task watched."""


def left_behind(before: Held, after: Held) -> list[str]:
    """What the long round left that the short one had not."""
    found: list[str] = []
    if after.threads > before.threads:
        found.append(f"threads: {before.threads}, then {after.threads}")
    if after.descriptors > before.descriptors + _SPARE_DESCRIPTORS:
        found.append(f"descriptors: {before.descriptors}, then {after.descriptors}")
    if after.streams or after.watches or after.planned > _PLANNED:
        found.append(f"streams {after.streams}, watches {after.watches}, planned {after.planned}")
    if after.memory > before.memory * _MORE_MEMORY + _SPARE_MEMORY:
        found.append(f"memory: {before.memory / 1e6:.0f} MB, then {after.memory / 1e6:.0f} MB")
    return found


@contextmanager
def serving(era: str, seed: int) -> Generator[str]:
    """The server in a process of its own: its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.servers.soak_server", era, str(seed)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline())["url"]
        process.stdin.close()


async def run(url: str, options: argparse.Namespace) -> list[str]:
    """Both rounds; what went wrong."""
    seen: Counter[str] = Counter()
    async with Client(url, reconnect_timeout=120) as client:
        soak = Soak(client, random.Random(options.seed), seen)
        held: list[Held] = []
        for part in (_WARM_UP, 1 - _WARM_UP):
            held.append(await soak.round(options.tasks, options.minutes * 60 * part))
            print(f"after {soak.number:,} tasks: {asdict(held[-1])}", flush=True)
    for words, times in sorted(seen.items()):
        print(f"{words}: {times:,}")
    wrong = [f"{words}: {times}" for words, times in seen.items() if not words.endswith("right")]
    return [*left_behind(*held), *wrong]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument("--era", choices=("modern", "legacy"), default="modern")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with serving(options.era, options.seed) as url:
        wrong = anyio.run(run, url, options, backend=options.backend)
    print("\n".join(wrong) or "nothing was left behind, and all results were right")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
