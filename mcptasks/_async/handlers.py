"""Programs' handlers for what servers ask and tell: their forms, what they are given, how they are called and stopped.

Sync handlers run in a worker thread, since they tend to block, and cannot be stopped there.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

import anyio
import anyio.to_thread
import mcp_types as types
from attrs import define, field, frozen
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


@define(eq=False)
class Grip:
    """How far one run of a handler can be stopped: a plain function can be only before it has begun."""

    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    """What the handler runs in."""
    queued: bool = False
    """A plain function waits for the thread that is to run it (in the blocking client, one of the program's)."""
    held: bool = False
    """A plain function is at work."""
    left: bool = False
    """Nobody waits for the answer any more. What cannot be stopped goes on all the same."""
    detached: bool = False
    """It goes on though nobody waits for the answer at present."""

    def queue(self) -> None:
        """A plain function waits to be begun; if nobody wants the answer at present, that ends here."""
        self.queued, self.held = True, False
        if self.left or self.detached:
            self.leave()

    def begin(self) -> bool:
        """A plain function begins, unless it was stopped; whether it does."""
        if not self.left:
            self.queued, self.held = False, True
        return not self.left

    def end(self) -> None:
        """The plain function is over; what comes after it can be stopped again."""
        self.held = False
        if self.left:
            self.scope.cancel()

    def leave(self) -> None:
        """Stop the handler, as soon as that can be done."""
        self.left = True
        if not self.held:
            self.scope.cancel()

    def detach(self) -> None:
        """Let go of the handler: what has begun goes on."""
        self.detached = True
        if self.queued:
            self.leave()


present_grip: ContextVar[Grip | None] = ContextVar("present_grip", default=None)
"""That of the handler that the present code runs in."""


async def call(
    handler: Callable[..., Any],
    *arguments: Any,
    threads: anyio.CapacityLimiter | None = None,
    grip: Grip | None = None,
) -> Any:
    """Call a sync or async handler, in a task of its own group; a sync one in a worker thread.

    Args:
        handler: What to call.
        arguments: What it is given.
        threads: How many sync handlers work at once; None for anyio's usual limit.
        grip: What whoever calls may stop it by.

    Raises:
        RuntimeError: It was cancelled by nobody but itself, such as by a future of its own (asyncio).
        BaseException: Whatever the handler raises.
    """
    grip = grip or Grip()
    present_grip.set(grip)
    try:
        return await _call(handler, arguments, threads, grip)
    except anyio.get_cancelled_exc_class() as exc:
        # Let through it would look as if whoever waits, or the whole connection, was to end.
        if anyio.current_effective_deadline() == -math.inf:
            raise
        raise RuntimeError("a handler was cancelled from within") from exc


async def _call(
    handler: Callable[..., Any], arguments: tuple[Any, ...], threads: anyio.CapacityLimiter | None, grip: Grip
) -> Any:
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        return await handler(*arguments)
    async with threads or anyio.to_thread.current_default_thread_limiter():
        if not grip.begin():
            await anyio.sleep_forever()  # It was cancelled right now.
        try:
            # In a list, since trio takes a coroutine that comes out of a thread for a mistake. The limit is kept here,
            # so that a thread is waited for only while the handler can still be stopped.
            (answer,) = await anyio.to_thread.run_sync(
                lambda: [handler(*arguments)], abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
            )
        finally:
            grip.end()
    return await answer if inspect.isawaitable(answer) else answer


def passing() -> tuple[type[BaseException], ...]:
    """What comes out of a handler and is not the handler's own affair: a cancellation, Ctrl-C on the event loop's
    thread, the end of a coroutine. All else fails the question that it was called for, and nothing more."""
    return anyio.get_cancelled_exc_class(), KeyboardInterrupt, GeneratorExit


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
