"""HTTP/1.1 for the fault proxy: reads requests, sends answers, asks the server behind, and breaks connections."""

import asyncio
import json
import socket
import struct
from typing import Any
from urllib.parse import urlsplit

import attrs
import h11

from tests.interop.fault_answers import Answer

CHUNK = 65536
_HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"host", b"proxy-connection", b"te", b"upgrade"}


@attrs.frozen
class Request:
    """One complete HTTP request of a client, and what its JSON says."""

    head: h11.Request
    body: bytes
    method: str
    """The JSON-RPC method; `response` where there is none, and the HTTP method where there is no JSON."""
    rpc_id: Any
    task_id: str | None


async def read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """The next request of a client; None when it closed the connection."""
    head = await next_event(connection, reader)
    if not isinstance(head, h11.Request):
        return None
    body = bytearray()
    while isinstance(event := await next_event(connection, reader), h11.Data):
        body += event.data
    if not isinstance(event, h11.EndOfMessage):
        return None
    if head.method != b"POST":
        return Request(head, bytes(body), head.method.decode(), None, None)
    message: dict[str, Any] = json.loads(bytes(body))
    params: dict[str, Any] = message.get("params") or {}
    return Request(head, bytes(body), message.get("method", "response"), message.get("id"), params.get("taskId"))


async def next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:
    """The next h11 event, reading as much as it takes."""
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(CHUNK))
    return event


async def send(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Send an answer; one that is not complete leaves the body unfinished."""
    writer.write(connection.send(h11.Response(status_code=answer.status, headers=answer.headers)) or b"")
    writer.write(connection.send(h11.Data(data=answer.body)) or b"")
    if answer.complete:
        writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()


async def open_upstream(
    url: str, request: Request
) -> tuple[h11.Connection, asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request on to the server, over a connection of its own."""
    address = urlsplit(url)
    host = f"{address.hostname}:{address.port}"
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    kept = [(name, value) for name, value in request.head.headers.raw_items() if name.lower() not in _HOP_BY_HOP]
    head = h11.Request(
        method=request.head.method,
        target=request.head.target,
        headers=[(b"Host", host.encode()), *kept, (b"Connection", b"close")],
    )
    upstream = h11.Connection(h11.CLIENT)
    for event in (head, h11.Data(data=request.body), h11.EndOfMessage()):
        writer.write(upstream.send(event) or b"")
    return upstream, reader, writer


async def fetch(url: str, request: Request) -> Answer:
    """The server's whole answer to a request."""
    upstream, reader, writer = await open_upstream(url, request)
    status, headers, body = 502, list[tuple[bytes, bytes]](), bytearray()
    try:
        ends = (h11.EndOfMessage, h11.ConnectionClosed)
        while not isinstance(event := await next_event(upstream, reader), ends):
            if isinstance(event, h11.Response):
                status, headers = event.status_code, list(without_hops(event).headers.raw_items())
            elif isinstance(event, h11.Data):
                body += event.data
    finally:
        writer.close()
    return Answer(status, headers, bytes(body))


def without_hops(response: h11.Response) -> h11.Response:
    """The head of an answer without what concerns the one connection it came over."""
    kept = [(name, value) for name, value in response.headers.raw_items() if name.lower() not in _HOP_BY_HOP]
    return h11.Response(status_code=response.status_code, headers=kept, reason=response.reason)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer sees a TCP reset instead of an orderly end."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() != -1:
        # Lingering for zero seconds makes close() send RST.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
