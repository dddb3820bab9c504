"""Recognizes a server of HTTP+SSE, the transport before Streamable HTTP.

Such a server refuses the POST, and answers a GET with an event stream whose first event names an endpoint (2025-11-25,
basic/transports, "Backwards Compatibility").
"""

from __future__ import annotations

import anyio
from mcp import MCPError

from mcptasks._core.faults import Fault
from mcptasks._transport.http.bodies import Body, TooLarge
from mcptasks._transport.http.endpoint import Endpoint
from mcptasks._transport.http.events import EventParser
from mcptasks._transport.http.faults import is_fault

ENDPOINT_EVENT = b"endpoint"
"""The kind of a stream's first event (2024-11-05, basic/transports, "HTTP with SSE")."""
OLDER = Fault(
    action="raise",
    meaning="connection",
    reason="the server speaks HTTP+SSE, the transport of protocol version 2024-11-05, and not Streamable HTTP",
    sent=False,
)
"""The fault of a request that was sent to an HTTP+SSE server."""

_REFUSALS = frozenset({400, 404, 405, 406, 415, 422, 501})
"""HTTP statuses with which HTTP+SSE servers refuse a POST. The specification names 400, 404 and 405; web frameworks
send the others."""
_LOOK_SECONDS = 5.0
"""Seconds that the server has to send the first event; a slower server does not count as HTTP+SSE. These servers send
the event at once."""
_LOOK_BYTES = 64 * 1024
"""How many bytes may come before the end of the first event; with more, the server does not count as HTTP+SSE."""


async def is_older(endpoint: Endpoint) -> bool:
    """Whether a server that has refused a first request speaks HTTP+SSE. Sends one GET if the status allows it."""
    if endpoint.refused_with not in _REFUSALS:
        return False
    found = False
    with anyio.move_on_after(_LOOK_SECONDS):
        try:
            response = await endpoint.open("GET", {"accept": "text/event-stream", "cache-control": "no-store"})
        except MCPError:
            return False
        body = Body(response, limit=_LOOK_BYTES)
        try:
            if response.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream":
                found = await _begins_with_endpoint(body)
        finally:
            await body.drop()
    return found


async def _begins_with_endpoint(body: Body) -> bool:
    parser = EventParser(_LOOK_BYTES)
    try:
        async for chunk in body:
            parser.feed(chunk)
            if parser.first_kind is not None:
                return parser.first_kind == ENDPOINT_EVENT
    except TooLarge:
        pass
    except Exception as exc:
        if not is_fault(exc):
            raise
    return False
