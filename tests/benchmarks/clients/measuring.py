"""What every measured client goes through: the same loads for all of them, timed and counted in the same way.

Runs in several environments, so it may import nothing but the standard library and anyio, which every MCP client
brings along. What differs between the clients is behind `Side`, one implementation of which is in each script.

A script is given its parameters as JSON in its first argument and prints its results as JSON in its last line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import anyio

WARM_UP = 60
"""So many quick tasks at once come before a load that is counted: they import, connect and fill caches. Their tool has
another name (`work_0`), since they tell nothing of how long that of the load takes."""


class Side(Protocol):
    """A client, as far as the loads need it."""

    async def start(self, tool: str, seconds: float) -> Any:
        """Create a task and return a handle on it."""
        ...

    async def finish(self, handle: Any) -> float:
        """Wait for the task's result, which is the time of day at which the server was done with it."""
        ...

    async def all(self, handles: list[Any]) -> list[float]:
        """The same for many."""
        ...

    async def ping(self, handle: Any) -> None:
        """Make one `tasks/get`."""
        ...

    def task_id(self, handle: Any) -> str:
        """The id of a task."""
        ...


async def latency(side: Side, params: dict[str, Any]) -> dict[str, Any]:
    """Run tasks by a plan, and note how late each result was.

    Params: `plan`, a list of `{"at": seconds, "tool": name, "seconds": work, "group": name}`; `before`, a list of
    `{"tool": name, "seconds": work}` that are run one after the other before that; `ping_every`, seconds between two
    looks at a finished task, which measure the round trip under the same circumstances.
    """
    records: list[dict[str, Any]] = []
    trips: list[float] = []
    for item in params.get("before", []):
        await side.finish(await side.start(item["tool"], item["seconds"]))
    finished = await side.start("work", 0.0)
    await side.finish(finished)
    begun = anyio.current_time()

    async def one(item: dict[str, Any]) -> None:
        await anyio.sleep_until(begun + item["at"])
        handle = await side.start(item["tool"], item["seconds"])
        done = await side.finish(handle)
        late = time.time() - done
        records.append({"group": item["group"], "late": late, "task_id": side.task_id(handle)})

    async def ping() -> None:
        while True:
            before = time.perf_counter()
            await side.ping(finished)
            trips.append(time.perf_counter() - before)
            await anyio.sleep(params["ping_every"])

    async with anyio.create_task_group() as pings:
        pings.start_soon(ping)
        async with anyio.create_task_group() as group:
            for item in params["plan"]:
                group.start_soon(one, item)
        pings.cancel_scope.cancel()
    return {"records": records, "trips": trips}


async def in_turn(side: Side, params: dict[str, Any]) -> dict[str, Any]:
    """Run one tool in batches, one after the other, and note how late each result was, in the order of the batches.

    Params: `tool`; `batches`, how many runs begin at once in each.
    """
    late: list[float] = []
    ids: list[str] = []

    async def one() -> None:
        handle = await side.start(params["tool"], 0.0)
        done = await side.finish(handle)
        late.append(time.time() - done)
        ids.append(side.task_id(handle))

    await side.finish(await side.start("work", 0.0))
    for count in params["batches"]:
        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(one)
    return {"late": late, "ids": ids}


async def many(side: Side, params: dict[str, Any]) -> dict[str, Any]:
    """Run many tasks of one length at once; count the processor time that it takes this process.

    Params: `count`; `seconds`; `limit`, seconds until it is given up; `how`: `"each"`, where each task is waited for as
    soon as it is created, or `"all"`, where all are created before all are waited for; `creators`: how many are created
    at a time (default: all).
    """
    count: int = params["count"]
    await _warm_up(side)
    done: list[float] = []
    errors: Counter[str] = Counter()
    creators = anyio.Semaphore(params.get("creators", count))

    async def create() -> Any:
        async with creators:
            return await side.start("work", params["seconds"])

    async def one() -> None:
        try:
            done.append(await side.finish(await create()))
        except Exception as exc:
            errors[f"{type(exc).__name__}: {exc}"[:200]] += 1

    async def together() -> None:
        handles: list[Any] = []

        async def keep() -> None:
            try:
                handles.append(await create())
            except Exception as exc:
                errors[f"{type(exc).__name__}: {exc}"[:200]] += 1

        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(keep)
        try:
            done.extend(await side.all(handles))
        except Exception as exc:
            errors[f"{type(exc).__name__}: {exc}"[:200]] += 1

    begun, cpu = time.perf_counter(), time.process_time()
    with anyio.move_on_after(params["limit"]) as scope:
        async with anyio.create_task_group() as group:
            if params["how"] == "all":
                group.start_soon(together)
            else:
                for _ in range(count):
                    group.start_soon(one)
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - begun,
        "finished": len(done),
        "errors": dict(errors),
        "gave_up": scope.cancelled_caught,
    }


async def memory(side: Side, params: dict[str, Any]) -> dict[str, Any]:
    """Say how much more memory this process has for each task, when all are alive and waited for.

    Params: `count`; `seconds`, longer than it takes to create them all; `creators` as for `many`. Nothing waits for the
    ends. What connections and the allocator take for themselves is in it.
    """
    count: int = params["count"]
    await _warm_up(side)
    creators = anyio.Semaphore(params["creators"])
    left, ended = count, 0
    all_created = anyio.Event()
    before, more = _resident(), 0

    async def one() -> None:
        nonlocal left, ended
        async with creators:
            handle = await side.start("work", params["seconds"])
        left -= 1
        if not left:
            all_created.set()
        await side.finish(handle)
        ended += 1

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(one)
        await all_created.wait()
        await anyio.sleep(2.0)
        more = _resident() - before
        group.cancel_scope.cancel()
    # Without /proc there is nothing to say.
    return {"memory": more / count if before and not ended else None}


async def _warm_up(side: Side) -> None:
    async def one() -> None:
        await side.finish(await side.start("work_0", 0.0))

    async with anyio.create_task_group() as group:
        for _ in range(WARM_UP):
            group.start_soon(one)


def _resident() -> int:
    """Bytes of memory that this process has; 0 where that cannot be known."""
    gc.collect()
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


LOADS = {"latency": latency, "in_turn": in_turn, "many": many, "memory": memory}


def main(run: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """Run a script: `run` does what the parameters say."""
    params = json.loads(sys.argv[1])
    results = anyio.run(run, params, backend=params.get("backend", "asyncio"))
    print("\n" + json.dumps(results), flush=True)
