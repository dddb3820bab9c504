"""What the server's tool list says about tasks and wrapped values, fetched when it is first needed."""

from __future__ import annotations

import anyio
import mcp_types

from mcptasks._async.connection import Connection
from mcptasks._async.requests import every_page

_WRAP_KEY = "x-fastmcp-wrap-result"


class ToolBook:
    """The tools of one client's server. Forgotten when the server says that they changed, or on a new connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tools: dict[str, mcp_types.Tool] | None = None
        self._lock = anyio.Lock()

    def forget(self) -> None:
        """Fetch the list again when it is next needed."""
        self._tools = None

    async def every(self) -> list[mcp_types.Tool]:
        """Fetch all pages of the list."""

        async def page(cursor: str | None) -> tuple[list[mcp_types.Tool], str | None]:
            answer = await self._connection.read(
                lambda link: link.client.list_tools(cursor=cursor, cache_mode="refresh"), about_task=False
            )
            return list(answer.tools), answer.next_cursor

        tools = await every_page(page, "tools/list")
        self._tools = {tool.name: tool for tool in tools}
        return tools

    async def get(self, name: str) -> mcp_types.Tool | None:
        """A tool's entry, or None where the server does not list it."""
        async with self._lock:
            if self._tools is None:
                await self.every()
        return (self._tools or {}).get(name)


def task_support(tool: mcp_types.Tool | None) -> str:
    """ "required", "optional" or "forbidden" (2025-11-25 tasks, "Tool-Level Negotiation"); not said is forbidden."""
    execution = tool.execution if tool is not None else None
    return (execution.task_support if execution is not None else None) or "forbidden"


def wraps_result(tool: mcp_types.Tool | None) -> bool:
    """Whether FastMCP wraps the tool's value in `{"result": ...}`."""
    schema = tool.output_schema if tool is not None else None
    return schema is not None and schema.get(_WRAP_KEY) is True
