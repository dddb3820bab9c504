"""One call from a thread into the event loop: started, waited for, interrupted.

The calling thread waits at its inbox. What arrives there is either the end of the call, or work to be done on that
thread (an input handler).
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

from mcptasks._exceptions import TaskConnectionError
from mcptasks._models import TaskReference
from mcptasks._portal.stop import stop_raises
from mcptasks._portal.thread import Portal
from mcptasks._portal.tracebacks import trim

T = TypeVar("T")

logger = logging.getLogger("mcptasks")

_BEAT = 0.1
"""How often, in seconds, the main thread looks for signals. One that comes right before the thread falls asleep would
wait for the call's end otherwise."""

_GRACE = 0.15
"""How many seconds an interrupted call may take to clean up while its thread waits for it; then it goes on alone."""

Job = Callable[[], None]

calling: contextvars.ContextVar[Call[Any] | None] = contextvars.ContextVar("calling", default=None)
"""The call that the present code runs in, on the event loop."""


class Call(Generic[T]):
    """An async function's run on a portal for one thread.

    Args:
        portal: Where.
        function: What.
        began: Called on the event loop when it begins there.
        ended: The same, when it has ended.
        reference: The task that it is about.
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
        """Whether nobody waits for it any more."""

    # --- on the calling thread ------------------------------------------------------------------------------------

    def wait(self) -> T:
        """Run the function; its value. A KeyboardInterrupt (or whatever else a signal handler raises) cancels it."""
        try:
            self.start()
            self.attend_inbox()
        except BaseException:
            self.abandon()
            # Another interrupt ends this as well.
            end = time.monotonic() + _GRACE
            while self in self._portal.calls and self._next(end) is not None:
                pass
            raise
        return self.settle()

    def start(self) -> None:
        """Have the function begun soon, in a copy of this thread's context.

        Raises:
            TaskConnectionError: The event loop has ended.
        """
        context = contextvars.copy_context()
        # First, so that the portal's end finds the call even if the event loop takes it and never comes to it.
        self._portal.calls.add(self)
        try:
            self._portal.post(lambda: context.run(self._begin))
        except RuntimeError as exc:
            self._portal.calls.discard(self)
            raise self._broken_off() from exc

    def attend_inbox(self) -> None:
        """Wait for the end, and do what is to be done on this thread until then."""
        with stop_raises():
            while (job := self._next(None)) is not None:
                job()
                del job

    def settle(self) -> T:
        """What the function returned or raised."""
        if not self._finished:
            raise self._broken_off()
        if self._error is None:
            return cast("T", self._value)
        try:
            raise self._error
        finally:
            # An error that refers to its own frame would live until the collector comes.
            self._error = None

    def _broken_off(self) -> TaskConnectionError:
        words = "the background thread of mcptasks.sync has ended; the work goes on at the server"
        return TaskConnectionError(words, reference=self.reference)

    def abandon(self) -> None:
        """Cancel, without waiting."""
        self.abandoned = True
        try:
            self._portal.post(self._cancel)
        except RuntimeError:
            return  # The event loop has ended, and the call with it.

    def give(self, job: Job) -> None:
        """Have the waiting thread do something. For any thread."""
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
        elif not self._begun:  # It was interrupted right before it was posted.
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
                    # The function's own doing, such as of asyncio's `Task.cancel`.
                    self._error = CancelledError()
                except BaseException as exc:  # noqa: BLE001 - raised where it is waited for; here it would end all clients
                    self._error = exc
                self._finished = True
        finally:
            if self._ended is not None:
                self._ended(self)
            self.over()

    def over(self) -> None:
        """Tell who waits that nothing more comes. On the event loop's thread, also after the event loop's end."""
        if self not in self._portal.calls:
            return
        # What was started in this call's context may live on, and shall keep nothing of the program alive.
        self._function = self._began = self._ended = None
        self._portal.calls.discard(self)
        self._tell()

    def _tell(self) -> None:
        # At the end of the program the threads that still wait are daemons, which end with it, in silence. The main
        # thread waits if a signal's handler calls.
        if self._on_main_thread or not self._portal.exiting:
            self._inbox.put(None)


class FutureCall(Call[T]):
    """A call that nobody waits for in person: its end is that of a future. Cancelling the future cancels the call.

    Args:
        serve: Does a job on another thread than the event loop's.
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
        """Have a worker thread do something. For the event loop's thread."""

        def guarded() -> None:
            try:
                job()
            except BaseException as exc:  # noqa: BLE001 - the future has it
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
            # Elsewhere, since the program's own callbacks of the future run where it is settled.
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
            except BaseException as exc:  # noqa: BLE001 - the future has it
                trim(exc)
                self.future.set_exception(exc)
            else:
                self.future.set_result(value)
        except BaseException:  # `Future` itself takes care of an Exception.
            logger.exception("a callback of a future raised")
