"""Figure 5: the same work through the async client by many tasks of its event loop, and through the blocking one by as
many threads; both in this process, in turn, on the same server.

Parameters: `url`; `workers`; `calls` of each in a round; `rounds`. Results: calls a second, by round.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio

import mcptasks.sync
from mcptasks import Client
from tests.benchmarks.clients import measuring

CALL = ("work", {"seconds": 0.0})


async def by_tasks(client: Client, workers: int, calls: int) -> float:
    """Calls a second of the async client."""

    async def work() -> None:
        for _ in range(calls):
            task = await client.call_tool(*CALL, task=True)
            await task.result()

    begun = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(work)
    return workers * calls / (time.perf_counter() - begun)


def by_threads(client: mcptasks.sync.Client, workers: int, calls: int) -> float:
    """Calls a second of the blocking client."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(calls):
                client.call_tool(*CALL, task=True).result()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - begun
    if failures:
        raise failures[0]
    return workers * calls / taken


async def run(params: dict[str, Any]) -> dict[str, Any]:
    """Measure."""
    workers, calls = params["workers"], params["calls"]
    rates: dict[str, list[float]] = {"threads": [], "tasks": []}
    blocking = mcptasks.sync.Client(params["url"]).open()
    async with Client(params["url"]) as client:
        for number in range(params["rounds"] + 1):
            tasks = await by_tasks(client, workers, calls)
            threads = await anyio.to_thread.run_sync(by_threads, blocking, workers, calls)
            if number:  # The first round connects and imports.
                rates["tasks"].append(tasks)
                rates["threads"].append(threads)
    await anyio.to_thread.run_sync(blocking.close)
    return dict(rates)


if __name__ == "__main__":
    measuring.main(run)
