"""A transport of the program's own to a server in this process. Tests can change incoming messages, add some, and break
the transport."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from mcptasks.testing import TaskServer

Alter = Callable[[Any], list[Any]]
"""Takes a message that the server sent, and returns the messages that the client receives."""


class Wire(AbstractAsyncContextManager[Any]):
    """The transport. It can be entered once."""

    def __init__(self, server: TaskServer) -> None:
        self.alter: Alter = lambda item: [item]
        self.sent: list[SessionMessage] = []
        """All that the client sent, oldest first."""
        self.broken: dict[str, BaseException] = {}
        """The exceptions that "enter", "receive", "send" and "leave" raise from now on."""
        self._server = server
        self._pair: Any = None
        self._group: TaskGroup | None = None
        self._inward, self._received = anyio.create_memory_object_stream[Any](10_000)

    def inject(self, *items: Any) -> None:
        """Let the client receive these items."""
        for item in items:
            self._inward.send_nowait(item)

    def errors(self, code: int) -> int:
        """How many questions of the server the client has answered with this error."""
        return sum(isinstance(item.message, JSONRPCError) and item.message.error.code == code for item in self.sent)

    def answers(self) -> list[Any]:
        """The results with which the client has answered questions of the server."""
        return [item.message.result for item in self.sent if isinstance(item.message, JSONRPCResponse)]

    async def __aenter__(self) -> tuple[Any, Any]:
        """The two streams."""
        self._break("enter")
        self._pair = create_client_server_memory_streams()
        (reader, writer), (server_reader, server_writer) = await self._pair.__aenter__()
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        options = self._server.create_initialization_options()
        self._group.start_soon(self._server.run, server_reader, server_writer, options)
        self._group.start_soon(self._pump, reader)
        return _Reader(self, self._received), _Writer(self, writer)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        """End the transport."""
        assert self._group is not None
        self._group.cancel_scope.cancel()
        await self._group.__aexit__(None, None, None)
        await self._pair.__aexit__(None, None, None)
        self._inward.close()
        self._received.close()
        self._break("leave")

    async def _pump(self, reader: Any) -> None:
        async for item in reader:
            self.inject(*self.alter(item))

    def _break(self, where: str) -> None:
        if where in self.broken:
            raise self.broken[where]


class _Reader:
    def __init__(self, wire: Wire, inner: Any) -> None:
        self._wire = wire
        self._inner = inner

    async def receive(self) -> Any:
        """Return the next message. A sentinel string means: wake up and break."""
        self._wire._break("receive")
        item = await self._inner.receive()
        self._wire._break("receive")
        return item

    async def aclose(self) -> None:
        """Close."""
        await self._inner.aclose()


class _Writer:
    def __init__(self, wire: Wire, inner: Any) -> None:
        self._wire = wire
        self._inner = inner

    async def send(self, item: SessionMessage) -> None:
        """Note a message, and send it."""
        self._wire._break("send")
        self._wire.sent.append(item)
        await self._inner.send(item)

    async def aclose(self) -> None:
        """Close."""
        await self._inner.aclose()


def request(number: Any, method: str, params: Any = None) -> SessionMessage:
    """A request of the server's own."""
    return SessionMessage(JSONRPCRequest.model_construct(jsonrpc="2.0", id=number, method=method, params=params))


def notification(method: str, params: Any = None) -> SessionMessage:
    """A notification."""
    return SessionMessage(JSONRPCNotification.model_construct(jsonrpc="2.0", method=method, params=params))


def question(number: int, message: str = "Who?") -> SessionMessage:
    """An elicitation that does not say which task asks."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    return request(f"q{number}", "elicitation/create", {"message": message, "requestedSchema": schema})
