"""Streamable HTTP as a transport for `mcp.Client`: two streams over exchanges.

Each request that the SDK sends is an exchange in a task of its own, which has the sender's context variables. Other
messages are posted. `ask` sends a request past the SDK's streams.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, TypeAlias

import anyio
import httpx2
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import MCPError
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest
from pydantic_core import to_json

from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.faults import OUTAGES, Fault, broken
from mcptasks._transport.http.bodies import Body
from mcptasks._transport.http.endpoint import VERSION_HEADER, Endpoint
from mcptasks._transport.http.exchange import Exchange
from mcptasks._transport.http.faults import failure
from mcptasks._transport.http.listening import Listening
from mcptasks._transport.http.older import OLDER, is_older
from mcptasks._transport.http.posting import ANSWER_ATTEMPTS, post
from mcptasks._transport.http.redirects import REDIRECTS
from mcptasks._transport.http.senders import ForeignSender, OwnSender, Sender
from mcptasks._transport.http.under_way import UnderWay
from mcptasks._wire.decoding import read_message
from mcptasks._wire.versions import is_modern

logger = logging.getLogger("mcptasks")

_END_SECONDS = 2.0
"""Seconds that a server has to answer the DELETE that ends the session; then the transport closes without an answer."""
_FIRST_ID = 1 << 30
"""The first id of our own requests, far from the SDK's ids, which begin at 1."""
Streams: TypeAlias = "tuple[MemoryObjectReceiveStream[SessionMessage | Exception], _Writer]"


def _nothing() -> None:
    """Ignores an event to which nobody has subscribed."""


class HttpTransport(AbstractAsyncContextManager["Streams"]):
    """One connection over Streamable HTTP.

    Args:
        url: The server's endpoint.
        headers: Sent with every request.
        auth: An auth object of httpx2.
        http_client: The program's own `httpx2.AsyncClient` or `httpx.AsyncClient`, which is left open.
        max_size: How many bytes one answer may have, decompressed.

    Raises:
        ValueError: The environment's proxy for the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        auth: httpx2.Auth | None,
        http_client: Any,
        max_size: int,
    ) -> None:
        place = httpx2.URL(url)
        sender: Sender = OwnSender(place, headers, auth) if http_client is None else ForeignSender(http_client)
        self.ready = False
        """Whether the connection is complete. Until then an outage ends the transport; otherwise the SDK would take the
        failed probe for an older server."""
        self.keep_session = False
        """Whether to keep the session alive at the end, for servers that tie tasks to it (fastmcp 2.14)."""
        self.stream_opened = self.stream_ended = _nothing
        """Called when the GET stream of the server's own messages (2025-11-25) opens, or ends."""
        self.failure: Exception | None = None
        """The error that ended the transport before it was ready."""
        self._endpoint = Endpoint(place, sender, max_size)
        self._under_way = UnderWay()
        self._ids = itertools.count(_FIRST_ID)
        self._closed = False
        self._group: TaskGroup
        self._inbox: MemoryObjectSendStream[SessionMessage | Exception]
        self._reader: MemoryObjectReceiveStream[SessionMessage | Exception]

    @property
    def in_session(self) -> bool:
        """Whether the server gave the connection a session (2025-11-25)."""
        return self._endpoint.session_id is not None

    async def __aenter__(self) -> Streams:
        self._inbox, self._reader = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        return self._reader, _Writer(self._send)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        self._closed = True
        with anyio.CancelScope(shield=True):
            if self._endpoint.session_id is not None and not self.keep_session:
                with anyio.move_on_after(_END_SECONDS), suppress(MCPError):
                    await Body(await self._endpoint.open("DELETE", {}), limit=None).finish()
        self._under_way.give_up_all()
        self._group.cancel_scope.cancel()
        try:
            return await self._group.__aexit__(exc_type, exc_val, exc_tb)
        finally:
            self._inbox.close()
            self._reader.close()
            with anyio.CancelScope(shield=True):
                await self._endpoint.sender.aclose()

    def is_known(self) -> None:
        """Note that the URL is right, since an earlier connection to it was made."""
        self._endpoint.known = True

    # --- requests of our own ----------------------------------------------------------------------------------------

    async def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        *,
        progressed: Callable[[], None] | None = None,
    ) -> Mapping[str, Any]:
        """Send a request past the SDK, and return its result.

        Args:
            method: The request's method.
            params: The request's params.
            headers: The request's HTTP headers, with names in lower case.
            progressed: Called whenever bytes of the answer have come.

        Raises:
            MCPError: The server answered with an error; or there is no answer, and the error's data is a `Fault`.
        """
        request_id = next(self._ids)
        content = to_json({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        answer: Mapping[str, Any] = {}
        scope = self._under_way.begin(str(request_id))
        if self._closed:
            scope.cancel()
        try:
            with scope:
                answer = await self._exchange(request_id, progressed).run(headers, content)
        finally:
            self._under_way.over(str(request_id), scope)
        if scope.cancelled_caught:
            raise failure(broken("Connection closed"))
        error = answer.get("error")
        if error is not None:
            raise MCPError(code=error["code"], message=error["message"], data=error.get("data"))
        result: Mapping[str, Any] = answer["result"]
        return result

    # --- the SDK's messages -----------------------------------------------------------------------------------------

    def give_up(self, request_id: str) -> None:
        """Cancel the exchange of a request whose answer nobody waits for any more."""
        self._under_way.give_up(request_id)

    async def _send(self, item: SessionMessage) -> None:
        if self._closed:
            raise anyio.ClosedResourceError
        message = item.message
        headers = self._headers(item)
        if isinstance(message, JSONRPCRequest):
            # The scope must exist before the task runs: the next message may cancel the request.
            scope = self._under_way.begin(str(message.id))
            self._group.start_soon(self._request, message, headers, scope)
        elif not isinstance(message, JSONRPCNotification):
            self._group.start_soon(self._post, message, headers, ANSWER_ATTEMPTS)
        elif message.method == "notifications/cancelled":
            request_id = str((message.params or {}).get("requestId"))
            if is_modern(self._endpoint.version):
                # On 2026-07-28, closing the exchange tells the server (basic/patterns/cancellation).
                self.give_up(request_id)
            else:
                self._group.start_soon(self._cancel, message, headers, request_id)
        elif message.method == "notifications/initialized":
            # Later requests must arrive after this notification, so it is posted before the next message is taken.
            await self._post(message, headers)
            if self._endpoint.session_id is not None:
                self._group.start_soon(self._listen)
        else:
            self._group.start_soon(self._post, message, headers)

    def _headers(self, item: SessionMessage) -> dict[str, str]:
        given = item.metadata.headers if isinstance(item.metadata, ClientMessageMetadata) else None
        headers = {name.lower(): value for name, value in (given or {}).items()}
        if isinstance(item.message, JSONRPCRequest) and item.message.method == "initialize":
            self._endpoint.version = None  # The version is not known before the answer to this request.
        else:
            self._endpoint.version = headers.get(VERSION_HEADER, self._endpoint.version)
        return headers

    async def _request(self, message: JSONRPCRequest, headers: Mapping[str, str], scope: anyio.CancelScope) -> None:
        opens = message.method == "initialize"
        try:
            with scope:
                try:
                    exchange = self._exchange(message.id, opens_session=opens)
                    answer = await exchange.run(headers, _json(message))
                    reply = read_message({**answer, "id": message.id})
                except MCPError as exc:
                    if await self._is_older(message, exc):
                        self._fail(failure(OLDER))
                        return
                    if not self.ready and message.method == "server/discover" and _tells_nothing(exc):
                        self._fail(exc)
                        return
                    reply = JSONRPCError(jsonrpc="2.0", id=message.id, error=exc.error)
                await self._hand_on(reply)
        finally:
            self._under_way.over(str(message.id), scope)

    def _exchange(
        self, request_id: int | str, progressed: Callable[[], None] | None = None, *, opens_session: bool = False
    ) -> Exchange:
        return Exchange(
            self._endpoint, request_id, self._deliver, self._leave, progressed=progressed, opens_session=opens_session
        )

    async def _is_older(self, message: JSONRPCRequest, exc: MCPError) -> bool:
        """Whether a first request has failed because the server speaks HTTP+SSE."""
        if exc.data is OLDER:
            return True
        return message.method == "initialize" and not self._endpoint.known and await is_older(self._endpoint)

    def _fail(self, exc: MCPError) -> None:
        self.failure = exc
        self._inbox.close()

    async def _post(self, message: JSONRPCMessage, headers: Mapping[str, str], attempts: int = 1) -> None:
        await post(self._endpoint, _json(message), headers, attempts)

    async def _cancel(self, message: JSONRPCMessage, headers: Mapping[str, str], request_id: str) -> None:
        """Tell the server that nobody waits for a request's answer, and cancel the exchange."""
        try:
            await self._post(message, headers)
        finally:
            self.give_up(request_id)

    async def _listen(self) -> None:
        # `stream_opened` and `stream_ended` are read when they are called: the stream may open before they are set.
        def opened() -> None:
            self.stream_opened()

        def ended() -> None:
            self.stream_ended()

        await Listening(self._endpoint, self._deliver, opened, ended).run()

    async def _deliver(self, value: Any) -> None:
        """Hand on a message that the server sent beside an answer."""
        try:
            message = read_message(value)
        except TaskProtocolError as exc:
            logger.debug("%s", exc)
        else:
            await self._hand_on(message)

    async def _hand_on(self, message: JSONRPCMessage) -> None:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):  # The connection is closing.
            await self._inbox.send(SessionMessage(message))

    async def _leave(self, body: Body) -> None:
        """Close a body whose rest nobody needs."""
        if self._closed:
            await body.drop()
        else:
            self._group.start_soon(body.finish)


def _tells_nothing(exc: MCPError) -> bool:
    """Whether the failure of the first probe says nothing about the protocol that the server speaks.

    The SDK would try the older protocol after any error (2026-07-28, "Compatibility Matrix").
    """
    fault = exc.data
    if not isinstance(fault, Fault):
        return False
    if fault.status is None:
        return fault.meaning == "connection"
    return fault.status in OUTAGES or fault.status in REDIRECTS


def _json(message: JSONRPCMessage) -> bytes:
    return message.model_dump_json(by_alias=True, exclude_unset=True).encode()


class _Writer:
    """The stream that the SDK writes to. It has no queue, so that tasks start with the sender's context variables."""

    def __init__(self, send: Callable[[SessionMessage], Awaitable[None]]) -> None:
        self._send = send

    async def send(self, item: SessionMessage, /) -> None:
        await self._send(item)

    async def aclose(self) -> None:
        """Does nothing: the transport closes everything when it ends."""

    async def __aenter__(self) -> _Writer:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()
