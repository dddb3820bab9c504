"""`arun` and `afollow`: a worker calls a tool or continues an earlier call, or waits for a task that exists."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import anyio
from attrs import frozen

from mcptasks import _eventloop
from mcptasks._async.task import Task, waiter_of
from mcptasks._core import argument_checks
from mcptasks._core.exceptions import TaskNotFoundError
from mcptasks._core.models import TaskReference, TaskStatus, ToolResult, checked
from mcptasks._core.progress import TaskProgress
from mcptasks._engine.waiting.abandoning import abandon
from mcptasks._remote.connect import Connect, leading_to, resolved
from mcptasks._remote.shared import clients
from mcptasks._transport.checks import kind_of


@frozen(kw_only=True)
class Beat:
    """The argument of a heartbeat: the worker still waits for this task."""

    __module__ = "mcptasks.remote"

    reference: TaskReference | None
    """The task's reference, for `follow` by another worker; None if there is no task at the server."""
    status: TaskStatus | None
    """The latest status that the client has seen."""
    progress: TaskProgress | None
    """How far the task is, as far as the server has said so."""


Heartbeat = Callable[[Beat], Awaitable[None] | None]
"""Called with a `Beat` as soon as there is a task, and then repeatedly. An exception that it raises ends the wait, as a
cancellation does."""

BEAT_SECONDS = 10.0
"""Seconds between two heartbeats by default. Engines consider a worker dead after 30 s or more without one."""


async def arun(
    connect: Connect,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    timeout: float | timedelta | None = None,
    as_type: Any = None,
    whole: bool = False,
    detach: bool = False,
    heartbeat: Heartbeat | None = None,
    heartbeat_every: float = BEAT_SECONDS,
) -> Any:
    """Call a tool and wait for its value, on the running event loop. All calls of a loop to one server share a client.

    Args:
        connect: How to connect to the server from this worker.
        tool: The tool.
        arguments: The tool's arguments.
        key: The idempotency key, such as the engine's name for this call. However often the engine repeats the call,
            and on whichever worker, the call is sent once. Needs `Connect(store=...)`.
        timeout: Seconds or a `timedelta` to wait; the work goes on after that.
        as_type: The type against which the tool's value is validated.
        whole: Return the `ToolResult`, with all content blocks, in place of its `data`.
        detach: Leave the task running if this function is cancelled. By default the server is asked to cancel it.
        heartbeat: Called while the wait goes on, sync or async, on the event loop.
        heartbeat_every: Seconds between two heartbeats.

    Returns:
        The tool's value: `ToolResult.data`.

    Raises:
        ValueError: A variable of the environment is missing, the server is a subprocess of another machine, or `key` is
            given without a store. Nothing was sent.
        TypeError: An argument has a wrong type. Nothing was sent.
        TaskInputRequiredError: The task waits for input. It stays answerable, and the error has its reference.
        TaskError: What `Client.call_tool` and `Task.result` raise.
    """
    server = resolved(connect)
    argument_checks.text(tool, "tool")
    argument_checks.mapping(arguments, "arguments")
    if key is not None and connect.store is None:
        raise ValueError("key= is kept in a store, and this Connect has none: give Connect(store=...)")
    waiting = _waiting(timeout, heartbeat, heartbeat_every, detach=detach, whole=whole)
    async with clients().using(server, waiting.left) as client:
        loose: Any = client  # The overloads of `call_tool` are for types that are known where it is called.
        task: Task[Any] = await loose.call_tool(
            tool, arguments, task=True, key=key, timeout=waiting.left, as_type=as_type
        )
        return await waiting.value_of(task)


async def afollow(
    connect: Connect | None,
    reference: TaskReference | str | Mapping[str, Any],
    *,
    timeout: float | timedelta | None = None,
    whole: bool = False,
    detach: bool = False,
    heartbeat: Heartbeat | None = None,
    heartbeat_every: float = BEAT_SECONDS,
) -> Any:
    """Wait for the value of a task that exists, on the running event loop. All waits share a client, as in `arun`.

    Args:
        connect: How to connect to the server from this worker; None if the URL in the reference is enough.
        reference: A `TaskReference`, its JSON text, or the mapping in that text.
        timeout: Seconds or a `timedelta` to wait; the work goes on after that.
        whole: Return the `ToolResult`, with all content blocks, in place of its `data`.
        detach: Leave the task running if this function is cancelled. By default the server is asked to cancel it.
        heartbeat: Called while the wait goes on, sync or async, on the event loop.
        heartbeat_every: Seconds between two heartbeats.

    Returns:
        The tool's value (`ToolResult.data`), the contents of the resource, or the `GetPromptResult`.

    Raises:
        ValueError: The reference is invalid, or names another server; a variable of the environment is missing; or the
            server is a subprocess of another machine. Nothing was sent.
        TaskNotFoundError: The reference belongs to a call that made no task at the server, or the server does not know
            the task.
        TaskInputRequiredError: The task waits for input. It stays answerable, and the error has its reference.
        TaskError: What `Client.resume` and `Task.result` raise.
    """
    found = checked(reference) if isinstance(reference, TaskReference) else TaskReference.from_json(reference)
    if found.returned_immediately:
        raise TaskNotFoundError("the call had no task at the server; there is nothing to follow", reference=found)
    server = resolved(leading_to(found, connect))
    waiting = _waiting(timeout, heartbeat, heartbeat_every, detach=detach, whole=whole)
    async with clients().using(server, waiting.left) as client:
        return await waiting.value_of(client.resume(found))


def _waiting(timeout: Any, heartbeat: Heartbeat | None, heartbeat_every: Any, *, detach: bool, whole: bool) -> _Waiting:
    """Check the arguments of a wait, and start its clock."""
    if heartbeat is not None and not callable(cast("object", heartbeat)):
        raise TypeError(f"heartbeat must be callable, got {kind_of(heartbeat)}")
    seconds = argument_checks.seconds(timeout, "timeout")
    every = argument_checks.seconds(heartbeat_every, "heartbeat_every", zero=False)
    end = math.inf if seconds is None else anyio.current_time() + seconds
    return _Waiting(end, heartbeat, BEAT_SECONDS if every is None else every, bool(detach), bool(whole))


def value_in(result: Any, *, whole: bool) -> Any:
    """The value that a worker returns for a result: the `data` of a tool's result, unless `whole` is set."""
    if isinstance(result, ToolResult) and not whole:
        return cast("ToolResult[Any]", result).data
    return cast("Any", result)


@frozen
class _Waiting:
    """One worker's wait."""

    end: float
    """The deadline, by the event loop's clock."""
    heartbeat: Heartbeat | None
    every: float
    detach: bool
    whole: bool

    @property
    def left(self) -> float | None:
        """How many seconds are left; None for no limit."""
        return None if self.end == math.inf else max(self.end - anyio.current_time(), 0.0)

    async def value_of(self, task: Task[Any]) -> Any:
        """Wait for the value of a task."""
        try:
            result: Any = await (task.result(self.left) if self.heartbeat is None else self._beating(task))
        except (anyio.get_cancelled_exc_class(), _UnwantedError) as exc:
            if not self.detach:
                await abandon(waiter_of(task))
            if isinstance(exc, _UnwantedError):
                raise exc.error from exc.error.__cause__
            raise
        return value_in(result, whole=self.whole)

    async def _beating(self, task: Task[Any]) -> Any:
        """Wait for the result of a task, with heartbeats meanwhile. The heartbeats do not interrupt the wait, so a
        result may take longer to fetch than the time between two heartbeats."""
        await self._beat(task)
        results, errors = list[Any](), list[Exception]()
        async with anyio.create_task_group() as group:

            async def beats() -> None:
                try:
                    while True:
                        await anyio.sleep(self.every)
                        await self._beat(task)
                except _UnwantedError as exc:
                    errors.append(exc)
                    group.cancel_scope.cancel()

            group.start_soon(beats)
            try:
                results.append(await task.result(self.left))
            except Exception as exc:  # noqa: BLE001 - raised below, outside of the task group, which would wrap it
                errors.append(exc)
            group.cancel_scope.cancel()
        if results:
            return results[0]
        try:
            raise errors[0]
        finally:
            errors.clear()  # An error that refers to its own frame would stay until the garbage collector runs.

    async def _beat(self, task: Task[Any]) -> None:
        assert self.heartbeat is not None
        reference = None if task.returned_immediately else task.reference
        try:
            told = self.heartbeat(Beat(reference=reference, status=task.last_status, progress=task.progress))
            if inspect.isawaitable(told):
                with _eventloop.errors_from_within("the heartbeat"):
                    await told
        except Exception as exc:
            raise _UnwantedError(exc) from exc


class _UnwantedError(Exception):
    """A heartbeat has raised an error, so nobody wants the result any more."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error
