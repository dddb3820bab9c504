"""The errors this package raises, its warning, and nothing else.

::

    Exception
    └── TaskError                   everything below; carries `reference`
        ├── TaskFailedError         the server reports that the request failed (code, message, data)
        ├── TaskCancelledError      the task ended as "cancelled"
        ├── TaskNotFoundError       the server does not know the task
        ├── TaskExpiredError        the server forgot the task after its time to live
        ├── TaskInputRequiredError  the task waits for input that no handler of this client gives
        ├── TaskTimeoutError        the caller's deadline passed; the work goes on (also a TimeoutError)
        ├── TaskStalledError        the task makes no progress, by the program's own `Patience`
        ├── TaskStateError          the current state of the task or client rules this out
        ├── TaskConnectionError     the server cannot be reached; the task may be well
        │   └── TaskUncertainError  a call with this key may have been carried out already (carries `key`, `record_id`)
        ├── TaskProtocolError       the server broke the protocol, or its value is not of the type `as_type`
        ├── TaskUnsupportedError    the server cannot do with tasks what the call demands; it was not carried out
        ├── TaskKeyError            the key belongs to a call with other arguments (carries `key`)
        ├── StoreError              the store cannot be read or written
        │   └── StoreVersionError   the store has another version, or must be migrated (carries `found`, `understood`)
        └── ToolError               the tool itself reports an error (carries `result`)

Bad arguments raise the usual `TypeError` or `ValueError` before anything is sent. `TtlIgnoredWarning` is a
`UserWarning`.

`message` is exact: it has a server's words unchanged. `str()` and `repr()` are for people: legible and short on a
terminal and in a log, whatever a server sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mcptasks._core import safe_text

if TYPE_CHECKING:
    from mcptasks._core.models import TaskReference, ToolResult


class TaskError(Exception):
    """Base of every error about a task.

    Attributes:
        reference: Names the task, so that this or another process can resume it; None if no task exists (yet).
    """

    __module__ = "mcptasks"

    def __init__(self, message: str, *, reference: TaskReference | None = None) -> None:
        super().__init__(message)
        self.reference = reference

    @property
    def message(self) -> str:
        """The exact message, with a server's words unchanged. `str()` of the error is for people."""
        return str(self.args[0])

    def __str__(self) -> str:
        return safe_text.message(self.message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({safe_text.short(self.message)})"


class TaskFailedError(TaskError):
    """The server reports that the request failed, usually with a JSON-RPC error.

    Attributes:
        code: The server's JSON-RPC error code; -32603 (internal error) if the server sent none.
        data: What the server attached to the error, or None.
    """

    __module__ = "mcptasks"

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

    __module__ = "mcptasks"


class TaskNotFoundError(TaskError):
    """The server does not know the task: it was never created there, was purged, or belongs to somebody else."""

    __module__ = "mcptasks"


class TaskExpiredError(TaskError):
    """The server forgot the task because its time to live had passed."""

    __module__ = "mcptasks"


class TaskInputRequiredError(TaskError):
    """The task waits for input that no handler of this client gives. The task stays answerable.

    Attributes:
        input_requests: The task's open input requests by key, as far as the server has sent them.
    """

    __module__ = "mcptasks"

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
    """The caller's deadline passed. A task goes on at the server; a plain call that makes no task is given up."""

    __module__ = "mcptasks"


StallReason: TypeAlias = Literal["stalled", "rounds", "failed_looks", "expired"]
"""Which limit of a `Patience` was reached."""


class TaskStalledError(TaskError):
    """The task makes no progress, by a limit that the program has set with `Client(patience=...)`. The work may go on.

    Attributes:
        reason: The limit: "stalled" (no change for too long), "rounds" (too many rounds of input requests),
            "failed_looks" (too many failed polls in a row) or "expired" (the server may have forgotten the task).
    """

    __module__ = "mcptasks"

    def __init__(
        self, message: str, *, reason: StallReason = "stalled", reference: TaskReference | None = None
    ) -> None:
        super().__init__(message, reference=reference)
        self.reason: StallReason = reason


class TaskStateError(TaskError):
    """The current state of the task or client rules this out."""

    __module__ = "mcptasks"


class TaskConnectionError(TaskError):
    """The server cannot be reached, or the client is closed. The task itself may be well."""

    __module__ = "mcptasks"


class TaskUncertainError(TaskConnectionError):
    """A call with this key was sent before, and nobody knows whether the server carried it out.

    Nothing was sent this time. `on_uncertain="send"` sends the call again. `Store.settle` records what became of it.

    Attributes:
        key: The key of the call (`key=`), or None.
        record_id: The call's id in the store, for `Store.settle`.
    """

    __module__ = "mcptasks"

    def __init__(
        self,
        message: str,
        *,
        key: str | None = None,
        record_id: str | None = None,
        reference: TaskReference | None = None,
    ) -> None:
        super().__init__(message, reference=reference)
        self.key = key
        self.record_id = record_id


class TaskKeyError(TaskError):
    """The key of a call belongs to another call: one of another tool, or with other arguments. Nothing was sent.

    Attributes:
        key: The key of the call (`key=`).
    """

    __module__ = "mcptasks"

    def __init__(self, message: str, *, key: str | None = None, reference: TaskReference | None = None) -> None:
        super().__init__(message, reference=reference)
        self.key = key


class StoreError(TaskError):
    """The store cannot be opened, read or written. If a call raises this error, the call was not sent.

    Attributes:
        unknown: Whether the last change may have been stored nevertheless: the connection to the database broke while
            the change was being committed.
        refused: Whether the database rejects a value in this change. Then another attempt fails too.
    """

    __module__ = "mcptasks"

    def __init__(
        self,
        message: str,
        *,
        unknown: bool = False,
        refused: bool = False,
        reference: TaskReference | None = None,
    ) -> None:
        super().__init__(message, reference=reference)
        self.unknown = unknown
        self.refused = refused


class StoreVersionError(StoreError):
    """The store has another version than this package understands, or has to be migrated first. The store is untouched.

    Attributes:
        found: The version of the store.
        understood: The newest version that this package understands.
    """

    __module__ = "mcptasks"

    def __init__(
        self, message: str, *, found: int = 0, understood: int = 0, reference: TaskReference | None = None
    ) -> None:
        super().__init__(message, reference=reference)
        self.found = found
        self.understood = understood


class TaskUnsupportedError(TaskError):
    """The server cannot do what `task="require"` or `task="forbid"` demands of a call. The call was not carried out."""

    __module__ = "mcptasks"


class TaskProtocolError(TaskError):
    """The server sent something that the protocol forbids, or a value that is not of the type `as_type`. The message
    says what was wrong, without values.

    Attributes:
        raw_result: The JSON value that the server sent as the result, or as the task's state; None if there is none.
            It may hold the result of hours of work.
    """

    __module__ = "mcptasks"

    def __init__(self, message: str, *, raw_result: Any = None, reference: TaskReference | None = None) -> None:
        super().__init__(message, reference=reference)
        self.raw_result = raw_result


class ToolError(TaskError):
    """The tool ran and reports an error of its own (`isError: true`).

    Attributes:
        result: The whole answer of the tool.
    """

    __module__ = "mcptasks"

    def __init__(
        self, message: str, *, result: ToolResult | None = None, reference: TaskReference | None = None
    ) -> None:
        super().__init__(message, reference=reference)
        # None only if a program made this error without one.
        self.result: ToolResult | Any = result


class TtlIgnoredWarning(UserWarning):
    """The server does not keep a task for as long as `ttl=` asks: the time cannot be sent, or the server grants less.

    Each client gives this warning once, at the line of the program that asks. If the program turns warnings into
    errors, a call whose `ttl` cannot be sent raises this warning and sends nothing. If the server grants less, which
    shows only after the task was created, the warning is then logged instead, so that no task is lost.
    """

    __module__ = "mcptasks"
