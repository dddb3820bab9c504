"""Errors on their way to the program: what a fault is called, and one of its own for each who is told."""

from __future__ import annotations

from datetime import UTC, datetime

import mcp

from mcptasks._exceptions import (
    TaskConnectionError,
    TaskError,
    TaskExpiredError,
    TaskFailedError,
    TaskNotFoundError,
    TaskProtocolError,
)
from mcptasks._faults import Fault
from mcptasks._models import TaskReference


def missing(exc: TaskError, reference: TaskReference | None) -> TaskError:
    """The error for a program: with the reference, and "expired" where a missing task is past its time to live."""
    expires = None if reference is None else reference.expires_at
    past = expires is not None and datetime.now(UTC) >= expires
    if isinstance(exc, TaskNotFoundError) and (past or "expired" in exc.message.lower()):
        found: TaskError = TaskExpiredError(f"the server has forgotten the task after its time to live: {exc.message}")
        found.__cause__ = exc.__cause__
        found.reference = reference
        return found
    return copy_error(exc, reference)


def copy_error(exc: Exception, reference: TaskReference | None) -> TaskError:
    """An error of its own for each who is told, with its own reference and traceback."""
    if not isinstance(exc, TaskError):
        copied: TaskError = TaskConnectionError(str(exc))
    else:
        copied = type(exc)(exc.message)
        copied.__dict__.update(exc.__dict__)
    copied.reference = reference
    copied.__cause__ = exc.__cause__
    return copied


def describe(fault: Fault, cause: Exception, *, about_task: bool = True) -> TaskError:
    """The error for a fault that is final."""
    if not about_task and isinstance(cause, mcp.MCPError) and fault.meaning != "connection":
        return TaskFailedError(cause.message, code=cause.code, data=cause.data)
    match fault.meaning:
        case "unknown_task":
            return TaskNotFoundError(fault.reason)
        case "protocol":
            return TaskProtocolError(fault.reason)
        case "server_error":
            return TaskConnectionError(f"the server cannot tell: {fault.reason}")
        case "connection":
            return TaskConnectionError(fault.reason)
