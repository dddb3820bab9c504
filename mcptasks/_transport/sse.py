"""HTTP+SSE, the transport of protocol version 2024-11-05, over the SDK's `sse_client`.

Failures to connect become faults like those of Streamable HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from attrs import evolve
from mcp.client.sse import sse_client

from mcptasks._core.faults import Fault, broken, no_connection, of_status
from mcptasks._core.tracebacks import leaves
from mcptasks._transport.discreet import discreet_clients
from mcptasks._transport.http.advice import about_status, about_tls
from mcptasks._transport.http.faults import failure, is_fault, never_sent, words_of


@asynccontextmanager
async def sse_transport(
    url: str, *, headers: Mapping[str, str] | None, auth: httpx2.Auth | None, shown: str
) -> AsyncGenerator[Any]:
    """Connect to a server that speaks HTTP+SSE.

    Args:
        url: The URL of the server's event stream.
        headers: Sent with every request.
        auth: An auth object of httpx2.
        shown: The text that stands in place of every URL in the HTTP library's log.

    Raises:
        MCPError: The server cannot be reached, or refuses; the error's data is a `Fault`.
    """
    given = dict(headers) if headers else None
    make_client = discreet_clients(shown)
    connected = False
    fault: Fault | None = None
    try:
        async with sse_client(url, headers=given, auth=auth, httpx_client_factory=make_client) as streams:
            connected = True
            yield streams
    except Exception as exc:
        fault = None if connected else _fault(leaves(exc)[0], httpx2.URL(url))
        if fault is None:
            raise
    if fault is not None:
        raise failure(fault)


def _fault(exc: BaseException, url: httpx2.URL) -> Fault | None:
    """The fault that ended an attempt to connect; None if neither the server nor the network is at fault."""
    if isinstance(exc, httpx2.HTTPStatusError):
        status = exc.response.status_code
        words = f"HTTP {status} {exc.response.reason_phrase}".rstrip()
        advice = about_status(status, url, b"")
        return of_status(status, f"{advice} ({words})" if advice else words, in_session=False)
    if isinstance(exc, httpx2.SSEError):
        return broken(f"the server sends no event stream; {_STREAMABLE}")
    if isinstance(exc, RuntimeError) and "task_status" in str(exc):  # `sse_client` ended before its first event came.
        return broken("the server's event stream ended before it said where to send messages")
    if not is_fault(exc):
        return None
    words = words_of(exc)
    advice = about_tls(url, words)
    if advice:
        return evolve(no_connection(f"{advice} ({words})"), action="raise")
    return no_connection(words) if never_sent(exc) else broken(words)


_STREAMABLE = "a server of Streamable HTTP needs no type in its entry"
