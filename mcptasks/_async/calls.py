"""`Client.call_tool`, whose call may create a task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, overload

from mcptasks._async import parts
from mcptasks._async.reads import ProgressHandler, Reads
from mcptasks._async.task import Task
from mcptasks._core import argument_checks
from mcptasks._core.argument_checks import AskForTask
from mcptasks._core.models import DataT, ToolResult


class Calls(Reads):
    """The part of `Client` that calls tools."""

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
        """Call a tool.

        Args:
            name: The tool.
            arguments: The tool's arguments.
            task: With True or "prefer", return a `Task` at once. If the call cannot become a task, the call runs in the
                background of the client and ends with the client. A 2026-07-28 server decides for each call, so the
                client waits for the server's answer. With False, return the finished value, even if the server makes
                the call a task. "require" means the same as "prefer", but raises `TaskUnsupportedError` before the call
                is sent if the call cannot become a task: the server has no tasks, or none of this kind of call, or
                (2025-11-25) the tool is never a task. A 2026-07-28 server that has tasks may still answer at once; then
                `Task.returned_immediately` is True. "forbid" means the same as False, but the server makes no task. On
                2025-11-25 the client asks for none, and raises `TaskUnsupportedError` before sending if the tool only
                runs as a task. On 2026-07-28 the client declares for this call that it has no tasks, and raises that
                error if the server then refuses the call.
            ttl: How long the server should keep the task, in seconds or as a `timedelta`. Only 2025-11-25 servers take
                a ttl, and they may grant less; the client then gives a `TtlIgnoredWarning`, once. `Task.kept_until`
                has the time that holds.
            timeout: Seconds or a `timedelta` for the whole call, including the work. If the call returns a `Task`, only
                for the request that creates the task, never for the work.
            label: A word of your own for the task, such as "2026-11", to tell tasks of one tool apart. The label is in
                `Task.label`, in the reference and in notebook displays; it is not sent.
            key: A word of your own that names this very call, such as "order-42", for a client with a store. A call
                with a key is sent once, however often it is made, also by other processes. A later call with the same
                key and arguments sends nothing: it gets the existing task, or the answer that the store kept. The
                server gets the key in `_meta`, as "mcptasks.dev/idempotency-key".
            labels: Names and values of your own, by which you find the task again in the store.
            on_uncertain: What to do if nobody knows whether an earlier call with this key was carried out: "raise"
                `TaskUncertainError`, or "send" it again. A tool that the server declares idempotent or read-only is
                called again in any case.
            meta: More `_meta` for the request.
            headers: HTTP headers of this call, such as the credentials of the person for whom it is made. They go with
                the call, and with each later request about its task: status polls, the result, cancelling, answers.
                The subscription through which 2026-07-28 servers push is shared by all tasks, and has the client's
                headers only. These headers replace the client's headers of the same names. They are kept in this client
                only, in no store, reference, log or `repr`, so give them to `resume` again. Only for servers over HTTP.
            context: Any value for your input handlers: they get it as `InputContext.context` if this call or its task
                asks. The value stays in this client.
            raise_on_error: Raise `ToolError` if the tool reports an error.
            as_type: The type of `ToolResult.data`: the tool's value is validated against this type.
            progress_handler: Called with progress, total and message; sync or async.

        Raises:
            ToolError: The tool reports an error.
            TaskFailedError: The server answered with an error, for example for an unknown tool.
            TaskTimeoutError: The call took too long. If there is a task, the task goes on, and the error has its
                reference.
            TaskConnectionError: The connection broke. The message says whether the call may have arrived.
            TaskProtocolError: The server's answer is invalid.
            StoreError: The client's store cannot be written, or did not keep the answer of the earlier call with this
                key. Nothing was sent.
            TaskKeyError: The key belongs to a call of another tool or with other arguments. Nothing was sent.
            TaskUnsupportedError: See `task`. The call was not carried out.
            TaskUncertainError: Nobody knows whether the call with this key was carried out. Nothing was sent.
            TypeError: An argument has a wrong type, or holds something that JSON cannot hold. The message names the
                place. Nothing was sent.
            ValueError: A value cannot be sent, such as NaN or half a surrogate pair; the client has no store for `key`
                and `labels`; or `headers` are given for a server that is not reached over HTTP. The message names the
                place. Nothing was sent.
        """
        if progress_handler is not None and not callable(progress_handler):
            raise TypeError(f"progress_handler must be callable, got {progress_handler!r}")
        decoding = parts.Decoding(kind="tool", raise_on_error=raise_on_error, as_type=as_type)
        limit = argument_checks.seconds(timeout, "timeout", zero=False)
        carried = self._open().carried(headers, context)
        call = parts.prepared(
            "tool", name, arguments, task, ttl, meta, label, key, labels, on_uncertain, carried=carried
        )
        answer: ToolResult | Task[ToolResult] = await self._call(call, decoding, limit, progress_handler)
        return answer
