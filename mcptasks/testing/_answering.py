"""Answers one request of a `TaskServer`: in the protocol of the request, with the faults that a test has planned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import anyio
from attrs import frozen
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND
from mcp_types.jsonrpc import UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcptasks.testing._engine import Engine, Era
from mcptasks.testing._faults import Delay, Drop, FaultRule, ForgetTask, Garbage, Restart, RpcError
from mcptasks.testing._legacy import Legacy
from mcptasks.testing._modern import Modern
from mcptasks.testing._requests import ReceivedRequest
from mcptasks.testing._script import JSON
from mcptasks.testing._wire import Context, params_of

LASTED_ENOUGH = 0.2
"""Seconds that a request waits after it has restarted the server; then it is answered with "Connection closed". On most
connections the restart cancels the request before. The streamless in-process connection cannot be ended."""


@frozen(eq=False)
class Answering:
    """The middleware of a server: all messages of clients come through `handle`."""

    engine: Engine
    era: Era
    modern: Modern
    legacy: Legacy

    async def handle(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Record a message, and answer it if it is a request."""
        headers: Mapping[str, str] = dict(ctx.request.headers) if ctx.request is not None else {}
        received = ReceivedRequest(ctx.method, params_of(ctx), headers, ctx.protocol_version, ctx.request_id)
        self.engine.requests.add(received)
        if ctx.request_id is None:
            return await call_next(ctx)
        rule = self.engine.faults.match(ctx.method, params_of(ctx), http=False)
        if rule is None:
            return await self._answer(ctx, call_next)
        return await self._answer_at_fault(ctx, call_next, rule)

    async def _answer(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        dialect = self.modern if self._is_modern(ctx) else self.legacy
        result = await dialect.answer(ctx)
        return await call_next(ctx) if result is None else result

    def _is_modern(self, ctx: Context) -> bool:
        modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        if self.era == "modern" and not modern:
            raise MCPError(
                code=UNSUPPORTED_PROTOCOL_VERSION,
                message="Unsupported protocol version",
                data={
                    "supported": list(MODERN_PROTOCOL_VERSIONS),
                    "requested": params_of(ctx).get("protocolVersion", ctx.protocol_version),
                },
            )
        if self.era == "legacy" and ctx.method == "server/discover":
            raise MCPError(code=METHOD_NOT_FOUND, message="Method not found", data=ctx.method)
        return modern and self.era != "legacy"

    async def _answer_at_fault(self, ctx: Context, call_next: CallNext, rule: FaultRule) -> HandlerResult:
        result = await self._answer(ctx, call_next) if rule.after else None
        for fault in rule.faults:
            match fault:
                case Delay(seconds):
                    await anyio.sleep(seconds)
                case RpcError(code, message, data):
                    raise MCPError(code=code, message=message, data=data)
                case Drop():
                    await anyio.sleep_forever()
                case ForgetTask():
                    self._forget_named(ctx)
                case Restart(keep_tasks):
                    self.engine.restart(keep_tasks=keep_tasks)
                    await anyio.sleep(LASTED_ENOUGH)
                    raise MCPError(code=-32000, message="Connection closed")
                case Garbage():
                    result = result if result is not None else await self._answer(ctx, call_next)
                    result = fault.spoil(cast("JSON", result))
                case _:
                    raise TypeError(f"not a fault of this layer: {fault!r}")
        return result if result is not None else await self._answer(ctx, call_next)

    def _forget_named(self, ctx: Context) -> None:
        task = self.engine.find(params_of(ctx).get("taskId"))
        if task is not None:
            task.forget()
