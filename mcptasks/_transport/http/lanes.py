"""The HTTP connections of one client, each in a pool of its own.

At the beginning and end of each request, the HTTP library's pool goes through all of its connections and requests, and
asks the operating system about each idle connection (httpcore, `_assign_requests_to_connections`). With one connection
in each pool, the cost of a request does not grow with the number of connections.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, cast

import anyio
import httpx2

from mcptasks._transport.http.streams import RawStream

_IDLE_SECONDS = 5.0
"""Seconds after which an idle connection is closed, when the next request is sent. The HTTP library's figure; web
servers have a similar one."""
_IDLE = 32
"""How many idle connections are kept; with more, the oldest is closed. As long as no request is sent, idle connections
stay open, so there must be a bound."""


class Handshake:
    """Closes a TCP connection whose TLS handshake is cancelled; httpcore2 closes the connection only after an error."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._is_under_way = False

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow the HTTP library's work; to be passed as the extension "trace" of a request."""
        if event == "connection.connect_tcp.complete":
            self._stream = info["return_value"]
        elif event.startswith("connection.start_tls."):
            self._is_under_way = not event.endswith(".complete")

    async def give_up(self) -> None:
        """Close the connection if the handshake has not ended."""
        if self._is_under_way:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()


class Lanes(httpx2.AsyncBaseTransport):
    """Sends each request on the connection that became idle last, or on a new connection if none is idle.

    Args:
        connections: How many requests may be under way; a further request waits.
        secure: Whether requests go to https:// addresses. Otherwise no certificate is trusted: reading those of the
            system takes more processor time than opening a client.
        proxy: The proxy of all connections.
        socket_options: The options to set on each connection's socket.
    """

    def __init__(
        self,
        connections: int,
        *,
        secure: bool,
        proxy: httpx2.Proxy | None = None,
        socket_options: Sequence[tuple[int, int, int]] = (),
    ) -> None:
        self._tls = httpx2.create_ssl_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._proxy = proxy
        self._socket_options = socket_options
        self._free = anyio.Semaphore(connections, fast_acquire=True)
        self._idle: deque[tuple[float, httpx2.AsyncHTTPTransport]] = deque()
        """The idle connections, each with the time when it became idle; the oldest first."""
        self._busy: set[httpx2.AsyncHTTPTransport] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. The connection is busy until the response is closed."""
        await self._close_old()
        await self._free.acquire()
        handshake = Handshake()
        if self._idle:
            lane = self._idle.pop()[1]
        else:
            lane = self._new()
            request.extensions = {**request.extensions, "trace": handshake.trace}
        self._busy.add(lane)
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            await handshake.give_up()
            await self._over(lane)
            raise
        inner = cast("httpx2.AsyncByteStream", response.stream)

        async def close() -> None:
            try:
                await inner.aclose()
            finally:
                await self._over(lane)

        response.stream = RawStream(aiter(inner), close)
        return response

    async def aclose(self) -> None:
        """Close all connections, even if closing some of them fails."""
        async with AsyncExitStack() as stack:
            for lane in (*self._busy, *(lane for _, lane in self._idle)):
                stack.push_async_callback(lane.aclose)
            self._idle.clear()

    def _new(self) -> httpx2.AsyncHTTPTransport:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=_IDLE_SECONDS)
        return httpx2.AsyncHTTPTransport(
            verify=self._tls, limits=limits, proxy=self._proxy, socket_options=self._socket_options
        )

    async def _over(self, lane: httpx2.AsyncHTTPTransport) -> None:
        self._busy.discard(lane)
        self._idle.append((anyio.current_time(), lane))
        self._free.release()
        if len(self._idle) > _IDLE:
            await self._close_oldest()

    async def _close_old(self) -> None:
        """Close connections that were idle for long: the server closes its ends, and ours would be left over."""
        now = anyio.current_time()
        while self._idle and self._idle[0][0] + _IDLE_SECONDS < now:
            await self._close_oldest()

    async def _close_oldest(self) -> None:
        _, lane = self._idle.popleft()
        with anyio.CancelScope(shield=True):
            await lane.aclose()
