"""2026-07-28 with the extension `io.modelcontextprotocol/tasks`: requests, and events out of answers and pushes.

Source: ext-tasks, specification/draft/tasks.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mcp_types import Request, RequestParams, Result
from pydantic import ConfigDict

from mcptasks._exceptions import TaskProtocolError
from mcptasks._json import as_object
from mcptasks._state import Finished, Origin, Outcome, Seen
from mcptasks._wire.parsing import STASH_KEY, parse_error, parse_status, shorten

EXTENSION = "io.modelcontextprotocol/tasks"
NOTIFICATION = "notifications/tasks"
RESULT_TYPE = "task"
_SOURCES: Mapping[Origin, str] = {
    "created": "tools/call",
    "polled": "tasks/get",
    "pushed": NOTIFICATION,
    "cancelled": "tasks/cancel",
}


class TaskParams(RequestParams):
    """Names the task that a request is about."""

    task_id: str


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    """Asks for a task's state ("Task Polling"). `Mcp-Name` is the task id ("Routing Headers")."""

    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"


class CancelTask(Request[TaskParams, Literal["tasks/cancel"]]):
    """Asks the server to cancel ("Task Cancellation")."""

    method: Literal["tasks/cancel"] = "tasks/cancel"
    name_param = "taskId"


class UpdateParams(TaskParams):
    """Names a task and carries answers to its questions, by key."""

    input_responses: dict[str, Any]


class UpdateTask(Request[UpdateParams, Literal["tasks/update"]]):
    """Answers what a task asks ("Task Input Requests"); a part of the answers is enough."""

    method: Literal["tasks/update"] = "tasks/update"
    name_param = "taskId"


class ListenParams(RequestParams):
    """What a stream of notifications is wanted for."""

    notifications: dict[str, Any]


class Listen(Request[ListenParams, Literal["subscriptions/listen"]]):
    """Opens a stream of notifications ("Task Status Notifications"); answered when the stream ends."""

    method: Literal["subscriptions/listen"] = "subscriptions/listen"


class CreatedTask(Result):
    """A `CreateTaskResult`, as the SDK's result claims want it: the parts beside the tag stay as they came."""

    model_config = ConfigDict(extra="allow")

    result_type: Literal["task"] = "task"

    def wire(self) -> dict[str, Any]:
        """The server's own object."""
        return dict(self.model_extra or {})


def listen_request(task_ids: list[str]) -> Listen:
    """A request for pushes about these tasks."""
    return Listen(params=ListenParams(notifications={"taskIds": task_ids}))


def stash(created: CreatedTask) -> dict[str, Any]:
    """The `_meta` that carries a creating answer through an ordinary result."""
    return {STASH_KEY: created.wire()}


def seen(raw: Any, origin: Origin, *, expected_id: str | None = None) -> Seen:
    """The event in a task object: a creating answer, an answer to `tasks/get`, or a push.

    Raises:
        TaskProtocolError: See `parse_status`; or a look at a completed task that carries no result.
    """
    source = _SOURCES[origin]
    status = parse_status(raw, source=source, expected_id=expected_id)
    task = as_object(raw) or {}
    outcome: Outcome | None = None
    if status.status == "completed":
        result = as_object(task.get("result"))
        if result is not None:
            outcome = Finished(result)
        elif origin == "polled":
            raise TaskProtocolError(f"{source}: the task is completed, but its result is {shorten(task.get('result'))}")
    elif status.status == "failed" and (origin == "polled" or "error" in task):
        outcome = parse_error(task.get("error"), fallback=status.status_message or "the task failed")
    elif status.status == "input_required" and origin == "polled" and as_object(task.get("inputRequests")) is None:
        asked = shorten(task.get("inputRequests"))
        raise TaskProtocolError(f"{source}: the task requires input, but inputRequests is {asked}")
    return Seen(status, origin, outcome)
