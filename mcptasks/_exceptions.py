"""The errors this package raises, and nothing else.

::

    Exception
    └── TaskError                   everything below; carries `reference`
        ├── TaskFailedError         the server reports that the request failed (code, message, data)
        ├── TaskCancelledError      the task ended as "cancelled"
        ├── TaskNotFoundError       the server does not know the task
        ├── TaskExpiredError        the server forgot the task after its time to live
        ├── TaskInputRequiredError  the task waits for an answer that nobody here can give
        ├── TaskTimeoutError        the caller's deadline passed; the work goes on (also a TimeoutError)
        ├── TaskStateError          what was asked cannot come true in the task's present state
        ├── TaskConnectionError     the server cannot be reached; the task may be well
        ├── TaskProtocolError       the server sent what the protocol forbids
        └── ToolError               the tool itself reports an error (carries `result`)

Bad arguments raise the usual `TypeError` or `ValueError` before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcptasks._models import TaskReference, ToolResult


class TaskError(Exception):
    """Base of every error about a task.

    Attributes:
        reference: Names the task, so that this or another process can take it up again;
            None where no task exists (yet).
    """

    def __init__(self, message: str, *, reference: TaskReference | None = None) -> None:
        super().__init__(message)
        self.reference = reference

    @property
    def message(self) -> str:
        """The error in words."""
        return str(self.args[0])

    def __str__(self) -> str:
        return self.message


class TaskFailedError(TaskError):
    """The server reports that the request failed with a JSON-RPC error.

    Attributes:
        code: The server's JSON-RPC error code.
        data: What the server attached to the error, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = -32603,
        data: Any = None,
        reference: TaskReference | None = None,
    ) -> None:
        super().__init__(message, reference=reference)
        self.code = code
        self.data = data


class TaskCancelledError(TaskError):
    """The task ended as "cancelled", so it has no result."""


class TaskNotFoundError(TaskError):
    """The server does not know the task: never created there, purged, or not ours to see."""


class TaskExpiredError(TaskError):
    """The server forgot the task because its time to live had passed."""


class TaskInputRequiredError(TaskError):
    """The task waits for input and nobody here answers; it stays answerable.

    Attributes:
        input_requests: The server's open requests by key, as far as the protocol shows them.
    """

    def __init__(
        self,
        message: str,
        *,
        input_requests: Mapping[str, Any] | None = None,
        reference: TaskReference | None = None,
    ) -> None:
        super().__init__(message, reference=reference)
        self.input_requests: Mapping[str, Any] = dict(input_requests or {})


class TaskTimeoutError(TaskError, TimeoutError):
    """The caller's deadline passed. The work goes on at the server."""


class TaskStateError(TaskError):
    """What was asked cannot come true in the state that the task or the client is in."""


class TaskConnectionError(TaskError):
    """The server cannot be reached, or the client is closed. The task itself may be well."""


class TaskProtocolError(TaskError):
    """The server sent something that the protocol forbids; the message says what."""


class ToolError(TaskError):
    """The tool ran and reports an error of its own (`isError: true`).

    Attributes:
        result: The whole answer of the tool.
    """

    def __init__(
        self, message: str, *, result: ToolResult | None = None, reference: TaskReference | None = None
    ) -> None:
        super().__init__(message, reference=reference)
        self.result = result
