# Generated from mcptasks/_async/task.py by `nox -s generate`. Do not edit: change the source and run that again.
"""The handle on one task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from mcptasks._async.task import ResultT_co
from mcptasks._models import Kind, Status, TaskReference, TaskStatus
from mcptasks._portal.facade import TaskFacade, blocking


class Task(TaskFacade[ResultT_co]):
    """A handle on work at a server. Made by a `Client`; not made by hand.

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
    def reference(self) -> TaskReference:
        """All that another process needs to take the task up again (`Client.resume`)."""
        return self._inner.reference

    @property
    def returned_immediately(self) -> bool:
        """Whether the server answered at once, so that there is no task there. All else works all the same."""
        return self._inner.returned_immediately

    @property
    def immediate_response(self) -> str | None:
        """What the server suggests to tell a model meanwhile, or None.

        Source: 2025-11-25 tasks, "Creating Tasks" (`io.modelcontextprotocol/model-immediate-response`).
        """
        return self._inner.immediate_response

    @property
    def last_status(self) -> TaskStatus | None:
        """The latest status that this client has seen; None before the first. Asks nobody."""
        return self._inner.last_status

    @property
    def input_requests(self) -> Mapping[str, Any]:
        """The open questions that this client has seen, by key, as the server sent them; see `answer`. Asks nobody."""
        return self._inner.input_requests

    @property
    def done(self) -> bool:
        """Whether the task is known to be over."""
        return self._inner.done

    def __repr__(self) -> str:
        return repr(self._inner)

    @blocking
    def status(self) -> TaskStatus:
        """Ask the server for the present status.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached.
            TaskProtocolError: The server's answer makes no sense.
        """
        return self._call(self._inner.status)

    @blocking
    def result(self, timeout: float | None = None) -> ResultT_co:
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
        return self._call(lambda: self._inner.result(timeout), answers=True)

    @blocking
    def wait(self, *, state: Status | Iterable[Status] | None = None, timeout: float | None = None) -> TaskStatus:
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
        return self._call(lambda: self._inner.wait(state=state, timeout=timeout))

    @blocking
    def updates(self) -> Iterator[TaskStatus]:
        """Iterate over statuses: the present one, then each change until the terminal one.

        The latest wins: a slow reader misses what was overtaken. Any number of readers may iterate.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached, or the client was closed.
            TaskProtocolError: What the server sent makes no sense.
        """
        return self._iterate(self._inner.updates)

    @blocking
    def on_status_change(self, callback: Callable[[TaskStatus], Awaitable[None] | None]) -> Callable[[], None]:
        """Have a sync or async function called with every change of status, pushed or polled, in order.

        Registering is enough to keep the task watched. Where the task is over already the callback gets that status at
        once. It is called on a worker thread, never twice at a time; what it raises is logged.

        Args:
            callback: Gets the new `TaskStatus`.

        Returns:
            A function that removes the callback.

        Raises:
            TaskConnectionError: The client is closed.
        """
        return self._remover(self._run(lambda: self._inner.on_status_change(self._background(callback))))

    @blocking
    def answer(self, key: str, value: Any) -> None:
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
        self._call(lambda: self._inner.answer(key, value))

    @blocking
    def cancel(self) -> None:
        """Ask the server to cancel. The task may still complete, and `result()` reports what really came.

        Raises:
            TaskNotFoundError: The server does not know the task.
            TaskExpiredError: The server forgot the task after its time to live.
            TaskConnectionError: The server cannot be reached.
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
