"""The HTTP client under the SDK's Streamable HTTP transport, guarded so that one bad answer costs one request.

Under the SDK a reset on one request ends the whole connection, and an HTTP status is lost on the way to the caller.
`GuardedClient` answers in the place of a server that broke off, with a JSON-RPC error that says what happened, and
writes the HTTP status and Retry-After into the errors that it passes on. While a connection is being made nothing is
covered up: an outage must not be taken for a server of another protocol.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Protocol, cast
from urllib.request import getproxies

import anyio.lowlevel
import httpx2
from attrs import define, field
from mcp.client.streamable_http import streamable_http_client
from mcp_types import INTERNAL_ERROR

from mcptasks._exceptions import TaskConnectionError
from mcptasks._faults import GUARD_KEY, TRANSIENT_HTTP
from mcptasks._json import as_object
from mcptasks._transport.exchanges import Exchange, Exchanges
from mcptasks._transport.lanes import Lanes
from mcptasks._transport.unasked import Listening

_CONNECT_SECONDS = 30.0
_SILENCE_SECONDS = 300.0
"""How long a stream may be silent. A server may hold an answer open; the same figure as the SDK's own client."""

_CONNECTIONS = 256
"""TCP connections of one client at most: a thousand calls at once must not use up the process's descriptors."""
_KEPT = 5
"""Those that are kept idle in a pool of all of them. Each one is looked at for every request (see `lanes.py`)."""

_ACCEPT_SECONDS = 10.0
"""How long a server may take to accept a notification. The SDK sends nothing else meanwhile."""

_NOT_MODERN = frozenset({400, 404, 405, 406, 415})
"""What servers of the older protocol answer the first request of the newer one with."""
_METHOD = re.compile(rb'\s*\{[^{}]*?"method"\s*:\s*"([^"]*)')
"""A message's own method, which the SDK writes before any nested object."""
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers about a body's form on the wire, untrue of a body that has been read."""
_PROXIES = frozenset({"http", "https", "all"})
"""What environment variables name that the HTTP library heeds, besides exceptions from them."""
_OWN_HEADERS = frozenset({"accept", "content-type", "last-event-id", "cache-control"})


class ForeignResponse(Protocol):
    """A streamed response of httpx or httpx2."""

    status_code: int
    headers: Any

    def aiter_raw(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


@define
class Guard:
    """What the connection knows that the HTTP client has to."""

    ready: bool = False
    """Whether the connection was made: from then on faults are answered in the server's place."""
    keep_session: bool = False
    """Whether to leave the session alive at the end, for tasks that some servers tie to it (fastmcp 2.14)."""
    stream_opened: Callable[[], None] | None = None
    """Is called when a stream of unasked messages (2025-11-25) is open: what was sent before is lost."""
    stream_ended: Callable[[], None] | None = None
    """Is called when such a stream ends."""
    exchanges: Exchanges = field(factory=Exchanges)
    """The requests that are under way."""


def synthetic_error(
    request: httpx2.Request, message: str, *, status: int | None = None, **details: Any
) -> httpx2.Response:
    """A response with a JSON-RPC error that says what went wrong below JSON-RPC."""
    guard = {"status": status, **{key: value for key, value in details.items() if value is not None}}
    error = {"code": INTERNAL_ERROR, "message": message, "data": {GUARD_KEY: guard}}
    answer = {"jsonrpc": "2.0", "id": None, "error": error}
    return httpx2.Response(status or 502, json=answer, request=request, extensions=guard)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by the Retry-After header (RFC 9110, 10.2.3), or None.

    Args:
        headers: The response's headers.
        now: Seconds since the epoch.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    digits = value.strip()
    if digits.isascii() and digits.isdigit():
        return float(digits[:9])
    try:
        when = parsedate_to_datetime(value)
        # RFC 9110, 5.6.7: all three forms of a date are in UTC, also the one that does not say so.
        return max(when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


class _GuardedStream(httpx2.AsyncByteStream):
    """A body that ends where the connection broke, instead of raising there."""

    def __init__(self, inner: httpx2.AsyncByteStream, ended: Callable[[], None]) -> None:
        self._inner = inner
        self.exchange = Exchange()
        """That of the request that it answers."""
        self.ended = [ended]
        """Called at the end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Chunks(aiter(self._inner), self.exchange)

    async def aclose(self) -> None:
        for tell in self.ended:
            tell()
        await self._inner.aclose()


class _Chunks(AsyncIterator[bytes]):
    """The chunks of a guarded body. Not a generator: the SDK leaves bodies half read."""

    def __init__(self, inner: AsyncIterator[bytes], exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange

    async def __anext__(self) -> bytes:
        try:
            with self._exchange.step():
                return await anext(self._inner)
        except Exception as exc:
            if not _is_fault(exc):
                raise
            # What is missing is found where the body is parsed; that costs this request alone.
            raise StopAsyncIteration from exc
        raise StopAsyncIteration


class _ForeignStream(httpx2.AsyncByteStream):
    """The raw body of a response of somebody else's client."""

    def __init__(self, response: ForeignResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.aiter_raw()

    async def aclose(self) -> None:
        await self._response.aclose()


def _is_fault(exc: Exception) -> bool:
    """Whether this is what httpx2 or httpx (which need not be installed) raise for a server's or network's fault."""
    faults = ("TransportError", "DecodingError", "TooManyRedirects", "InvalidURL")
    return any(cls.__name__ in faults and cls.__module__.startswith("httpx") for cls in type(exc).__mro__)


def _never_sent(exc: Exception) -> bool:
    """Whether the connection was not even made, so that the server cannot have seen the request."""
    return any(cls.__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout") for cls in type(exc).__mro__)


class GuardedClient(httpx2.AsyncClient):
    """An HTTP client that survives what servers and networks do to single requests."""

    def __init__(self, guard: Guard, *, foreign: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self._guard = guard
        self._foreign = foreign
        self._listening = Listening()

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request; see the module's docstring for what is different."""
        if request.method == "DELETE" and self._guard.keep_session:
            return httpx2.Response(204, request=request)
        if self._listening.concerns(request):
            return await self._listening.open(partial(self._send, request, **options))
        if not _asks(request):
            if request.method == "POST":
                request.extensions["timeout"] = {**request.extensions.get("timeout", {}), "read": _ACCEPT_SECONDS}
            return await self._send(request, **options)
        exchange, end = self._guard.exchanges.begin(request.content)
        response = None
        try:
            with exchange.step():
                await anyio.lowlevel.checkpoint_if_cancelled()
                response = await self._send(request, **options)
        finally:
            if response is not None and isinstance(response.stream, _GuardedStream):
                response.stream.exchange = exchange
                response.stream.ended.append(end)
            else:
                end()
        return synthetic_error(request, "the request was given up") if response is None else response

    async def _send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            if self._foreign is None:
                response = await super().send(request, **options)
            else:
                response = await self._forward(request)
        except Exception as exc:
            if not self._covers(request) or not _is_fault(exc):
                raise
            reason = str(exc) or type(exc).__name__
            return synthetic_error(request, f"{type(exc).__name__}: {reason}", sent=not _never_sent(exc))
        if not self._covers(request) and response.status_code < 400:
            return response  # What breaks here must be seen.
        if response.has_redirect_location:
            return await self._redirect(request, response)
        if response.status_code >= 400:
            return await self._explained(request, response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return await self._whole(request, response)
        if response.status_code == 200 and kind != "text/event-stream" and _asks(request):
            # A gateway's page, say: not this server's answer.
            await response.aclose()
            return synthetic_error(request, f"unexpected content type {kind!r}")
        stream = cast("httpx2.AsyncByteStream", response.stream)
        response.stream = _GuardedStream(stream, partial(self._tell_of_stream, request, opened=False))
        self._tell_of_stream(request, opened=True)
        return response

    def _covers(self, request: httpx2.Request) -> bool:
        """Whether faults are answered in the server's place. Nobody waits for the stream of unasked messages."""
        return self._guard.ready or request.method == "GET"

    def _tell_of_stream(self, request: httpx2.Request, *, opened: bool) -> None:
        """Who is to be told is looked up now: a stream may open before the connection is complete."""
        tell = self._guard.stream_opened if opened else self._guard.stream_ended
        if request.method == "GET" and tell is not None:
            tell()

    async def _forward(self, request: httpx2.Request) -> httpx2.Response:
        headers = {
            name: value for name, value in request.headers.items() if name in _OWN_HEADERS or name.startswith("mcp-")
        }
        outgoing = self._foreign.build_request(
            request.method, str(request.url), headers=headers, content=await request.aread()
        )
        response = await self._foreign.send(outgoing, stream=True)
        plain = _of_a_read_body(response.headers)
        if response.is_stream_consumed:
            # A hook of the client's owner has read the body, and decoded it.
            answer = httpx2.Response(response.status_code, headers=plain, content=response.content, request=request)
        else:
            answer = httpx2.Response(
                response.status_code,
                headers=response.headers.multi_items(),
                stream=_ForeignStream(cast("ForeignResponse", response)),
                request=request,
            )
        if answer.has_redirect_location:
            # The SDK follows a redirect itself, within the origin and where the message is kept.
            method = request.method if answer.status_code in (307, 308) else "GET"
            with suppress(httpx2.InvalidURL):
                place = request.url.join(answer.headers["location"])
                answer.next_request = httpx2.Request(method, place, headers=request.headers, content=request.content)
        return answer

    async def _redirect(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """A redirect without its body, which the SDK would read unguarded."""
        try:
            await response.aread()
        except Exception as exc:
            if not _is_fault(exc):
                raise
        finally:
            await response.aclose()
        headers = _of_a_read_body(response.headers)
        bare = httpx2.Response(response.status_code, headers=headers, request=request)
        bare.next_request = response.next_request
        return bare

    async def _whole(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """A JSON answer, read to its end here: what goes wrong there would end the SDK's connection."""
        try:
            await response.aread()
        except Exception as exc:
            if not _is_fault(exc):
                raise
            return synthetic_error(request, f"the answer broke off: {str(exc) or type(exc).__name__}")
        finally:
            await response.aclose()
        return response

    async def _explained(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """An error response whose body is a JSON-RPC error, by the server or by us."""
        try:
            body = await response.aread()
        except Exception:  # noqa: BLE001 - whatever is wrong with the body, the status says enough
            body = b""
        finally:
            await response.aclose()
        status = response.status_code
        in_session = status == 404 and "mcp-session-id" in request.headers
        if _is_json_rpc_error(body) and not in_session and status not in TRANSIENT_HTTP:
            headers = {"content-type": "application/json"}
            return httpx2.Response(status, headers=headers, content=body, request=request)
        reason = f"HTTP {status} {response.reason_phrase}".rstrip()
        if not self._covers(request) and status not in _NOT_MODERN:
            raise TaskConnectionError(f"the server answered {reason}")
        wait = retry_after(response.headers, time.time())
        refused = (in_session and _is_json_rpc_error(body)) or None
        return synthetic_error(
            request, reason, status=status, retry_after=wait, session=in_session or None, refused=refused
        )


def _asks(request: httpx2.Request) -> bool:
    """Whether a message asks for an answer, which notifications and answers of our own do not."""
    found = _METHOD.match(request.content) if request.method == "POST" else None
    return found is not None and not found[1].startswith(b"notifications/")


def _of_a_read_body(headers: Any) -> list[tuple[str, str]]:
    """Headers without those about the body's form on the wire."""
    return [(name, value) for name, value in headers.multi_items() if name not in _FRAMING]


def _is_json_rpc_error(body: bytes) -> bool:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return as_object((as_object(parsed) or {}).get("error")) is not None


@asynccontextmanager
async def http_transport(
    url: str, guard: Guard, *, headers: Mapping[str, str] | None, auth: httpx2.Auth | None, http_client: Any
) -> AsyncGenerator[Any]:
    """The SDK's Streamable HTTP transport on a guarded client.

    Args:
        url: The server's endpoint.
        guard: Shared with the connection.
        headers: Sent with every request.
        auth: An auth object of httpx2.
        http_client: The user's own `httpx2.AsyncClient` or `httpx.AsyncClient`, which is left open.
    """
    client = GuardedClient(
        guard,
        foreign=http_client,
        headers=headers,
        auth=auth,
        # With a transport of our own the HTTP library would not see to the proxies that the environment names.
        transport=None if _PROXIES & getproxies().keys() else Lanes(_CONNECTIONS),
        # Whoever waits for a free connection has a deadline of its own.
        timeout=httpx2.Timeout(_CONNECT_SECONDS, read=_SILENCE_SECONDS, pool=None),
        limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_KEPT),
    )
    async with client, streamable_http_client(url, http_client=client) as streams:
        yield streams
