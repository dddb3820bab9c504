"""Tasks of the store as the commands show them: in words, as JSON, and with the labels of the command line. Pure.

The command line writes into labels of the task how the server was reached, so that `mcptasks watch ID` needs no target.
These labels hold no secret: a target is kept only if it has none, and for a token only the name of its variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mcptasks._cli import durations

if TYPE_CHECKING:
    from mcptasks.store import Phase, TaskRecord

TARGET = "cli.target"
"""The label with the word of the target, see `Target.again`."""
AUTH = "cli.auth-env"
"""The label with the name of the variable that holds the token."""
MODE = "cli.mode"
"""The label with the protocol mode, if one was given."""
CALL = "cli.call"
"""The label with a unique value for each call, by which the command finds the call in the store."""
_OWN = frozenset({TARGET, AUTH, MODE, CALL})

ALL = 10**9
"""A limit for lists: more tasks than a store has."""
SHORT = 8
"""How many digits of an id are shown. Among a million tasks, about one id in 4,300 shares them with another task."""

_PHASES: Mapping[str, str] = {
    "intended": "being sent",
    "uncertain": "may exist",
    "immediate": "completed",
    "refused": "refused",
    "forgotten": "forgotten",
}
OPEN: tuple[Phase, ...] = ("intended", "created", "uncertain")
"""The phases of tasks that are not over."""


def status(record: TaskRecord) -> str:
    """Return the one word, or two, for how far a task is."""
    return status_of(record.phase, record.status, failed=bool(record.error))


def status_of(phase: str, status: str | None, *, failed: bool) -> str:
    """Return the one word, or two, for how far a task is.

    Args:
        phase: Its phase.
        status: Its latest status; None if there was none.
        failed: Whether the store has an error for the task.
    """
    if phase in _PHASES:
        return "failed" if phase == "immediate" and failed else _PHASES[phase]
    return status or ("over" if phase == "over" else "unknown")


def short_id(record: TaskRecord) -> str:
    """Return the beginning of a task's id that commands show and take."""
    return record.id[:SHORT]


def labels(record: TaskRecord) -> dict[str, str]:
    """Return the labels of a task without those of the command line itself."""
    return {name: value for name, value in record.labels.items() if name not in _OWN}


def server(record: TaskRecord) -> str:
    """Return the server of a task: the target that was typed, if it is known, or else the endpoint."""
    return server_of(record.labels, record.endpoint)


def server_of(labels: Mapping[str, str], endpoint: str) -> str:
    """Return a server, by the labels of a task and by its endpoint."""
    return labels.get(TARGET) or endpoint or "?"


def age(record: TaskRecord, now: datetime) -> str:
    """Return how long ago the call was made."""
    return durations.words((now - record.created_at).total_seconds())


def reference(record: TaskRecord) -> dict[str, Any] | None:
    """Return the task's reference in the form of `TaskReference.to_json`; None if the server made no task.

    Written by hand, since `TaskReference` imports pydantic.
    """
    if record.task_id is None:
        return None
    fields: dict[str, Any] = {
        "task_id": record.task_id,
        "kind": record.kind,
        "name": record.name,
        "endpoint": record.endpoint or None,
        "era": record.era,
        "expires_at": _time(record.expires_at),
        "label": record.label,
    }
    return {name: value for name, value in fields.items() if value is not None}


def as_json(record: TaskRecord) -> dict[str, Any]:
    """Return the task in the form of `--json`."""
    return {
        "id": record.id,
        "server": server(record),
        "endpoint": record.endpoint,
        "task_id": record.task_id,
        "kind": record.kind,
        "name": record.name,
        "key": record.key,
        "labels": labels(record),
        "phase": record.phase,
        "status": record.status,
        "message": record.message,
        "error": record.error,
        "questions": [
            {
                "key": each.key,
                "request": each.request,
                "asked_at": _time(each.asked_at),
                "open": each.is_open,
            }
            for each in record.questions
        ],
        "created_at": _time(record.created_at),
        "updated_at": _time(record.updated_at),
        "over_at": _time(record.over_at),
        "expires_at": _time(record.expires_at),
        "cancel_asked_at": _time(record.cancel_asked_at),
        "owner": record.owner,
        "lease_until": _time(record.lease_until),
        "reference": reference(record),
    }


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
