"""How a program's handlers are called and stopped, and `BY_HAND`, which stands in place of a handler.

Sync handlers run in a worker thread, since they may block. They cannot be stopped there.
"""

from __future__ import annotations

import enum
import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import anyio
import anyio.to_thread
import mcp_types as types
from attrs import define, field
from pydantic import FileUrl

from mcptasks import _eventloop
from mcptasks._core.sendable import sendable, type_name


class ByHand(enum.Enum):
    """The type of `BY_HAND`."""

    BY_HAND = "by hand"

    def __repr__(self) -> str:
        return "mcptasks.BY_HAND"


BY_HAND: Final = ByHand.BY_HAND
"""Pass this in place of an elicitation or sampling handler to answer by hand. The client declares to the server that
somebody answers, and each input request of a task stays open for `task.answer()`, from this process or another."""

Root: TypeAlias = "str | os.PathLike[str] | types.Root"
Roots: TypeAlias = "Sequence[Root] | Callable[[], Sequence[Root] | Awaitable[Sequence[Root]]]"
"""Folders (paths, file:// URIs or `Root` objects), or a function that returns them."""

LogHandler: TypeAlias = Callable[[types.LoggingMessageNotificationParams], "Awaitable[None] | None"]
"""Called with each log message of the server."""


@define(eq=False)
class Grip:
    """Stops one run of a handler. An async handler can be stopped at any time, a plain function only before it has
    begun."""

    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    """The scope in which the handler runs."""
    queued: bool = False
    """Whether a plain function waits for the thread that is to run it. In the blocking client, that is a thread of the
    program."""
    held: bool = False
    """Whether a plain function is at work, and so cannot be stopped."""
    left: bool = False
    """Whether the handler was told to stop. A plain function at work goes on all the same."""
    detached: bool = False
    """Whether the handler may go on although nobody waits for the answer at the moment."""

    def queue(self) -> None:
        """Note that a plain function waits for a thread. If nobody wants the answer at the moment, it is stopped
        here."""
        self.queued, self.held = True, False
        if self.left or self.detached:
            self.leave()

    def begin(self) -> bool:
        """Note that a plain function is about to begin. Return False if it was stopped before."""
        if not self.left:
            self.queued, self.held = False, True
        return not self.left

    def end(self) -> None:
        """Note that the plain function is over. An awaitable that it returned can be stopped again."""
        self.held = False
        if self.left:
            self.scope.cancel()

    def leave(self) -> None:
        """Stop the handler as soon as possible."""
        self.left = True
        if not self.held:
            self.scope.cancel()

    def detach(self) -> None:
        """Let a handler that has begun go on, although nobody waits for it."""
        self.detached = True
        if self.queued:
            self.leave()


present_grip: ContextVar[Grip | None] = ContextVar("present_grip", default=None)
"""The grip of the handler in which the present code runs; None outside handlers."""


async def call(
    handler: Callable[..., Any],
    *arguments: Any,
    threads: anyio.CapacityLimiter | None = None,
    grip: Grip | None = None,
) -> Any:
    """Call a sync or async handler, and return its value. A sync handler runs in a worker thread.

    Args:
        handler: The handler.
        arguments: The handler's arguments.
        threads: Limits how many sync handlers work at once; None for anyio's default limiter.
        grip: Stops the handler; None if the caller will not stop it.

    Raises:
        RuntimeError: The handler was cancelled from within, for example by a future of its own (asyncio).
        BaseException: Whatever the handler raises.
    """
    grip = grip or Grip()
    present_grip.set(grip)
    with _eventloop.errors_from_within("a handler"):
        return await _call(handler, arguments, threads, grip)


async def _call(
    handler: Callable[..., Any], arguments: tuple[Any, ...], threads: anyio.CapacityLimiter | None, grip: Grip
) -> Any:
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        return await handler(*arguments)
    async with threads or anyio.to_thread.current_default_thread_limiter():
        if not grip.begin():
            await anyio.sleep_forever()  # The cancellation arrives here.
        try:
            # In a list, since trio raises if a thread's function returns a coroutine. The limit is taken above, and not
            # by `run_sync`, so that the wait for a free thread can still be cancelled.
            (answer,) = await anyio.to_thread.run_sync(
                lambda: [handler(*arguments)], abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
            )
        finally:
            grip.end()
    return await answer if inspect.isawaitable(answer) else answer


def passing() -> tuple[type[BaseException], ...]:
    """Exceptions that must propagate out of a handler: cancellation, Ctrl-C, generator exit. Any other exception fails
    only the question being answered."""
    return anyio.get_cancelled_exc_class(), KeyboardInterrupt, GeneratorExit


def log_callback(handler: LogHandler) -> Any:
    """Return the SDK's callback for `notifications/message`."""

    async def callback(params: types.LoggingMessageNotificationParams) -> None:
        answer = handler(params)
        if inspect.isawaitable(answer):
            with _eventloop.errors_from_within("a handler"):
                await answer

    return callback


def roots_of(roots: Any) -> list[types.Root]:
    """Convert a program's roots into the SDK's form.

    Raises:
        TypeError: `roots` is not a list of paths, URIs or roots.
        ValueError: A path, URI or root cannot be sent; the message names its place in the list.
    """
    if isinstance(roots, str | bytes) or not isinstance(roots, Sequence):
        raise TypeError(f"roots must be a list of paths, file:// URIs or Root objects, not {type_name(roots)}")
    return [_root(item, f"roots[{index}]") for index, item in enumerate(cast("Sequence[Root]", roots))]


def _root(item: Root, place: str) -> types.Root:
    if isinstance(item, types.Root):
        sendable(item, place)
        return item
    path: Any = os.fspath(item) if isinstance(item, str | os.PathLike) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if not isinstance(path, str):
        raise TypeError(f"{place} must be a path, a file:// URI or a Root object, not {type_name(item)}")
    try:
        return types.Root(uri=FileUrl(path if path.startswith("file://") else Path(path).resolve().as_uri()))
    except (ValueError, OSError, RuntimeError):
        # Raise outside the `except`, without the path, which may be a secret. A circle of symbolic links is a
        # `RuntimeError` before Python 3.13.
        pass
    raise ValueError(f"{place} is neither a path nor a file:// URI that can be sent")
