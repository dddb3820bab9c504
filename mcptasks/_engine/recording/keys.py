"""What follows for a call with a key, from the record of the earlier call with that key. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast

from mcptasks._core.events import Cancelled, Finished, Outcome
from mcptasks._core.exceptions import StoreError, TaskKeyError, TaskUncertainError
from mcptasks._core.models import IMMEDIATE_PREFIX, Era, Kind, TaskReference
from mcptasks._core.safe_text import short
from mcptasks._store.digests import differ
from mcptasks._store.payloads import Payloads
from mcptasks._store.records import Row

Step: TypeAlias = Literal["wait", "ask", "repeat", "answered", "task"]
"""The next step. "wait": another client has the call under way. "ask": nobody knows whether the call was carried out,
so the program's `on_uncertain` decides whether to send it again; a call of an idempotent tool is sent again. "repeat":
the call had no effect, so send it again. "answered": take the immediate answer. "task": take the task."""


def next_step(row: Row) -> Step:
    """What follows from the record of the earlier call."""
    match row.phase:
        case "intended":
            return "ask" if row.lease_left is None else "wait"
        case "uncertain":
            return "ask"
        case "refused":
            return "repeat"
        case "immediate":
            return "answered"
        case _:
            return "task"


def check_same(row: Row, kind: Kind, name: str, digest: str) -> None:
    """Check that the earlier call was the same call.

    Raises:
        TaskKeyError: The earlier call was of another tool, or had other arguments.
    """
    if (row.kind, row.name) != (kind, name):
        words = f"the key {short(row.key, 80)} belongs to a call of the {row.kind} {short(row.name, 80)}"
    elif differ(row.digest, digest):
        words = f"the key {short(row.key, 80)} belongs to a call of {short(name, 80)} with other arguments"
    else:
        return
    raise TaskKeyError(f"{words}; nothing was sent", key=row.key, reference=reference_of(row))


def uncertain(row: Row) -> TaskUncertainError:
    """The error for a call that may have been carried out and may not be sent again."""
    words = (
        f"a call with the key {short(row.key, 80)} was sent before, and nobody knows whether the server carried it "
        'out; nothing was sent now. Give on_uncertain="send" to send it again, or record with Store.settle what '
        f"became of it (record {row.id})"
    )
    return TaskUncertainError(words, key=row.key, record_id=row.id)


def reference_of(row: Row) -> TaskReference | None:
    """The reference of a call's task, or one that stands for an immediate answer; None if there is neither."""
    immediate = row.phase == "immediate"
    task_id = f"{IMMEDIATE_PREFIX}{row.id}" if immediate else row.task_id
    if task_id is None:
        return None
    return TaskReference(
        task_id=task_id,
        kind=cast("Kind | None", row.kind),
        name=row.name,
        endpoint=row.endpoint or None,
        era=cast("Era | None", row.era),
        expires_at=row.expires_at,
        returned_immediately=immediate,
        label=row.label,
    )


def outcome_of(row: Row, result: bytes | None, payloads: Payloads) -> Outcome | None:
    """The outcome of a call, as far as the store has kept it; None if only the server can tell.

    Args:
        row: The record.
        result: The result that was kept.
        payloads: Reads payloads.

    Raises:
        StoreError: The call was answered at once, and the answer was not kept; or a payload cannot be read.
    """
    if result is not None:
        return Finished(payloads.read_result(row.id, result))
    if row.phase in ("immediate", "over") and row.status == "cancelled":
        return Cancelled(payloads.read_words(row.id, row.message))
    if row.phase != "immediate":
        return None
    if row.error is not None:  # The answer reported an error, whose words are kept in any case.
        words = payloads.read_words(row.id, row.error)
        return Finished({"content": [{"type": "text", "text": words}], "isError": True})
    raise StoreError(
        f"the call with the key {short(row.key, 80)} was answered at once, and the store has not kept the answer; "
        "nothing was sent. Give Keep(results=True) to the store to have answers kept"
    )
