"""A test server as an ASGI app, which can be restarted, and which carries out HTTP faults.

It forwards requests to the SDK's own Streamable HTTP app, which is made anew after each restart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any, TypeAlias, cast

import anyio
import anyio.abc
import anyio.lowlevel
from attrs import frozen
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcptasks.testing._bell import Bell
from mcptasks.testing._faults import (
    Delay,
    Disconnect,
    FaultRule,
    ForgetTask,
    HttpBody,
    HttpStatus,
    NoHttpAnswer,
    Restart,
    Truncate,
)
from mcptasks.testing._modern import CUT_KEY
from mcptasks.testing._requests import ReceivedRequest
from mcptasks.testing._script import JSON
from mcptasks.testing._server import TaskServer

Cutter: TypeAlias = Callable[[Scope, bool], bool]
"""Cuts the TCP connection of a request, with a reset if the second argument is true; returns False if it cannot."""


def no_cutter(_scope: Scope, _reset: bool) -> bool:
    """Cuts nothing, for ASGI servers that give no access to their connections."""
    return False


def read_message(body: bytes) -> JSON:
    """The JSON-RPC message in a body; empty if there is none."""
    try:
        message: object = json.loads(body) if body else {}
    except ValueError:
        return {}
    return cast("JSON", message) if isinstance(message, dict) else {}


@frozen
class Exchange:
    """One HTTP request and the way to answer it."""

    scope: Scope
    receive: Receive
    send: Send
    message: JSON

    @property
    def method(self) -> str:
        """The JSON-RPC method; `http:GET` and the like for a request without a message."""
        method: object = self.message.get("method")
        return method if isinstance(method, str) else f"http:{self.scope['method']}"

    @property
    def params(self) -> JSON:
        """The params of the JSON-RPC message."""
        params: object = self.message.get("params")
        return cast("JSON", params) if isinstance(params, dict) else {}

    async def answer(self, status: int, headers: dict[str, str], body: str) -> None:
        """Send a complete response."""
        raw = body.encode()
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        lines.append((b"content-length", str(len(raw)).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": lines})
        await self.send({"type": "http.response.body", "body": raw})

    async def until_disconnect(self) -> None:
        """Wait until the client is gone."""
        while (await self.receive())["type"] != "http.disconnect":
            await anyio.lowlevel.checkpoint()


async def _read_exchange(scope: Scope, receive: Receive, send: Send) -> Exchange:
    body = b""
    more = scope["method"] == "POST"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
    replayed = scope["method"] != "POST"

    async def receive_again() -> MutableMapping[str, Any]:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return Exchange(scope, receive_again, send, read_message(body))


async def _ignore(_message: Message) -> None:
    """Swallow an answer that the client must not get."""


class TaskServerApp:
    """The ASGI app of a `TaskServer`."""

    def __init__(
        self,
        server: TaskServer,
        *,
        path: str = "/mcp",
        json_response: bool = False,
        stateless: bool = False,
        cutter: Cutter = no_cutter,
    ) -> None:
        self._server = server
        self._path = path
        self._json_response = json_response
        self._stateless = stateless
        self._cutter = cutter
        self._inner: ASGIApp | None = None
        self._inner_bell = Bell()
        self._scopes: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve_request(scope, receive, send)

    def cut_all(self) -> None:
        """Cut off every request that is under way. Only from the event loop that serves them."""
        for scope in list(self._scopes):
            scope.cancel()

    # -- lifespan ---------------------------------------------------------------------

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._server.running())
            group = await stack.enter_async_context(anyio.create_task_group())
            await group.start(self._serve_generations)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.cut_all()
            group.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve_generations(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        started = False
        while True:
            generation = self._server.engine.generation
            app = self._server.streamable_http_app(
                streamable_http_path=self._path,
                json_response=self._json_response,
                stateless_http=self._stateless,
            )
            async with self._server.session_manager.run():
                self._inner = app
                self._inner_bell.ring()
                if not started:
                    started = True
                    task_status.started()
                try:
                    await self._server.engine.next_generation(generation)
                finally:
                    self._inner = None
                self.cut_all()

    # -- requests ---------------------------------------------------------------------

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as cancel_scope:
            self._scopes.add(cancel_scope)
            try:
                scope[CUT_KEY] = cancel_scope.cancel
                await self._exchange(await _read_exchange(scope, receive, send))
            finally:
                self._scopes.discard(cancel_scope)
        if cancel_scope.cancelled_caught:
            await self._cut(scope, receive, reset=True)

    async def _cut(self, scope: Scope, receive: Receive, *, reset: bool) -> None:
        if not self._cutter(scope, reset):
            raise ConnectionAbortedError("the test server cut this connection")
        # uvicorn logs an error if the app returns without an answer before the connection is closed.
        with anyio.move_on_after(1.0):
            while (await receive())["type"] != "http.disconnect":
                await anyio.lowlevel.checkpoint()

    async def _forward(self, exchange: Exchange, send: Send) -> None:
        inner = await self._inner_bell.until(lambda: self._inner)
        await inner(exchange.scope, exchange.receive, send)

    async def _exchange(self, exchange: Exchange) -> None:
        rule = self._server.faults.match(exchange.method, exchange.params, http=True)
        reaches_protocol = not exchange.method.startswith("http:")
        if rule is None or rule.after:
            if not reaches_protocol:
                self._record(exchange)
            if rule is None:
                await self._forward(exchange, exchange.send)
                return
            await self._forward(exchange, _ignore)
        else:
            self._record(exchange)
        await self._carry_out(exchange, rule)

    def _record(self, exchange: Exchange) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.scope["headers"]}
        entry = ReceivedRequest(exchange.method, exchange.params, headers, None, exchange.message.get("id"))
        self._server.requests.add(entry)

    async def _carry_out(self, exchange: Exchange, rule: FaultRule) -> None:
        for fault in rule.faults:
            match fault:
                case Delay(seconds):
                    await anyio.sleep(seconds)
                case ForgetTask():
                    task = self._server.engine.find(exchange.params.get("taskId"))
                    if task is not None:
                        task.forget()
                case Restart(keep_tasks):
                    self._server.restart(keep_tasks=keep_tasks)
                case HttpStatus(status, retry_after, body, headers):
                    extra = {} if retry_after is None else {"Retry-After": retry_after}
                    await exchange.answer(status, {"content-type": "text/plain", **extra, **headers}, body)
                    return
                case HttpBody(body, content_type):
                    text = body.replace("$ID", json.dumps(exchange.message.get("id")))
                    await exchange.answer(200, {"content-type": content_type}, text)
                    return
                case NoHttpAnswer():
                    await exchange.until_disconnect()
                    return
                case Disconnect(reset):
                    await self._cut(exchange.scope, exchange.receive, reset=reset)
                    return
                case Truncate():
                    await self._truncate(exchange)
                    return
                case _:
                    raise TypeError(f"not a fault of this layer: {fault!r}")

    async def _truncate(self, exchange: Exchange) -> None:
        cut_off = anyio.CancelScope()

        async def send_half(message: Message) -> None:
            if message["type"] == "http.response.body" and message.get("body"):
                half = message["body"][: len(message["body"]) // 2]
                await exchange.send({"type": "http.response.body", "body": half, "more_body": True})
                cut_off.cancel()
                await anyio.lowlevel.checkpoint()
            await exchange.send(message)

        with cut_off:
            await self._forward(exchange, send_half)
        await self._cut(exchange.scope, exchange.receive, reset=False)
