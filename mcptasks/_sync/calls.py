# Generated from mcptasks/_async/calls.py by `nox -s generate`. Do not edit: change the source and run that again.
"""The client's calls that may create a task: tools, resources, prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal, overload

import mcp_types

from mcptasks._async.calls import Arguments, ProgressHandler
from mcptasks._async.task import Task as AsyncTask
from mcptasks._models import ResourceContents, ToolResult
from mcptasks._portal.facade import ClientFacade, blocking
from mcptasks._sync.task import Task


class Calls(ClientFacade):
    """The part of `Client` that calls tools, reads resources and gets prompts."""

    @overload
    def call_tool(
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
    def call_tool(
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
    def call_tool(
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

    @blocking
    def call_tool(
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
        answer = self._call(
            lambda: self._inner.call_tool(
                name,
                arguments,
                task=task,
                ttl=ttl,
                timeout=timeout,
                meta=meta,
                raise_on_error=raise_on_error,
                as_type=as_type,
                progress_handler=self._background(progress_handler),
            ),
            answers=True,
        )
        return self._handle(Task, answer) if isinstance(answer, AsyncTask) else answer

    @blocking
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments],
        *,
        limit: int | None = None,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        cancel_on_error: bool = False,
    ) -> Iterator[ToolResult]:
        """Call a tool once for each item of an input, as tasks; iterate over the results in the order of the input.

        An item is taken when there is room for its call, so that the input may have no end. The client's handlers
        answer what the tasks ask. An error is raised in its turn and ends the iteration; nothing is started once one
        is known. What is under way then, or when the iteration is given up, goes on at the server.

        Args:
            name: The tool.
            arguments: The arguments of each call: an iterable of mappings (or of None for none).
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
        return self._iterate(
            lambda: self._inner.map(
                name,
                self._pulled(arguments),
                limit=limit,
                ttl=ttl,
                timeout=timeout,
                meta=meta,
                raise_on_error=raise_on_error,
                as_type=as_type,
                cancel_on_error=cancel_on_error,
            ),
            answers=True,
        )

    @overload
    def read_resource(
        self,
        uri: str,
        *,
        task: Literal[False] = False,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[ResourceContents]: ...

    @overload
    def read_resource(
        self,
        uri: str,
        *,
        task: Literal[True],
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Task[list[ResourceContents]]: ...

    @overload
    def read_resource(
        self,
        uri: str,
        *,
        task: bool,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[ResourceContents] | Task[list[ResourceContents]]: ...

    @blocking
    def read_resource(
        self,
        uri: str,
        *,
        task: bool = False,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[ResourceContents] | Task[list[ResourceContents]]:
        """Read a resource; see `call_tool` for the arguments and errors."""
        answer = self._call(
            lambda: self._inner.read_resource(uri, task=task, ttl=ttl, timeout=timeout, meta=meta), answers=True
        )
        return self._handle(Task, answer) if isinstance(answer, AsyncTask) else answer

    @overload
    def get_prompt(
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
    def get_prompt(
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
    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: bool,
        ttl: float | timedelta | None = None,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> mcp_types.GetPromptResult | Task[mcp_types.GetPromptResult]: ...

    @blocking
    def get_prompt(
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
        answer = self._call(
            lambda: self._inner.get_prompt(name, arguments, task=task, ttl=ttl, timeout=timeout, meta=meta),
            answers=True,
        )
        return self._handle(Task, answer) if isinstance(answer, AsyncTask) else answer
