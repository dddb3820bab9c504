# Generated from mcptasks/_async/group_calls.py by `nox -s generate`. Do not edit: change the source and run that again.
"""A group's calls. The prefix of a name, or the argument `server`, says to which server a call goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, overload

import mcp_types

from mcptasks._async.reads import ProgressHandler
from mcptasks._async.task import Task as AsyncTask
from mcptasks._core.argument_checks import AskForTask
from mcptasks._core.models import DataT, ResourceContents, ToolResult
from mcptasks._portal.facade import GroupFacade, blocking
from mcptasks._sync.task import Task


class GroupCalls(GroupFacade):
    """The part of `Group` that calls tools, reads resources and gets prompts."""

    @overload
    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[False, "forbid"] = False,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: Literal[True] = True,
        as_type: type[DataT],
        progress_handler: ProgressHandler | None = None,
    ) -> ToolResult[DataT]: ...

    @overload
    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[True, "prefer", "require"],
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: Literal[True] = True,
        as_type: type[DataT],
        progress_handler: ProgressHandler | None = None,
    ) -> Task[ToolResult[DataT]]: ...

    @overload
    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: Literal[False, "forbid"] = False,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
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
        task: Literal[True, "prefer", "require"],
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
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
        task: AskForTask,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: Literal[True] = True,
        as_type: type[DataT],
        progress_handler: ProgressHandler | None = None,
    ) -> ToolResult[DataT] | Task[ToolResult[DataT]]: ...

    @overload
    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        task: AskForTask,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
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
        task: AskForTask = False,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        progress_handler: ProgressHandler | None = None,
    ) -> ToolResult | Task[ToolResult]:
        """Call a tool of one of the servers; see `Client.call_tool` for the arguments and errors.

        Args:
            name: The tool, by the name that `list_tools` gives it: "github_search" for the tool "search" of the server
                "github".
            arguments: See `Client.call_tool`, also for all arguments that follow.
            task: See there.
            ttl: See there.
            timeout: See there. The time for opening a server that was down is not included.
            label: See there.
            key: See there.
            labels: See there.
            on_uncertain: See there.
            meta: See there.
            headers: See there. Only for servers over HTTP.
            context: See there.
            raise_on_error: See there.
            as_type: See there.
            progress_handler: See there.

        Raises:
            ValueError: The name does not begin with the name of a server of the group.
            TaskConnectionError: The server is down. The message names the server. The other servers still work.
            Exception: What `Client.call_tool` raises, with a note that names the server.
        """
        answer = self._call(
            lambda: self._inner.call_tool(
                name,
                arguments,
                task=task,
                ttl=ttl,
                timeout=timeout,
                label=label,
                key=key,
                labels=labels,
                on_uncertain=on_uncertain,
                meta=meta,
                headers=headers,
                context=context,
                raise_on_error=raise_on_error,
                as_type=as_type,
                progress_handler=self._background(progress_handler),
            ),
            answers=True,
        )
        return self._handle(Task, answer) if isinstance(answer, AsyncTask) else answer

    @overload
    def read_resource(
        self,
        uri: str,
        *,
        server: str,
        task: Literal[False, "forbid"] = False,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> list[ResourceContents]: ...

    @overload
    def read_resource(
        self,
        uri: str,
        *,
        server: str,
        task: Literal[True, "prefer", "require"],
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> Task[list[ResourceContents]]: ...

    @overload
    def read_resource(
        self,
        uri: str,
        *,
        server: str,
        task: AskForTask,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> list[ResourceContents] | Task[list[ResourceContents]]: ...

    @blocking
    def read_resource(
        self,
        uri: str,
        *,
        server: str,
        task: AskForTask = False,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> list[ResourceContents] | Task[list[ResourceContents]]:
        """Read a resource of one of the servers. URIs have no prefix, so `server` names the server; see `call_tool` for
        the other arguments and for the errors.
        """
        answer = self._call(
            lambda: self._inner.read_resource(
                uri,
                server=server,
                task=task,
                ttl=ttl,
                timeout=timeout,
                label=label,
                key=key,
                labels=labels,
                on_uncertain=on_uncertain,
                meta=meta,
                headers=headers,
                context=context,
            ),
            answers=True,
        )
        return self._handle(Task, answer) if isinstance(answer, AsyncTask) else answer

    @overload
    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: Literal[False, "forbid"] = False,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> mcp_types.GetPromptResult: ...

    @overload
    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: Literal[True, "prefer", "require"],
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> Task[mcp_types.GetPromptResult]: ...

    @overload
    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: AskForTask,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> mcp_types.GetPromptResult | Task[mcp_types.GetPromptResult]: ...

    @blocking
    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        task: AskForTask = False,
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: str | None = None,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_uncertain: Literal["raise", "send"] = "raise",
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
    ) -> mcp_types.GetPromptResult | Task[mcp_types.GetPromptResult]:
        """Get a prompt of one of the servers, by its prefixed name; see `call_tool` for the arguments and errors."""
        answer = self._call(
            lambda: self._inner.get_prompt(
                name,
                arguments,
                task=task,
                ttl=ttl,
                timeout=timeout,
                label=label,
                key=key,
                labels=labels,
                on_uncertain=on_uncertain,
                meta=meta,
                headers=headers,
                context=context,
            ),
            answers=True,
        )
        return self._handle(Task, answer) if isinstance(answer, AsyncTask) else answer
