"""Reads a task's state out of unchecked JSON, for both dialects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

from mcptasks._core.events import Failed
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.json import as_number, as_object, kind_of
from mcptasks._core.models import Status, TaskStatus

_STATUSES = frozenset(get_args(Status))
_LONGEST_MS = timedelta(days=365 * 1000) / timedelta(milliseconds=1)
"""The longest duration in milliseconds: 1,000 years. A longer one is cut to it, since a `timedelta` would overflow."""
_LONGEST_TIME = 64
"""How many characters a time may have; a longer one is dropped. With nanoseconds and a zone, a time has 35."""


def parse_status(raw: Any, *, source: str, expected_id: str | None = None) -> TaskStatus:
    """The status in a task object of either protocol.

    Invalid times, intervals and messages are dropped, since programs can do without them. The id and the status must be
    valid.

    Args:
        raw: The JSON value.
        source: The method that the value came with, for errors.
        expected_id: The id of the task that the client asked for; None to accept any.

    Raises:
        TaskProtocolError: The value is not an object, has no valid id or another task's, or has no known status.
    """
    task = as_object(raw)
    if task is None:
        raise _nonsense(source, f"the task is {kind_of(raw)}, not an object", raw)
    task_id = task.get("taskId")
    if not isinstance(task_id, str) or not task_id:
        what = "an empty string" if task_id == "" else _what(task, "taskId")
        raise _nonsense(source, f"taskId is {what}; it must be a string that is not empty", raw)
    if expected_id is not None and task_id != expected_id:
        raise _nonsense(source, "the answer is about another task than the request", raw)
    status = task.get("status")
    if not isinstance(status, str) or status not in _STATUSES:
        known = ", ".join(sorted(_STATUSES))
        raise _nonsense(source, f"status is {_what(task, 'status')}; it must be one of: {known}", raw)
    message = task.get("statusMessage")
    requests = as_object(task.get("inputRequests"))
    return TaskStatus(
        task_id=task_id,
        status=cast("Status", status),
        status_message=message if isinstance(message, str) else None,
        created_at=_time(task.get("createdAt")),
        last_updated_at=_time(task.get("lastUpdatedAt")),
        ttl=_milliseconds(task.get("ttlMs", task.get("ttl"))),
        poll_interval=_milliseconds(task.get("pollIntervalMs", task.get("pollInterval"))),
        input_requests=dict(requests) if requests is not None else {},
        raw=task,
    )


def parse_error(raw: Any, *, fallback: str) -> Failed:
    """The outcome in a JSON-RPC error object, with `fallback` as its message if the object has none."""
    error = as_object(raw) or {}
    code, message = error.get("code"), error.get("message")
    return Failed(
        code=code if isinstance(code, int) and not isinstance(code, bool) else -32603,
        message=message if isinstance(message, str) and message else fallback,
        data=error.get("data"),
    )


def _nonsense(source: str, what: str, raw: Any) -> TaskProtocolError:
    return TaskProtocolError(f"{source}: {what}", raw_result=raw)


def _what(task: Mapping[str, Any], name: str) -> str:
    return kind_of(task[name]) if name in task else "missing"


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def _milliseconds(value: Any) -> timedelta | None:
    number = as_number(value)
    return None if number is None or number < 0 else timedelta(milliseconds=min(number, _LONGEST_MS))
