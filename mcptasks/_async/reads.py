"""The client's calls that read: resources and prompts, which on 2025-11-25 may be tasks as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, overload

import mcp_types

from mcptasks._async import parts
from mcptasks._async.task import Task
from mcptasks._core import argument_checks
from mcptasks._core.argument_checks import AskForTask
from mcptasks._core.models import ResourceContents
from mcptasks._core.public_names import Named

if TYPE_CHECKING:
    # Only for type checkers: `parts` imports the rest of the client when it is first used.
    from mcptasks._core.outcome import Decoding
    from mcptasks._engine.creating_calls import Call
    from mcptasks._engine.engine import Engine

ProgressHandler = Callable[[float, float | None, str | None], Awaitable[None] | None]
"""Called with progress, total (None if not known) and message (None if there is none)."""


class Reads(Named):
    """The part of `Client` that reads resources and gets prompts."""

    def _open(self) -> Engine:
        """The open engine; `Client` has it."""
        raise AssertionError("a client has an engine")

    @overload
    async def read_resource(
        self,
        uri: str,
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
    ) -> list[ResourceContents]: ...

    @overload
    async def read_resource(
        self,
        uri: str,
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
    ) -> Task[list[ResourceContents]]: ...

    @overload
    async def read_resource(
        self,
        uri: str,
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
    ) -> list[ResourceContents] | Task[list[ResourceContents]]: ...

    async def read_resource(
        self,
        uri: str,
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
    ) -> list[ResourceContents] | Task[list[ResourceContents]]:
        """Read a resource; see `call_tool` for the arguments and errors."""
        limit = argument_checks.seconds(timeout, "timeout", zero=False)
        carried = self._open().carried(headers, context)
        call = parts.prepared("resource", uri, None, task, ttl, meta, label, key, labels, on_uncertain, carried=carried)
        answer: list[ResourceContents] | Task[list[ResourceContents]] = await self._call(
            call, parts.Decoding(kind="resource"), limit
        )
        return answer

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
        """Get a prompt; see `call_tool` for the arguments and errors."""
        limit = argument_checks.seconds(timeout, "timeout", zero=False)
        carried = self._open().carried(headers, context)
        call = parts.prepared(
            "prompt", name, arguments, task, ttl, meta, label, key, labels, on_uncertain, carried=carried
        )
        answer: mcp_types.GetPromptResult | Task[mcp_types.GetPromptResult] = await self._call(
            call, parts.Decoding(kind="prompt"), limit
        )
        return answer

    async def _call(
        self, call: Call, decoding: Decoding, limit: float | None, progress: ProgressHandler | None = None
    ) -> Any:
        engine = self._open()
        if progress is not None:
            call.follow(engine.core.callbacks, progress)
        if call.task:
            return (await engine.calling.begin(call, decoding, limit)).handle
        return await engine.calling.finish(call, decoding, limit)
