"""A wrapper round a transport's two streams: it mends what the SDK would refuse and takes out what it would reorder.

Outgoing requests that carry the marker get their `task` field (2025-11-25). Creating answers to those become ordinary
results (see `_wire/handshake.py`). A 2026-07-28 result without `resultType` counts as complete, as the specification
says. Task notifications and the progress of augmented requests are handed on in the order of the wire and go no
further; the SDK would run each in a task of its own. What the client declares of itself is rewritten, and what a
server asks about tasks that the client hosts (2025-11-25) goes to their host; the SDK knows no such tasks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from types import TracebackType
from typing import Any, Protocol, cast

import anyio
from attrs import define, field, frozen
from mcp.client import Transport
from mcp.shared.message import SessionMessage
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CONNECTION_CLOSED,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcptasks._json import as_number, as_object
from mcptasks._wire import handshake, hosted, modern

Notify = Callable[[str, Mapping[str, Any]], None]
"""Takes a task notification's method and params, in the order of the wire."""

Progress = Callable[[float, float | None, str | None], None]
"""Takes progress, total and message of a progress notification."""

Declare = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes the capabilities that the SDK would declare and returns those to declare."""

Send = Callable[[SessionMessage], Awaitable[None]]
"""Sends a message to the server, past the interceptor."""

_TOKEN_PREFIX = "mcptasks-"

_ASKING = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Requests in whose midst a 2025-11-25 server may ask."""


class TaskHost(Protocol):
    """Serves what a server asks about tasks that the client hosts, on one connection."""

    @property
    def capability(self) -> dict[str, Any]:
        """What the client declares under `tasks`."""
        ...

    def open(self, send: Send) -> None:
        """The connection is there."""
        ...

    def close(self) -> None:
        """The connection ends."""
        ...

    def takes(self, message: JSONRPCRequest) -> bool:
        """Whether a request is for the host."""
        ...

    def request(self, message: JSONRPCRequest) -> None:
        """Serve a request that it takes."""
        ...

    def give_up(self, request_id: object) -> bool:
        """Answer a request no longer; whether it was one that waited here."""
        ...


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
    declare: Declare | None = None
    """What the client says of itself, on either kind of connection; None to leave it as the SDK has it."""
    host: TaskHost | None = None
    """Who hosts tasks for the server; None for nobody."""
    give_up: Callable[[str], None] | None = None
    """Takes the id of a request whose answer nobody waits for any more, without a word to the server."""
    _declared: tuple[Mapping[str, Any], dict[str, Any]] | None = None
    _hosting: bool = False
    _asked: dict[str, _Asked] = field(factory=dict[str, _Asked])
    _plain: set[str] = field(factory=set[str])
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

    @property
    def calls(self) -> int:
        """How many plain requests are under way in whose midst the server may ask, whoever sent them."""
        return len(self._plain)

    def outbound(self, item: SessionMessage) -> SessionMessage | None:
        """A message on its way to the server; None where it ends here."""
        message = item.message
        if isinstance(message, JSONRPCRequest):
            params = message.params if isinstance(message.params, dict) else {}
            meta: Any = params.get("_meta")
            is_modern = isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta
            if isinstance(meta, dict):
                self._restate(cast("dict[str, Any]", meta), CLIENT_CAPABILITIES_META_KEY)
            if message.method == "initialize":
                self._introduce(params)
            augmented, kept = handshake.augment(params), handshake.keep(params)
            if is_modern or augmented or kept or message.method.startswith("tasks/"):
                self._asked[str(message.id)] = _Asked(message.method, is_modern, augmented, kept)
            if message.method in _ASKING and not (is_modern or augmented):
                self._plain.add(str(message.id))
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            request_id = str((message.params or {}).get("requestId"))
            asked = self._asked.pop(request_id, None)
            self._plain.discard(request_id)
            if asked is not None and not asked.modern and (asked.augmented or asked.method.startswith("tasks/")):
                # Giving up on a look or a creating call is no wish to stop any work, and a fastmcp 2.14 or 3 server
                # drops the whole session if this meets the answer.
                if self.give_up is not None and not asked.augmented:
                    self.give_up(request_id)
                return None
        elif isinstance(message, JSONRPCError) and message.error.code == CONNECTION_CLOSED:
            # The SDK's word, at the end, for a question that is open; the server learns that from the end itself.
            return None
        return item

    def inbound(self, item: SessionMessage | Exception) -> SessionMessage | Exception | None:
        """A message on its way from the server; None where it ends here."""
        if isinstance(item, Exception):
            return item
        message = item.message
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._plain.discard(str(message.id))
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
        else:
            return self._asked_by_server(item, message)
        return item

    def _introduce(self, params: dict[str, Any]) -> None:
        self._restate(params, "capabilities")
        # Only this handshake can offer to host; a connection without one is of a protocol that has no such thing.
        self._hosting = self.host is not None
        if self.host is not None:
            params["capabilities"] = {**(as_object(params.get("capabilities")) or {}), "tasks": self.host.capability}

    def _restate(self, place: dict[str, Any], key: str) -> None:
        """Replace what is declared there. The SDK puts one object into all its requests, so that stays as it is."""
        found = as_object(place.get(key))
        if self.declare is None or found is None:
            return
        if self._declared is None or self._declared[0] is not found:
            self._declared = found, self.declare(deepcopy(dict(found)))
        place[key] = self._declared[1]

    def _asked_by_server(self, item: SessionMessage, message: JSONRPCRequest) -> SessionMessage | None:
        if self.host is not None and self._hosting and self.host.takes(message):
            self.host.request(message)
            return None
        if message.method in hosted.AUGMENTABLE and message.params is not None and "task" in message.params:
            # Who does not offer tasks for a kind of request ignores the wish ("Task Support and Handling").
            message.params = {key: value for key, value in message.params.items() if key != "task"}
        return item

    def _notification(self, item: SessionMessage, message: JSONRPCNotification) -> SessionMessage | None:
        params: Mapping[str, Any] = message.params or {}
        if message.method in (modern.NOTIFICATION, handshake.NOTIFICATION):
            self.notify(message.method, params)
            return None
        if message.method == "notifications/cancelled" and self.host is not None:
            return None if self.host.give_up(params.get("requestId")) else item
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
