"""The HTTP connections of one client, each in a pool of its own.

The HTTP library's pool goes through all of its connections and all of its requests at the beginning and at the end of
each request (httpcore, `_assign_requests_to_connections`), and asks the operating system about each idle one. Where a
pool has one connection only, what a request costs does not grow with their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import cast

import anyio
import httpx2

_IDLE_SECONDS = 5.0
"""How long an idle connection is kept; the same figure as that of the HTTP library. Web servers take a like one."""
_IDLE = 32
"""How many are kept at most: nobody closes them while nothing is sent."""


class _LaneStream(httpx2.AsyncByteStream):
    """A body after which its connection is free for the next request."""

    def __init__(self, inner: httpx2.AsyncByteStream, over: Callable[[], Awaitable[None]]) -> None:
        self._inner = inner
        self._over: Callable[[], Awaitable[None]] | None = over

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._inner)

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            over, self._over = self._over, None
            if over is not None:
                await over()


class Lanes(httpx2.AsyncBaseTransport):
    """Sends each request on an idle connection, the latest that became so, or on a new one.

    Args:
        connections: How many there are at most; a request that finds none waits for one.
    """

    def __init__(self, connections: int) -> None:
        self._tls = httpx2.create_ssl_context()
        self._free = anyio.Semaphore(connections, fast_acquire=True)
        self._idle: deque[tuple[float, httpx2.AsyncHTTPTransport]] = deque()
        """When each became idle, oldest first."""
        self._busy: set[httpx2.AsyncHTTPTransport] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; the connection is taken until the response is closed."""
        await self._close_old()
        await self._free.acquire()
        lane = self._idle.pop()[1] if self._idle else self._new()
        self._busy.add(lane)
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            await self._over(lane)
            raise
        response.stream = _LaneStream(cast("httpx2.AsyncByteStream", response.stream), partial(self._over, lane))
        return response

    async def aclose(self) -> None:
        """Close all connections, whatever becomes of some of them."""
        async with AsyncExitStack() as stack:
            for lane in (*self._busy, *(lane for _, lane in self._idle)):
                stack.push_async_callback(lane.aclose)
            self._idle.clear()

    def _new(self) -> httpx2.AsyncHTTPTransport:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=_IDLE_SECONDS)
        return httpx2.AsyncHTTPTransport(verify=self._tls, limits=limits)

    async def _over(self, lane: httpx2.AsyncHTTPTransport) -> None:
        self._busy.discard(lane)
        self._idle.append((anyio.current_time(), lane))
        self._free.release()
        if len(self._idle) > _IDLE:
            await self._close_oldest()

    async def _close_old(self) -> None:
        """A server closes what was idle for long; so that nothing is left of it here, it is closed here too."""
        now = anyio.current_time()
        while self._idle and self._idle[0][0] + _IDLE_SECONDS < now:
            await self._close_oldest()

    async def _close_oldest(self) -> None:
        _, lane = self._idle.popleft()
        with anyio.CancelScope(shield=True):
            await lane.aclose()
