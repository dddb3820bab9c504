"""The steps that end a task, as changes of the task's state. Pure: `ServerTask` makes the changes."""

from __future__ import annotations

from typing import Any, TypeAlias

from mcptasks.testing._results import Kind, shape_result, tool_error
from mcptasks.testing._script import JSON, Cancelled, Complete, ProtocolFailure, ToolFailure

INTERNAL_ERROR = -32603

Ending: TypeAlias = Complete | ToolFailure | ProtocolFailure | Cancelled


def ended_by(step: Ending, kind: Kind, name: str, *, wrap_result: bool) -> dict[str, Any]:
    """The fields of the task's state that a final step changes, with their new values.

    Args:
        step: The step.
        kind: The kind of call.
        name: The name of the tool or prompt, or the URI of the resource.
        wrap_result: Whether a tool's value that is not an object is marked as wrapped.
    """
    match step:
        case Complete(value):
            result = shape_result(kind, name, value, wrap=wrap_result)
            return {"status": "completed", "status_message": None, "result": result}
        case ToolFailure(message) if kind == "tool":
            return {"status": "completed", "status_message": message, "result": tool_error(message)}
        case ToolFailure(message):
            return ended_by(ProtocolFailure(INTERNAL_ERROR, message), kind, name, wrap_result=wrap_result)
        case ProtocolFailure(code, message, data):
            error: JSON = {"code": code, "message": message}
            if data is not None:
                error["data"] = data
            return {"status": "failed", "status_message": message, "error": error}
        case Cancelled(message):
            return {"status": "cancelled", "status_message": message}
