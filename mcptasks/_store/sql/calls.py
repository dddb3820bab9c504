"""The writes of a creating call: intended, sent again, adopted, created, answered at once, refused, uncertain.

Most functions take many writes of a kind, since a database server carries out a statement for each of many values in
little more time than for one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mcptasks._store.records import Row
from mcptasks._store.sql import reading
from mcptasks._store.sql.dialect import Connection, Values
from mcptasks._store.sql.values import beyond, for_index, indexed, listed, micros, text
from mcptasks._store.writes import (
    Adopt,
    Adopted,
    Created,
    Held,
    Immediate,
    Intend,
    Intended,
    Placed,
    Refused,
    Retry,
    Uncertain,
)

HELD = "id = :id AND owner = :owner AND fence = :fence"
"""The condition that the lease holds. If a change with this condition changes no row, the lease is lost."""
OWNER_LIVES = "EXISTS (SELECT 1 FROM owner o WHERE o.owner = task.owner AND o.boot = {boot} AND o.alive_until > {now})"
TAKEN = (
    "owner = :owner, fence = fence + 1, updated_at = :at, "
    "takeovers = takeovers + CASE WHEN owner IS NULL OR owner = :owner THEN 0 ELSE 1 END"
)
"""The changes of a task that a client takes. A task that still has another owner's name is taken over from a client
that died: who ends in order, or gives a task back, takes its name away."""
_INSERT = (
    "INSERT INTO task (id, endpoint, era, kind, name, label, key, labels, digest, arguments, phase, task_id, "
    "created_at, updated_at, expires_at, owner, fence, traceparent, whole_endpoint, whole_key, whole_task_id) VALUES "
    "(:id, :endpoint, :era, :kind, :name, :label, :key, :labels, :digest, :arguments, :phase, :task_id, :at, :at, "
    ":expires_at, :owner, 1, :traceparent, :whole_endpoint, :whole_key, :whole_task_id) ON CONFLICT "
)
_NEW: dict[str, Any] = {
    **dict.fromkeys(("key", "digest", "arguments", "task_id", "expires_at", "traceparent", "whole_key")),
    **dict.fromkeys(("whole_task_id",)),
    "labels": "{}",
}


def lease(held: Held) -> dict[str, Any]:
    """The values of `HELD`."""
    return {"id": held.id, "owner": held.owner, "fence": held.fence}


def holds(connection: Connection, held: Held) -> bool:
    """Whether a lease holds."""
    return bool(connection.all(f"SELECT 1 FROM task WHERE {HELD}", lease(held)))


def change(
    connection: Connection, changes: str, phases: str, values: Sequence[tuple[Held, Mapping[str, Any]]]
) -> list[bool]:
    """Change tasks by their leases; whether each lease holds. A task in another phase stays as it is.

    Args:
        connection: The transaction.
        changes: The assignments, such as "phase = 'over'".
        phases: The phases in which the change makes sense, as an SQL list.
        values: For each task its lease, and the parameters, with `at`.
    """
    done = connection.each(
        f"UPDATE task SET updated_at = :at, {changes} WHERE {HELD} AND phase IN ({phases})",
        [{**lease(held), **each} for held, each in values],
    )
    return [count == 1 or holds(connection, held) for count, (held, _) in zip(done, values, strict=True)]


def intend(connection: Connection, writes: Sequence[Intend]) -> list[Intended]:
    """Insert the records, except for calls whose key has a record at the endpoint already."""
    values = [_intended(write) for write in writes]
    done = connection.each(f"{_INSERT} (endpoint, key) DO NOTHING", values)
    answers = [
        Intended(Held(write.id, write.owner, 1)) if count else _taken_key(connection, write, each)
        for count, write, each in zip(done, writes, values, strict=True)
    ]
    labels = [
        {"id": write.id, "name": indexed(name), "value": indexed(value)}
        for write, answer in zip(writes, answers, strict=True)
        if answer.held is not None
        for name, value in write.labels.items()
    ]
    if labels:
        connection.each("INSERT INTO label (task, name, value) VALUES (:id, :name, :value)", labels)
    return answers


def _intended(write: Intend) -> dict[str, Any]:
    endpoint, whole_endpoint = for_index(write.endpoint)
    key, whole_key = for_index(write.key)
    return {
        **_NEW,
        "id": write.id,
        "endpoint": endpoint,
        "whole_endpoint": whole_endpoint,
        "era": write.era,
        "kind": write.kind,
        "name": text(write.name),
        "label": text(write.label),
        "key": key,
        "whole_key": whole_key,
        "labels": json.dumps(dict(write.labels)) if write.labels else "{}",
        "digest": write.digest,
        "arguments": write.arguments,
        "phase": "intended",
        "at": micros(write.at),
        "owner": write.owner,
        "traceparent": text(write.traceparent),
    }


def _taken_key(connection: Connection, write: Intend, values: Values) -> Intended:
    """The record that has the key of a call already."""
    while True:
        same = {"endpoint": values["endpoint"], "key": values["key"]}
        row = reading.one(connection, "t.endpoint = :endpoint AND t.key = :key", same)
        if row is not None:
            return Intended(None, row)
        # Somebody deleted the record between the two statements (PostgreSQL), so the key is free.
        if connection.run(f"{_INSERT} (endpoint, key) DO NOTHING", values):
            return Intended(Held(write.id, write.owner, 1))


def retry(connection: Connection, write: Retry) -> Held | None:
    """Mark a call that had no effect, or perhaps none, as intended again, for a new owner."""
    done = connection.run(
        "UPDATE task SET phase = 'intended', owner = :owner, fence = fence + 1, updated_at = :at, over_at = NULL, "
        "error = NULL, status = NULL WHERE id = :id AND fence = :fence AND (phase IN ('refused', 'uncertain') OR "
        f"(phase = 'intended' AND NOT {OWNER_LIVES}))",
        {"id": write.id, "fence": write.fence, "owner": write.owner, "at": micros(write.at)},
    )
    return Held(write.id, write.owner, write.fence + 1) if done else None


def adopt(connection: Connection, write: Adopt) -> Adopted:
    """Take a task that exists already, or record it."""
    values = _NEW | {
        "id": write.id,
        "endpoint": indexed(write.endpoint),
        "whole_endpoint": beyond(write.endpoint),
        "task_id": indexed(write.task_id),
        "whole_task_id": beyond(write.task_id),
        "era": write.era,
        "kind": write.kind,
        "name": text(write.name),
        "label": text(write.label),
        "phase": "created",
        "at": micros(write.at),
        "expires_at": micros(write.expires_at),
        "owner": write.owner,
    }
    row = _of_task(connection, values)
    while row is None:
        # PostgreSQL: another process may insert the task now, or delete it.
        if connection.run(f"{_INSERT} (endpoint, task_id) WHERE phase = 'created' DO NOTHING", values):
            return Adopted(_by_id(connection, write.id), Held(write.id, write.owner, 1))
        row = _of_task(connection, values)
    if row.phase != "created":
        return Adopted(row, None)
    if row.owner == write.owner:
        return Adopted(row, Held(row.id, write.owner, row.fence))
    taken = connection.run(
        f"UPDATE task SET {TAKEN} WHERE id = :id AND fence = :fence AND phase = 'created' AND NOT {OWNER_LIVES}",
        {"id": row.id, "fence": row.fence, "owner": write.owner, "at": values["at"]},
    )
    found = _by_id(connection, row.id)
    if not taken:
        return Adopted(found, None)
    return Adopted(found, Held(row.id, write.owner, row.fence + 1), takeover=found.takeovers > row.takeovers)


def _of_task(connection: Connection, values: dict[str, Any]) -> Row | None:
    same = {"endpoint": values["endpoint"], "task_id": values["task_id"]}
    return reading.one(connection, "t.endpoint = :endpoint AND t.task_id = :task_id", same)


def _by_id(connection: Connection, task: str) -> Row:
    row = reading.one(connection, "t.id = :id", {"id": task})
    assert row is not None, "it was written in this transaction"
    return row


def created(connection: Connection, writes: Sequence[Created]) -> list[Placed]:
    """Record the ids of tasks, even if the lease on a record is lost."""
    values = [_created(write) for write in writes]
    names, ids = listed("task", {str(each["task_id"]) for each in values})
    twins = connection.all(f"SELECT id FROM task WHERE phase = 'created' AND task_id IN ({names})", ids)
    if len(writes) > 1 and (twins or len(ids) < len(writes)):
        # One after the other, since one of them may take the id of another.
        return [placed for write in writes for placed in created(connection, [write])]
    for (twin,) in twins:
        _forget_twin(connection, twin, values[0])
    done = connection.each(
        f"UPDATE task SET {_CREATED} WHERE {HELD} AND phase IN ('intended', 'uncertain', 'refused')", values
    )
    return [
        Placed(held=write.held, ours=True) if count else _without_lease(connection, write, each)
        for count, write, each in zip(done, writes, values, strict=True)
    ]


_CREATED = (
    "phase = 'created', task_id = :task_id, whole_task_id = :whole_task_id, status = :status, message = :message, "
    "expires_at = :expires_at, era = COALESCE(:era, era), error = NULL, over_at = NULL, updated_at = :at, "
    "traceparent = COALESCE(:traceparent, traceparent)"
)


def _created(write: Created) -> dict[str, Any]:
    task_id, whole_task_id = for_index(write.task_id)
    return {
        **lease(write.held),
        "task_id": task_id,
        "whole_task_id": whole_task_id,
        "at": micros(write.at),
        "status": write.status,
        "message": write.message,
        "expires_at": micros(write.expires_at),
        "era": write.era,
        "traceparent": text(write.traceparent),
    }


def _forget_twin(connection: Connection, twin: str, values: Values) -> None:
    """Mark the earlier task with the same id as forgotten: a server that has lost its memory may use an id again."""
    # The endpoints are compared here, since PostgreSQL would look for the endpoint first, which most tasks share.
    connection.run(
        "UPDATE task SET phase = 'forgotten', over_at = :at, updated_at = :at WHERE phase = 'created' AND id = :twin "
        "AND id <> :id AND endpoint = (SELECT e.endpoint FROM task e WHERE e.id = :id)",
        {**values, "twin": twin},
    )


def _without_lease(connection: Connection, write: Created, values: Values) -> Placed:
    """Record the id of a task whose lease is lost, so that the id is not lost too."""
    held = write.held
    if connection.run(f"UPDATE task SET {_CREATED} WHERE id = :id AND phase IN ('uncertain', 'refused')", values):
        return _taken_back(connection, write)
    spare = Held(write.spare, held.owner, 1)
    connection.run(
        "INSERT INTO task (id, endpoint, era, kind, name, label, labels, digest, arguments, phase, task_id, status, "
        "message, created_at, updated_at, expires_at, owner, fence, traceparent, whole_endpoint, whole_task_id) SELECT "
        ":spare, endpoint, COALESCE(:era, era), kind, name, label, labels, digest, NULL, 'created', :task_id, :status, "
        ":message, created_at, :at, :expires_at, :owner, 1, COALESCE(:traceparent, traceparent), whole_endpoint, "
        ":whole_task_id FROM task WHERE id = :id",
        {**values, "spare": write.spare},
    )
    connection.run(
        "INSERT INTO label (task, name, value) SELECT :spare, name, value FROM label WHERE task = :id",
        {"spare": write.spare, "id": held.id},
    )
    return Placed(held=spare, ours=True)


def _taken_back(connection: Connection, write: Created) -> Placed:
    """Take the lease on a task whose id came late, unless another live owner has it."""
    held = write.held
    free = f"id = :id AND NOT {OWNER_LIVES}"
    ours = connection.run(
        f"UPDATE task SET owner = :owner, fence = fence + 1 WHERE {free}", {"id": held.id, "owner": held.owner}
    )
    row = _by_id(connection, held.id)
    return Placed(held=Held(held.id, held.owner, row.fence), ours=bool(ours))


def immediate(connection: Connection, writes: Sequence[Immediate]) -> list[bool]:
    """Record that the server answered at once."""
    return change(
        connection,
        "phase = 'immediate', over_at = :at, status = :status, result = :result, error = :error, "
        "era = COALESCE(:era, era)",
        "'intended', 'uncertain', 'refused'",
        [
            (
                write.held,
                {
                    "at": micros(write.at),
                    "status": write.status,
                    "result": write.result,
                    "error": write.error,
                    "era": write.era,
                },
            )
            for write in writes
        ],
    )


def refused(connection: Connection, writes: Sequence[Refused]) -> list[bool]:
    """Record that the calls had no effect."""
    return change(
        connection, "phase = 'refused', over_at = :at, error = :error", "'intended', 'uncertain'", _failed(writes)
    )


def uncertain(connection: Connection, writes: Sequence[Uncertain]) -> list[bool]:
    """Record that nobody knows whether the calls arrived."""
    return change(connection, "phase = 'uncertain', error = :error", "'intended'", _failed(writes))


def _failed(writes: Sequence[Refused | Uncertain]) -> list[tuple[Held, Mapping[str, Any]]]:
    return [(write.held, {"at": micros(write.at), "error": write.error}) for write in writes]
