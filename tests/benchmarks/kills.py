"""Processes that share a store and are killed at random: nothing is lost, nothing is decided or sent twice.

    python -m tests.benchmarks.kills [--kills 1000] [--tasks 2000] [--processes 3] [--era modern] [--store PATH]

Each process makes calls with keys, takes the tasks that others have left, answers what they ask, and waits for their
results, until it is killed with SIGKILL. Some calls become due with each kill, and take from 0.1 to 10 seconds. Three
kills of four wait for a process that has an unfinished task in hand; the fourth takes any, so that some die while they
open, call or take over. After the last kill one process finishes what is left; a 2025-11-25 server drops its sessions
before that, so that it asks again what the killed were asked. Then each key has one call at the server at most, each
task one answer, and each call is over or named as uncertain. The server runs in this process, and the others are forked
from one that has imported all there is to import. Prints what it saw; exit code 1 if anything of that does not hold, or
if half of the killed had no task in hand, which would say little.

`--store` is a path, a `postgresql://` URL, or "postgres" for a server that the tests' own programs start.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from mcptasks import Client, PollingPolicy, TaskError, TaskUncertainError
from mcptasks.store import Store, TaskRecord
from mcptasks.testing import Complete, NeedInput, Options, TaskServer, elicit, serve_http

MODES = {"modern": "2026-07-28", "legacy": "legacy"}
AT_ONCE = 16
"""Tasks that one process has under way."""
PAUSES = (0.1, 0.8)
"""Seconds between two kills, at random."""
STEPS = (0.05, 0.5, 2.0, 5.0)
"""Seconds that the tools work before they ask, and again after the answer. The call's number chooses the tool."""
NEWEST = 60
"""Calls that became due last: a process makes these first. Of the others it makes a few again, whose tasks are over."""
PATIENCE = 60.0
"""Seconds that a kill waits at most for a process with a task: a new process needs a part of a second on an idle
machine."""
ANYBODY = 0.25
"""The share of the kills that do not wait."""


class Board:
    """Numbers in a file that all processes map: how many calls are due, and how many unfinished tasks each worker has
    in hand. Each number has one writer."""

    def __init__(self, path: str) -> None:
        with Path(path).open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast("i")

    @staticmethod
    def make(path: str, workers: int) -> None:
        """Make the file."""
        Path(path).write_bytes(bytes(4 * (workers + 1)))

    @property
    def due(self) -> int:
        """How many calls are due. Written by the process that kills."""
        return self._numbers[0]

    @due.setter
    def due(self, calls: int) -> None:
        self._numbers[0] = calls

    def in_hand(self, worker: int) -> int:
        """How many unfinished tasks a worker has in hand."""
        return self._numbers[worker + 1]

    def take(self, worker: int, more: int) -> None:
        """Count a task that a worker has in hand from now on (1), or no longer (-1)."""
        self._numbers[worker + 1] += more


class Worker:
    """What one process does until it is killed."""

    def __init__(self, given: argparse.Namespace, number: int) -> None:
        self._url, self._mode, self._store, self._tasks = (
            given.url,
            MODES[given.era],
            Store(given.store, lease=5.0),
            given.tasks,
        )
        self._board, self._number = Board(given.board), number
        self._random = random.Random(given.seed + number)
        self._made = set[int]()

    async def run(self, *, last: bool) -> None:
        """Make every call, take every task.

        Args:
            last: Whether nobody else is there, so that it ends when all is done.
        """
        polling = PollingPolicy(first=0.05, floor=0.05, default_interval=0.05)
        async with Client(
            self._url, mode=self._mode, store=self._store, polling=polling, elicitation_handler=self._answer
        ) as client:
            async with anyio.create_task_group() as group:
                if not last:
                    group.start_soon(self._claim, client, group)
                for _ in range(AT_ONCE):
                    group.start_soon(self._call, client, last)
            async with anyio.create_task_group() as group:
                for task in (await client.recover()).tasks:
                    group.start_soon(self._finish, task, last)

    async def _answer(self, _context: Any, _params: Any) -> Any:
        return {"value": f"{os.getpid()} {self._random.random()}"}

    async def _claim(self, client: Client, group: TaskGroup) -> None:
        async for task in client.claims(limit=AT_ONCE):
            group.start_soon(self._finish, task)

    async def _call(self, client: Client, last: bool) -> None:
        while (number := self._next(last)) is not None:
            if number < 0:
                await anyio.sleep(0.05)
                continue
            tool = f"ask{number % len(STEPS)}"
            with suppress(TaskUncertainError):
                await self._finish(await client.call_tool(tool, {"n": number}, task=True, key=f"k{number}"), last)

    def _next(self, last: bool) -> int | None:
        """The call to make: -1 if none is due, None if all are made. The last process makes them all."""
        due = self._tasks if last else self._board.due
        new = [number for number in range(0 if last else max(0, due - NEWEST), due) if number not in self._made]
        if not new and not last and due:
            new = [number for number in self._random.sample(range(due), min(due, 2)) if number not in self._made]
        if not new:
            return None if last else -1
        number = self._random.choice(new)
        self._made.add(number)
        return number

    async def _finish(self, task: Any, last: bool = False) -> None:
        counts = not task.done
        self._board.take(self._number, counts)
        try:
            with anyio.move_on_after(None if last else 2 * max(STEPS) + 5):  # Another process may hold it.
                await task.result()
        except TaskError as exc:
            sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        finally:
            self._board.take(self._number, -counts)


def nursery(arguments: argparse.Namespace) -> None:
    """Fork a worker for each line that is read, and say its id. Nobody waits for what was killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number, line in enumerate(sys.stdin):
        pid = os.fork()
        if pid == 0:
            _work(arguments, number, last=line.strip() == "last")
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _work(arguments: argparse.Namespace, number: int, *, last: bool) -> None:
    """Be a worker, and end."""
    try:
        anyio.run(partial(Worker(arguments, number).run, last=last))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(0)


class Fleet:
    """The processes that run."""

    def __init__(self, url: str, arguments: argparse.Namespace) -> None:
        self.board = Board(arguments.board)
        given = [f"--{name}={getattr(arguments, name)}" for name in ("era", "store", "tasks", "seed", "board")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.kills", f"--url={url}", *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started = 0
        self.pids: dict[int, int] = {}
        """The ids of the processes, by the numbers of the workers."""

    def start(self, word: str = "work") -> None:
        """Begin one more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self.pids[self._started] = int(self._process.stdout.readline())
        self._started += 1

    def kill(self, choose: random.Random) -> int:
        """Kill one of them: any, or wait for those that have a task in hand. Returns how many tasks it had."""
        chosen = list(self.pids)
        if choose.random() >= ANYBODY:
            limit = time.monotonic() + PATIENCE
            while not any(map(self.board.in_hand, self.pids)) and time.monotonic() < limit:
                time.sleep(0.01)
            chosen = [each for each in self.pids if self.board.in_hand(each)] or chosen
        number = choose.choice(chosen)
        os.kill(self.pids.pop(number), signal.SIGKILL)
        return self.board.in_hand(number)

    def finish(self) -> None:
        """Wait until the last one has ended."""
        (last,) = self.pids.values()
        while _runs(last):
            time.sleep(0.1)
        self._process.communicate()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def faults(server: TaskServer, records: list[TaskRecord], tasks: int) -> list[str]:
    """What does not hold, in words."""
    calls = Counter(request.params["arguments"]["n"] for request in server.requests if request.method == "tools/call")
    found = [f"call {number} was sent {times} times" for number, times in calls.items() if times > 1]
    answers: defaultdict[str, set[str]] = defaultdict(set)
    for request in server.requests:
        if request.method == "tasks/update":
            answers[str(request.task_id)].add(str(request.params.get("inputResponses")))
    found += [f"task {task} was answered {len(each)} ways" for task, each in answers.items() if len(each) > 1]
    phases = Counter(record.phase for record in records)
    if len(records) != tasks or set(phases) - {"over", "uncertain"}:
        found.append(f"{tasks} calls became {dict(phases)}")
    recorded = {record.task_id for record in records}
    unsure = {record.key for record in records if record.phase == "uncertain"}
    for task in server.tasks.values():
        if task.task_id not in recorded and f"k{task.arguments['n']}" not in unsure:
            found.append(f"task {task.task_id} is lost")
    return found


def main(arguments: argparse.Namespace) -> int:
    """Run, and say what was seen."""
    with ExitStack() as stack:
        if arguments.store == "postgres":
            from tests.store.postgres import PostgresServer

            arguments.store = stack.enter_context(PostgresServer()).database()
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    server = TaskServer(era="dual", options=Options(poll_interval_ms=50))
    for number, step in enumerate(STEPS):
        server.add_tool(
            f"ask{number}", script=[NeedInput({"q": elicit("Who?")}, after=step), Complete("done", after=step)]
        )
    choose, began = random.Random(arguments.seed), time.monotonic()
    under_way: list[int] = []
    had: list[int] = []
    serving = serve_http(server)
    with tempfile.TemporaryDirectory() as folder, serving as url:
        arguments.board = str(Path(folder) / "board")
        Board.make(arguments.board, arguments.kills + arguments.processes + 1)
        fleet = Fleet(url, arguments)
        for _ in range(arguments.processes):
            fleet.start()
        for number in range(arguments.kills):
            fleet.board.due = arguments.tasks * (number + 1) // arguments.kills
            time.sleep(choose.uniform(*PAUSES))
            had.append(fleet.kill(choose))
            under_way.append(sum(task.status in ("working", "input_required") for task in list(server.tasks.values())))
            fleet.start()
        while fleet.pids:
            fleet.kill(choose)
        if arguments.era == "legacy":
            # A question of 2025-11-25 belongs to a session. A server asks it again when that session is gone.
            serving.stop()
            serving.start()
        fleet.start("last")
        fleet.finish()
        records = anyio.run(lambda: Store(arguments.store).tasks(limit=2 * arguments.tasks))
        found = faults(server, records, arguments.tasks)
        damage = [words for words in anyio.run(Store(arguments.store).check) if "damaged" in words]
    phases = dict(Counter(record.phase for record in records))
    empty = had.count(0)
    sys.stdout.write(
        f"{arguments.kills} kills, {arguments.tasks} tasks, {time.monotonic() - began:.0f} s: {phases}; at a kill "
        f"{min(under_way)} to {max(under_way)} tasks were under way; the killed had up to {max(had)} in hand, "
        f"{sum(had) / len(had):.1f} on average, and {empty} had none\n"
    )
    if empty * 2 > arguments.kills:
        found.append("most of the killed had no task in hand")
    sys.stdout.write("".join(f"{words}\n" for words in [*found, *damage]) or "nothing lost, nothing doubled\n")
    return 1 if found or damage else 0


def parsed() -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--era", choices=sorted(MODES), default="modern")
    parser.add_argument("--store", default=str(Path(tempfile.mkdtemp()) / "tasks.db"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--board", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = parsed()
    if given.url is not None:
        nursery(given)
    else:
        sys.exit(main(given))
