"""Turns faults into the errors that programs see. Every waiter gets an error object of its own."""

from __future__ import annotations

from datetime import UTC, datetime

import mcp
from pydantic import ValidationError

from mcptasks._core.exceptions import (
    TaskConnectionError,
    TaskError,
    TaskExpiredError,
    TaskFailedError,
    TaskNotFoundError,
    TaskProtocolError,
)
from mcptasks._core.faults import Fault, broke_off, judge
from mcptasks._core.models import TaskReference
from mcptasks._core.problems import first_problem
from mcptasks._core.safe_text import line
from mcptasks._core.unknown_tasks import Asked, unknown
from mcptasks._wire.versions import hint

SAID = 500
"""How many characters of a server's text go into a message. The rest is cut off, and the message says how many
characters are missing. 500 is enough for a sentence, and too little to flood a log."""


def missing(exc: TaskError, reference: TaskReference | None) -> TaskError:
    """Return a copy of an error with the reference. For an unknown task it says "expired" if the time to live has
    passed, and otherwise the likely reason."""
    expires = None if reference is None else reference.expires_at
    past = expires is not None and datetime.now(UTC) >= expires
    if isinstance(exc, TaskNotFoundError) and (past or "expired" in exc.message.lower()):
        found: TaskError = TaskExpiredError(f"the server has forgotten the task after its time to live: {exc.message}")
        found.__cause__ = exc.__cause__
        found.reference = reference
        return found
    asked = exc.__dict__.get(_ASKED)
    if isinstance(exc, TaskNotFoundError) and asked is not None and reference is not None:
        # The new error has no mark, so the reason is added once, however often the error passes through here.
        found = TaskNotFoundError(unknown(exc.message, reference, asked), reference=reference)
        found.__cause__ = exc.__cause__
        return found
    return copy_error(exc, reference)


def copy_error(exc: Exception, reference: TaskReference | None) -> TaskError:
    """Return a copy of an error for one waiter, with a reference and a traceback of its own."""
    if not isinstance(exc, TaskError):
        copied: TaskError = TaskConnectionError(str(exc))
    else:
        copied = type(exc)(exc.message)
        copied.__dict__.update(exc.__dict__)
        if "__notes__" in exc.__dict__:
            copied.__dict__["__notes__"] = list(exc.__dict__["__notes__"])
    copied.reference = reference
    copied.__cause__ = exc.__cause__
    return copied


def again(error: Exception, reference: TaskReference | None) -> Exception:
    """Return what a call raised, for one more waiter. An error of this package is copied; another exception is the same
    object."""
    if not isinstance(error, TaskError):
        return error.with_traceback(None)
    return copy_error(error, error.reference or reference)


def describe(fault: Fault, cause: Exception, *, about_task: bool = True) -> TaskError:
    """Return the error for a fault after which the request is not repeated."""
    if (
        isinstance(cause, mcp.MCPError)
        and not isinstance(cause.data, Fault)
        and not about_task
        and fault.meaning != "connection"
    ):
        return TaskFailedError(cause.message, code=cause.code, data=cause.data)
    match fault.meaning:
        case "unknown_task":
            return TaskNotFoundError(fault.reason)
        case "protocol":
            return TaskProtocolError(fault.reason, raw_result=getattr(cause, "raw_result", None))
        case "server_error":
            return TaskConnectionError(f"the server cannot tell: {line(fault.reason, SAID)}")
        case "connection":
            return TaskConnectionError(line(fault.reason, SAID))


def explain(exc: Exception) -> Fault:
    """Return the meaning of an exception that ended one attempt of a read."""
    if isinstance(exc, mcp.MCPError):
        return judge(exc.code, exc.message, exc.data)
    if isinstance(exc, TimeoutError | TaskConnectionError):
        return Fault(action="retry", meaning="connection", reason=str(exc))
    words = first_problem(exc) if isinstance(exc, ValidationError) else str(exc)
    return Fault(action="retry", meaning="protocol", patient=True, reason=words)


def from_sdk(exc: RuntimeError, *, ended: bool) -> TaskError:
    """Return the error for a `RuntimeError` of the SDK, which raises one for a closed client and for a result that
    breaks the tool's output schema."""
    if ended:
        return TaskConnectionError("Connection closed")
    # After a colon the SDK quotes the result, in many lines.
    return TaskProtocolError(str(exc).partition(": ")[0].partition("\n")[0])


_ASKED = "_asked"


def asked_of(error: TaskNotFoundError, asked: Asked) -> TaskNotFoundError:
    """Mark an error with the server that was asked. `missing`, which also has the reference, makes the reason out of
    both."""
    error.__dict__[_ASKED] = asked
    return error


_OUTAGE = "_outage"


def outage(error: TaskError, out: bool) -> TaskError:
    """Mark whether an error means that `reconnect_timeout` has passed, which ends the waits for all tasks."""
    error.__dict__[_OUTAGE] = out
    return error


def is_outage(exc: BaseException) -> bool:
    """Whether an error is marked so."""
    return bool(exc.__dict__.get(_OUTAGE))


_UNSENT = "_unsent"


def unsent(error: TaskError, certainly: bool) -> TaskError:
    """Mark whether the call behind an error was certainly not carried out."""
    error.__dict__[_UNSENT] = certainly
    return error


def is_unsent(exc: BaseException) -> bool:
    """Whether an error is marked so."""
    return bool(exc.__dict__.get(_UNSENT))


def tried_so_often(times: int, option: str, seconds: float) -> str:
    """Return the words for what was tried, as the end of a sentence; empty after a single attempt.

    Args:
        times: How many attempts there were.
        option: The client's option that ended them.
        seconds: The value of that option.
    """
    return f"; it was tried {times} times, until {option}={seconds:g} had passed" if times > 1 else ""


def unreachable(endpoint: str, cause: BaseException, *, reached: bool = False, tried: str = "") -> TaskError:
    """Return the error for a server that gave no usable answer. Only if it was not reached, the error says "cannot
    reach".

    Args:
        endpoint: Where the server is.
        cause: What ended the last attempt.
        reached: Whether the server is known to have been reached.
        tried: What was tried, from `tried_so_often`.
    """
    words = f"{str(getattr(cause, 'message', None) or cause) or type(cause).__name__}{hint(cause)}{tried}"
    if isinstance(cause, TaskProtocolError):
        return TaskProtocolError(f"{endpoint}: {words}", raw_result=cause.raw_result)
    if isinstance(cause, ValidationError):
        return TaskProtocolError(f"{endpoint}: the server's answer makes no sense: {first_problem(cause)}")
    if isinstance(cause, mcp.MCPError) and not broke_off(cause.code, cause.message, cause.data):
        return TaskConnectionError(f"{endpoint}: the server answered with an error: {words}")
    return TaskConnectionError(f"{endpoint}: {words}" if reached else f"cannot reach {endpoint}: {words}")
