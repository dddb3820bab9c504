"""A group's call of a tool for each item of an input."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, overload

from mcptasks._async.client import Client
from mcptasks._async.group_calls import GroupCalls
from mcptasks._async.maps import Arguments, Label
from mcptasks._async.several import Later
from mcptasks._core.argument_checks import TaskMode
from mcptasks._core.iterators import Results
from mcptasks._core.models import DataT, ToolResult


class GroupMaps(GroupCalls):
    """The part of `Group` that calls a tool many times."""

    @overload
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments] | AsyncIterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: Literal[True] = True,
        as_type: type[DataT],
        return_exceptions: Literal[False] = False,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> Results[ToolResult[DataT]]: ...

    @overload
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments] | AsyncIterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: Literal[True] = True,
        as_type: type[DataT],
        return_exceptions: bool,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> Results[ToolResult[DataT] | Exception]: ...

    @overload
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments] | AsyncIterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        return_exceptions: Literal[False] = False,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> Results[ToolResult]: ...

    @overload
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments] | AsyncIterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        return_exceptions: bool,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> Results[ToolResult | Exception]: ...

    def map(
        self,
        name: str,
        arguments: Iterable[Arguments] | AsyncIterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        return_exceptions: bool = False,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> Results[Any]:
        """Call a tool of one of the servers once for each item of an input; see `Client.map` for the arguments and
        errors. The server is opened at the first step if it was down.

        Args:
            name: The tool, by its prefixed name.
            arguments: The arguments of each call: an iterable, or an async one, of mappings (or of None for none).
            limit: See `Client.map`, also for all arguments that follow.
            task: See there.
            ttl: See there.
            timeout: See there.
            label: See there.
            meta: See there.
            headers: See there. Only for servers over HTTP.
            context: See there.
            raise_on_error: See there.
            as_type: See there.
            return_exceptions: See there.
            detach: See there.
            cancel_on_error: See there.
            progress: See there.

        Raises:
            ValueError: The name does not begin with the name of a server of the group.
            TaskConnectionError: The server is down. The message names the server.
            Exception: What `Client.map` raises.
        """
        self._members.check()
        server, tool = self._names.split(name, "tool")

        def begin(client: Client) -> Results[Any]:
            loose: Any = client
            found: Results[Any] = loose.map(
                tool,
                arguments,
                limit=limit,
                task=task,
                ttl=ttl,
                timeout=timeout,
                label=label,
                meta=meta,
                headers=headers,
                context=context,
                raise_on_error=raise_on_error,
                as_type=as_type,
                return_exceptions=return_exceptions,
                detach=detach,
                cancel_on_error=cancel_on_error,
                progress=progress,
            )
            return found

        async def later() -> Results[Any]:
            return begin(await self._members.client(server))

        ready = self._members.all[server].client
        return Later(later) if ready is None else begin(ready)
