"""The client's calls that may create a task: tools, resources, prompts."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, overload

import anyio
import mcp_types

from mcptasks import _arguments
from mcptasks._async.abandoning import abandon
from mcptasks._async.create import Call, create
from mcptasks._async.mapping import Mapped, Pulling
from mcptasks._async.session import Session
from mcptasks._async.task import Task
from mcptasks._exceptions import TaskTimeoutError
from mcptasks._models import Kind, ResourceContents, ToolResult
from mcptasks._outcome import Decoding

Arguments = Mapping[str, Any] | None
"""Of one call."""

ProgressHandler = Callable[[float, float | None, str | None], Awaitable[None] | None]
"""Gets progress, total and message."""


class Calls:
    """The part of `Client` that calls tools, reads resources and gets prompts."""

    def _open(self) -> Session:
        """The open session; `Client` has it."""
        raise AssertionError("a client has a session")

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[False] = False,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        progress_handler: ProgressHandler | None = None,
    ) -> ToolResult: ...

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[True],
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        progress_handler: ProgressHandler | None = None,
    ) -> Task[ToolResult]: ...

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: bool,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        progress_handler: ProgressHandler | None = None,
    ) -> ToolResult | Task[ToolResult]: ...

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: bool = False,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        progress_handler: ProgressHandler | None = None,
    ) -> ToolResult | Task[ToolResult]:
        """Call a tool.

        Args:
            name: The tool.
            arguments: Its arguments.
            task: Return a `Task` at once, whatever the server supports. Otherwise the finished value is returned, also
                where the server makes it a task.
            ttl: How long the server should keep the task, in seconds or as a `timedelta` (2025-11-25 only).
            timeout: Seconds for the whole call, or with `task=True` for the creating call.
            meta: More `_meta` for the request.
            raise_on_error: Raise `ToolError` where the tool reports an error.
            as_type: A type to validate the tool's value into, for `ToolResult.data`.
            progress_handler: Called with progress, total and message; sync or async.

        Raises:
            ToolError: The tool reports an error.
            TaskFailedError: The server's own error, such as an unknown tool.
            TaskTimeoutError: Not in time. A task goes on; the error has its reference.
            TaskConnectionError: The connection broke; the message says whether the call may have arrived.
            TaskProtocolError: The server's answer makes no sense.
        """
        if progress_handler is not None and not callable(progress_handler):
            raise TypeError(f"progress_handler must be callable, got {progress_handler!r}")
        decoding = Decoding(kind="tool", raise_on_error=raise_on_error, as_type=as_type)
        answer: ToolResult | Task[ToolResult] = await self._call(
            "tool", name, arguments, task, ttl, timeout, meta, decoding, progress_handler
        )
        return answer

    def map(
        self,
        name: str,
        arguments: Iterable[Arguments] | AsyncIterable[Arguments],
        *,
        limit: int | None = None,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        cancel_on_error: bool = False,
    ) -> AsyncIterator[ToolResult]:
        """Call a tool once for each item of an input, as tasks; iterate over the results in the order of the input.

        An item is taken when there is room for its call, so that the input may have no end. The client's handlers
        answer what the tasks ask. An error is raised in its turn and ends the iteration; nothing is started once one
        is known. What is under way then, or when the iteration is given up, goes on at the server.

        Args:
            name: The tool.
            arguments: The arguments of each call: an iterable, or an async one, of mappings (or of None for none).
            limit: How many calls may be under way at the same time; None for any number.
            ttl: See `call_tool`.
            timeout: Seconds for each call, from its start to its result.
            meta: See `call_tool`.
            raise_on_error: See `call_tool`.
            as_type: See `call_tool`.
            cancel_on_error: When an error is raised, ask the server to cancel what is under way (for at most 5 s).

        Raises:
            TypeError: An argument of a wrong type.
            ValueError: A limit less than 1.
            Exception: What `call_tool` raises, or the input.
        """
        decoding = Decoding(kind="tool", raise_on_error=raise_on_error, as_type=as_type)
        _arguments.text(name, "name")
        _arguments.time_to_live(ttl)
        _arguments.mapping(meta, "meta")
        seconds = _arguments.seconds(timeout, "timeout", zero=False)
        source = _arguments.many(arguments, Pulling)
        count = _arguments.limit(limit)

        async def create(item: Any) -> Task[ToolResult]:
            task: Task[ToolResult] = await self._call("tool", name, item, True, ttl, timeout, meta, decoding)
            return task

        callbacks = self._open().core.callbacks
        return Mapped(create, callbacks, source, limit=count, timeout=seconds, cancel_on_error=cancel_on_error)

    @overload
    async def read_resource(
        self,
        uri: str,
        *,
        task: Literal[False] = False,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[ResourceContents]: ...

    @overload
    async def read_resource(
        self,
        uri: str,
        *,
        task: Literal[True],
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Task[list[ResourceContents]]: ...

    @overload
    async def read_resource(
        self,
        uri: str,
        *,
        task: bool,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[ResourceContents] | Task[list[ResourceContents]]: ...

    async def read_resource(
        self,
        uri: str,
        *,
        task: bool = False,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[ResourceContents] | Task[list[ResourceContents]]:
        """Read a resource; see `call_tool` for the arguments and errors."""
        answer: list[ResourceContents] | Task[list[ResourceContents]] = await self._call(
            "resource", uri, None, task, ttl, timeout, meta, Decoding(kind="resource")
        )
        return answer

    @overload
    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: Literal[False] = False,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> mcp_types.GetPromptResult: ...

    @overload
    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: Literal[True],
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Task[mcp_types.GetPromptResult]: ...

    @overload
    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: bool,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> mcp_types.GetPromptResult | Task[mcp_types.GetPromptResult]: ...

    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: bool = False,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> mcp_types.GetPromptResult | Task[mcp_types.GetPromptResult]:
        """Get a prompt; see `call_tool` for the arguments and errors."""
        answer: mcp_types.GetPromptResult | Task[mcp_types.GetPromptResult] = await self._call(
            "prompt", name, arguments, task, ttl, timeout, meta, Decoding(kind="prompt")
        )
        return answer

    async def _call(
        self,
        kind: Kind,
        name: str,
        arguments: Mapping[str, Any] | None,
        task: bool,
        ttl: float | timedelta | None,
        timeout: float | None,
        meta: Mapping[str, Any] | None,
        decoding: Decoding,
        progress: ProgressHandler | None = None,
    ) -> Any:
        limit = _arguments.seconds(timeout, "timeout", zero=False)
        call = Call(
            kind=kind,
            name=_arguments.text(name, "uri" if kind == "resource" else "name"),
            arguments=_arguments.mapping(arguments, "arguments"),
            task=bool(task),
            ttl=_arguments.time_to_live(ttl),
            meta=_arguments.mapping(meta, "meta"),
        )
        session = self._open()
        if progress is not None:
            call.follow(session.core.callbacks.queue(progress, f"progress handler of {name!r}"))
        started = anyio.current_time()
        created = None
        with anyio.move_on_after(limit):
            created = await create(session.core, call)
        if created is None:
            raise TaskTimeoutError(f"{kind} {call.name!r}: no answer within {limit} s")
        handle = session.adopt(created, call, decoding)
        if call.task:
            return handle
        try:
            spent = anyio.current_time() - started
            return await handle.result(None if limit is None else max(limit - spent, 0.0))
        except anyio.get_cancelled_exc_class():
            await abandon(handle)
            raise
