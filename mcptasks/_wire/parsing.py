"""Reading a task's state out of JSON that may be anything. Shared by the dialects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

from mcptasks._exceptions import TaskProtocolError
from mcptasks._json import as_number, as_object
from mcptasks._models import Status, TaskStatus
from mcptasks._state import Failed

STASH_KEY = "mcptasks/created"
"""Where a creating answer waits in the `_meta` of the ordinary result that the SDK is shown instead."""

RESULT_KEY = "mcptasks/result"
"""Where a tool's result waits in the `_meta` of the stand-in that the SDK is shown instead."""

_STATUSES = frozenset(get_args(Status))
_LONGEST_MS = timedelta(days=365 * 1000) / timedelta(milliseconds=1)


def parse_status(raw: Any, *, source: str, expected_id: str | None = None) -> TaskStatus:
    """The status in a JSON object of either era.

    What a program can do without (times, intervals, messages) is dropped where it makes no sense; what it relies on
    has to be right.

    Args:
        raw: The JSON value.
        source: What it came with, for messages: a method's name.
        expected_id: The task that was asked for.

    Raises:
        TaskProtocolError: No object, no task id or another task's, no status or an unknown one.
    """
    task = as_object(raw)
    if task is None:
        raise TaskProtocolError(f"{source}: expected a task object, got {shorten(raw)}")
    task_id = task.get("taskId")
    if not isinstance(task_id, str) or not task_id:
        raise TaskProtocolError(f"{source}: taskId must be a non-empty string, got {shorten(task_id)}")
    if expected_id is not None and task_id != expected_id:
        raise TaskProtocolError(f"{source}: asked for task {expected_id!r}, the answer is about {shorten(task_id)}")
    status = task.get("status")
    if not isinstance(status, str) or status not in _STATUSES:
        raise TaskProtocolError(
            f"{source}: unknown status {shorten(status)}; expected one of {', '.join(sorted(_STATUSES))}"
        )
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
    """The outcome in a JSON-RPC error object; `fallback` is said where the object says nothing."""
    error = as_object(raw) or {}
    code, message = error.get("code"), error.get("message")
    return Failed(
        code=code if isinstance(code, int) and not isinstance(code, bool) else -32603,
        message=message if isinstance(message, str) and message else fallback,
        data=error.get("data"),
    )


def shorten(value: Any) -> str:
    """A value from the wire, fit for a message."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def _milliseconds(value: Any) -> timedelta | None:
    number = as_number(value)
    return None if number is None or number < 0 else timedelta(milliseconds=min(number, _LONGEST_MS))
