"""Starts what no task group owns, and tells event loops apart. Outside the portal, this is the one place that tells the
backends apart."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import anyio.lowlevel
from anyio.lowlevel import RunVar
from attrs import field, frozen

_kept: RunVar[set[asyncio.Task[None]]] = RunVar("mcptasks_tasks")
"""The tasks that were started on an event loop and are not over; asyncio itself does not hold on to them."""


def start(
    function: Callable[[], Coroutine[Any, Any, None]], name: str, context: contextvars.Context | None = None
) -> object:
    """Run a function in a task of its own on the running event loop; it ends with the loop at the latest.

    Args:
        function: It must catch its own errors. What it raises all the same is told to asyncio, which logs it, or lets
            it end the program if it is one of those that do. On trio it would be an internal error.
        name: The task's name.
        context: What the task runs in; None for an empty one. A task that lives long hands its variables to
            everything that follows.

    Returns:
        The task.
    """
    native = _native()
    context = contextvars.Context() if context is None else context
    if not hasattr(native, "create_task"):
        import trio

        return trio.lowlevel.spawn_system_task(function, name=name, context=context)
    kept = _kept.get(set[asyncio.Task[None]]())
    _kept.set(kept)
    task: asyncio.Task[None] = context.run(native.create_task, function(), name=name)
    kept.add(task)
    task.add_done_callback(kept.discard)
    return task


def is_ending() -> bool:
    """Whether the event loop is known to be ending. Only for a task that `start` has started. On asyncio it is never
    known: there the end is a cancellation like others."""
    if hasattr(_native(), "create_task"):
        return False
    import trio

    # At its end trio cancels the nursery of all system tasks.
    nursery = trio.lowlevel.current_task().parent_nursery
    return nursery is not None and nursery.cancel_scope.cancel_called


def finalizer() -> Callable[[Callable[[], None]], None]:
    """A function that has others called soon, in a task of the present event loop. It is for `__del__`: it may be
    called in any thread, never waits, and does nothing once the loop has ended."""
    native = _native()

    def soon(function: Callable[[], None]) -> None:
        async def run() -> None:
            function()

        with suppress(RuntimeError):  # The loop has ended.
            if hasattr(native, "create_task"):
                # In a mere callback of asyncio's no library could tell which event loop this is.
                native.call_soon_threadsafe(lambda: native.create_task(run()))
            else:
                native.run_sync_soon(function)

    return soon


def end_program(error: BaseException) -> bool:
    """Let an error that is to end the program do so, out of a task that `start` has started: `KeyboardInterrupt` and
    `SystemExit` are not for the one who waits for that task. False where it cannot.

    Raises:
        BaseException: The error, where that is the way.
    """
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        return False
    if hasattr(_native(), "create_task"):
        raise error  # asyncio's tasks let these two through, out of the event loop.
    if isinstance(error, SystemExit) or threading.current_thread() is not threading.main_thread():
        return False
    # trio's handler raises it in the main task, since this one is a system task, in which it is never raised.
    with suppress(KeyboardInterrupt):  # Some other handler is in the place of trio's.
        signal.raise_signal(signal.SIGINT)
    return True


@frozen(eq=False)
class EventLoop:
    """The event loop that runs where this was made by `present`."""

    backend: str
    """"asyncio" or "trio"."""
    is_here: Callable[[], bool]
    """Whether it runs here and now. For any thread; takes far less than a microsecond."""
    _native: Any = field(repr=False)

    @classmethod
    def present(cls) -> EventLoop:
        """The event loop that runs here and now."""
        native = _native()
        if hasattr(native, "create_task"):
            return cls("asyncio", partial(_is_running, asyncio.get_running_loop, native), native)
        import trio

        return cls("trio", partial(_is_running, trio.lowlevel.current_trio_token, native), native)

    def has_ended(self) -> bool:
        """Whether it cannot run any more. For any thread."""
        if self.backend == "asyncio":
            return bool(self._native.is_closed())
        try:
            self._native.run_sync_soon(_nothing)
        except RuntimeError:
            return True
        return False


def _is_running(running: Callable[[], object], native: object) -> bool:
    try:
        return running() is native
    except RuntimeError:  # None runs here, or one of another kind.
        return False


def _native() -> Any:
    token: object = anyio.lowlevel.current_token()
    # anyio before 4.11 hands out the loop itself, later ones wrap it.
    return getattr(token, "native_token", token)


def _nothing() -> None:
    """Does nothing."""
