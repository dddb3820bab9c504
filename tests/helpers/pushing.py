"""Servers that push, a counter of their open streams, and tasks whose pushes have arrived."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.server.context import CallNext, HandlerResult

from mcptasks.testing import ServerTask, TaskServer
from tests.helpers.support import (
    LONG_INTERVAL,
    Recorder,
    Signal,
    begin,
    http,
    make_server,
)

over = pytest.mark.parametrize("over", ["process", "http"])
MOST_STREAMS = 5
"""How many streams may be open at once: four, and the one that replaces them."""


class Streams:
    """Counts the open `subscriptions/listen` of a server, and can hold back answers to other requests."""

    def __init__(self, server: TaskServer) -> None:
        self.open = 0
        self.most = 0
        self.held = ""
        """The method whose answers wait for `release`."""
        self.release = Signal()
        server.middleware.insert(0, self._count)

    async def _count(self, ctx: Any, call_next: CallNext) -> HandlerResult:
        if ctx.method == self.held:
            result = await call_next(ctx)
            await self.release.wait()
            return result
        if ctx.method != "subscriptions/listen":
            return await call_next(ctx)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            return await call_next(ctx)
        finally:
            self.open -= 1

    async def until_open(self, n: int) -> None:
        """Wait until `n` streams are open."""
        await until(lambda: self.open == n)


async def until(condition: Callable[[], bool]) -> None:
    """Poll a condition until it is true, if there is no event to wait for."""
    while True:
        if condition():
            return
        await anyio.sleep(0.005)


@asynccontextmanager
async def target_of(server: TaskServer, over: str) -> AsyncGenerator[Any]:
    """The server itself, or its URL."""
    if over == "process":
        yield server
    else:
        with http(server) as url:
            yield url


async def push_until_seen(steered: ServerTask, told: Recorder, words: str) -> None:
    """Push these words until they arrive, since a push is lost while no stream is open."""
    while words not in told.messages:
        steered.push("working", words)
        await anyio.sleep(0.01)


async def follow_pushed(client: Any, server: TaskServer, words: str = "pushed") -> tuple[Any, ServerTask, Recorder]:
    """A watched task, once its pushes arrive."""
    task, steered = await begin(client, server)
    told = Recorder()
    task.on_status_change(told)
    await push_until_seen(steered, told, words)
    return task, steered, told


def pushing(**options: Any) -> tuple[TaskServer, Streams]:
    """A server that pushes, and names a long polling interval."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL, **options)
    return server, Streams(server)


async def watch(
    client: Any, server: TaskServer, count: int, *, pause: float = 0.7
) -> list[tuple[ServerTask, Recorder]]:
    """Tasks with callbacks. Each has its stream open before the next task is created."""
    watched: list[tuple[ServerTask, Recorder]] = []
    for _ in range(count):
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        watched.append((steered, told))
        if pause:
            await anyio.sleep(pause)
    return watched


async def end(watched: list[tuple[ServerTask, Recorder]], *, within: float) -> None:
    """End every task, and check that every callback is told in time."""
    for steered, _ in watched:
        steered.complete()
    with anyio.fail_after(within):
        for _, told in watched:
            assert (await told.until_over()).status == "completed"
