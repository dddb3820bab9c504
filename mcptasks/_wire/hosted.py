"""Tasks that the client hosts (2025-11-25): what a server's requests about them say, and tasks as they are told.

Source: specification 2025-11-25, basic/utilities/tasks, where the receiver is the client.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from mcptasks._hosting import HostedKind, Refusal
from mcptasks._json import as_number, as_object
from mcptasks._models import TaskStatus

AUGMENTABLE: Mapping[str, HostedKind] = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling"}
"""The requests of a server that may ask for a task."""

ABOUT_TASKS = frozenset({"tasks/get", "tasks/result", "tasks/list", "tasks/cancel"})
RELATED_TASK_KEY = "io.modelcontextprotocol/related-task"
_LONGEST_MS = timedelta(days=365 * 1000) / timedelta(milliseconds=1)


def capability(kinds: Iterable[HostedKind]) -> dict[str, Any]:
    """What a client declares under `tasks` ("Client Capabilities")."""
    methods = {kind: method.partition("/")[2] for method, kind in AUGMENTABLE.items()}
    return {"list": {}, "cancel": {}, "requests": {kind: {methods[kind]: {}} for kind in kinds}}


def wants_task(params: Mapping[str, Any] | None) -> bool:
    """Whether a request asks to be a task."""
    return params is not None and params.get("task") is not None


def requested_ttl(params: Mapping[str, Any] | None) -> timedelta | None:
    """How long the server wants its task kept; None where it does not say.

    Raises:
        Refusal: Its `task` makes no sense.
    """
    task = as_object((params or {}).get("task"))
    if task is None:
        raise Refusal("task must be an object")
    ttl = task.get("ttl")
    if ttl is None:
        return None
    number = as_number(ttl)
    if number is None and isinstance(ttl, int) and not isinstance(ttl, bool):
        number = math.inf if ttl > 0 else -math.inf  # more digits than a float can hold
    if number is None or number <= 0:
        raise Refusal("task.ttl must be a number of milliseconds above 0")
    return timedelta(milliseconds=max(min(number, _LONGEST_MS), 1))


def task_id(params: Mapping[str, Any] | None) -> str:
    """Which task a request is about.

    Raises:
        Refusal: It does not say.
    """
    found = (params or {}).get("taskId")
    if not isinstance(found, str):
        raise Refusal("taskId must be a string")
    return found


def cursor(params: Mapping[str, Any] | None) -> str | None:
    """Where a page begins; None for the first one.

    Raises:
        Refusal: No string.
    """
    found = (params or {}).get("cursor")
    if not isinstance(found, str | None):
        raise Refusal("cursor must be a string")
    return found


def question(method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """The request itself, without the wish for a task."""
    return {"method": method, "params": {key: value for key, value in (params or {}).items() if key != "task"}}


def task(status: TaskStatus) -> dict[str, Any]:
    """A task as it is told ("Task")."""
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
    """A result that names the task that it is of ("Related Task Metadata")."""
    meta = as_object(result.get("_meta")) or {}
    return {**result, "_meta": {**meta, RELATED_TASK_KEY: {"taskId": to}}}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(duration: timedelta | None) -> int | None:
    return None if duration is None else max(round(duration / timedelta(milliseconds=1)), 1)
