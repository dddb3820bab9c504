"""Sends one HTTP request: over connections of our own, or with the program's HTTP client.

Neither sender follows redirects, writes a log, or limits the time for an answer: the callers have deadlines.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Protocol, cast
from urllib.request import getproxies

import httpx2
from mcp import MCPError

from mcptasks._core import safe_text
from mcptasks._core.faults import Fault, broken, no_connection
from mcptasks._transport.http.bodies import Body, TooLarge
from mcptasks._transport.http.faults import failure, is_fault, never_sent, words_of
from mcptasks._transport.http.lanes import Lanes
from mcptasks._transport.http.proxies import proxy_for
from mcptasks._transport.http.streams import RawStream
from mcptasks._version import __version__

_CONNECT_SECONDS = 30.0
"""Seconds that a TCP connection and its TLS handshake may take; then the attempt has failed."""
_CONNECTIONS = 256
"""How many TCP connections one client may have with TLS, and without; further requests wait. A thousand calls at once
must not use up the process's file descriptors."""

_TIMEOUT = {"connect": _CONNECT_SECONDS, "read": None, "write": None, "pool": None}
"""Limits connecting only: an answer may take as long as the work, and a large message as long as the network needs."""

_OUR_HEADERS = frozenset(
    {"accept", "accept-encoding", "content-type", "last-event-id", "mcp-session-id", "mcp-protocol-version"}
)
"""Headers that the client sets itself; a program's headers of these names are left out, for they would break the
protocol."""

_ENCODINGS = "gzip, deflate"
"""The compressions that the client can undo step by step, and so within bounds."""

_AUTH_BYTES = 1 << 20
"""How many bytes a body may have that `whole` reads, such as a token endpoint's; a longer body counts as empty. Tokens
have some kilobytes."""

_COOKIES = 50
"""How many cookies are kept; with more, all are dropped. A load balancer needs 1 or 2 to find a session's server."""


class Sender(Protocol):
    """Sends HTTP requests."""

    @property
    def direct(self) -> bool:
        """Whether connections go straight to the server, without a proxy."""
        ...

    async def send(
        self, method: str, url: httpx2.URL, headers: Mapping[str, str], content: bytes | None
    ) -> httpx2.Response:
        """Send a request. The response's body is not read yet.

        Raises:
            MCPError: No response came; the error's data is a `Fault`.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections that the sender has opened."""
        ...


class OwnSender:
    """Sends over connections of our own.

    Args:
        url: The server's endpoint.
        headers: Sent with every request.
        auth: An auth object of httpx2.

    Raises:
        ValueError: The environment's proxy for the URL cannot be used.
    """

    def __init__(self, url: httpx2.URL, headers: Mapping[str, str] | None, auth: httpx2.Auth | None) -> None:
        own = {"user-agent": f"mcptasks/{__version__}"}
        own |= {name.lower(): value for name, value in (headers or {}).items() if name.lower() not in _OUR_HEADERS}
        self._headers = own
        self._auth = auth
        self._cookies = httpx2.Cookies()
        self._proxy = proxy_for(url, getproxies())
        self.direct = self._proxy is None
        """Whether connections go straight to the server."""
        self._lanes: dict[bool, Lanes] = {}
        """The connections with TLS (True) and without. An auth object may talk to an https:// address though the server
        has an http:// address."""
        self._lanes_to(url)

    async def send(
        self, method: str, url: httpx2.URL, headers: Mapping[str, str], content: bytes | None
    ) -> httpx2.Response:
        """Send a request; see `Sender.send`."""
        request = httpx2.Request(
            method,
            url,
            headers={**self._headers, **headers, "accept-encoding": _ENCODINGS},
            content=content,
            extensions={"timeout": _TIMEOUT},
        )
        return await self._one(request) if self._auth is None else await self._authorized(request, self._auth)

    async def aclose(self) -> None:
        """Close all connections."""
        async with AsyncExitStack() as stack:
            for lanes in self._lanes.values():
                stack.push_async_callback(lanes.aclose)

    def _lanes_to(self, url: httpx2.URL) -> Lanes:
        secure = url.scheme != "http"
        if secure not in self._lanes:
            self._lanes[secure] = Lanes(_CONNECTIONS, secure=secure, proxy=self._proxy, socket_options=_alive())
        return self._lanes[secure]

    async def _one(self, request: httpx2.Request) -> httpx2.Response:
        if self._cookies:
            self._cookies.set_cookie_header(request)
        lanes = self._lanes_to(request.url)
        try:
            response = await lanes.handle_async_request(request)
        except Exception as exc:
            if not is_fault(exc):
                raise
            raise failure(_unsent(exc)) from exc
        response.request = request
        if "set-cookie" in response.headers:
            self._cookies.extract_cookies(response)
            if len(self._cookies) > _COOKIES:
                self._cookies.clear()
        return response

    async def _authorized(self, request: httpx2.Request, auth: httpx2.Auth) -> httpx2.Response:
        """Send a request by way of an auth object, which adds headers and may send requests of its own before."""
        async with aclosing(auth.async_auth_flow(request)) as flow:
            try:
                outgoing = await anext(flow)
                while True:
                    response = await self._one(outgoing)
                    kept = response
                    if outgoing is not request or response.status_code >= 400:
                        kept = await whole(response)
                    try:
                        outgoing = await flow.asend(kept)
                    except StopAsyncIteration:
                        return kept
                    if kept is response:
                        await Body(response, limit=None).finish()
            except MCPError:
                raise
            except Exception as exc:  # The auth object is the program's, and may raise anything.
                raise failure(_refused_by(f"auth= ({type(auth).__name__})", exc)) from exc


class ForeignSender:
    """Sends with the program's HTTP client, which is left open.

    Args:
        client: An `httpx2.AsyncClient` or an `httpx.AsyncClient`.
    """

    direct = False
    """We do not know whether the client's connections go through a proxy."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def send(
        self, method: str, url: httpx2.URL, headers: Mapping[str, str], content: bytes | None
    ) -> httpx2.Response:
        """Send a request; see `Sender.send`."""
        try:
            outgoing = self._client.build_request(
                method, str(url), headers={**headers, "accept-encoding": _ENCODINGS}, content=content
            )
            # The client's timeout for reading is made for web pages; a call may take longer.
            outgoing.extensions["timeout"] = {**outgoing.extensions.get("timeout", {}), "read": None}
            response = await self._client.send(outgoing, stream=True, follow_redirects=False)
        except Exception as exc:  # The client is the program's, and may raise anything.
            refused = getattr(exc, "response", None)
            if type(exc).__name__ != "HTTPStatusError" or refused is None:
                raise failure(_unsent(exc) if is_fault(exc) else _refused_by("http_client=", exc)) from exc
            # An event hook of the program has called raise_for_status(), which closes the response.
            return httpx2.Response(refused.status_code, headers=_unframed(refused.headers), content=b"")
        if response.is_stream_consumed:
            # An event hook of the program has read the body, and decompressed it.
            return httpx2.Response(response.status_code, headers=_unframed(response.headers), content=response.content)
        return httpx2.Response(
            response.status_code,
            headers=response.headers.multi_items(),
            stream=RawStream(response.aiter_raw(), response.aclose),
        )

    async def aclose(self) -> None:
        """Does nothing: the client is the program's, and stays open."""


def _unsent(exc: Exception) -> Fault:
    reason = words_of(exc)
    return no_connection(reason) if never_sent(exc) else broken(reason)


def _refused_by(what: str, exc: Exception) -> Fault:
    words = f"{what} failed: {type(exc).__name__}: {safe_text.cut(str(exc), 300)}"
    return Fault(action="raise", meaning="connection", reason=words, sent=False)


async def whole(response: httpx2.Response) -> httpx2.Response:
    """Reads a response's body within bounds, for readers without bounds of their own: an auth object, the SDK."""
    body = Body(response, limit=_AUTH_BYTES)
    try:
        content = await body.read()
    except TooLarge:
        content = b""
    except Exception as exc:
        if not is_fault(exc):
            raise
        content = b""  # The status says enough.
    finally:
        await body.drop()
    return httpx2.Response(
        response.status_code, headers=_unframed(response.headers), content=content, request=response.request
    )


def _unframed(headers: Any) -> list[tuple[str, str]]:
    """The headers without those that describe the body's form on the wire: a body that was read has another form."""
    framing = ("content-encoding", "content-length", "transfer-encoding")
    return [
        (name, value) for name, value in cast("list[tuple[str, str]]", headers.multi_items()) if name not in framing
    ]


def _alive() -> list[tuple[int, int, int]]:
    """Socket options that make the operating system notice within two minutes that a server is gone."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    if hasattr(socket, "TCP_KEEPIDLE"):
        idle, interval, count = socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT
        options += [(socket.IPPROTO_TCP, idle, 60), (socket.IPPROTO_TCP, interval, 15), (socket.IPPROTO_TCP, count, 4)]
    return options
