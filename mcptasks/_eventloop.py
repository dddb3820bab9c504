"""Starts tasks that no task group owns, makes small events, and distinguishes event loops. Outside the portal, only
this module distinguishes asyncio from trio."""

from __future__ import annotations

import asyncio
import contextvars
import math
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.lowlevel
from anyio.lowlevel import RunVar
from attrs import define, field, frozen

_kept: RunVar[set[asyncio.Task[None]]] = RunVar("mcptasks_tasks")
"""The unfinished tasks that were started on an event loop. asyncio itself keeps only weak references to tasks."""


def start(
    function: Callable[[], Coroutine[Any, Any, None]], name: str, context: contextvars.Context | None = None
) -> object:
    """Run a function in a task of its own on the running event loop; it ends with the loop at the latest.

    Args:
        function: The function, which must catch its own errors. If it raises nevertheless, asyncio logs the error, or
            lets it end the program (`KeyboardInterrupt`, `SystemExit`); on trio the error is an internal error.
        name: The task's name.
        context: The context variables of the task; None for none. All that a long-lived task starts later inherits
            them.

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
    """Whether the event loop is known to be ending. Only for a task that `start` has started. Always False on asyncio,
    where the end looks like any other cancellation."""
    if hasattr(_native(), "create_task"):
        return False
    import trio

    # At its end trio cancels the nursery of all system tasks.
    nursery = trio.lowlevel.current_task().parent_nursery
    return nursery is not None and nursery.cancel_scope.cancel_called


def cancelled_from_within() -> bool:
    """Whether the cancellation that was just caught ends only code which the present task awaits, such as a future of
    the program's own that was cancelled (asyncio). If False, the cancellation is meant for the task, and must pass on.

    Passed on, a cancellation from within would end the task group, and with it the client.
    """
    if anyio.current_effective_deadline() == -math.inf or not hasattr(_native(), "create_task"):
        return False
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


@contextmanager
def errors_from_within(what: str) -> Generator[None]:
    """A block that raises an error if it is cancelled from within. Other cancellations pass through.

    Args:
        what: What runs in the block, such as "a handler".

    Raises:
        RuntimeError: The block was cancelled from within.
    """
    try:
        yield
    except anyio.get_cancelled_exc_class() as exc:
        if not cancelled_from_within():
            raise
        raise RuntimeError(f"{what} was cancelled from within, by a future or task that it awaited") from exc


def finalizer() -> Callable[[Callable[[], None]], None]:
    """Return a function that schedules others: each is called soon, in a task of the present event loop. For use in
    `__del__`: the returned function may be called in any thread, does not wait, and does nothing once the loop has
    ended."""
    native = _native()

    def soon(function: Callable[[], None]) -> None:
        async def run() -> None:
            function()

        with suppress(RuntimeError):  # The loop has ended.
            if hasattr(native, "create_task"):
                # In a plain callback of asyncio, libraries could not tell which event loop runs.
                native.call_soon_threadsafe(lambda: native.create_task(run()))
            else:
                native.run_sync_soon(function)

    return soon


def end_program(error: BaseException) -> bool:
    """Let `KeyboardInterrupt` or `SystemExit`, raised in a task that `start` has started, end the program.

    The error does not go to whoever waits for the task. Returns False if the error cannot end the program from here.

    Raises:
        BaseException: The error itself, on asyncio, where it ends the program.
    """
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        return False
    if hasattr(_native(), "create_task"):
        raise error  # asyncio's tasks let these two through, out of the event loop.
    if isinstance(error, SystemExit) or threading.current_thread() is not threading.main_thread():
        return False
    # trio's signal handler raises the error in the main task, since it raises nothing in a system task like this one.
    with suppress(KeyboardInterrupt):  # Another handler has replaced trio's.
        signal.raise_signal(signal.SIGINT)
    return True


class Event(Protocol):
    """What waiters wait for."""

    def set(self) -> None:
        """Wake all waiters, and let later ones pass."""

    async def wait(self) -> None:
        """Wait until the event is set."""


def event() -> Event:
    """A new event for the running event loop. On asyncio it takes 0.6 KB with its waiter, `anyio.Event`
    takes 1.5 KB, and each waiting task has one."""
    return _SmallEvent() if hasattr(_native(), "create_task") else anyio.Event()


@define(eq=False)
class _SmallEvent:
    """An event of asyncio. asyncio's own has a deque, which takes 600 bytes even for one waiter."""

    _is_set: bool = False
    _waiters: list[asyncio.Future[None]] = field(factory=list[asyncio.Future[None]])
    """A future for each waiter, since a cancelled task cancels the future that it waits for."""

    def set(self) -> None:
        self._is_set = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        if self._is_set:
            await anyio.lowlevel.checkpoint()
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)


@frozen(eq=False)
class EventLoop:
    """An event loop; `present` makes the object for the running one."""

    backend: str
    """"asyncio" or "trio"."""
    is_here: Callable[[], bool]
    """Whether this event loop is running the present code. For any thread; takes far less than a microsecond."""
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
        """Whether this event loop cannot run any more. For any thread."""
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
    # anyio before 4.11 returns the event loop itself; later versions wrap it.
    return getattr(token, "native_token", token)


def _nothing() -> None:
    """Does nothing."""
