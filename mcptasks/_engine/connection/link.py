"""One connection that was made, and the requests about tasks over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import mcp
from attrs import define, field
from mcp.shared.inbound import encode_header_value
from mcp_types import Request

from mcptasks._core.carried import NO_HEADERS
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._transport.http.transport import HttpTransport
from mcptasks._transport.intercept import Interceptor
from mcptasks._transport.lent import LentSession
from mcptasks._transport.sdk_client import RAW
from mcptasks._wire import envelope
from mcptasks._wire.dialect import Declared, Dialect


@define(eq=False)
class Link:
    """One connection that was made."""

    client: mcp.Client
    """The SDK's client, inside its `async with`."""
    session: mcp.ClientSession
    """The SDK's session. After its end, requests on it raise and do not hang."""
    dialect: Dialect
    """The task protocol of this connection."""
    http: HttpTransport | None
    """The transport if it is ours for HTTP; otherwise None."""
    interceptor: Interceptor | None
    """Rewrites messages on their way; None if the SDK runs a server object without streams."""
    number: int
    """The first connection of a client is 1, and so on."""
    broken: anyio.Event
    """Set when the link is lost or given up."""
    refusals: int = field(default=0, init=False)
    """How many creating calls were answered as if the session were over."""
    negotiated: bool = field(default=True, init=False)
    """Whether the server was asked for its protocol version. If not, the version comes from an earlier client."""

    @property
    def lent(self) -> bool:
        """Whether the session is the program's own, so that its messages go to the program, except for task
        notifications."""
        return isinstance(self.session, LentSession)

    @property
    def declared(self) -> Declared:
        """What the server declares."""
        interceptor = self.interceptor
        return Declared(
            capabilities=self.session.server_capabilities,
            sent={} if interceptor is None else interceptor.answered,
            rewritable=interceptor is not None,
        )

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Complain if a request is to have HTTP headers of its own and this link cannot send them.

        Raises:
            TaskProtocolError: The server was reached over HTTP+SSE, whose transport is the SDK's.
        """
        if headers and self.http is None:
            words = "the server speaks HTTP+SSE (the transport before Streamable HTTP)"
            raise TaskProtocolError(f"headers= of one call cannot be sent: {words}; nothing was sent")

    async def ask(
        self,
        request: Request[Any, Any],
        *,
        progressed: Callable[[], None] | None = None,
        own: Mapping[str, str] = NO_HEADERS,
    ) -> Mapping[str, Any]:
        """Send a request about a task, and return its result. Over HTTP of our own, the request usually bypasses the
        SDK.

        Args:
            request: The request.
            progressed: Called whenever bytes of the answer have come; over HTTP of our own only.
            own: The HTTP headers of this request alone, beside those of the client and the protocol.

        Raises:
            mcp.MCPError: The server's own error, or a `Fault` in its data.
            ValidationError: The SDK cannot parse the answer.
            RuntimeError: The SDK's client was closed.
            TaskProtocolError: See `check_headers`.
        """
        self.check_headers(own)
        request_meta = None if self.interceptor is None else self.interceptor.request_meta
        if self.http is None or (self.dialect.stateless and request_meta is None):
            return await self._by_sdk(request, own)
        params: dict[str, Any] = (
            {} if request.params is None else request.params.model_dump(by_alias=True, exclude_none=True)
        )
        headers = {"mcp-protocol-version": self.client.protocol_version}
        told = self.dialect.headers(request.method, params)
        headers = {**own, **headers}
        headers |= {name: encode_header_value(value) for name, value in told.items()}
        if self.dialect.stateless:
            params["_meta"] = request_meta
        return await self.http.ask(request.method, params, headers, progressed=progressed)

    async def _by_sdk(self, request: Request[Any, Any], own: Mapping[str, str]) -> Mapping[str, Any]:
        """Send a request through the SDK's session."""
        answer: Mapping[str, Any]
        if not own or self.interceptor is None:
            answer = await self.session.send_request(request, RAW)
            return answer
        mark = self.interceptor.keep_headers(own)
        meta: dict[str, Any] = {}
        envelope.mark(meta, headers=mark)
        params = request.params.model_copy(update={"meta": meta})
        try:
            answer = await self.session.send_request(request.model_copy(update={"params": params}), RAW)
        finally:
            self.interceptor.forget_headers(mark)
        return answer
