# Generated from mcptasks/_async/task.py by `nox -s generate`. Do not edit: change the source and run that again.
"""`Task`: the handle on one task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from mcptasks._async.task import ResultT_co
from mcptasks._core.models import Kind, Status, TaskOutcome, TaskReference, TaskStatus
from mcptasks._core.progress import Expectation, TaskProgress
from mcptasks._portal.facade import TaskFacade, blocking


class Task(TaskFacade[ResultT_co]):
    """A handle on work at a server. A `Client` makes it; do not make one by hand.

    `future()` is the same as a `concurrent.futures.Future`.
    """

    @property
    def task_id(self) -> str:
        """The server's identifier of the task."""
        return self._inner.task_id

    @property
    def kind(self) -> Kind | None:
        """What the task was created from: "tool", "resource" or "prompt"; None if not known."""
        return self._inner.kind

    @property
    def name(self) -> str | None:
        """The tool's or prompt's name, or the resource's URI; None if not known."""
        return self._inner.name

    @property
    def label(self) -> str | None:
        """The program's own word for this task (`call_tool(..., label=...)`); None if it gave none."""
        return self._inner.label

    @property
    def arguments(self) -> dict[str, Any] | None:
        """A copy of the arguments with which this client created the task; None if the task was resumed."""
        return self._inner.arguments

    @property
    def reference(self) -> TaskReference:
        """Everything that another process needs to resume the task (`Client.resume`)."""
        return self._inner.reference

    @property
    def returned_immediately(self) -> bool:
        """Whether the server has no task: it answered at once, or the call runs in the background of this client and
        ends with the client. The handle works like any other, but its reference cannot be resumed.
        """
        return self._inner.returned_immediately

    @property
    def immediate_response(self) -> str | None:
        """The server's suggestion of what to tell a model while the task runs, or None.

        Source: 2025-11-25 tasks, "Creating Tasks" (`io.modelcontextprotocol/model-immediate-response`).
        """
        return self._inner.immediate_response

    @property
    def last_status(self) -> TaskStatus | None:
        """The latest status that this client has seen; None before the first. Sends nothing."""
        return self._inner.last_status

    @property
    def outcome(self) -> TaskOutcome | None:
        """How the work ended: "succeeded", "failed" or "cancelled"; None while that is not known. Sends nothing.

        If a 2025-11-25 server says "completed", the outcome is known once the result has been fetched.
        """
        return self._inner.outcome

    @property
    def progress(self) -> TaskProgress | None:
        """The latest progress that the server has reported; None if it has reported none. Sends nothing.

        A 2025-11-25 server reports progress until the task is over, to the connection that created the task. A
        2026-07-28 server reports progress of a task in its status message only.

        Source: 2025-11-25 tasks, "Task Progress Notifications"; ext-tasks, "Task" (`statusMessage`).
        """
        return self._inner.progress

    @property
    def expected(self) -> Expectation | None:
        """How much longer the task may take: a guess from earlier runs of the tool, in this process or in the client's
        store. Sends nothing.

        None if too few runs are known, if this run is longer than most of them, if the task has asked for input, or if
        another client created the task.
        """
        return self._inner.expected

    @property
    def input_requests(self) -> Mapping[str, Any]:
        """The open input requests that this client has seen, by key, as the server sent them; see `answer`.

        Sends nothing.
        """
        return self._inner.input_requests

    @property
    def kept_until(self) -> datetime | None:
        """When the server may forget the task and its result; None for never, or if that is not known. Sends nothing.

        An aware datetime. For a task that this client created, the time is by this machine's clock; otherwise by the
        clock of the creator or of the server. A 2026-07-28 server may change the time while the task runs.

        Source: 2025-11-25 tasks, "TTL and Resource Management"; ext-tasks, "Task" (`ttlMs`).
        """
        return self._inner.kept_until

    @property
    def trace_context(self) -> str | None:
        """The OpenTelemetry span to which the task belongs, as a W3C `traceparent`; None if nothing is traced.

        Another process that passes this value to `Client.resume` continues the trace. The reference does not hold it; a
        store does. For a task resumed by its reference, the client asks its store at the first request or wait.
        """
        return self._inner.trace_context

    @property
    def done(self) -> bool:
        """Whether the task is over, as far as this client knows. Sends nothing."""
        return self._inner.done

    def __repr__(self) -> str:
        return repr(self._inner)

    @blocking
    def status(self) -> TaskStatus:
        """Ask the server for the present status. If the server has no task, return the known status.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer is invalid.
        """
        return self._call(self._inner.status)

    @blocking
    def result(self, timeout: float | timedelta | None = None) -> ResultT_co:
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
        return self._call(lambda: self._inner.result(timeout), answers=True)

    @blocking
    def wait(
        self, *, state: Status | Iterable[Status] | None = None, timeout: float | timedelta | None = None
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
        return self._call(lambda: self._inner.wait(state=state, timeout=timeout))

    @blocking
    def updates(self, *, progress: bool = False) -> Iterator[TaskStatus]:
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
        return self._iterate(lambda: self._inner.updates(progress=progress))

    @blocking
    def on_status_change(self, callback: Callable[[TaskStatus], Awaitable[None] | None]) -> Callable[[], None]:
        """Call a function, sync or async, with every change of status, pushed or polled, in order.

        The client watches the task as long as the callback is registered. If the task is over already, the callback
        gets the final status at once. It is called on a worker thread, never twice at a time. Exceptions are logged. If
        more than a thousand changes wait for a slow callback, some from the middle are left out, never the latest.

        Args:
            callback: Gets the new `TaskStatus`.

        Returns:
            A function that removes the callback.

        Raises:
            TypeError: The callback is not callable.
            TaskConnectionError: The client is closed.
        """
        return self._remover(self._run(lambda: self._inner.on_status_change(self._background(callback))))

    @blocking
    def on_progress(self, callback: Callable[[TaskProgress], Awaitable[None] | None]) -> Callable[[], None]:
        """Call a function, sync or async, whenever `progress` has changed, until the task is over.

        The client watches the task as long as the callback is registered. It is called on a worker thread, at most ten
        times a second and never twice at a time; a slow callback gets the latest progress. Exceptions are logged.

        Args:
            callback: Gets the new `TaskProgress`.

        Returns:
            A function that removes the callback.

        Raises:
            TypeError: The callback is not callable.
            TaskConnectionError: The client is closed.
        """
        return self._remover(self._run(lambda: self._inner.on_progress(self._background(callback))))

    @blocking
    def answer(self, key: str, value: Any) -> None:
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
        self._call(lambda: self._inner.answer(key, value))

    @blocking
    def cancel(self) -> None:
        """Ask the server to cancel the task. The task may still complete; `result()` tells how it ended.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskStateError: Another client of the store holds the task. Nothing was sent.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server does not offer cancelling, or its answer is invalid.
        """
        self._call(self._inner.cancel)

    @blocking
    def __enter__(self) -> Task[ResultT_co]:
        self._call(self._inner.__aenter__)
        return self

    @blocking
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._call(lambda: self._inner.__aexit__(exc_type, exc, traceback))
