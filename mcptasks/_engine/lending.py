"""Engines on sessions that the program has opened, for as long as calls need them.

Such an engine opens with the first call of a session that becomes a task, serves the calls that follow meanwhile, and
ends with the last of them. We do not learn when a session ends, so an engine must not outlive its calls.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4
from weakref import WeakKeyDictionary

import anyio
import mcp
from attrs import define, field

from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._engine.engine import Engine
from mcptasks._engine.lifetime import Host
from mcptasks._transport.lent import LentClient
from mcptasks._transport.targets import Target

_ENDED = "the session of the program's own MCP client is over, and TasksExtension has no target= to go on with"


def target_of(session: mcp.ClientSession, learned_as: str) -> Target:
    """Return the target of an engine that uses a session until its end.

    Args:
        session: The program's session.
        learned_as: The name under which the engines of this session share run times.
    """
    unused = [LentClient(session)]

    def connect() -> LentClient:
        if not unused:
            raise TaskConnectionError(_ENDED)
        return unused.pop()

    return Target(
        endpoint="the session's server",
        connect=connect,
        reusable=False,
        bare=True,
        anonymous=True,
        learned_as=learned_as,
    )


@define(eq=False)
class _Shared:
    """One engine, and the number of calls that use it."""

    host: Host
    users: int = 0
    over: bool = False
    """Whether the engine is not to be used for further calls."""
    _opening: anyio.Lock = field(factory=anyio.Lock, init=False)
    _opened: bool = field(default=False, init=False)

    async def opened(self) -> bool:
        """Open the engine unless it is open. Return False if it is over; then the caller needs another one."""
        async with self._opening:
            if not (self._opened or self.over):
                try:
                    await self.host.open()
                except BaseException:
                    self.over = True
                    raise
                self._opened = True
        return self.usable

    @property
    def usable(self) -> bool:
        """Whether the engine is open."""
        return self._opened and not (self.over or self.host.over)


@define(eq=False)
class Lending:
    """The engines of one extension."""

    _make: Callable[[mcp.ClientSession, float | None, str], Engine]
    """Makes an engine from a session, the seconds that a request may take, and a name for run times."""
    _shared: dict[tuple[mcp.ClientSession, float | None], _Shared] = field(
        factory=dict[tuple[mcp.ClientSession, float | None], _Shared], init=False
    )
    _names: WeakKeyDictionary[mcp.ClientSession, str] = field(
        factory=WeakKeyDictionary[mcp.ClientSession, str], init=False
    )
    """The name under which run times of a session's server are kept."""

    @asynccontextmanager
    async def engine(self, session: mcp.ClientSession, limit: float | None) -> AsyncGenerator[Engine]:
        """A block in which an engine uses a session.

        Args:
            session: The session.
            limit: Seconds that one request may take; None for no limit.

        Raises:
            StoreError: The store cannot be opened.
        """
        key = session, limit
        ready = False
        while not ready:
            shared = self._shared.get(key)
            if shared is None or shared.over or shared.host.over:
                shared = self._shared[key] = _Shared(Host(self._make(session, limit, self._name(session))))
            shared.users += 1
            try:
                ready = await shared.opened()
                if ready:
                    yield shared.host.engine
            finally:
                shared.users -= 1
                if shared.users == 0:
                    shared.over = True
                    if self._shared.get(key) is shared:
                        del self._shared[key]
                    await shared.host.close(clean=True)

    def engines(self) -> list[Engine]:
        """Return the engines that are open."""
        return [shared.host.engine for shared in self._shared.values() if shared.usable]

    def _name(self, session: mcp.ClientSession) -> str:
        return self._names.setdefault(session, uuid4().hex)
