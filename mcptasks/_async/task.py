"""`Task`: the handle on one task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from mcptasks._async import parts
from mcptasks._core import argument_checks, sendable
from mcptasks._core.models import Kind, Status, TaskOutcome, TaskReference, TaskStatus
from mcptasks._core.progress import Expectation, TaskProgress

if TYPE_CHECKING:
    # Only for type checkers: `parts` imports the rest of the client when it is first used.
    from mcptasks._engine.notebook.display import Run
    from mcptasks._engine.waiting.waiter import Waiter

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Task(Generic[ResultT_co]):
    """A handle on work at a server. A `Client` makes it; do not make one by hand.

    Awaiting a task is the same as awaiting `result()`.
    """

    __module__ = "mcptasks"

    def __init__(self, waiter: Waiter) -> None:
        self._waiter = waiter
        self._watch = waiter.watch
        self._page = parts.Page(waiter.core, waiter.watch)

    # --- what is known, without I/O -------------------------------------------------------------------------------

    @property
    def task_id(self) -> str:
        """The server's identifier of the task."""
        return self._watch.task_id

    @property
    def kind(self) -> Kind | None:
        """What the task was created from: "tool", "resource" or "prompt"; None if not known."""
        return self._waiter.reference.kind

    @property
    def name(self) -> str | None:
        """The tool's or prompt's name, or the resource's URI; None if not known."""
        return self._waiter.reference.name

    @property
    def label(self) -> str | None:
        """The program's own word for this task (`call_tool(..., label=...)`); None if it gave none."""
        return self._waiter.reference.label

    @property
    def arguments(self) -> dict[str, Any] | None:
        """A copy of the arguments with which this client created the task; None if the task was resumed."""
        sent = self._watch.arguments
        return None if sent is None else cast("dict[str, Any]", sendable.sendable(sent, "arguments"))

    @property
    def _shown_arguments(self) -> str:
        return self._watch.shown

    @property
    def reference(self) -> TaskReference:
        """Everything that another process needs to resume the task (`Client.resume`)."""
        return self._waiter.reference

    @property
    def returned_immediately(self) -> bool:
        """Whether the server has no task: it answered at once, or the call runs in the background of this client and
        ends with the client. The handle works like any other, but its reference cannot be resumed."""
        return self._waiter.returned_immediately

    @property
    def immediate_response(self) -> str | None:
        """The server's suggestion of what to tell a model while the task runs, or None.

        Source: 2025-11-25 tasks, "Creating Tasks" (`io.modelcontextprotocol/model-immediate-response`).
        """
        return self._waiter.immediate_response

    @property
    def last_status(self) -> TaskStatus | None:
        """The latest status that this client has seen; None before the first. Sends nothing."""
        return self._watch.status

    @property
    def outcome(self) -> TaskOutcome | None:
        """How the work ended: "succeeded", "failed" or "cancelled"; None while that is not known. Sends nothing.

        If a 2025-11-25 server says "completed", the outcome is known once the result has been fetched.
        """
        return self._watch.state.verdict

    @property
    def progress(self) -> TaskProgress | None:
        """The latest progress that the server has reported; None if it has reported none. Sends nothing.

        A 2025-11-25 server reports progress until the task is over, to the connection that created the task. A
        2026-07-28 server reports progress of a task in its status message only.

        Source: 2025-11-25 tasks, "Task Progress Notifications"; ext-tasks, "Task" (`statusMessage`).
        """
        return parts.progress_of(self._waiter)

    @property
    def expected(self) -> Expectation | None:
        """How much longer the task may take: a guess from earlier runs of the tool, in this process or in the client's
        store. Sends nothing.

        None if too few runs are known, if this run is longer than most of them, if the task has asked for input, or if
        another client created the task.
        """
        return parts.expectation_of(self._waiter)

    @property
    def _elapsed(self) -> timedelta | None:
        return parts.elapsed_of(self._waiter)

    @property
    def input_requests(self) -> Mapping[str, Any]:
        """The open input requests that this client has seen, by key, as the server sent them; see `answer`.

        Sends nothing.
        """
        return dict(self._watch.state.open)

    @property
    def kept_until(self) -> datetime | None:
        """When the server may forget the task and its result; None for never, or if that is not known. Sends nothing.

        An aware datetime. For a task that this client created, the time is by this machine's clock; otherwise by the
        clock of the creator or of the server. A 2026-07-28 server may change the time while the task runs.

        Source: 2025-11-25 tasks, "TTL and Resource Management"; ext-tasks, "Task" (`ttlMs`).
        """
        reference, watch = self._waiter.reference, self._watch
        return parts.kept_until(watch.status, era=reference.era, created=watch.created, expires=reference.expires_at)

    @property
    def trace_context(self) -> str | None:
        """The OpenTelemetry span to which the task belongs, as a W3C `traceparent`; None if nothing is traced.

        Another process that passes this value to `Client.resume` continues the trace. The reference does not hold it; a
        store does. For a task resumed by its reference, the client asks its store at the first request or wait.
        """
        place = self._watch.trace.place
        return None if place is None else place.traceparent

    @property
    def done(self) -> bool:
        """Whether the task is over, as far as this client knows. Sends nothing."""
        return self._watch.done

    def __repr__(self) -> str:
        watch = self._watch
        known = watch.status.status if watch.status else "unknown"
        word = "failed" if self.outcome == "failed" else known
        return f"<Task {parts.task_text(self._waiter.reference, watch.shown, word, watch.state.open)}>"

    def _repr_html_(self) -> str:
        return self._page.html(self)

    def _ipython_display_(self, run: Run | None = None) -> None:
        self._page.show(self, run)

    def _on_loop(self, function: Callable[[], None]) -> None:
        self._page.here(function)

    # --- asking and waiting ---------------------------------------------------------------------------------------

    async def status(self) -> TaskStatus:
        """Ask the server for the present status. If the server has no task, return the known status.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer is invalid.
        """
        return await parts.acting.ask_status(self._waiter)

    async def result(self, timeout: float | timedelta | None = None) -> ResultT_co:
        """Wait for the finished value. Every call returns the same object. The client's handlers answer the task's
        input requests meanwhile.

        Args:
            timeout: Seconds or a `timedelta` to wait, including the handlers' time; None for no limit, 0 to poll once.

        Raises:
            ToolError: The tool reports an error (unless called with `raise_on_error=False`).
            TaskFailedError: The request failed at the server.
            TaskCancelledError: The task was cancelled.
            TaskTimeoutError: The task did not finish in time; the work goes on.
            TaskInputRequiredError: The task waits for input that no handler of this client gives. The task can still be
                answered.
            Exception: An input handler raised this. The input request stays open.
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: The server sent something invalid.
            TaskStalledError: A limit of `Client(patience=...)` was reached, and `Patience.raises` is set.
            TypeError: The timeout is no duration.
            ValueError: The timeout is negative or not finite.
        """
        return cast("ResultT_co", await self._waiter.result(argument_checks.seconds(timeout, "timeout")))

    def __await__(self) -> Generator[Any, None, ResultT_co]:
        return self.result().__await__()

    async def wait(
        self,
        *,
        state: Status | Iterable[Status] | None = None,
        timeout: float | timedelta | None = None,
    ) -> TaskStatus:
        """Wait until the task is over, or until it reaches a state. Does not answer input requests, and does not raise
        if the task fails or is cancelled.

        Args:
            state: A status, or several statuses, any of which ends the wait; None for any terminal status.
            timeout: Seconds or a `timedelta` to wait; None for no limit, 0 to poll once.

        Raises:
            TaskStateError: The task is over and can no longer reach the state.
            TaskTimeoutError: The task did not reach the state in time; the work goes on.
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: The server sent something invalid.
            TaskStalledError: A limit of `Client(patience=...)` was reached, and `Patience.raises` is set.
            TypeError: A state is no string, or the timeout is no duration.
            ValueError: A state is unknown, or the timeout is negative or not finite.
        """
        wanted = argument_checks.states(state)
        return await self._waiter.state(wanted, argument_checks.seconds(timeout, "timeout"))

    def updates(self, *, progress: bool = False) -> AsyncIterator[TaskStatus]:
        """Iterate over statuses: first the present status, then each change up to the terminal status.

        A slow reader gets the latest status and misses those before it. Any number of readers may iterate.

        Args:
            progress: Whether to yield a status also when only the progress has changed, at most ten times a second;
                `TaskStatus.progress` then has the progress of that moment.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: The server sent something invalid.
        """
        return parts.ProgressUpdates(self._waiter) if progress else parts.Updates(self._waiter)

    def on_status_change(self, callback: Callable[[TaskStatus], Awaitable[None] | None]) -> Callable[[], None]:
        """Call a function, sync or async, with every change of status, pushed or polled, in order.

        The client watches the task as long as the callback is registered. If the task is over already, the callback
        gets the final status at once. It is called on the event loop, never twice at a time. Exceptions are logged.
        If more than a thousand changes wait for a slow callback, some from the middle are left out, never the latest.

        Args:
            callback: Gets the new `TaskStatus`.

        Returns:
            A function that removes the callback.

        Raises:
            TypeError: The callback is not callable.
            TaskConnectionError: The client is closed.
        """
        return parts.subscribe(self._waiter, callback)

    def on_progress(self, callback: Callable[[TaskProgress], Awaitable[None] | None]) -> Callable[[], None]:
        """Call a function, sync or async, whenever `progress` has changed, until the task is over.

        The client watches the task as long as the callback is registered. It is called on the event loop, at most ten
        times a second and never twice at a time; a slow callback gets the latest progress. Exceptions are logged.

        Args:
            callback: Gets the new `TaskProgress`.

        Returns:
            A function that removes the callback.

        Raises:
            TypeError: The callback is not callable.
            TaskConnectionError: The client is closed.
        """
        return parts.follow_progress(self._waiter, callback)

    async def answer(self, key: str, value: Any) -> None:
        """Answer an input request of the task by hand. The answer is checked before it is sent.

        Args:
            key: The request's key in `input_requests`.
            value: The value that an input handler would return: the fields of a form, an `ElicitResult`, or None to
                decline; a text or a `CreateMessageResult` for a sampling request; a list of roots.

        Raises:
            TypeError: The value does not answer a request of this kind.
            ValueError: The answer does not match the request's schema; the message names the field.
            TaskStateError: The task has no open request with this key, a handler is answering the request, or another
                client of the store holds the task or has answered before.
            TaskFailedError: The server refuses the answer.
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The request is malformed.
            StoreError: The client's store cannot be written. Nothing was sent.
        """
        await parts.acting.answer(self._waiter, argument_checks.text(key, "key"), value)

    async def cancel(self) -> None:
        """Ask the server to cancel the task. The task may still complete; `result()` tells how it ended.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskStateError: Another client of the store holds the task. Nothing was sent.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server does not offer cancelling, or its answer is invalid.
        """
        await parts.acting.cancel(self._waiter)

    async def __aenter__(self) -> Task[ResultT_co]:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is not None:
            await parts.abandon(self._waiter)


waiter_of: Callable[[Task[Any]], Waiter] = attrgetter("_waiter")
"""Returns the waiter behind a handle, for code that waits for many tasks."""
