"""What the tests of the client share: eras, schedules, clients that cannot hang, and a recorder of statuses.

How these tests stay deterministic: tests steer the servers by hand (`server.next_task`), every wait is bounded, HTTP is
on loopback and a free port, and time is virtual if a test is about time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import anyio
import pytest
import trio.testing

from mcptasks import Client, PollingPolicy, Task, TaskStatus, ToolResult
from mcptasks.testing import Options, ServerTask, TaskServer, serve_http
from mcptasks.testing._bell import Bell
from tests.helpers import worlds
from tests.helpers.worlds import TestT, async_only, make_client

Era = Literal["modern", "legacy"]
ERAS: tuple[Era, ...] = ("modern", "legacy")
LIMIT = 50.0
"""Seconds that a test may take; then it fails. No test comes near, unless it hangs. Less than the minute for which a
client is patient with a server that is away: a test that waits so long fails."""

QUICK = PollingPolicy(first=0.01, floor=0.01, default_interval=0.02)
"""Polls often, so that a test need not wait for the next poll."""
PUSH_ONLY = PollingPolicy(early=False, ceiling=3600, push_interval=3600)
"""Polls so rarely, with a server that names a long interval, that only a push can bring news in a test."""
LONG_INTERVAL = 3_600_000
"""A polling interval in milliseconds (an hour) that no test waits for."""

POLLED: dict[str, Any] = {"push": "off", "listen": "unsupported"}
"""Options of a server that never pushes."""

legacy_only = pytest.mark.parametrize("era", ["legacy"])
modern_only = pytest.mark.parametrize("era", ["modern"])


def virtual_clock() -> Callable[[TestT], TestT]:
    """Run the test on trio with a clock that jumps whenever all tasks wait. Only with the async client, since the
    background thread of a blocking client has a clock of its own."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    virtual = pytest.mark.parametrize("anyio_backend", [pytest.param(("trio", {"clock": clock}), id="virtual")])
    return lambda test: async_only("virtual time")(virtual(test))


@asynccontextmanager
async def connected(target: Any, *, limit: float = LIMIT, **options: Any) -> AsyncGenerator[Client]:
    """A client of the present world that polls often and gives up soon. The block may take `limit` seconds."""
    with anyio.fail_after(limit):
        settings: dict[str, Any] = {"polling": QUICK, "reconnect_timeout": 5.0, **options}
        async with make_client(target, **settings) as client:
            yield client


@contextmanager
def http(server: TaskServer) -> Generator[str]:
    """A server over HTTP: its URL."""
    with serve_http(server) as url:
        yield url


def asked(server: TaskServer) -> int:
    """How many requests a server has got so far. The notification that ends the handshake may come late, so it does not
    count."""
    return sum(request.method != "notifications/initialized" for request in server.requests)


async def begin(client: Client, server: TaskServer, **options: Any) -> tuple[Task[ToolResult], ServerTask]:
    """A task that waits to be steered: the client's handle and the server's."""
    loose: Any = client
    task: Task[ToolResult] = await loose.call_tool("work", task=True, **options)
    return task, await server.next_task()


async def cancelled_from_within() -> None:
    """Await a future that was cancelled, which on asyncio looks like a cancellation of the task that awaits it."""
    if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
        raise RuntimeError("cancelled from within")  # trio has no such thing
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def call_tool(client: Any, name: str, **options: Any) -> Any:
    """`call_tool` for tests whose parameters decide whether it returns a value or a handle."""
    return await client.call_tool(name, **options)


def make_server(era: Era, **options: Any) -> TaskServer:
    """A server that offers the tool `work`, which waits to be steered."""
    options.setdefault("poll_interval_ms", 20)
    server = TaskServer(era=era, options=Options(**options))
    server.add_tool("work")
    return server


class Signal:
    """An event that any thread may set, and for which any event loop may wait: the test's, and the blocking
    client's."""

    def __init__(self) -> None:
        self._bell = Bell()
        self._is_set = False

    def set(self) -> None:
        """Wake everyone who waits."""
        self._is_set = True
        self._bell.ring()

    async def wait(self) -> None:
        """Wait until it is set."""
        await self._bell.until(lambda: self._is_set or None)


class Recorder:
    """A status callback that keeps each status, on any thread."""

    def __init__(self) -> None:
        self.statuses: list[TaskStatus] = []
        self._bell = Bell()

    def __call__(self, status: TaskStatus) -> None:
        """Keep it."""
        self.statuses.append(status)
        self._bell.ring()

    @property
    def messages(self) -> list[str | None]:
        """The messages so far."""
        return [status.status_message for status in self.statuses]

    async def until(self, found: Callable[[TaskStatus], bool]) -> TaskStatus:
        """Wait for such a status."""
        return await self._bell.until(lambda: next(filter(found, self.statuses), None))

    async def until_message(self, message: str) -> TaskStatus:
        """Wait for a status with that message."""
        return await self.until(lambda status: status.status_message == message)

    async def until_told(self, times: int) -> None:
        """Wait until the callback was called `times` times."""
        await self._bell.until(lambda: len(self.statuses) >= times or None)

    async def until_over(self) -> TaskStatus:
        """Wait for a terminal status."""
        return await self.until(lambda status: status.is_terminal)


async def settle() -> None:
    """Let all tasks run that can run now."""
    await worlds.present.settle()
