# Generated from mcptasks/_async/reads.py by `nox -s generate`. Do not edit: change the source and run that again.
"""The client's calls that read: resources and prompts, which on 2025-11-25 may be tasks as well."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, overload

import mcp_types

from mcptasks._async.task import Task as AsyncTask
from mcptasks._core.argument_checks import AskForTask
from mcptasks._core.models import ResourceContents
from mcptasks._portal.facade import ClientFacade, blocking
from mcptasks._sync.task import Task


class Reads(ClientFacade):
    """The part of `Client` that reads resources and gets prompts."""

    @overload
    def read_resource(
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
    def read_resource(
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
    def read_resource(
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

    @blocking
    def read_resource(
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
        answer = self._call(
            lambda: self._inner.read_resource(
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
        """Get a prompt; see `call_tool` for the arguments and errors."""
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
