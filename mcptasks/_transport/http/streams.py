"""The raw body of a response, which can be closed at any point.

The HTTP libraries stack several async generators, and some of them do not close the generator below. A generator that
is not closed is left to the garbage collector, which trio warns about. A cancelled read closes all of them: the
cancellation passes through the whole stack down to the socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager

import anyio
import httpx2

from mcptasks._transport.http.faults import is_fault


class RawStream(httpx2.AsyncByteStream):
    """A raw body.

    Args:
        chunks: The bytes as they come from the network.
        close: Gives back the connection.
    """

    def __init__(self, chunks: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]) -> None:
        self._chunks = chunks
        self._close = close
        self._ended = False
        """Whether the body has come to its end."""
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            self._ended = True
            raise

    async def aclose(self) -> None:
        """Close the body. The connection is closed too if the body has not come to its end. A second call does nothing:
        the connection may serve another request by then."""
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            if not self._ended:
                with anyio.CancelScope() as scope, suppress_faults():
                    scope.cancel()
                    # The cancelled read may first yield what the library has received already: 64 KiB at most.
                    async for _ in self._chunks:
                        pass
            with suppress_faults():
                await self._close()


@contextmanager
def suppress_faults() -> Generator[None]:
    """Ignore faults of the network, for use with a body that nobody needs any more."""
    try:
        yield
    except Exception as exc:
        if not is_fault(exc):
            raise
