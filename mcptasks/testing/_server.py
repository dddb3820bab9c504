"""`TaskServer`: the SDK's low-level server with tasks of one protocol or both, under the control of a test."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, Unpack, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.models import InitializationOptions
from mcp.server.runner import serve_loop

from mcptasks.testing._answering import Answering
from mcptasks.testing._engine import Engine, Era, Options
from mcptasks.testing._faults import FaultBook
from mcptasks.testing._jobs import Host
from mcptasks.testing._legacy import Legacy
from mcptasks.testing._modern import Modern
from mcptasks.testing._offers import Offer, OfferOptions, ToolFunction, function_offer, plain_script
from mcptasks.testing._requests import RequestLog
from mcptasks.testing._script import ScriptSource
from mcptasks.testing._taskbook import TaskBook
from mcptasks.testing._tasks import ServerTask


@asynccontextmanager
async def _lifespan(server: Server[Host]) -> AsyncGenerator[Host, None]:
    async with cast("TaskServer", server).engine.hosts.host() as host:
        yield host


class TaskServer(Server[Host]):
    """An MCP server whose tasks, timings and faults a test controls.

    Pass the server to `mcptasks.Client(server)` or `mcp.Client(server)` for a connection in process, to `serve_http`
    for connections over HTTP, or run it over any pair of streams. `add_tool`, `add_resource`, `add_prompt` and
    `@server.tool()` register its offers. All methods that control the server are safe to use from any thread.
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
            name: the name that the server reports.
            era: `"modern"` (2026-07-28 and the tasks extension), `"legacy"` (2025-11-25) or `"dual"`.
            version: the version that the server reports.
            instructions: the instructions that the server reports.
            options: how the server behaves; see `Options`.
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
        modern = Modern(self.engine, identity, instructions)
        legacy = Legacy(self.engine, identity, instructions)
        self.middleware.append(Answering(self.engine, era, modern, legacy).handle)

    # -- what it is and knows --------------------------------------------------------

    @property
    def options(self) -> Options:
        """How the server behaves; assign another value (`attrs.evolve`) to change its behaviour while it runs."""
        return self.engine.options

    @options.setter
    def options(self, options: Options) -> None:
        self.engine.options = options

    @property
    def tasks(self) -> TaskBook:
        """The tasks that the server knows, by id."""
        return self.engine.tasks

    @property
    def requests(self) -> RequestLog:
        """The requests that clients sent."""
        return self.engine.requests

    @property
    def faults(self) -> FaultBook:
        """The planned faults."""
        return self.engine.faults

    async def next_task(self) -> ServerTask:
        """Wait for a task that no `next_task` has returned yet, and return the oldest."""
        return await self.tasks.next()

    def next_task_blocking(self, timeout: float | timedelta = 30.0) -> ServerTask:
        """Like `next_task`, for a thread without an event loop. Raises `TimeoutError` after `timeout`, seconds or a
        `timedelta`."""
        return self.tasks.next_blocking(timeout)

    async def next_call(self) -> ServerTask:
        """Like `next_task`, for calls without a task: returns the handle that completes or fails the call."""
        return await self.tasks.next(plain=True)

    def next_call_blocking(self, timeout: float | timedelta = 30.0) -> ServerTask:
        """Like `next_call`, for a thread without an event loop. Raises `TimeoutError` after `timeout`, seconds or a
        `timedelta`."""
        return self.tasks.next_blocking(timeout, plain=True)

    def restart(self, *, keep_tasks: bool = True) -> None:
        """End every connection and HTTP session, as a restart of the process would. For any thread.

        One kind of connection goes on: the streamless one that `mcp.Client(server)` opens in process, unless
        `mode="legacy"`.
        """
        self.engine.restart(keep_tasks=keep_tasks)

    def running(self) -> AbstractAsyncContextManager[Host]:
        """A block inside which tool functions outlive the connections that started them.

        Over HTTP, tool functions do so without this block. In process and over stdio, without this block, a tool
        function fails when its connection ends. Scripts always go on as soon as there is a connection again.
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

        With neither, each call waits until a test steers it (`next_task`, `next_call`). If the tool does not support
        tasks, it then completes at once without content.
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
        """Like `add_tool`, for a resource. Reading it can be a task on 2025-11-25 connections only."""
        self._add(Offer("resource", uri, plain_script(options, script, result), options=options))

    def add_prompt(
        self,
        name: str,
        script: ScriptSource | None = None,
        *,
        result: object = None,
        **options: Unpack[OfferOptions],
    ) -> None:
        """Like `add_tool`, for a prompt. Getting it can be a task on 2025-11-25 connections only."""
        self._add(Offer("prompt", name, plain_script(options, script, result), options=options))

    def tool(self, name: str | None = None, **options: Unpack[OfferOptions]) -> Callable[[ToolFunction], ToolFunction]:
        """Offer the decorated async function as a tool: `async def slow(ctx, duration: float)`.

        The first argument is a `ToolContext`. The return value is the result. An exception is the tool's error; an
        `MCPError` is a JSON-RPC error.
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
                # The SDK's own `run` would take the probe of a modern client for the choice of the protocol.
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
