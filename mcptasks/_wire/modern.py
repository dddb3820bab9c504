"""2026-07-28 with the extension `io.modelcontextprotocol/tasks`: requests, and events out of answers and pushes.

Source: ext-tasks, specification/draft/tasks.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import evolve
from mcp_types import Request, RequestParams, Result
from pydantic import ConfigDict

from mcptasks._core import safe_text
from mcptasks._core.events import Finished, Origin, Seen
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.json import as_object, kind_of
from mcptasks._core.models import Era
from mcptasks._core.verdicts import judged
from mcptasks._wire.parsing import parse_error, parse_status

ERA: Era = "2026-07-28"
EXTENSION = "io.modelcontextprotocol/tasks"
NOTIFICATION = "notifications/tasks"
RESULT_TYPE = "task"
_SOURCES: Mapping[Origin, str] = {
    "created": "tools/call",
    "polled": "tasks/get",
    "pushed": NOTIFICATION,
}


class TaskParams(RequestParams):
    """The params of a request about one task."""

    task_id: str


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    """Asks for a task's state ("Task Polling"). `Mcp-Name` is the task id ("Routing Headers")."""

    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"


class CancelTask(Request[TaskParams, Literal["tasks/cancel"]]):
    """Asks the server to cancel a task ("Task Cancellation")."""

    method: Literal["tasks/cancel"] = "tasks/cancel"
    name_param = "taskId"


class UpdateParams(TaskParams):
    """The params of `tasks/update`: a task, and answers to its input requests by their keys."""

    input_responses: dict[str, Any]


class UpdateTask(Request[UpdateParams, Literal["tasks/update"]]):
    """Answers a task's input requests ("Task Input Requests"), all of them or some."""

    method: Literal["tasks/update"] = "tasks/update"
    name_param = "taskId"


class ListenParams(RequestParams):
    """The params of `subscriptions/listen`: the notifications to subscribe to."""

    notifications: dict[str, Any]


class Listen(Request[ListenParams, Literal["subscriptions/listen"]]):
    """Subscribes to notifications ("Task Status Notifications"); answered when the subscription ends."""

    method: Literal["subscriptions/listen"] = "subscriptions/listen"


class CreatedTask(Result):
    """A `CreateTaskResult` in the form that the SDK's result claims need. Fields but `resultType` are not checked."""

    model_config = ConfigDict(extra="allow")

    result_type: Literal["task"] = "task"

    def wire(self) -> dict[str, Any]:
        """The task object as the server sent it."""
        return dict(self.model_extra or {})


def listen_request(task_ids: list[str]) -> Listen:
    """The request that subscribes to pushes about these tasks."""
    return Listen(params=ListenParams(notifications={"taskIds": task_ids}))


def seen(raw: Any, origin: Origin, *, expected_id: str | None = None) -> Seen:
    """The event in a task object, which comes in an answer that creates a task, an answer to `tasks/get`, or a push.

    A completed task counts as "failed" if its result reports an error, as in 2025-11-25 ("Task Status"). A failed task
    without a status message gets its error's message.

    Raises:
        TaskProtocolError: See `parse_status`; or a poll shows a completed task without a result, or a task that
            requires input without input requests.
    """
    source = _SOURCES[origin]
    status = parse_status(raw, source=source, expected_id=expected_id)
    task = as_object(raw) or {}
    if status.status == "completed":
        result = as_object(task.get("result"))
        if result is not None:
            return Seen(judged(status, result), origin, Finished(result))
        if origin == "polled":
            found = _what(task, "result")
            raise TaskProtocolError(f"{source}: the task is completed, but its result is {found}", raw_result=raw)
        return Seen(status, origin, partial=True)
    if status.status == "failed" and (origin == "polled" or "error" in task):
        error = parse_error(task.get("error"), fallback=status.status_message or "")
        told = evolve(status, status_message=status.status_message or safe_text.message(error.message) or None)
        return Seen(told, origin, error if error.message else evolve(error, message="the task failed"))
    if status.status == "input_required" and origin == "polled" and as_object(task.get("inputRequests")) is None:
        found = _what(task, "inputRequests")
        raise TaskProtocolError(f"{source}: the task requires input, but inputRequests is {found}", raw_result=raw)
    return Seen(status, origin)


def without_tasks(capabilities: Any) -> dict[str, Any]:
    """A client's capabilities without the extension: the server must not answer with a task then (ext-tasks,
    "Capability Negotiation")."""
    found = dict(as_object(capabilities) or {})
    known = as_object(found.get("extensions")) or {}
    return {**found, "extensions": {name: value for name, value in known.items() if name != EXTENSION}}


def _what(task: Mapping[str, Any], name: str) -> str:
    return f"{kind_of(task[name])}, not an object" if name in task else "missing"
