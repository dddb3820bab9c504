"""One call from a thread into the event loop: started, waited for, interrupted.

The calling thread waits at its inbox. The event loop puts jobs for that thread (input handlers) into the inbox, and at
the end of the call None.
"""

from __future__ import annotations

import contextvars
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, cast

import anyio

from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._core.models import TaskReference
from mcptasks._core.program_line import calling_thread
from mcptasks._portal.portal import Portal
from mcptasks._portal.stop_button import stop_raises
from mcptasks._portal.tracebacks import trim

T = TypeVar("T")

logger = logging.getLogger("mcptasks")

_BEAT = 0.1
"""Seconds between two wake-ups of the main thread while it waits, so that Python can handle signals. Otherwise a signal
that comes right before the thread falls asleep would have to wait for the call's end. Short enough for a person."""

_GRACE = 0.15
"""Seconds for which the thread of an interrupted call waits while the call cleans up; then the call goes on cleaning up
alone. Short enough for Ctrl-C to feel immediate."""

Job = Callable[[], None]

calling: contextvars.ContextVar[Call[Any] | None] = contextvars.ContextVar("calling", default=None)
"""The call for which the current code on the event loop runs; None outside of calls."""


class Call(Generic[T]):
    """One run of an async function on a portal, for one thread.

    Args:
        portal: The portal to run on.
        function: The async function.
        began: Called on the event loop when the run begins.
        ended: Called on the event loop when the run has ended.
        reference: The task that the call is about, for errors; None if there is none.
    """

    def __init__(
        self,
        portal: Portal,
        function: Callable[[], Awaitable[T]],
        *,
        began: Callable[[Call[Any]], None] | None = None,
        ended: Callable[[Call[Any]], None] | None = None,
        reference: TaskReference | None = None,
    ) -> None:
        self.reference = reference
        self._portal = portal
        self._function: Callable[[], Awaitable[T]] | None = function
        self._began = began
        self._ended = ended
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._on_main_thread = threading.current_thread() is threading.main_thread()
        self._scope: anyio.CancelScope | None = None
        self._begun = False
        self._finished = False
        self._value: Any = None
        self._error: BaseException | None = None
        self.abandoned = False
        """Whether nobody waits for the call any more."""

    # --- on the calling thread ------------------------------------------------------------------------------------

    def wait(self) -> T:
        """Run the function and return its value. An exception of a signal handler, such as KeyboardInterrupt, cancels
        the run."""
        try:
            self.start()
            self.attend_inbox()
        except BaseException:
            self.abandon()
            # Another interrupt ends this wait too.
            end = time.monotonic() + _GRACE
            while self in self._portal.calls and self._next(end) is not None:
                pass
            raise
        return self.settle()

    def start(self) -> None:
        """Make the event loop begin the function soon, in a copy of this thread's context.

        Raises:
            TaskConnectionError: The event loop has ended.
        """
        context = contextvars.copy_context()
        context.run(calling_thread.set, threading.get_ident())
        # Before `post`: if the event loop ends between `post` and `_begin`, the portal's end must find the call.
        self._portal.calls.add(self)
        try:
            self._portal.post(lambda: context.run(self._begin))
        except RuntimeError as exc:
            self._portal.calls.discard(self)
            raise self._broken_off() from exc

    def attend_inbox(self) -> None:
        """Do the jobs for this thread until the call ends."""
        with stop_raises():
            while (job := self._next(None)) is not None:
                job()
                del job

    def settle(self) -> T:
        """Return the function's value, or raise its exception."""
        if not self._finished:
            raise self._broken_off()
        if self._error is None:
            return cast("T", self._value)
        try:
            raise self._error
        finally:
            # Otherwise the error would be part of a reference cycle, and live until the garbage collector runs.
            self._error = None

    def _broken_off(self) -> TaskConnectionError:
        words = "the background thread of mcptasks.sync has ended; the work goes on at the server"
        return TaskConnectionError(words, reference=self.reference)

    def abandon(self) -> None:
        """Cancel the call, without waiting."""
        self.abandoned = True
        try:
            self._portal.post(self._cancel)
        except RuntimeError:
            return  # The event loop has ended, and with it the call.

    def give(self, job: Job) -> None:
        """Give a job to the waiting thread. For any thread."""
        self._inbox.put(job)

    def _next(self, end: float | None) -> Job | None:
        if end is None and not self._on_main_thread:
            return self._inbox.get()
        while True:
            try:
                return self._inbox.get(timeout=_BEAT if end is None else max(end - time.monotonic(), 0.0))
            except Empty:
                if end is not None and time.monotonic() >= end:
                    return None

    # --- on the event loop ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._begun = True
        self._portal.spawn(self._run)

    def _cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
        elif not self._begun:  # The thread was interrupted right before it could post `_begin`.
            self._portal.calls.discard(self)

    async def _run(self) -> None:
        calling.set(self)
        cancelled = anyio.get_cancelled_exc_class()
        try:
            with anyio.CancelScope() as self._scope:
                if self.abandoned:
                    self._scope.cancel()
                if self._began is not None:
                    self._began(self)
                assert self._function is not None
                try:
                    self._value = await self._function()
                except cancelled:
                    if anyio.current_effective_deadline() == -math.inf:
                        raise
                    # The cancellation came from the function itself, for example by asyncio's `Task.cancel`.
                    self._error = CancelledError()
                except BaseException as exc:  # noqa: BLE001 - `settle` raises it; here it would end all clients
                    self._error = exc
                self._finished = True
        finally:
            if self._ended is not None:
                self._ended(self)
            self.over()

    def over(self) -> None:
        """Tell the waiting thread that the call has ended. On the event loop's thread, even after the loop's end."""
        if self not in self._portal.calls:
            return
        # A task that was started in this call's context may live on, and with it this call. The program's functions
        # must not be kept alive so long.
        self._function = self._began = self._ended = None
        self._portal.calls.discard(self)
        self._tell()

    def _tell(self) -> None:
        # At the end of the program, the threads that still wait are daemons, and must end without an error. Only the
        # main thread is woken: it waits here if a signal handler makes a call.
        if self._on_main_thread or not self._portal.exiting:
            self._inbox.put(None)


class FutureCall(Call[T]):
    """A call whose end settles a future, so that no thread has to wait. Cancelling the future cancels the call.

    Args:
        serve: Runs a job on a worker thread.
    """

    def __init__(
        self,
        portal: Portal,
        function: Callable[[], Awaitable[T]],
        *,
        serve: Callable[[Job], None],
        began: Callable[[Call[Any]], None] | None = None,
        ended: Callable[[Call[Any]], None] | None = None,
        reference: TaskReference | None = None,
    ) -> None:
        super().__init__(portal, function, began=began, ended=ended, reference=reference)
        self._serve = serve
        self._failure: BaseException | None = None
        self.future: Future[T] = Future()
        self.future.add_done_callback(self._settled)
        portal.futures.add(self.future)

    def give(self, job: Job) -> None:
        """Give a job to a worker thread. Only for the event loop's thread."""

        def guarded() -> None:
            try:
                job()
            except BaseException as exc:  # noqa: BLE001 - the future raises it
                self._failure = exc
                self.abandon()

        try:
            self._serve(guarded)
        except RuntimeError as exc:  # No thread can be started.
            self._failure = exc
            self.abandon()

    def _settled(self, future: Future[T]) -> None:
        if future.cancelled():
            self.abandon()

    def _tell(self) -> None:
        try:
            # On a worker thread: the future's callbacks, which are the program's, run on the thread that settles it.
            self._serve(self._settle)
        except RuntimeError:  # No thread can be started while the interpreter shuts down.
            self._settle()

    def _settle(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            try:
                if self._failure is not None:
                    raise self._failure
                value = self.settle()
            except BaseException as exc:  # noqa: BLE001 - the future raises it
                trim(exc)
                self.future.set_exception(exc)
            else:
                self.future.set_result(value)
        except BaseException:  # `Future` itself logs an Exception of a callback, but no BaseException.
            logger.exception("a callback of a future raised")
