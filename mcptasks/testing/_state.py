"""A task's state as a frozen value, and its JSON in each protocol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from mcptasks.testing._results import is_tool_error
from mcptasks.testing._script import ABSENT, JSON, Absent

Status: TypeAlias = Literal["working", "input_required", "completed", "failed", "cancelled"]

TERMINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled"})


@frozen
class TaskState:
    """The state of a task at one moment."""

    task_id: str
    status: Status
    created_at: datetime
    last_updated_at: datetime
    status_message: str | None = None
    ttl_ms: object = None
    """Milliseconds. None is sent as null, `ABSENT` is left out, any other value is sent unchanged."""
    poll_interval_ms: object = ABSENT
    result: JSON | None = None
    error: JSON | None = None
    input_requests: Mapping[str, JSON] = field(factory=dict[str, JSON])
    """The input requests without an answer, by key."""

    @property
    def terminal(self) -> bool:
        """Whether the task has ended."""
        return self.status in TERMINAL


def timestamp(moment: datetime) -> str:
    """A time in ISO 8601 and UTC, as both schemas require."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _common(state: TaskState, status: str) -> JSON:
    task: JSON = {
        "taskId": state.task_id,
        "status": status,
        "createdAt": timestamp(state.created_at),
        "lastUpdatedAt": timestamp(state.last_updated_at),
    }
    if state.status_message is not None:
        task["statusMessage"] = state.status_message
    return task


def _put(task: JSON, key: str, value: object) -> None:
    if not isinstance(value, Absent):
        task[key] = value


def legacy_status(state: TaskState) -> Status:
    """The 2025-11-25 status: a tool that reported an error has `failed`."""
    if state.status == "completed" and is_tool_error(state.result):
        return "failed"
    return state.status


def legacy_task(state: TaskState) -> JSON:
    """A `Task` of 2025-11-25."""
    task = _common(state, legacy_status(state))
    _put(task, "ttl", state.ttl_ms)
    _put(task, "pollInterval", state.poll_interval_ms)
    return task


def modern_task(state: TaskState) -> JSON:
    """A `Task` of the 2026-07-28 extension, without the fields that `tasks/get` adds."""
    task = _common(state, state.status)
    _put(task, "ttlMs", state.ttl_ms)
    _put(task, "pollIntervalMs", state.poll_interval_ms)
    return task


def modern_detailed_task(state: TaskState) -> JSON:
    """A `DetailedTask` of the 2026-07-28 extension, with the result, the error or the open input requests."""
    task = modern_task(state)
    extra: dict[str, tuple[str, Any]] = {
        "completed": ("result", state.result or {}),
        "failed": ("error", state.error or {"code": -32603, "message": "Internal error"}),
        "input_required": ("inputRequests", dict(state.input_requests)),
    }
    if state.status in extra:
        key, value = extra[state.status]
        task[key] = value
    return task
