"""The server's tool list: which tools make tasks, and which wrap their values. Fetched when it is first needed."""

from __future__ import annotations

import anyio
import mcp_types

from mcptasks._core.polling.policy import Pace
from mcptasks._core.trace import Requesting
from mcptasks._engine.connection.connection import Connection
from mcptasks._engine.connection.list_pages import every_tool
from mcptasks._wire.pages import WRAP_KEY, OddEntry

_AT_ONCE, _A_SECOND = 8, 1
"""How many times the list is fetched again because the server says that it has changed: 8 times in a row, then once a
second. Beyond that the old list is used, so that a server that announces changes all the time does not slow down every
call."""

Listed = mcp_types.Tool | OddEntry | None
"""A tool's entry in the list; `OddEntry` has the readable parts of a malformed entry. None if the tool is not
listed."""


class ToolBook:
    """The tools of one client's server. They are fetched again when the server says that they changed, and on a new
    connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tools: dict[str, Listed] | None = None
        self._changed = False
        self._pace = Pace(_AT_ONCE, _A_SECOND)
        self._lock = anyio.Lock()

    def forget(self) -> None:
        """Forget the tools: a new connection may lead to another server."""
        self._tools = None

    def changed(self) -> None:
        """Note that the server's tools have changed, so that the next `get` fetches the list again, as often as the
        pace allows."""
        self._changed = True

    async def every(self) -> list[mcp_types.Tool]:
        """Fetch all pages of the list."""
        self._changed = False
        tools, odd = await every_tool(self._connection)
        named = {entry.name: entry for entry in odd if entry.name is not None}
        self._tools = {**named, **{tool.name: tool for tool in tools}}
        return tools

    async def get(self, name: str) -> Listed:
        """Return a tool's entry; None if the server does not list the tool."""
        async with self._lock:
            known = self._tools
            if known is None or (self._changed and (name not in known or self._pace.take(anyio.current_time()))):
                with self._connection.trace.around(Requesting()):
                    await self.every()
        return self.known(name)

    def known(self, name: str) -> Listed:
        """Return a tool's entry from the list as it was last fetched. Sends nothing."""
        return (self._tools or {}).get(name)


def task_support(tool: Listed) -> str:
    """Return "required", "optional" or "forbidden" (2025-11-25 tasks, "Tool-Level Negotiation"). A tool that does not
    say counts as "forbidden"."""
    if tool is None or isinstance(tool, OddEntry):
        return (None if tool is None else tool.task_support) or "forbidden"
    return (tool.execution.task_support if tool.execution is not None else None) or "forbidden"


def wraps_result(tool: Listed) -> bool:
    """Whether FastMCP wraps the tool's value in `{"result": ...}`."""
    if tool is None or isinstance(tool, OddEntry):
        return tool is not None and tool.wraps_result
    return tool.output_schema is not None and tool.output_schema.get(WRAP_KEY) is True


def may_be_repeated(tool: Listed) -> bool:
    """Whether the tool says that a repeated call has no more effect than one call. Source: `ToolAnnotations` in both
    protocols: `idempotentHint`, and `readOnlyHint`, with which `idempotentHint` has no meaning."""
    if not isinstance(tool, mcp_types.Tool) or tool.annotations is None:
        return False
    return bool(tool.annotations.idempotent_hint or tool.annotations.read_only_hint)
