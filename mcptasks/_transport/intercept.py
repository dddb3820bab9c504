"""A wrapper round a transport's two streams: it mends what the SDK would refuse and takes out what it would reorder.

Outgoing requests that carry the marker get their `task` field (2025-11-25). Creating answers to those become ordinary
results (see `_wire/handshake.py`). A 2026-07-28 result without `resultType` counts as complete, as the specification
says. Task notifications and the progress of augmented requests are handed on in the order of the wire and go no
further; the SDK would run each in a task of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, cast

import anyio
from attrs import define, field, frozen
from mcp.client import Transport
from mcp.shared.message import SessionMessage
from mcp_types import PROTOCOL_VERSION_META_KEY, JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from mcptasks._json import as_number
from mcptasks._wire import handshake, modern

Notify = Callable[[str, Mapping[str, Any]], None]
"""Takes a task notification's method and params, in the order of the wire."""

Progress = Callable[[float, float | None, str | None], None]
"""Takes progress, total and message of a progress notification."""

_TOKEN_PREFIX = "mcptasks-"


class _Reader(Protocol):
    async def receive(self) -> SessionMessage | Exception: ...


class _Writer(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...


@frozen
class _Asked:
    method: str
    modern: bool
    augmented: bool
    kept: bool


@define
class Interceptor:
    """What passes one connection's streams, rewritten. Pure but for its memory of open requests."""

    notify: Notify
    """Gets task notifications."""
    ended: Callable[[], None]
    """Is called when the peer's stream ends."""
    _asked: dict[str, _Asked] = field(factory=dict[str, _Asked])
    _progress: dict[str, Progress] = field(factory=dict[str, Progress])
    _tokens: int = 0

    def follow_progress(self, handler: Progress) -> str:
        """A progress token of ours whose notifications go to `handler` until `forget_progress`."""
        self._tokens += 1
        token = f"{_TOKEN_PREFIX}{self._tokens}"
        self._progress[token] = handler
        return token

    def forget_progress(self, token: str) -> None:
        """Drop a token; late notifications for it are ignored."""
        self._progress.pop(token, None)

    def outbound(self, item: SessionMessage) -> SessionMessage | None:
        """A message on its way to the server; None where it ends here."""
        message = item.message
        if isinstance(message, JSONRPCRequest):
            params = message.params if isinstance(message.params, dict) else {}
            meta = params.get("_meta")
            is_modern = isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta
            augmented, kept = handshake.augment(params), handshake.keep(params)
            if is_modern or augmented or kept or message.method.startswith("tasks/"):
                self._asked[str(message.id)] = _Asked(message.method, is_modern, augmented, kept)
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            asked = self._asked.pop(str((message.params or {}).get("requestId")), None)
            if asked is not None and not asked.modern and (asked.augmented or asked.method.startswith("tasks/")):
                # Giving up on a look or a creating call is no wish to stop any work, and a fastmcp 2.14 or 3 server
                # drops the whole session if this meets the answer.
                return None
        return item

    def inbound(self, item: SessionMessage | Exception) -> SessionMessage | Exception | None:
        """A message on its way from the server; None where it ends here."""
        if isinstance(item, Exception):
            return item
        message = item.message
        if isinstance(message, JSONRPCResponse):
            asked = self._asked.pop(str(message.id), None)
            if asked is not None:
                if asked.augmented:
                    message.result = handshake.unfold(asked.method, message.result)
                if asked.kept:
                    message.result = handshake.fold(message.result)
                if asked.modern:
                    message.result.setdefault("resultType", "complete")
        elif isinstance(message, JSONRPCError):
            self._asked.pop(str(message.id), None)
        elif isinstance(message, JSONRPCNotification):
            return self._notification(item, message)
        return item

    def _notification(self, item: SessionMessage, message: JSONRPCNotification) -> SessionMessage | None:
        params: Mapping[str, Any] = message.params or {}
        if message.method in (modern.NOTIFICATION, handshake.NOTIFICATION):
            self.notify(message.method, params)
            return None
        if message.method != "notifications/progress":
            return item
        token = params.get("progressToken")
        if not isinstance(token, str) or not token.startswith(_TOKEN_PREFIX):
            return item
        handler, progress = self._progress.get(token), as_number(params.get("progress"))
        if handler is not None and progress is not None:
            text = params.get("message")
            handler(progress, as_number(params.get("total")), text if isinstance(text, str) else None)
        return None


class _WatchedReader:
    """A read stream whose messages pass an interceptor."""

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
        """Leaves the inner stream to its transport, which closes it on the way out. Closed under the transport's
        hands, the SDK logs each message that still comes with a traceback."""

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
    """A write stream whose messages pass an interceptor."""

    def __init__(self, inner: _Writer, interceptor: Interceptor) -> None:
        self._inner = inner
        self._interceptor = interceptor

    async def send(self, item: SessionMessage, /) -> None:
        passed = self._interceptor.outbound(item)
        if passed is not None:
            await self._inner.send(passed)

    async def aclose(self) -> None:
        """Leaves the inner stream to its transport, for the reason that `_WatchedReader.aclose` gives."""

    async def __aenter__(self) -> _WatchedWriter:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class InterceptedTransport(AbstractAsyncContextManager[tuple[_WatchedReader, _WatchedWriter]]):
    """A transport for `mcp.Client` whose streams pass an interceptor."""

    def __init__(self, inner: Transport, interceptor: Interceptor) -> None:
        self._inner = inner
        self._interceptor = interceptor

    async def __aenter__(self) -> tuple[_WatchedReader, _WatchedWriter]:
        reader, writer = await self._inner.__aenter__()
        return (
            _WatchedReader(cast("_Reader", reader), self._interceptor),
            _WatchedWriter(cast("_Writer", writer), self._interceptor),
        )

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(exc_type, exc_val, exc_tb)
