"""The handle on one task."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import anyio

from mcptasks import _arguments
from mcptasks._async.callbacks import CallbackQueue
from mcptasks._async.connection import Budget
from mcptasks._async.core import Core
from mcptasks._async.monitor import copy_error, missing
from mcptasks._async.watch import Watch
from mcptasks._exceptions import (
    TaskConnectionError,
    TaskError,
    TaskInputRequiredError,
    TaskStateError,
    TaskTimeoutError,
)
from mcptasks._models import TERMINAL, Kind, Status, TaskReference, TaskStatus
from mcptasks._outcome import Decoding, decode
from mcptasks._state import CancelAsked, Finished, visible

logger = logging.getLogger("mcptasks")

ResultT = TypeVar("ResultT")
_FoundT = TypeVar("_FoundT")

_CANCEL_SECONDS = 5.0
"""How long leaving `async with task` may take to ask for cancellation."""

_ONE_LOOK = 10.0
"""How many seconds a single look may take."""


class Task(Generic[ResultT]):
    """A handle on work at a server. Made by a `Client`; not made by hand.

    Awaiting a task is the same as awaiting `result()`.
    """

    def __init__(
        self,
        core: Core,
        watch: Watch,
        reference: TaskReference,
        *,
        decoding: Decoding,
        returned_immediately: bool = False,
        immediate_response: str | None = None,
    ) -> None:
        self._core = core
        self._watch = watch
        self._reference = reference
        self._decoding = decoding
        self._returned_immediately = returned_immediately
        self._immediate_response = immediate_response
        self._value: Any = None

    # --- what is known, without I/O -------------------------------------------------------------------------------

    @property
    def task_id(self) -> str:
        """The server's identifier of the task."""
        return self._watch.task_id

    @property
    def kind(self) -> Kind | None:
        """What the task was created from: "tool", "resource" or "prompt"; None if not known."""
        return self._reference.kind

    @property
    def name(self) -> str | None:
        """The tool's or prompt's name, or the resource's URI; None if not known."""
        return self._reference.name

    @property
    def reference(self) -> TaskReference:
        """All that another process needs to take the task up again (`Client.resume`)."""
        return self._reference

    @property
    def returned_immediately(self) -> bool:
        """Whether the server answered at once, so that there is no task there. All else works all the same."""
        return self._returned_immediately

    @property
    def immediate_response(self) -> str | None:
        """What the server suggests to tell a model meanwhile, or None.

        Source: 2025-11-25 tasks, "Creating Tasks" (`io.modelcontextprotocol/model-immediate-response`).
        """
        return self._immediate_response

    @property
    def last_status(self) -> TaskStatus | None:
        """The latest status that this client has seen; None before the first. Asks nobody."""
        return self._watch.status

    @property
    def done(self) -> bool:
        """Whether the task is known to be over."""
        return self._watch.state.terminal or self._watch.outcome is not None

    def __repr__(self) -> str:
        status = self._watch.status
        what = f"{self.kind or 'task'} {self.name!r}" if self.name else "task"
        return f"<Task {self.task_id!r} {what} {status.status if status else 'unknown'}>"

    # --- asking and waiting ---------------------------------------------------------------------------------------

    async def status(self) -> TaskStatus:
        """Ask the server for the present status.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer makes no sense.
        """
        if self._returned_immediately:
            return self._known()
        try:
            event = await self._core.requests.status(self.task_id)
        except TaskError as exc:
            raise missing(exc, self._reference) from exc.__cause__
        self._core.monitor.feed(self._watch, event)
        # A terminal status is final: an answer that crossed with the end does not undo it.
        return self._known() if self.done else event.status

    async def result(self, timeout: float | None = None) -> ResultT:
        """Wait for the finished value; the same object every time.

        Args:
            timeout: Seconds to wait, None for as long as it takes, 0 to look once.

        Raises:
            ToolError: The tool reports an error (unless called with `raise_on_error=False`).
            TaskFailedError: The request failed at the server.
            TaskCancelledError: The task was cancelled.
            TaskTimeoutError: Not finished in time; the work goes on.
            TaskInputRequiredError: The task waits for input that nobody here gives.
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: What the server sent makes no sense.
        """
        limit = _arguments.seconds(timeout, "timeout")
        if self._value is None:
            deadline = _deadline(limit)
            await self._until(self._finished, deadline, wanted=True, once=limit == 0)
            with anyio.CancelScope(deadline=_deadline(_ONE_LOOK) if limit == 0 else deadline):
                self._value = await self._decode()
        if self._value is None:
            raise self._timed_out()
        return cast("ResultT", self._value)

    def __await__(self) -> Generator[Any, None, ResultT]:
        return self.result().__await__()

    async def wait(
        self,
        *,
        state: Status | Iterable[Status] | None = None,
        timeout: float | None = None,
    ) -> TaskStatus:
        """Wait until the task is over, or first in a state; never answers input, never raises for how it ends.

        Args:
            state: A status, or several of which any will do; None for any terminal one.
            timeout: Seconds to wait, None for as long as it takes, 0 to look once.

        Raises:
            TaskStateError: The task is over and the state cannot come any more.
            TaskTimeoutError: Not in time; the work goes on.
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: What the server sent makes no sense.
        """
        wanted = _arguments.states(state)
        limit = _arguments.seconds(timeout, "timeout")

        def reached() -> TaskStatus | None:
            status = self._watch.status
            if status is None or status.status not in (wanted or TERMINAL):
                if status is None or not status.is_terminal:
                    return None
                words = " or ".join(sorted(wanted or ()))
                raise TaskStateError(
                    f"the task is {status.status}{_said(status)}; {words} cannot come any more",
                    reference=self._reference,
                )
            return status

        return await self._until(reached, _deadline(limit), once=limit == 0)

    def updates(self) -> AsyncIterator[TaskStatus]:
        """Iterate over statuses: the present one, then each change until the terminal one.

        The latest wins: a slow reader misses what was overtaken. Any number of readers may iterate.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: What the server sent makes no sense.
        """
        return _Updates(self._watch, lambda news: self._until(news, math.inf))

    def on_status_change(self, callback: Callable[[TaskStatus], Awaitable[None] | None]) -> Callable[[], None]:
        """Have a sync or async function called with every change of status, pushed or polled, in order.

        Registering is enough to keep the task watched. Where the task is over already the callback gets that status
        at once. It is called on the event loop, never twice at a time; what it raises is logged.

        Args:
            callback: Gets the new `TaskStatus`.

        Returns:
            A function that removes the callback.

        Raises:
            TaskConnectionError: The client is closed.
        """
        if not callable(callback):
            raise TypeError(f"the callback must be callable, got {callback!r}")
        queue: CallbackQueue = self._core.callbacks.queue(callback, f"status callback of task {self.task_id!r}")
        watch, monitor = self._watch, self._core.monitor
        monitor.check(watch)
        if watch.state.terminal:
            queue.call(watch.status)
            return queue.clear
        registered = True

        def listener(status: TaskStatus) -> None:
            queue.call(status)
            if status.is_terminal:
                release()

        def release() -> None:
            nonlocal registered
            if registered:
                registered = False
                watch.listeners.remove(listener)
                monitor.leave(watch)

        def remove() -> None:
            release()
            queue.clear()

        monitor.enter(watch)
        watch.listeners.append(listener)
        return remove

    async def cancel(self) -> None:
        """Ask the server to cancel. The task may still complete, and `result()` reports what really came.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached.
        """
        if self._watch.state.terminal:
            return
        try:
            await self._core.requests.cancel(self.task_id)
            self._core.monitor.feed(self._watch, CancelAsked())
            self._core.monitor.feed(self._watch, await self._core.requests.status(self.task_id))
        except TaskError as exc:
            raise missing(exc, self._reference) from exc.__cause__

    async def __aenter__(self) -> Task[ResultT]:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is not None:
            await abandon(self)

    # --- within ---------------------------------------------------------------------------------------------------

    def _known(self) -> TaskStatus:
        status = self._watch.status
        assert status is not None
        return status

    def _finished(self) -> bool | None:
        if self._watch.outcome is not None:
            return True
        status = self._watch.status
        if status is not None and status.status == "input_required" and not self._core.answers_input:
            asked = ", ".join(sorted(status.input_requests)) or "see the server"
            raise TaskInputRequiredError(
                f"the task waits for input ({asked}){_said(status)}, and this client has no handler for it",
                input_requests=status.input_requests,
                reference=self._reference,
            )
        return None

    async def _decode(self) -> Any:
        how, outcome = self._decoding, self._watch.outcome
        assert outcome is not None
        if isinstance(outcome, Finished) and not how.wrapped and self.kind == "tool" and self.name is not None:
            how = await self._core.with_wrapping(how, self.name, outcome.result)
        return decode(outcome, how, self._reference)

    async def _until(
        self, check: Callable[[], _FoundT | None], deadline: float, *, wanted: bool = False, once: bool = False
    ) -> _FoundT:
        """Wait until `check` finds something, while the monitor watches the task."""
        found = check() if not once or self.done else None
        if wanted and found is None:
            self._core.monitor.want(self._watch)
        if found is None and once:
            await self._look_once()
            found = check()
            if found is None and wanted and self._watch.state.terminal:
                # The task is over; what is left of the look is to fetch its result.
                deadline = _deadline(_ONE_LOOK)
            elif found is None:
                raise self._timed_out()
        if found is not None:
            return found
        troubles = self._watch.troubles
        with anyio.CancelScope(deadline=deadline) as scope, self._core.monitor.interest(self._watch, deadline=deadline):
            while True:
                found = check()
                if found is not None:
                    return found
                if self._watch.troubles > troubles:
                    assert self._watch.trouble is not None
                    raise copy_error(self._watch.trouble, self._reference) from self._watch.trouble.__cause__
                await self._watch.change()
        if scope.cancelled_caught:
            raise self._timed_out()
        raise TaskConnectionError("the wait was broken off", reference=self._reference)  # pragma: no cover

    async def _look_once(self) -> None:
        budget = Budget(self._core.connection.wire_timeout, single=True)
        with anyio.move_on_after(_ONE_LOOK):
            try:
                self._core.monitor.feed(self._watch, await self._core.requests.status(self.task_id, budget))
            except TaskError as exc:
                raise missing(exc, self._reference) from exc.__cause__

    def _timed_out(self) -> TaskTimeoutError:
        status = self._watch.status
        words = f"{status.status}{_said(status)}" if status is not None else "not known yet"
        return TaskTimeoutError(f"the task is still {words}; the work goes on", reference=self._reference)


class _Updates(AsyncIterator[TaskStatus]):
    """One reader's iteration. Not a generator: what is left half read needs no clean-up."""

    def __init__(self, watch: Watch, until: Callable[[Callable[[], TaskStatus | None]], Awaitable[TaskStatus]]) -> None:
        self._watch = watch
        self._until = until
        self._last: TaskStatus | None = None

    async def __anext__(self) -> TaskStatus:
        if self._last is not None and self._last.is_terminal:
            raise StopAsyncIteration
        self._last = await self._until(self._news)
        return self._last

    def _news(self) -> TaskStatus | None:
        status, last = self._watch.status, self._last
        return None if status is None or (last is not None and visible(status) == visible(last)) else status


async def abandon(task: Task[Any]) -> None:
    """Ask for a task's cancellation on the way out of something that failed or was cancelled. Shielded and bounded."""
    if task.done:
        return
    with anyio.move_on_after(_CANCEL_SECONDS, shield=True) as scope:
        try:
            await task.cancel()
        except TaskError as exc:
            logger.warning("could not ask to cancel task %r: %s", task.task_id, exc)
    if scope.cancelled_caught:
        logger.warning("could not ask to cancel task %r within %s s", task.task_id, _CANCEL_SECONDS)


def _deadline(limit: float | None) -> float:
    return math.inf if limit is None else anyio.current_time() + limit


def _said(status: TaskStatus) -> str:
    return f" ({status.status_message})" if status.status_message else ""
