"""A bare client for tests of the test server: it sends what a test says and shows what comes back, unvalidated.

It drives the SDK's own transports and JSON-RPC dispatcher; nothing of this project's client is in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio
import mcp
import pytest
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.memory import create_client_server_memory_streams
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from mcptasks.testing import TaskServer, serve_http

ROOT = Path(__file__).parent.parent.parent
JSON = dict[str, Any]
Answerer = Callable[[str, JSON], Awaitable[JSON]]
Era = Literal["modern", "legacy"]

EXTENSION = "io.modelcontextprotocol/tasks"
RELATED_TASK = "io.modelcontextprotocol/related-task"
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"
# The SDK's HTTP client leaves event streams half read, which trio remarks on when they are collected.
HALF_READ = pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp):ResourceWarning")
TERMINAL = ("completed", "failed", "cancelled")


async def refuse(method: str, _params: JSON) -> JSON:
    """Answer no request of the server."""
    raise MCPError(code=-32601, message=f"no {method} here")


class WireClient:
    """One connection: requests go out as given, answers come back as they are."""

    def __init__(
        self, dispatcher: JSONRPCDispatcher[Any], era: Era, answerer: Answerer, *, extension: bool = True
    ) -> None:
        self.era: Era = era
        self.extension = extension
        self.notified: list[tuple[str, JSON]] = []
        self.asked: list[tuple[str, JSON]] = []
        self._dispatcher = dispatcher
        self._answerer = answerer
        self._news = anyio.Event()

    async def on_request(self, _dctx: Any, method: str, params: Mapping[str, Any] | None) -> JSON:
        """A request of the server."""
        self.asked.append((method, dict(params or {})))
        return await self._answerer(method, dict(params or {}))

    async def on_notify(self, _dctx: Any, method: str, params: Mapping[str, Any] | None) -> None:
        """A notification of the server."""
        self.note(method, dict(params or {}))

    def note(self, method: str, params: JSON) -> None:
        """Keep a notification, and wake who waits for one."""
        self.notified.append((method, params))
        self._news.set()
        self._news = anyio.Event()

    def notifications(self, method: str) -> list[JSON]:
        """The params of all notifications of that method so far."""
        return [params for name, params in self.notified if name == method]

    async def wait_notified(self, method: str, n: int = 1) -> list[JSON]:
        """Wait until there are n notifications of that method; all of them."""
        while len(found := self.notifications(method)) < n:
            await self._news.wait()
        return found

    async def request(self, method: str, *, request_id: str | None = None, **params: Any) -> JSON:
        """Send a request in the form of the era; the raw result."""
        options: CallOptions = {}
        if request_id is not None:
            options["request_id"] = request_id
        if self.era == "modern":
            extensions: JSON = {"extensions": {EXTENSION: {}}} if self.extension else {}
            meta: JSON = {
                "io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION,
                "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": extensions,
            }
            params["_meta"] = {**meta, **params.get("_meta", {})}
            headers = {"mcp-protocol-version": LATEST_MODERN_VERSION, "mcp-method": method}
            name = params.get("taskId") or params.get("name") or params.get("uri")
            if name is not None:
                headers["mcp-name"] = name
            options["headers"] = headers
        return await self._dispatcher.send_raw_request(method, params or None, options)

    async def notify(self, method: str, params: JSON | None = None) -> None:
        """Send a notification."""
        await self._dispatcher.notify(method, params)

    async def handshake(self) -> JSON:
        """`initialize` and all that."""
        result = await self.request(
            "initialize",
            protocolVersion=LATEST_HANDSHAKE_VERSION,
            capabilities={"elicitation": {}},
            clientInfo={"name": "wire", "version": "1"},
        )
        await self.notify("notifications/initialized")
        return result

    # -- shorthands that hide the era --------------------------------------------------

    async def start(self, name: str, task: JSON | None = None, **arguments: Any) -> JSON:
        """Call a tool so that it becomes a task; the task in the answer."""
        if self.era == "modern":
            return await self.request("tools/call", name=name, arguments=arguments)
        answer = await self.request("tools/call", name=name, arguments=arguments, task=task or {})
        created: JSON = answer["task"]
        return created

    async def get(self, task_id: str) -> JSON:
        """`tasks/get`."""
        return await self.request("tasks/get", taskId=task_id)

    async def poll(self, task_id: str) -> JSON:
        """`tasks/get` until the end."""
        while True:
            task = await self.get(task_id)
            if task["status"] in TERMINAL:
                return task
            await anyio.sleep(0.005)


@asynccontextmanager
async def in_process(server: TaskServer) -> AsyncGenerator[Any]:
    """Streams to a server in this process."""
    async with create_client_server_memory_streams() as (client_side, server_side), anyio.create_task_group() as group:
        group.start_soon(partial(server.run, *server_side, server.create_initialization_options()))
        yield client_side
        group.cancel_scope.cancel()


@asynccontextmanager
async def connect(
    transport: Any, era: Era, answerer: Answerer = refuse, *, extension: bool = True, handshake: bool = True
) -> AsyncGenerator[WireClient]:
    """A wire client on a transport (an async context manager that yields two streams)."""
    async with transport as (read_stream, write_stream), anyio.create_task_group() as group:
        dispatcher: JSONRPCDispatcher[Any] = JSONRPCDispatcher(read_stream, write_stream)
        client = WireClient(dispatcher, era, answerer, extension=extension)
        await group.start(dispatcher.run, client.on_request, client.on_notify)
        if era == "legacy" and handshake:
            await client.handshake()
        yield client
        group.cancel_scope.cancel()


@asynccontextmanager
async def connected(
    server: TaskServer, era: Era, how: str = "process", answerer: Answerer = refuse
) -> AsyncGenerator[WireClient]:
    """A wire client to a server of this process, over streams or over HTTP."""
    if how == "process":
        async with connect(in_process(server), era, answerer) as client:
            yield client
    else:
        with serve_http(server) as url:
            async with connect(streamable_http_client(url), era, answerer) as client:
                yield client


def process(*arguments: str) -> Any:
    """Streams to a subprocess of this Python."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return stdio_client(
        mcp.StdioServerParameters(command=sys.executable, args=list(arguments), env={"PYTHONPATH": path})
    )


async def listening(client: WireClient, request_id: str, *task_ids: str) -> None:
    """Keep a listen stream open until it ends."""
    await client.request("subscriptions/listen", request_id=request_id, notifications={"taskIds": list(task_ids)})


async def refused(awaitable: Awaitable[Any]) -> MCPError:
    """The error that a request ends with."""
    try:
        result = await awaitable
    except MCPError as error:
        return error
    raise AssertionError(f"not refused: {result}")
