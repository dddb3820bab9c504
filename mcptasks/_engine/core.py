"""The parts of one open client, as other parts see them (`Core`), and as a handle on one task sees them
(`TaskCore`)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

import mcp_types
from attrs import define, evolve

from mcptasks._core.events import Event, Seen
from mcptasks._core.exceptions import TaskError
from mcptasks._core.outcome import Decoding
from mcptasks._core.progress import Expectation
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.connection.connection import Connection
from mcptasks._engine.connection.retention import Keeping
from mcptasks._engine.connection.task_requests import Requests
from mcptasks._engine.connection.time_limits import Budget
from mcptasks._engine.connection.tool_list import ToolBook, wraps_result
from mcptasks._engine.input.inbox import Questions
from mcptasks._engine.leaving import Leaving
from mcptasks._engine.recording.journal import Journal
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.push_streams import PushStreams
from mcptasks._engine.watching.watch import Watch


class TaskMonitor(Protocol):
    """Watches a task for its waiters; see `Monitor`."""

    def check(self, watch: Watch) -> None:
        """Raise an error if the client is closed, or if the running event loop is not the client's."""
        ...

    def enter(self, watch: Watch, deadline: float = ...) -> None:
        """Count one more who is interested in a task."""
        ...

    def leave(self, watch: Watch, deadline: float = ...) -> None:
        """Count one less who is interested in a task."""
        ...

    def interest(self, watch: Watch) -> AbstractContextManager[None]:
        """A block in which a task is watched."""
        ...

    def want(self, watch: Watch) -> None:
        """Note that somebody waits for the outcome."""
        ...

    def feed(self, watch: Watch, event: Event) -> None:
        """Apply an event to a task's state, carry out the effects, and tell the observers."""
        ...

    def expectation(self, watch: Watch) -> Expectation | None:
        """Return how much longer a task may take, judged by earlier runs of its tool."""
        ...


class TaskRequests(Protocol):
    """Sends requests about a task; see `Requests`."""

    async def status(self, task_id: str, budget: Budget | None = None, *, ahead: bool = False) -> Seen:
        """Return the present status."""
        ...

    async def cancel(self, task_id: str) -> None:
        """Ask the server to cancel the task."""
        ...


class TaskCore(Protocol):
    """The part of a client that a handle on one task needs. It is `Core`, or a call in the background
    (`background.py`)."""

    @property
    def connection(self) -> Connection:
        """The client's connection."""
        ...

    @property
    def requests(self) -> TaskRequests:
        """Sends requests about the task."""
        ...

    @property
    def monitor(self) -> TaskMonitor:
        """Watches the task."""
        ...

    @property
    def callbacks(self) -> Callbacks:
        """Runs the program's callbacks."""
        ...

    @property
    def questions(self) -> Questions:
        """The client's questions."""
        ...

    async def with_wrapping(self, how: Decoding, name: str, result: Any) -> Decoding:
        """Return how to read the result of a tool, which may be wrapped."""
        ...


@define(eq=False)
class Core:
    """The parts of one open client. Handles keep it alive."""

    connection: Connection
    requests: Requests
    monitor: Monitor
    push: PushStreams
    callbacks: Callbacks
    tools: ToolBook
    questions: Questions
    keeping: Keeping
    leaving: Leaving
    journal: Journal

    async def with_wrapping(self, how: Decoding, name: str, result: Any) -> Decoding:
        """Find out from the tool list whether a value is wrapped, if the result itself does not tell (fastmcp 2)."""
        structured: Any = (
            result.structured_content
            if isinstance(result, mcp_types.CallToolResult)
            else result.get("structuredContent")
        )
        if not isinstance(structured, dict) or set(cast("dict[str, Any]", structured)) != {"result"}:
            return how
        link = self.connection.current
        if link is None or link.dialect.marks_wrapped:
            return how
        try:
            return evolve(how, wrapped=wraps_result(await self.tools.get(name)))
        except TaskError:
            return how  # We have the result. Without the tool list, we return it as it came.
