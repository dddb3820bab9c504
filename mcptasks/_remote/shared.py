"""The shared clients of one event loop: one for each server, closed when nobody has used it for a while.

Thousands of waits for tasks of one server need one connection, not one each.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from operator import attrgetter

import anyio
from anyio.lowlevel import RunVar
from attrs import define, field

from mcptasks import _eventloop
from mcptasks._async.client import Client
from mcptasks._core.exceptions import TaskTimeoutError
from mcptasks._engine.lifetime import Host
from mcptasks._remote.connect import Resolved

logger = logging.getLogger("mcptasks")

IDLE_SECONDS = 60.0
"""Seconds after which an unused client is closed; the next call opens a new one. Engines hand out work in bursts, and
reconnecting takes a fraction of a second."""


_host_of: Callable[[Client], Host] = attrgetter("_host")
"""Returns the part that keeps a client open."""


@define(eq=False)
class _Shared:
    """One client, and the number of its users."""

    client: Client | None = None
    users: int = 0
    opening: anyio.Lock = field(factory=anyio.Lock, init=False)
    changed: anyio.Event = field(factory=anyio.Event, init=False)
    """Set, and replaced, when the first user comes or the last one goes."""

    def use(self, by: int) -> None:
        """Count a user in (1) or out (-1)."""
        self.users += by
        if self.users in (0, by):
            self.changed.set()
            self.changed = anyio.Event()


@define(eq=False)
class Clients:
    """The clients of the event loop on which this is made."""

    _open: dict[str, _Shared] = field(factory=dict[str, _Shared], init=False)
    when_empty: Callable[[], None] | None = field(default=None, init=False)
    """Called once when the last client has been closed."""

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def using(self, resolved: Resolved, timeout: float | None = None) -> AsyncGenerator[Client]:
        """The open client of a server, for a block.

        Args:
            resolved: The server.
            timeout: Seconds to wait for the connection; None for the client's own limit only.

        Raises:
            TaskConnectionError: The server cannot be reached.
            TaskTimeoutError: The connection was not made in time.
        """
        shared = self._open.setdefault(resolved.key, _Shared())
        shared.use(1)
        try:
            client = None
            with anyio.move_on_after(timeout):
                client = await self._opened(shared, resolved)
            if client is None:
                raise TaskTimeoutError(f"{resolved.endpoint}: no connection within {timeout} s")
            yield client
        finally:
            shared.use(-1)
            if shared.client is None and not shared.users:
                self._remove(resolved.key, shared)

    async def _opened(self, shared: _Shared, resolved: Resolved) -> Client:
        async with shared.opening:
            client = shared.client
            if client is None or _host_of(client).over:  # A client that broke down has ended, and has logged why.
                is_first = client is None
                client = Client(resolved.target, **resolved.options)
                await client.open()
                shared.client = client
                if is_first:
                    _eventloop.start(lambda: self._close_when_idle(resolved.key, shared), "mcptasks idle client")
            return client

    async def _close_when_idle(self, key: str, shared: _Shared) -> None:
        while True:
            changed = shared.changed
            with anyio.move_on_after(None if shared.users else IDLE_SECONDS) as scope:
                await changed.wait()
            if scope.cancelled_caught and not shared.users:
                break
        if self._open.get(key) is shared:
            del self._open[key]  # A new user now opens another client.
        await self._close(shared)
        self._remove(key, shared)

    def _remove(self, key: str, shared: _Shared) -> None:
        if self._open.get(key) is shared:
            del self._open[key]
        if not self._open and self.when_empty is not None:
            told, self.when_empty = self.when_empty, None
            told()

    @staticmethod
    async def _close(shared: _Shared) -> None:
        client, shared.client = shared.client, None
        if client is not None:
            try:
                await client.close()
            except Exception:
                logger.warning("a client of a worker was not closed well", exc_info=True)

    async def close(self) -> None:
        """Close all clients, at the end of the program."""
        clients, self._open = self._open, {}
        async with anyio.create_task_group() as group:
            for shared in clients.values():
                group.start_soon(self._close, shared)


_here: RunVar[Clients] = RunVar("mcptasks_remote_clients")


def clients() -> Clients:
    """The shared clients of the event loop that runs here."""
    try:
        return _here.get()
    except LookupError:
        _here.set(found := Clients())
        return found
