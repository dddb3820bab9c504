"""Requests go out over the client's present connection, within the limits of the session."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, NoReturn, Self

import mcp
import mcp_types
from mcp.client import ClientRequestContext
from mcp.shared.dispatcher import ProgressFnT
from pydantic import TypeAdapter

from mcptasks._core import argument_checks
from mcptasks._engine.connection.link import Link
from mcptasks._engine.engine import Engine
from mcptasks._engine.session.errors import speaking_sdk
from mcptasks._engine.session.negotiated import Negotiated

_READS = frozenset(
    {"ping", "tools/list", "resources/list", "resources/templates/list", "prompts/list", "completion/complete"}
)
"""The methods that only read: they are sent again if the connection breaks."""


class SendsRequests(Negotiated):
    """The part of `TaskSession` that sends requests that do not become tasks."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        """Cancel the session's calls that are under way, and their tasks. The client stays open."""
        self._over = True
        for scope in list(self._scopes):
            scope.cancel()

    async def send_request(
        self,
        request: Any,
        result_type: Any,
        request_read_timeout_seconds: float | None = None,
        metadata: Any = None,
        progress_callback: ProgressFnT | None = None,
    ) -> Any:
        """Send a request. A request that only reads is sent again if the connection breaks; any other is sent once.

        `tools/call`, `resources/read` and `prompts/get` are made by `call_tool`, `read_resource` and `get_prompt`.

        Raises:
            mcp.MCPError: See `call_tool`.
        """
        limit = argument_checks.seconds(request_read_timeout_seconds, "request_read_timeout_seconds", zero=False)
        params = request.params
        match request:
            case mcp_types.CallToolRequest():
                meta = params.meta
                result: Any = await self.call_tool(params.name, params.arguments, limit, progress_callback, meta=meta)
            case mcp_types.ReadResourceRequest():
                result = await self.read_resource(params.uri, meta=params.meta)
            case mcp_types.GetPromptRequest():
                result = await self.get_prompt(params.name, params.arguments, meta=params.meta)
            case _:

                async def send(link: Link) -> Any:
                    return await link.session.send_request(
                        request, result_type, metadata=metadata, progress_callback=progress_callback
                    )

                return await self._sent(send, limit, read=request.method in _READS)
        return TypeAdapter(result_type).validate_python(result) if isinstance(result_type, type) else result

    async def send_notification(self, notification: Any) -> None:
        """Send a notification."""
        await self._sent(lambda link: link.session.send_notification(notification))

    async def validate_tool_result(self, name: str, result: mcp_types.CallToolResult) -> None:
        """Check a result against the tool's output schema; see the SDK's method."""
        await self._sent(lambda link: link.session.validate_tool_result(name, result))

    async def dispatch_input_request(
        self, ctx: ClientRequestContext, request: mcp_types.InputRequest
    ) -> mcp_types.InputResponse | mcp_types.ErrorData:
        """Have the client's handlers answer an input request."""
        return await (await self._engine().core.connection.link()).session.dispatch_input_request(ctx, request)

    async def _sent(
        self, send: Callable[[Link], Awaitable[Any]], limit: float | None = None, *, read: bool = False
    ) -> Any:
        async with self._limited(limit) as engine:
            connection = engine.core.connection
            return await (connection.read(send, about_task=False) if read else connection.once(send))

    @asynccontextmanager
    async def _limited(self, limit: float | None) -> AsyncGenerator[Engine]:
        """A block for a request of the session. It is cancelled at the end of the session or the client, and at the
        limit."""
        engine = self._engine()
        with speaking_sdk(), engine.core.leaving.bound(math.inf if limit is None else limit) as scope:
            self._scopes.add(scope)
            try:
                yield engine
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            self._raise_why(limit)

    def _raise_why(self, limit: float | None) -> NoReturn:
        if limit is not None and not self._over:
            raise mcp.MCPError(mcp_types.REQUEST_TIMEOUT, f"no answer within {limit} s")
        raise mcp.MCPError(mcp_types.CONNECTION_CLOSED, "the session is closed; the call was cancelled with it")
