"""Stores with tasks in them, made as clients make them."""

from __future__ import annotations

import anyio

import mcptasks
from mcptasks.store import Store
from mcptasks.testing import Complete, TaskServer, Working


def filled(store: Store, *, count: int = 1, target: str | None = None) -> str:
    """Put tasks of a server that is gone into a store, and return the id of the newest.

    Args:
        store: The store.
        count: How many tasks.
        target: What the command line called the server.
    """
    more = {} if target is None else {"cli.target": target}

    async def fill() -> str:
        server = TaskServer("gone")
        server.add_tool("report", [Working("half way"), Complete("done", after=3600)])
        async with mcptasks.Client(server, store=store) as client:
            for number in range(count):
                await client.call_tool("report", task=True, labels={"number": str(number), **more})
        newest = await store.tasks(limit=1)
        await store.close()
        return newest[0].id

    return anyio.run(fill)
