"""The handle on one task."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping
from operator import attrgetter
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import anyio

from mcptasks import _arguments, _plain
from mcptasks._async.abandoning import abandon
from mcptasks._async.answers import formed
from mcptasks._async.callbacks import CallbackQueue
from mcptasks._async.core import Core
from mcptasks._async.display import Page, Run
from mcptasks._async.errors import copy_error, missing
from mcptasks._async.handlers import InputContext
from mcptasks._async.updates import Updates
from mcptasks._async.waiting import ONE_LOOK, Waiter, deadline_of, named, said, says_what
from mcptasks._async.watch import Watch, without
from mcptasks._exceptions import TaskError, TaskStateError
from mcptasks._models import TERMINAL, Kind, Status, TaskReference, TaskStatus
from mcptasks._outcome import Decoding, decode
from mcptasks._state import CancelAsked, Finished

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Task(Generic[ResultT_co]):
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
        self._page = Page(core, watch)
        self._waiter = Waiter(core, watch, reference, self._context)
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
    def input_requests(self) -> Mapping[str, Any]:
        """The open questions that this client has seen, by key, as the server sent them; see `answer`. Asks nobody."""
        return dict(self._watch.state.open)

    @property
    def done(self) -> bool:
        """Whether the task is known to be over."""
        return self._watch.done

    def __repr__(self) -> str:
        status = self._watch.status
        what = f"{self.kind or 'task'} {_plain.short(self.name)}" if self.name else "task"
        return f"<Task {_plain.short(self.task_id)} {what} {status.status if status else 'unknown'}>"

    def _repr_html_(self) -> str:
        return self._page.html(self)

    def _ipython_display_(self, run: Run | None = None) -> None:
        self._page.show(self, run)

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
        troubles = self._watch.troubles
        self._core.monitor.feed(self._watch, event)
        if self._watch.trouble is not None and self._watch.troubles > troubles:
            raise copy_error(self._watch.trouble, self._reference)
        # A terminal status is final: an answer that crossed with the end does not undo it.
        return self._known()

    async def result(self, timeout: float | None = None) -> ResultT_co:
        """Wait for the finished value; the same object every time. The client's handlers answer what the task asks.

        Args:
            timeout: Seconds to wait, handlers included; None for as long as it takes, 0 to look once.

        Raises:
            ToolError: The tool reports an error (unless called with `raise_on_error=False`).
            TaskFailedError: The request failed at the server.
            TaskCancelledError: The task was cancelled.
            TaskTimeoutError: Not finished in time; the work goes on.
            TaskInputRequiredError: The task waits for input that no handler here gives; it stays answerable.
            Exception: Whatever an input handler raises; the question stays open.
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: What the server sent makes no sense.
        """
        limit = _arguments.seconds(timeout, "timeout")
        if self._value is None:
            self._waiter.recall()
            deadline = deadline_of(limit)
            await self._waiter.outcome(deadline, once=limit == 0)
            with anyio.CancelScope(deadline=deadline_of(ONE_LOOK) if limit == 0 else deadline):
                value = await self._decode()
                if self._value is None:  # Another waiter may have been faster: it is the same object for all.
                    self._value = value
        if self._value is None:
            raise self._waiter.timed_out()
        return cast("ResultT_co", self._value)

    def __await__(self) -> Generator[Any, None, ResultT_co]:
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
            if status is not None and limit != 0 and not says_what(self._watch, status):
                return None
            if status is None or status.status not in (wanted or TERMINAL):
                if status is None or not status.is_terminal:
                    return None
                words = " or ".join(sorted(wanted or ()))
                raise TaskStateError(
                    f"the task is {status.status}{said(status)}; {words} cannot come any more",
                    reference=self._reference,
                )
            return status

        return await self._waiter.until(reached, deadline_of(limit), once=limit == 0)

    def updates(self) -> AsyncIterator[TaskStatus]:
        """Iterate over statuses: the present one, then each change until the terminal one.

        The latest wins: a slow reader misses what was overtaken. Any number of readers may iterate.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: What the server sent makes no sense.
        """
        return Updates(self._watch, lambda news: self._waiter.until(news, math.inf))

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
                watch.listeners = without(watch.listeners, listener)
                monitor.leave(watch)

        def remove() -> None:
            release()
            queue.clear()

        monitor.enter(watch)
        watch.listeners = (*watch.listeners, listener)
        return remove

    async def answer(self, key: str, value: Any) -> None:
        """Answer a question of the task by hand. It is checked before it is sent.

        Args:
            key: The question's key in `input_requests`.
            value: What an input handler would return: the fields of a form, an `ElicitResult`, or None to decline; a
                text or a `CreateMessageResult` for a sampling request; a list of roots.

        Raises:
            TypeError: The value is no answer to a question of that kind.
            ValueError: The answer does not keep to the question's schema; names the field.
            TaskStateError: There is no such open question.
            TaskFailedError: The server refuses the answer.
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The question makes no sense.
        """
        key, watch, questions = _arguments.text(key, "key"), self._watch, self._core.questions
        self._core.monitor.check(watch)
        if key not in watch.state.open and not self.done:
            await self.status()
        if key not in watch.state.open or key in watch.state.questions.reserved:
            raise TaskStateError(self._no_question(key), reference=self._reference)
        try:
            answer = formed(watch.state.open[key], value)
            questions.reserve(watch, key)
            try:
                await questions.send(watch, key, answer)
            finally:
                questions.release(watch, key)
        except TaskError as exc:
            raise missing(exc, self._reference) from exc.__cause__
        questions.drop(watch, key)

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
            self._core.monitor.feed(self._watch, await self._core.requests.status(self.task_id, ahead=True))
        except TaskError as exc:
            raise missing(exc, self._reference) from exc.__cause__

    async def __aenter__(self) -> Task[ResultT_co]:
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

    def _context(self, key: str, meta: Mapping[str, Any]) -> InputContext[Task[Any]]:
        candidates = tuple(map(self._core.handle, self._core.questions.candidates(key)))
        return InputContext(task=None if candidates else self, key=key, candidates=candidates, meta=meta)

    def _no_question(self, key: str) -> str:
        questions = self._watch.state.questions
        if self.done:
            return f"the task is {self._known().status}; there is nothing to answer"
        if key in questions.reserved:
            return f"a handler is answering {key!r}"
        if key in questions.answered:
            return f"{key!r} is answered already"
        known = named(self.input_requests) or "none"
        return f"the task does not ask {key!r:.80}; its open questions are: {known}"

    async def _decode(self) -> Any:
        how, outcome = self._decoding, self._watch.outcome
        assert outcome is not None
        if isinstance(outcome, Finished) and not how.wrapped and self.kind == "tool" and self.name is not None:
            how = await self._core.with_wrapping(how, self.name, outcome.result)
        return decode(outcome, how, self._reference)


waiter_of: Callable[[Task[Any]], Waiter] = attrgetter("_waiter")
"""What waits for a handle's task, for those who wait for many."""
