"""What the parts of one open client share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import mcp_types
from attrs import define, evolve

from mcptasks._async.callbacks import Callbacks
from mcptasks._async.connection import Connection
from mcptasks._async.monitor import Monitor
from mcptasks._async.push import PushStreams
from mcptasks._async.questions import Questions
from mcptasks._async.requests import Requests
from mcptasks._async.tools import ToolBook, wraps_result
from mcptasks._async.watch import Watch
from mcptasks._exceptions import TaskError
from mcptasks._outcome import Decoding


@define(eq=False)
class Core:
    """One open client's parts; tasks hold on to it."""

    connection: Connection
    requests: Requests
    monitor: Monitor
    push: PushStreams
    callbacks: Callbacks
    tools: ToolBook
    questions: Questions
    handle: Callable[[Watch], Any]
    """The handle on a task."""

    async def with_wrapping(self, how: Decoding, name: str, result: Any) -> Decoding:
        """Find out from the tool list whether a value is wrapped, where nothing else can tell (fastmcp 2)."""
        structured: Any = (
            result.structured_content
            if isinstance(result, mcp_types.CallToolResult)
            else result.get("structuredContent")
        )
        if not isinstance(structured, dict) or set(cast("dict[str, Any]", structured)) != {"result"}:
            return how
        link = self.connection.current
        if link is None or link.era == "2026-07-28":
            return how  # Servers of this era mark the value itself.
        try:
            return evolve(how, wrapped=wraps_result(await self.tools.get(name)))
        except TaskError:
            return how  # The result is in hand; without the list it is given as it came.
