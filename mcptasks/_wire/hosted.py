"""Tasks that the client hosts (2025-11-25): reads the server's requests about them, and writes the answers.

Source: specification 2025-11-25, basic/utilities/tasks, with the client as the receiver.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from mcptasks._core.hosted_tasks import HostedKind, Refusal
from mcptasks._core.json import as_number, as_object
from mcptasks._core.models import TaskStatus

AUGMENTABLE: Mapping[str, HostedKind] = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling"}
"""The server's requests that may ask for a task, and the kind of each."""

ABOUT_TASKS = frozenset({"tasks/get", "tasks/result", "tasks/list", "tasks/cancel"})
RELATED_TASK_KEY = "io.modelcontextprotocol/related-task"
_LONGEST_MS = timedelta(days=365 * 1000) / timedelta(milliseconds=1)
"""The longest time to live in milliseconds: 1,000 years. A longer one is cut to it, since a `timedelta` would
overflow."""


def capability(kinds: Iterable[HostedKind]) -> dict[str, Any]:
    """The capability that a client declares under `tasks` ("Client Capabilities")."""
    methods = {kind: method.partition("/")[2] for method, kind in AUGMENTABLE.items()}
    return {"list": {}, "cancel": {}, "requests": {kind: {methods[kind]: {}} for kind in kinds}}


def wants_task(params: Mapping[str, Any] | None) -> bool:
    """Whether a request asks for a task."""
    return params is not None and params.get("task") is not None


def requested_ttl(params: Mapping[str, Any] | None) -> timedelta | None:
    """The time to live that the server asks for its task; None if it does not say.

    Raises:
        Refusal: The request's `task` is invalid.
    """
    task = as_object((params or {}).get("task"))
    if task is None:
        raise Refusal("task must be an object")
    ttl = task.get("ttl")
    if ttl is None:
        return None
    number = as_number(ttl)
    if number is None and isinstance(ttl, int) and not isinstance(ttl, bool):
        number = math.inf if ttl > 0 else -math.inf  # The integer is too large for a float.
    if number is None or number <= 0:
        raise Refusal("task.ttl must be a number of milliseconds above 0")
    return timedelta(milliseconds=max(min(number, _LONGEST_MS), 1))


def task_id(params: Mapping[str, Any] | None) -> str:
    """The id of the task that a request is about.

    Raises:
        Refusal: The request has no valid id.
    """
    found = (params or {}).get("taskId")
    if not isinstance(found, str):
        raise Refusal("taskId must be a string")
    return found


def cursor(params: Mapping[str, Any] | None) -> str | None:
    """The cursor of the page that a request asks for; None for the first page.

    Raises:
        Refusal: The cursor is not a string.
    """
    found = (params or {}).get("cursor")
    if not isinstance(found, str | None):
        raise Refusal("cursor must be a string")
    return found


def question(method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """The request without its `task` field."""
    return {"method": method, "params": {key: value for key, value in (params or {}).items() if key != "task"}}


def task(status: TaskStatus) -> dict[str, Any]:
    """The JSON object of a task ("Task")."""
    told: dict[str, Any] = {
        "taskId": status.task_id,
        "status": status.status,
        "createdAt": _time(status.created_at),
        "lastUpdatedAt": _time(status.last_updated_at),
        "ttl": _milliseconds(status.ttl),
        "pollInterval": _milliseconds(status.poll_interval),
    }
    if status.status_message is not None:
        told["statusMessage"] = status.status_message
    return told


def related(result: Mapping[str, Any], to: str) -> dict[str, Any]:
    """A result with the id of its task added ("Related Task Metadata")."""
    meta = as_object(result.get("_meta")) or {}
    return {**result, "_meta": {**meta, RELATED_TASK_KEY: {"taskId": to}}}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(duration: timedelta | None) -> int | None:
    return None if duration is None else max(round(duration / timedelta(milliseconds=1)), 1)
