"""The values that go into a task's state machine and come out: outcomes, events, effects. They hold no rules. Pure."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from mcptasks._core.input_state import InputEvent
from mcptasks._core.models import TaskStatus

# --- outcomes -----------------------------------------------------------------------------------------------------


@frozen
class Finished:
    """The request has a result, in the form of the original request's answer."""

    result: Any
    """The server's JSON object, or the SDK's model if the SDK has parsed the result."""


@frozen
class Failed:
    """The request failed with a JSON-RPC error."""

    code: int
    message: str
    data: Any = None


@frozen
class Broken(Failed):
    """A call that runs in this client has failed; there is no task at the server."""

    error: Exception = field(kw_only=True)
    """The exception that the call raised."""


@frozen
class Cancelled:
    """The task was cancelled; there is no result."""

    message: str | None = None


Outcome: TypeAlias = Finished | Failed | Cancelled

# --- events -------------------------------------------------------------------------------------------------------

Origin: TypeAlias = Literal["created", "polled", "pushed"]
"""Where the client saw a status: in the answer that created the task, an answer to `tasks/get`, or a notification."""


@frozen
class Seen:
    """The client saw a status, with the outcome if the server sent both together."""

    status: TaskStatus
    origin: Origin
    outcome: Outcome | None = None
    partial: bool = False
    """Whether the status is "completed", but the result that belongs to it is missing (2026-07-28)."""


@frozen
class Wanted:
    """Somebody waits for the outcome."""


@frozen
class Fetched:
    """The outcome came alone, in an answer to `tasks/result`."""

    outcome: Outcome


@frozen
class FetchRefused:
    """The server refused the outcome of a task with a terminal status. Perhaps the outcome is not ready yet."""

    error: Exception
    """The error to raise if the server keeps refusing."""


@frozen
class CancelAsked:
    """The client asked the server to cancel the task."""


@frozen
class Trouble:
    """A poll, or a request for the result, has failed for good. The task itself may be well."""

    error: Exception


@frozen
class ConnectionLost:
    """The connection was replaced, so requests that were under way will have no answer."""


Event: TypeAlias = Seen | Wanted | Fetched | FetchRefused | InputEvent | CancelAsked | Trouble | ConnectionLost

# --- effects ------------------------------------------------------------------------------------------------------


@frozen
class Emit:
    """Tell all watchers of a new status."""

    status: TaskStatus


@frozen
class Fetch:
    """Ask the server for the outcome now (`tasks/result`)."""


@frozen
class Look:
    """Poll soon (`tasks/get`), before the schedule says so."""


@frozen
class Finish:
    """The outcome is known, so no more requests are needed."""

    outcome: Outcome


@frozen
class Fail:
    """Raise this error in every current waiter."""

    error: Exception


@frozen
class Wake:
    """Wake the current waiters, so that they check the state again: what the task asks has changed, without a new
    status."""


Effect: TypeAlias = Emit | Fetch | Look | Finish | Fail | Wake
