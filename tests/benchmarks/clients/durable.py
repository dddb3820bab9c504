"""Figure 9: what a store costs a client: the same work with a store and without, in turn; and how long a store takes.

Parameters: `what`, one of the functions here that `WHAT` names, and its own: `url` of the scriptable server, `store`
(a path), `rounds`, `batch`, `journal` of the store's file, `count` of tasks in the store, `lease`, `backend`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from mcptasks import Client
from mcptasks._async.store import access_of
from mcptasks._store.records import Owner, new_id
from mcptasks._store.sqlite.backend import FileBackend
from mcptasks._store.sqlite.opening import Options
from mcptasks._store.upkeep import Beat, Retire
from mcptasks._store.writes import Created, Held, Intend
from mcptasks.store import Store
from tests.benchmarks.clients import measuring

UNCOUNTED = 2
HOLD = """
import anyio, sys
from mcptasks import Client
from mcptasks.store import Store

async def main(url, path, lease, job):
    async with Client(url, store=Store(path, lease=float(lease))) as client:
        await client.call_tool("work", {"seconds": 600.0}, task=True, labels={"job": job})
        print("holds", flush=True)
        await anyio.sleep_forever()

anyio.run(main, *sys.argv[1:])
"""
"""A process that holds a task until it is killed or stopped."""


async def calls(params: dict[str, Any]) -> dict[str, Any]:
    """Batches of calls that the server answers at once, or of tasks, with a store and without: seconds of each batch,
    by the clock and of processor time."""
    url, batch, task = params["url"], params["batch"], params["task"]
    found: dict[str, list[float]] = {name: [] for name in ("with", "without", "with cpu", "without cpu")}
    maker = FileBackend(Options(path=Path(params["store"]), journal=params.get("journal")))
    maker.owners()
    maker.close()
    async with AsyncExitStack() as stack:
        clients = {
            "with": await stack.enter_async_context(Client(url, store=Store(params["store"]))),
            "without": await stack.enter_async_context(Client(url)),
        }
        for number in range(params["rounds"] + UNCOUNTED):
            for name, client in clients.items() if number % 2 else reversed(clients.items()):
                begun, cpu = time.perf_counter(), time.process_time()
                await _batch(client, batch, task=task)
                took, used = time.perf_counter() - begun, time.process_time() - cpu
                if number >= UNCOUNTED:
                    found[name].append(took)
                    found[f"{name} cpu"].append(used)
    return found


async def _batch(client: Client, batch: int, *, task: bool) -> None:
    async def one() -> None:
        if task:
            await (await client.call_tool("work", {"seconds": 0.0}, task=True)).result()
        else:
            await client.call_tool("answer", {})

    if batch == 1:
        await one()
        return
    async with anyio.create_task_group() as group:
        for _ in range(batch):
            group.start_soon(one)


def fill(store: Store, endpoint: str, count: int) -> None:
    """Leave tasks in a store, as a client that has ended does."""
    backend, at = access_of(store).backend, datetime.now(UTC)
    owner = Owner(owner="gone", host="host", scene="", process="1:1")
    backend.apply([Beat(owner=owner, lease=60.0)])
    ids = [new_id() for _ in range(count)]
    for begin in range(0, count, 500):
        some = ids[begin : begin + 500]
        backend.apply(
            [
                Intend(id=name, owner="gone", endpoint=endpoint, at=at, kind="tool", name="work", labels={"job": "x"})
                for name in some
            ]
        )
        backend.apply(
            [
                Created(held=Held(name, "gone", 1), spare=new_id(), task_id=f"task-{name}", at=at, status="working")
                for name in some
            ]
        )
    backend.apply([Retire(owner="gone")])


async def reading(params: dict[str, Any]) -> dict[str, Any]:
    """Seconds that `Store.tasks()` and `Client.recover()` take with many tasks in the store."""
    store, count, found = Store(params["store"]), params["count"], dict[str, list[float]](tasks=[], recover=[])
    async with Client(params["url"], store=store) as client:
        await client.call_tool("answer", {})
        (record,) = await store.tasks(limit=1)
        fill(store, record.endpoint, count)
        for number in range(params["rounds"] + 1):
            begun = time.perf_counter()
            records = await store.tasks(limit=count)
            if number:
                found["tasks"].append(time.perf_counter() - begun)
            assert len(records) == count
            del records
    async with Client(params["url"], store=store) as client:
        begun = time.perf_counter()
        recovery = await client.recover()
        found["recover"].append(time.perf_counter() - begun)
        assert len(recovery.tasks) == count
    return found


async def idle(params: dict[str, Any]) -> dict[str, Any]:
    """Statements of an idle client, for some seconds. Those that begin, commit or undo are not counted."""
    store = Store(params["store"])
    async with Client(params["url"], store=store) as client:
        await client.call_tool("answer", {})
        await anyio.sleep(1.0)
        seen: list[str] = []
        loose: Any = access_of(store).backend
        loose._current().raw.set_trace_callback(seen.append)
        await anyio.sleep(params["seconds"])
        loose._current().raw.set_trace_callback(None)
    return {"statements": len([each for each in seen if each.split()[0] not in ("BEGIN", "COMMIT", "ROLLBACK")])}


async def takeover(params: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the moment at which a holder was stopped, and so gave no sign of life any more, until another client
    has its task."""
    url, path, lease = params["url"], params["store"], params["lease"]
    took: list[float] = []
    for job in map(str, range(params["rounds"])):
        holder = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this event loop
            [sys.executable, "-c", HOLD, url, path, str(lease), job], stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout is not None
        assert await anyio.to_thread.run_sync(holder.stdout.readline) == "holds\n"
        try:
            async with Client(url, store=Store(path, lease=lease)) as client:
                os.kill(holder.pid, signal.SIGSTOP)
                begun = time.perf_counter()
                await anext(client.claims(labels={"job": job}))
                took.append(time.perf_counter() - begun)
        finally:
            holder.kill()
            holder.wait()
    return {"took": took}


WHAT = {"calls": calls, "reading": reading, "idle": idle, "takeover": takeover}


async def run(params: dict[str, Any]) -> dict[str, Any]:
    """Measure."""
    found: dict[str, Any] = await WHAT[params["what"]](params)
    return found


if __name__ == "__main__":
    measuring.main(run)
