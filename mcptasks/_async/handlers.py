"""Programs' handlers for what servers ask and tell: their forms, what they are given, and how they are called.

Sync handlers run in a worker thread, since they tend to block.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

import anyio
import anyio.to_thread
import mcp_types as types
from attrs import field, frozen
from pydantic import FileUrl

if TYPE_CHECKING:
    from mcptasks._models import TaskReference, TaskStatus

TaskT = TypeVar("TaskT")


@frozen(kw_only=True, eq=False)
class InputContext(Generic[TaskT]):
    """What an input handler is told beside the question itself."""

    task: TaskT | None = None
    """The task that asks; None where a plain call asks, or where the server does not say which task it is. Its
    `last_status` asks nobody."""
    key: str | None = None
    """The server's key of the question, unique in its task; None where a plain call of 2025-11-25 asks."""
    candidates: Sequence[TaskT] = ()
    """The tasks of which one asks, where it cannot be told which (a 2025-11-25 server that does not say)."""
    meta: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """The question's own `_meta`."""

    @property
    def reference(self) -> TaskReference | None:
        """The reference of the task that asks, if there is one."""
        return None if self.task is None else cast("Any", self.task).reference

    @property
    def last_status(self) -> TaskStatus | None:
        """The latest status of the task that asks, if there is one; asks nobody."""
        return None if self.task is None else cast("Any", self.task).last_status


ElicitationAnswer: TypeAlias = "types.ElicitResult | types.ErrorData | Mapping[str, Any] | object | None"
ElicitationHandler: TypeAlias = Callable[
    [InputContext[TaskT], types.ElicitRequestParams], "ElicitationAnswer | Awaitable[ElicitationAnswer]"
]
"""Gets the context and the request's params. A mapping, or a dataclass, attrs or pydantic object, accepts with those
fields; None declines; an `ElicitResult` says it all."""

SamplingAnswer: TypeAlias = "types.CreateMessageResult | types.CreateMessageResultWithTools | types.ErrorData | str"
SamplingHandler: TypeAlias = Callable[
    [InputContext[TaskT], types.CreateMessageRequestParams], "SamplingAnswer | Awaitable[SamplingAnswer]"
]
"""Gets the context and the request's params. A string is the assistant's text."""

Root: TypeAlias = "str | os.PathLike[str] | types.Root"
Roots: TypeAlias = "Sequence[Root] | Callable[[], Sequence[Root] | Awaitable[Sequence[Root]]]"
"""Folders (paths, file:// URIs or `Root` objects), or a function that returns them."""

LogHandler: TypeAlias = Callable[[types.LoggingMessageNotificationParams], "Awaitable[None] | None"]
"""Gets each log message of the server."""


async def call(handler: Callable[..., Any], *arguments: Any) -> Any:
    """Call a sync or async handler, in a task of its own group; a sync one in a worker thread.

    Raises:
        RuntimeError: It was cancelled by nobody but itself, such as by a future of its own (asyncio).
        BaseException: Whatever the handler raises.
    """
    try:
        return await _call(handler, *arguments)
    except anyio.get_cancelled_exc_class() as exc:
        # Let through it would look as if whoever waits, or the whole connection, was to end.
        if anyio.current_effective_deadline() == -math.inf:
            raise
        raise RuntimeError("a handler was cancelled from within") from exc


async def _call(handler: Callable[..., Any], *arguments: Any) -> Any:
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        return await handler(*arguments)
    # In a list, since trio takes a coroutine that comes out of a thread for a mistake.
    (answer,) = await anyio.to_thread.run_sync(lambda: [handler(*arguments)], abandon_on_cancel=True)
    return await answer if inspect.isawaitable(answer) else answer


def log_callback(handler: LogHandler) -> Any:
    """The SDK's callback for `notifications/message`."""

    async def callback(params: types.LoggingMessageNotificationParams) -> None:
        answer = handler(params)
        if inspect.isawaitable(answer):
            await answer

    return callback


def roots_of(roots: Any) -> list[types.Root]:
    """The SDK's form of a program's roots.

    Raises:
        TypeError: Not a list of paths, URIs or roots.
    """
    if isinstance(roots, str | bytes) or not isinstance(roots, Sequence):
        raise TypeError(f"roots must be a list of paths, file:// URIs or Root objects, got {roots!r}")
    return [_root(item) for item in cast("Sequence[Root]", roots)]


def _root(item: Root) -> types.Root:
    if isinstance(item, types.Root):
        return item
    if not isinstance(item, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"roots must be paths, file:// URIs or Root objects, got {item!r}")
    place = os.fspath(item)
    uri = place if place.startswith("file://") else Path(place).resolve().as_uri()
    return types.Root(uri=FileUrl(uri))
