"""`TaskServer`: the SDK's low-level server, speaking tasks in one era or both, under the control of a test."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Unpack, cast

import anyio
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import Server
from mcp.server.models import InitializationOptions
from mcp.server.runner import serve_loop
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND
from mcp_types.jsonrpc import UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcptasks.testing._engine import Engine, Era, Options
from mcptasks.testing._faults import Delay, Drop, FaultBook, FaultRule, ForgetTask, Garbage, Restart, RpcError
from mcptasks.testing._jobs import Host
from mcptasks.testing._legacy import Legacy
from mcptasks.testing._modern import Modern
from mcptasks.testing._offers import Offer, OfferOptions, ToolFunction, function_offer, plain_script
from mcptasks.testing._requests import ReceivedRequest, RequestLog
from mcptasks.testing._script import JSON, ScriptSource
from mcptasks.testing._taskbook import TaskBook
from mcptasks.testing._tasks import ServerTask
from mcptasks.testing._wire import Context, params_of

LASTED_ENOUGH = 0.2
"""Seconds for which a request outlives the restart it asked for, on a connection that nothing can end."""


@asynccontextmanager
async def _lifespan(server: Server[Host]) -> AsyncGenerator[Host, None]:
    async with cast("TaskServer", server).engine.hosts.host() as host:
        yield host


class TaskServer(Server[Host]):
    """An MCP server whose tasks, timings and faults a test controls.

    Give it to `mcp.Client(server)` (or `mcptasks.Client(server)`) for a connection in process, to `serve_http`
    for one over HTTP, or run it over any pair of streams. What it offers is registered with `add_tool`,
    `add_resource`, `add_prompt` or `@server.tool()`. All the control is safe to use from any thread.
    """

    def __init__(
        self,
        name: str = "task-server",
        *,
        era: Era = "dual",
        version: str = "1.0",
        instructions: str | None = None,
        options: Options | None = None,
    ) -> None:
        """Make a server.

        Args:
            name: what it calls itself.
            era: `"modern"` (2026-07-28 and the tasks extension), `"legacy"` (2025-11-25) or `"dual"`.
            version: the version that it reports.
            instructions: the instructions that it reports.
            options: how it behaves; see `Options`.
        """
        super().__init__(
            name,
            version=version,
            instructions=instructions,
            lifespan=_lifespan,
            get_tool_input_schema=self._input_schema,
        )
        self.era: Era = era
        self.engine = Engine(options or Options())
        identity = self.server_info.model_dump(mode="json", by_alias=True, exclude_none=True)
        self._modern = Modern(self.engine, identity, instructions)
        self._legacy = Legacy(self.engine, identity, instructions)
        self.middleware.append(self._handle)

    # -- what it is and knows --------------------------------------------------------

    @property
    def options(self) -> Options:
        """How it behaves; assign another value (`attrs.evolve`) to change that on the way."""
        return self.engine.options

    @options.setter
    def options(self, options: Options) -> None:
        self.engine.options = options

    @property
    def tasks(self) -> TaskBook:
        """The tasks that it knows, by id."""
        return self.engine.tasks

    @property
    def requests(self) -> RequestLog:
        """What clients sent."""
        return self.engine.requests

    @property
    def faults(self) -> FaultBook:
        """The faults to come."""
        return self.engine.faults

    async def next_task(self) -> ServerTask:
        """The oldest task that no `next_task` has returned yet; waits for one."""
        return await self.tasks.next()

    def next_task_blocking(self, timeout: float = 5.0) -> ServerTask:
        """The same from a plain thread; raises `TimeoutError`."""
        return self.tasks.next_blocking(timeout)

    async def next_call(self) -> ServerTask:
        """The same for calls without a task: the handle that completes or fails such a call."""
        return await self.tasks.next(plain=True)

    def next_call_blocking(self, timeout: float = 5.0) -> ServerTask:
        """The same from a plain thread; raises `TimeoutError`."""
        return self.tasks.next_blocking(timeout, plain=True)

    def restart(self, *, keep_tasks: bool = True) -> None:
        """End every connection and HTTP session, as a restart of the process would. Callable from any thread.

        Not reached: the streamless connection that `mcp.Client(server)` opens in process unless `mode="legacy"`.
        """
        self.engine.restart(keep_tasks=keep_tasks)

    def running(self) -> AbstractAsyncContextManager[Host]:
        """A block inside which tool functions outlive the connections that started them.

        Over HTTP that is so by itself; in process and over stdio a tool function otherwise fails when its
        connection ends. Scripts go on in any case, as soon as there is a connection again.
        """
        return self.engine.hosts.host(lasting=True)

    # -- what it offers ----------------------------------------------------------------

    def add_tool(
        self,
        name: str,
        script: ScriptSource | None = None,
        *,
        result: object = None,
        **options: Unpack[OfferOptions],
    ) -> None:
        """Offer a tool that follows a script, or completes with `result` at once.

        With neither, each call waits for a test to steer it (`next_task`, `next_call`), unless tasks are not
        supported; then it completes with nothing.
        """
        self._add(Offer("tool", name, plain_script(options, script, result), options=options))

    def add_resource(
        self,
        uri: str,
        script: ScriptSource | None = None,
        *,
        result: object = None,
        **options: Unpack[OfferOptions],
    ) -> None:
        """The same for a resource. It can be a task on 2025-11-25 connections only."""
        self._add(Offer("resource", uri, plain_script(options, script, result), options=options))

    def add_prompt(
        self,
        name: str,
        script: ScriptSource | None = None,
        *,
        result: object = None,
        **options: Unpack[OfferOptions],
    ) -> None:
        """The same for a prompt. It can be a task on 2025-11-25 connections only."""
        self._add(Offer("prompt", name, plain_script(options, script, result), options=options))

    def tool(self, name: str | None = None, **options: Unpack[OfferOptions]) -> Callable[[ToolFunction], ToolFunction]:
        """Offer the decorated async function as a tool: `async def slow(ctx, duration: float)`.

        Its first argument is a `ToolContext`; what it returns is the result, what it raises is the tool's error
        (an `MCPError` is a JSON-RPC error).
        """

        def register(function: ToolFunction) -> ToolFunction:
            self._add(function_offer(function, name, options))
            return function

        return register

    def _add(self, offer: Offer) -> None:
        self.engine.offers.add(offer)

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        offer = self.engine.offers.find("tool", name)
        return offer.input_schema if offer is not None else None

    # -- connections ---------------------------------------------------------------------

    async def run(
        self,
        read_stream: Any,
        write_stream: Any,
        initialization_options: InitializationOptions,
        raise_exceptions: bool = False,
    ) -> None:
        """Serve one connection over a pair of streams, until it ends or the server restarts."""
        generation = self.engine.generation
        async with anyio.create_task_group() as group:

            async def end_with_the_generation() -> None:
                await self.engine.next_generation(generation)
                group.cancel_scope.cancel()

            group.start_soon(end_with_the_generation)
            if self.era == "legacy":
                # The SDK's own choice of era would lock the connection to the first probe of a modern client.
                async with self.lifespan(self) as host:
                    await serve_loop(
                        self,
                        read_stream,
                        write_stream,
                        lifespan_state=host,
                        init_options=initialization_options,
                        raise_exceptions=raise_exceptions,
                    )
            else:
                await super().run(read_stream, write_stream, initialization_options, raise_exceptions)
            group.cancel_scope.cancel()

    async def _handle(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """The middleware: everything that a client sends comes through here."""
        headers: Mapping[str, str] = dict(ctx.request.headers) if ctx.request is not None else {}
        self.requests.add(ReceivedRequest(ctx.method, params_of(ctx), headers, ctx.protocol_version, ctx.request_id))
        if ctx.request_id is None:
            return await call_next(ctx)
        rule = self.faults.match(ctx.method, params_of(ctx), http=False)
        if rule is None:
            return await self._answer(ctx, call_next)
        return await self._answer_at_fault(ctx, call_next, rule)

    async def _answer(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        dialect = self._modern if self._is_modern(ctx) else self._legacy
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
                    self.restart(keep_tasks=keep_tasks)
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
