"""A transport for `fastmcp.Client` 4, and so for everything that takes a target of it: pydantic-ai, LangChain.

fastmcp's client asks its transport for a session. This transport opens an `mcptasks.Client` and returns that client's
session, which follows tasks to their end on both protocols.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp
from mcp.client import ClientRequestContext

from mcptasks import Client, InputContext
from mcptasks._wire import modern
from mcptasks.contrib._packages import need

need(__name__, "fastmcp-slim", "fastmcp", least=(4, 2), below=5, extra="fastmcp")

from fastmcp.client.transports import ClientTransport  # noqa: E402 - the version is checked before

_HANDLERS = {"elicitation_callback": "elicitation_handler", "sampling_callback": "sampling_handler"}
"""The names of callbacks in a session of the SDK, and in `mcptasks.Client`."""


class TaskTransport(ClientTransport):
    """A target for `fastmcp.Client(...)`, `MCPToolset(...)` and `MCPAdapter(...)` whose tools may take hours.

    ```python
    toolset = MCPToolset(TaskTransport("https://example.com/mcp"))
    ```

    The handlers that are given to fastmcp's client answer the input requests, unless the target is a client of yours
    with handlers of its own.

    Args:
        target: A target of `mcptasks.Client`, or an open client, which is used as it is and left open.
        options: Options of the `mcptasks.Client`.

    Raises:
        ValueError: Options are given together with a client, or an option is invalid.
        TypeError: The target is of an unknown kind.
    """

    def __init__(self, target: Any, **options: Any) -> None:
        if isinstance(target, Client) and options:
            raise ValueError(f"{min(options)}= is an option of a client that is made here; give it to your client")
        if not isinstance(target, Client):
            Client(target, **options)  # Raises an error for bad input now, before a run begins.
        self._target = target
        self._options = options

    def __repr__(self) -> str:
        return f"<TaskTransport of {self._target!r}>" if isinstance(self._target, Client) else "<TaskTransport>"

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: Any = None, **session_kwargs: Any
    ) -> AsyncGenerator[mcp.ClientSession]:
        """Connect, and yield a session that has been negotiated already.

        Args:
            transport_options: Has no effect here.
            session_kwargs: fastmcp's arguments for the SDK's session. Only the callbacks are used.

        Raises:
            ValueError: The client of fastmcp has an extension for tasks as well.
        """
        del transport_options
        if modern.EXTENSION in (session_kwargs.get("extensions") or ()):
            raise ValueError(
                f"TaskTransport finishes tasks by itself; fastmcp's client has an extension for {modern.EXTENSION} as "
                "well, so leave the extension out"
            )
        if isinstance(self._target, Client):
            async with self._target.as_session() as session:
                yield session
            return
        given = {name: session_kwargs.get(callback) for callback, name in _HANDLERS.items()}
        options = {name: _handler(callback) for name, callback in given.items() if callback is not None}
        async with Client(self._target, **{**options, **self._options}) as client, client.as_session() as session:
            yield session


def _handler(callback: Any) -> Callable[[InputContext, Any], Awaitable[Any]]:
    """An input handler that asks a callback of the SDK's kind."""

    async def handler(context: InputContext, params: Any) -> Any:
        session: Any = None  # The request may come from a task, and not from a session.
        return await callback(ClientRequestContext(session=session, request_id=context.key or ""), params)

    return handler
