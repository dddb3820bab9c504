"""Tasks of MCP 2025-11-25: requests, answers that create tasks, and events out of answers and pushes.

Source: specification 2025-11-25, basic/utilities/tasks. Also reads the form in which fastmcp 2.14 answers the same
requests when it creates a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mcp_types import PaginatedRequestParams, Request

from mcptasks._core.events import Finished, Origin, Seen
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.json import as_object, kind_of
from mcptasks._core.models import Era
from mcptasks._wire.modern import TaskParams
from mcptasks._wire.parsing import parse_status

ERA: Era = "2025-11-25"
NOTIFICATION = "notifications/tasks/status"
IMMEDIATE_RESPONSE_KEY = "io.modelcontextprotocol/model-immediate-response"
FASTMCP2_TASK_KEY = "modelcontextprotocol.io/task"
"""The key of the task object that fastmcp 2.14 puts into the `_meta` of an ordinary result."""

_SOURCES: Mapping[Origin, str] = {
    "created": "the creating answer",
    "polled": "tasks/get",
    "pushed": NOTIFICATION,
}


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    """Asks for a task's state ("Getting Tasks")."""

    method: Literal["tasks/get"] = "tasks/get"


class GetResult(Request[TaskParams, Literal["tasks/result"]]):
    """Asks for the task's result, which has the form of the original request's answer ("Retrieving Task Results")."""

    method: Literal["tasks/result"] = "tasks/result"


class CancelTask(Request[TaskParams, Literal["tasks/cancel"]]):
    """Asks the server to cancel a task ("Cancelling Tasks")."""

    method: Literal["tasks/cancel"] = "tasks/cancel"


class ListTasks(Request[PaginatedRequestParams | None, Literal["tasks/list"]]):
    """Asks for one page of the server's tasks ("Listing Tasks")."""

    method: Literal["tasks/list"] = "tasks/list"
    params: PaginatedRequestParams | None = None


def created_task(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """The task object in the answer to an augmented request, in the standard form or in fastmcp 2.14's.

    None if the answer creates no task.
    """
    created = as_object(result.get("task"))
    if created is not None:
        return dict(created)
    found = as_object((as_object(result.get("_meta")) or {}).get(FASTMCP2_TASK_KEY))
    return None if found is None or "taskId" not in found else {"status": "working", **found}


def seen(raw: Any, origin: Origin, *, expected_id: str | None = None) -> Seen:
    """The event in a task object.

    Raises:
        TaskProtocolError: See `parse_status`.
    """
    return Seen(parse_status(raw, source=_SOURCES[origin], expected_id=expected_id), origin)


def fetched(raw: Any) -> Finished:
    """The outcome in an answer to `tasks/result`.

    Raises:
        TaskProtocolError: The answer is not an object.
    """
    result = as_object(raw)
    if result is None:
        raise TaskProtocolError(f"tasks/result: the result is {kind_of(raw)}, not an object", raw_result=raw)
    return Finished(result)
