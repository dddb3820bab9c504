"""A transport for `mcp.Client` whose two streams pass through an interceptor."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, cast

import anyio
from mcp.client import Transport
from mcp.shared.message import SessionMessage

from mcptasks._transport.intercept import Interceptor


class _Reader(Protocol):
    async def receive(self) -> SessionMessage | Exception: ...


class _Writer(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...


class _WatchedReader:
    """A read stream whose messages pass through an interceptor."""

    def __init__(self, inner: _Reader, interceptor: Interceptor) -> None:
        self._inner = inner
        self._interceptor = interceptor

    @property
    def last_context(self) -> Any:
        """The sender's context variables, which the SDK looks for."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        while True:
            try:
                item = await self._inner.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                self._interceptor.ended()
                raise
            passed = self._interceptor.inbound(item)
            if passed is not None:
                return passed

    async def aclose(self) -> None:
        """Does nothing: the transport closes the inner stream when it ends. If we closed the stream earlier, the SDK
        would log each later message with a traceback."""

    def __aiter__(self) -> _WatchedReader:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> _WatchedReader:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class _WatchedWriter:
    """A write stream whose messages pass through an interceptor."""

    def __init__(self, inner: _Writer, interceptor: Interceptor) -> None:
        self._inner = inner
        self._interceptor = interceptor

    async def send(self, item: SessionMessage, /) -> None:
        passed = self._interceptor.outbound(item)
        if passed is not None:
            await self._inner.send(passed)
        self._interceptor.served(item)

    async def aclose(self) -> None:
        """Does nothing, for the reason that `_WatchedReader.aclose` gives."""

    async def __aenter__(self) -> _WatchedWriter:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class InterceptedTransport(AbstractAsyncContextManager[tuple[_WatchedReader, _WatchedWriter]]):
    """A transport for `mcp.Client` whose streams pass through an interceptor."""

    def __init__(self, inner: Transport, interceptor: Interceptor) -> None:
        self._inner = inner
        self._interceptor = interceptor

    async def __aenter__(self) -> tuple[_WatchedReader, _WatchedWriter]:
        reader, writer = await self._inner.__aenter__()
        if self._interceptor.host is not None:
            self._interceptor.host.open(cast("_Writer", writer).send)
        return (
            _WatchedReader(cast("_Reader", reader), self._interceptor),
            _WatchedWriter(cast("_Writer", writer), self._interceptor),
        )

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        if self._interceptor.host is not None:
            self._interceptor.host.close()
        return await self._inner.__aexit__(exc_type, exc_val, exc_tb)
