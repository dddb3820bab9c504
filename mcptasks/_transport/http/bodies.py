"""Reads the bodies of HTTP responses: decompressed, and bounded."""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import anyio
import anyio.lowlevel
import httpx2

from mcptasks._transport.http.streams import suppress_faults

_STEP = 1 << 20
"""How many decompressed bytes are read before other tasks get their turn: about 2 ms of work."""

_LEFT_SECONDS = 1.0
"""Seconds that `finish` waits for the rest of a body; then the connection is closed. A connection serves the next
request only after the body was read to its end; a new connection costs less than a longer wait."""
_LEFT_BYTES = 64 * 1024
"""How many bytes `finish` reads of the rest; then the connection is closed, for the same reason."""


class TooLarge(Exception):
    """A body has more bytes, decompressed, than allowed."""


class Body:
    """The body of one response.

    Args:
        response: A streamed response.
        limit: How many bytes, decompressed, the body may have; None if the reader counts them itself.
        progressed: Called whenever bytes of the body have come.
    """

    def __init__(
        self, response: httpx2.Response, *, limit: int | None, progressed: Callable[[], None] | None = None
    ) -> None:
        self._response = response
        self._limit = limit
        self._progressed = progressed
        self._chunks: AsyncGenerator[bytes] = response.aiter_bytes()
        self._first = True
        self._ended = False
        """Whether the body was read to its end; the HTTP library has then closed the response."""
        self._since_turn = 0
        self.received = 0
        """How many bytes have come, decompressed."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._ended = True
            raise
        self.received += len(chunk)
        if self._progressed is not None:
            self._progressed()
        if self._limit is not None and self.received > self._limit:
            raise TooLarge
        self._since_turn += len(chunk)
        if self._since_turn >= _STEP:
            self._since_turn = 0
            await anyio.lowlevel.checkpoint()
        if self._first:
            self._first = False
            # A byte order mark is ignored (WHATWG HTML, 9.2.6; RFC 8259, 8.1).
            return chunk.removeprefix(codecs.BOM_UTF8)
        return chunk

    async def read(self) -> bytes:
        """Read the whole body.

        Raises:
            TooLarge: The body has more bytes than allowed.
        """
        return b"".join([chunk async for chunk in self])

    async def finish(self) -> None:
        """Close the body, after its rest if the rest is short: then the connection can serve another request."""
        if self._ended:
            return
        end = self.received + _LEFT_BYTES
        with anyio.move_on_after(_LEFT_SECONDS), suppress_faults():
            async for chunk in self._chunks:
                self.received += len(chunk)
                if self.received > end:
                    break
        await self.drop()

    async def drop(self) -> None:
        """Close the body at once. The connection is closed too if the body has not come to its end."""
        if self._ended:
            return
        with anyio.CancelScope(shield=True), suppress_faults():
            await self._chunks.aclose()
            await self._response.aclose()
