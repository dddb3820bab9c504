"""A group's calls. The prefix of a name, or the argument `server`, says to which server a call goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, overload

import mcp_types

from mcptasks._async.reads import ProgressHandler
from mcptasks._async.several import Members
from mcptasks._async.task import Task
from mcptasks._core.argument_checks import AskForTask
from mcptasks._core.models import DataT, ResourceContents, ToolResult
from mcptasks._core.public_names import Named
from mcptasks._core.server_names import ServerNames


class GroupCalls(Named):
    """The part of `Group` that calls tools, reads resources and gets prompts."""

    _names: ServerNames
    _members: Members

    @overload
    async def call_tool(
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
    async def call_tool(
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
    async def call_tool(
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
    async def call_tool(
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
    async def call_tool(
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
    async def call_tool(
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

    async def call_tool(
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
        server, tool = self._names.split(name, "tool")
        async with self._members.at(server) as client:
            return await client.call_tool(
                tool,
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
                progress_handler=progress_handler,
            )

    @overload
    async def read_resource(
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
    async def read_resource(
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
    async def read_resource(
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

    async def read_resource(
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
        the other arguments and for the errors."""
        async with self._members.at(self._names.known(server)) as client:
            return await client.read_resource(
                uri,
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
            )

    @overload
    async def get_prompt(
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
    async def get_prompt(
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
    async def get_prompt(
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

    async def get_prompt(
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
        server, prompt = self._names.split(name, "prompt")
        async with self._members.at(server) as client:
            return await client.get_prompt(
                prompt,
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
            )
