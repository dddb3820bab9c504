"""An HTTP/1.1 server that sends exactly the bytes of a test, on the test's event loop. It uses no SDK.

It reads requests in their plainest form (a request line, headers, a body of `Content-Length`), which is how the client
writes them. A handler returns a `Reply`: the bytes in pieces, and what happens to the connection afterwards.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Literal

import anyio
import anyio.lowlevel
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import field, frozen

End = Literal["keep", "close", "reset", "hang"]
"""What happens to the connection after a reply: it is kept for the next request, closed, reset, or held open without
another byte."""

_LONGEST_HEAD = 1 << 20


@frozen
class Request:
    """One request of the client."""

    method: str
    path: str
    headers: Mapping[str, str]
    """The headers, by their names in lower case."""
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """The JSON-RPC message in the body; empty if there is no body."""
        found: dict[str, Any] = json.loads(self.body) if self.body else {}
        return found


@frozen
class Reply:
    """The bytes of an answer."""

    pieces: Sequence[bytes] = ()
    """The pieces, which are sent one after the other. The client gets time to read each piece."""
    end: End = "keep"


@frozen
class Line:
    """The connection of a request, for a handler that sends bytes before it returns a reply."""

    _stream: SocketStream = field(alias="stream")

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await self._stream.send(data)


Handler = Callable[[Request, Line], Awaitable[Reply]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[str]:
    """Serve on loopback and a free port: the URL of `/mcp` there."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, partial(_connection, handler))
        yield f"http://127.0.0.1:{port}/mcp"
        group.cancel_scope.cancel()


async def _connection(handler: Handler, stream: SocketStream) -> None:
    """Serve one connection until either side ends it."""
    received = BufferedByteReceiveStream(stream)
    async with stream:
        with suppress(anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                reply = await handler(await _request(received), Line(stream))
                for piece in reply.pieces:
                    await stream.send(piece)
                    await anyio.lowlevel.checkpoint()
                if reply.end == "hang":
                    await anyio.sleep_forever()
                if reply.end == "reset":
                    reset_on_close(stream)
                if reply.end != "keep":
                    return


async def _request(received: BufferedByteReceiveStream) -> Request:
    head = (await received.receive_until(b"\r\n\r\n", _LONGEST_HEAD)).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = int(headers.get("content-length", "0"))
    return Request(method, path, headers, await received.receive_exactly(size) if size else b"")


def reset_on_close(stream: SocketStream) -> None:
    """With a linger time of zero, closing sends a reset instead of an orderly end."""
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
