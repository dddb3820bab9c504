"""The queries for tasks and questions, and their values read from columns."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from mcptasks._store.records import OPEN, LearnedRun, Owner, Phase, Query, Question, Row
from mcptasks._store.sql.dialect import Connection
from mcptasks._store.sql.values import (
    AT_ONCE,
    MARK,
    indexed,
    listed,
    micros,
    moment,
    moment_or_none,
    most,
    read_text,
    text,
)

ALIVE = "COALESCE(o.boot = {boot} AND o.alive_until > {now}, FALSE)"
"""Whether the owner `o` of a task `t` lives."""
PHASE = f"CASE WHEN t.phase = 'intended' AND NOT {ALIVE} THEN 'uncertain' ELSE t.phase END"
"""A call whose owner died before the answer came may have been carried out."""
_CREATED: frozenset[Phase] = frozenset({"created"})
TASKS = "FROM task t LEFT JOIN owner o ON o.owner = t.owner"
COLUMNS = (
    "t.id, COALESCE(t.whole_endpoint, t.endpoint), t.era, t.kind, t.name, t.label, COALESCE(t.whole_key, t.key), "
    "t.labels, t.digest, COALESCE(t.whole_task_id, t.task_id), t.status, t.message, t.error, "
    "t.created_at, t.updated_at, t.over_at, t.expires_at, t.cancel_asked_at, t.owner, t.fence, t.traceparent, "
    "t.takeovers, "
    f"t.arguments IS NOT NULL, t.result IS NOT NULL, {PHASE}, "
    f"CASE WHEN {ALIVE} THEN o.alive_until - {{now}} END"
)
WIDTH = 26
"""The number of `COLUMNS`."""
QUESTION = (
    "q.task, COALESCE(q.whole_key, q.key), q.request, q.answer, q.asked_at, q.decided_at, q.decided_by, "
    "q.acknowledged_at"
)


def row(columns: Sequence[Any]) -> Row:
    """A task, out of `COLUMNS`."""
    # Ten thousand are made at once: a call for each column, or the names of the fields of `Row`, would take a third
    # longer.
    task, endpoint, era, kind, name, label, key, labels, digest, task_id, status, message, error = columns[:13]
    created_at, updated_at, over_at, expires_at, cancel_asked_at, owner, fence, traceparent, takeovers = columns[13:22]
    has_arguments, has_result, phase, lease_left = columns[22:]
    created = moment(created_at)
    return Row._make(
        (
            task,
            endpoint if MARK not in endpoint else read_text(endpoint),
            era,
            kind,
            name if name is None or MARK not in name else read_text(name),
            label if label is None or MARK not in label else read_text(label),
            key if key is None or MARK not in key else read_text(key),
            json.loads(labels) if labels != "{}" else {},
            digest,
            phase,
            task_id if task_id is None or MARK not in task_id else read_text(task_id),
            status,
            None if message is None else bytes(message),  # psycopg may return another kind of buffer
            None if error is None else bytes(error),
            created,
            created if updated_at == created_at else moment(updated_at),
            None if over_at is None else moment(over_at),
            None if expires_at is None else moment(expires_at),
            None if cancel_asked_at is None else moment(cancel_asked_at),
            owner,
            lease_left,
            fence,
            bool(has_arguments),
            bool(has_result),
            traceparent,
            takeovers,
        )
    )


def question(columns: Sequence[Any]) -> Question:
    """A question, out of its columns."""
    task, key, request, answer, asked_at, decided_at, decided_by, acknowledged_at = columns
    return Question(
        task=task,
        key=read_text(key),
        request=_bytes(request),
        answer=_bytes(answer),
        asked_at=moment(asked_at),
        decided_at=moment_or_none(decided_at),
        decided_by=decided_by,
        acknowledged_at=moment_or_none(acknowledged_at),
    )


def _bytes(value: Any) -> bytes | None:
    """A payload; psycopg may return another kind of buffer."""
    return None if value is None else bytes(value)


def condition(query: Query) -> tuple[str, dict[str, Any]]:
    """The condition of a query, without its page, and the parameters."""
    parts = ["TRUE"]
    values: dict[str, Any] = {}
    if query.endpoint is not None:
        parts.append("t.endpoint = :endpoint")
        values["endpoint"] = indexed(query.endpoint)
    if query.name is not None:
        parts.append("t.name = :tool")
        values["tool"] = text(query.name)
    if query.since is not None:
        parts.append("t.created_at >= :since")
        values["since"] = micros(query.since)
    if query.phases == _CREATED:
        # In the form that the index `task_queue` needs. The phase of such a task does not depend on its owner.
        parts.append("t.phase = 'created'")
    elif query.phases is not None:
        names, phases = listed("phase", sorted(query.phases))
        parts.append(f"{PHASE} IN ({names})")
        values |= phases
    for number, (name, value) in enumerate(query.labels.items()):
        found = "SELECT 1 FROM label l WHERE l.task = t.id"
        parts.append(f"EXISTS ({found} AND l.name = :label{number} AND l.value = :value{number})")
        values |= {f"label{number}": indexed(name), f"value{number}": indexed(value)}
    return " AND ".join(parts), values


def rows(connection: Connection, query: Query) -> list[Row]:
    """The tasks of a query, newest first."""
    where, values = condition(query)
    if query.after is not None:
        page = "SELECT a.created_at, a.id FROM task a WHERE a.id = :after"
        where, values = f"{where} AND (t.created_at, t.id) < ({page})", {**values, "after": query.after}
    limit = ""
    if query.limit is not None:
        limit, values = " LIMIT :limit", {**values, "limit": most(query.limit)}
    found = connection.all(
        f"SELECT {COLUMNS} {TASKS} WHERE {where} ORDER BY t.created_at DESC, t.id DESC{limit}", values
    )
    return [row(each) for each in found]


def one(connection: Connection, condition: str, values: dict[str, Any]) -> Row | None:
    """The newest task that meets a condition."""
    found = several(connection, condition, values, limit=1)
    return found[0] if found else None


def several(connection: Connection, condition: str, values: dict[str, Any], *, limit: int) -> list[Row]:
    """The newest tasks that meet a condition."""
    found = connection.all(
        f"SELECT {COLUMNS} {TASKS} WHERE {condition} ORDER BY t.created_at DESC, t.id DESC LIMIT :limit",
        {**values, "limit": most(limit)},
    )
    return [row(each) for each in found]


def find(connection: Connection, which: str, *, limit: int) -> list[Row]:
    """The tasks whose record id, key or task id is `which`; if there are none, those whose record id begins with it."""
    for where in ("t.id = :which", "t.key = :which", "t.task_id = :which", "substr(t.id, 1, length(:which)) = :which"):
        found = several(connection, where, {"which": indexed(which)}, limit=limit)
        if found:
            return found
    return []


def questions(connection: Connection, ids: Collection[str], *, all_of_them: bool) -> list[Question]:
    """The questions of some tasks, oldest first."""
    found: list[tuple[Any, ...]] = []
    waiting = "" if all_of_them else "q.acknowledged_at IS NULL AND "
    listing = list(ids)
    for start in range(0, len(listing), AT_ONCE):
        names, values = listed("id", listing[start : start + AT_ONCE])
        found += connection.all(
            f"SELECT {QUESTION} FROM question q WHERE {waiting}q.task IN ({names}) ORDER BY q.asked_at, q.key", values
        )
    return [question(each) for each in found]


def open_questions(connection: Connection) -> list[Question]:
    """The questions of all tasks that are not acknowledged, oldest first."""
    found = connection.all(
        f"SELECT {QUESTION} FROM question q WHERE q.acknowledged_at IS NULL ORDER BY q.asked_at, q.key"
    )
    return [question(each) for each in found]


def owners(connection: Connection) -> list[Owner]:
    """The owners on record."""
    left = f"CASE WHEN {ALIVE} THEN o.alive_until - {{now}} ELSE 0 END"
    found = connection.all(f"SELECT o.owner, o.host, o.scene, o.process, {left} FROM owner o ORDER BY o.owner")
    return [
        Owner(owner=owner, host=host, scene=scene, process=process, lease_left=lease_left)
        for owner, host, scene, process, lease_left in found
    ]


def runs(connection: Connection, endpoint: str) -> list[LearnedRun]:
    """What was learned of an endpoint, oldest first."""
    found = connection.all(
        "SELECT kind, name, low, high, least, arguments, size, at FROM run WHERE endpoint = :endpoint ORDER BY at",
        {"endpoint": indexed(endpoint)},
    )
    return [
        LearnedRun(
            endpoint=endpoint,
            kind=kind,
            name=read_text(name),
            low=low,
            high=high,
            least=least,
            arguments=arguments,
            size=size,
            at=moment(at),
        )
        for kind, name, low, high, least, arguments, size, at in found
    ]


def held_elsewhere(connection: Connection, query: Query, owner: str) -> int:
    """How many tasks of a query another live owner holds."""
    where, values = condition(query)
    found = connection.all(
        f"SELECT count(*) {TASKS} WHERE {where} AND {ALIVE} AND t.owner <> :owner", {**values, "owner": owner}
    )
    return int(found[0][0])


_OPEN_NAMES, OPEN_VALUES = listed("open", sorted(OPEN))
IS_OPEN = f"phase IN ({_OPEN_NAMES})"
"""Whether a task may still need somebody; with `OPEN_VALUES`."""
