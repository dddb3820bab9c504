"""The writes behind `Store.finished`: they find the events that a consumer was not told yet, and note those that it was
told."""

from __future__ import annotations

from datetime import datetime

from mcptasks._store.deliveries import Next, Pending, Told
from mcptasks._store.records import EventKind, Question, Row
from mcptasks._store.sql import reading
from mcptasks._store.sql.dialect import Connection, Values
from mcptasks._store.sql.upkeep import alive
from mcptasks._store.sql.values import indexed, micros, most

_UNTOLD = "NOT EXISTS (SELECT 1 FROM delivery d WHERE d.task = t.id AND d.consumer = :consumer AND d.mark = {mark})"
_ENDED = "t.phase IN ('over', 'immediate', 'refused', 'forgotten')"


def next_(connection: Connection, write: Next) -> list[Pending] | None:
    """The events that a consumer was not told yet, oldest first; None if the consumer belongs to another live owner."""
    return pending(connection, write.consumer, write.limit) if _taken(connection, write) else None


def pending(connection: Connection, consumer: str, limit: int) -> list[Pending]:
    """The events that a consumer was not told yet, oldest first, whatever owner the consumer belongs to."""
    values = {"consumer": indexed(consumer), "limit": most(limit)}
    found = [*_ends(connection, values), *_doubts(connection, values), *_questions(connection, values)]
    return sorted(found, key=_since)[:limit]


def _taken(connection: Connection, write: Next) -> bool:
    """Give the consumer to the owner unless it belongs to another live one; returns whether it belongs to the owner."""
    alive(connection, write.owner, write.lease)
    values = {"consumer": indexed(write.consumer), "owner": write.owner.owner}
    connection.run(
        "INSERT INTO consumer (consumer, owner) VALUES (:consumer, :owner) ON CONFLICT (consumer) DO NOTHING", values
    )
    return bool(
        connection.run(
            "UPDATE consumer SET owner = :owner WHERE consumer = :consumer AND (owner = :owner OR NOT EXISTS "
            "(SELECT 1 FROM owner o WHERE o.owner = consumer.owner AND o.boot = {boot} AND o.alive_until > {now}))",
            values,
        )
    )


def _ends(connection: Connection, values: Values) -> list[Pending]:
    untold = _UNTOLD.replace("{mark}", "'end'")
    return [_end(row) for row in _select(connection, f"{_ENDED} AND {untold}", "t.over_at", values)]


def _end(row: Row) -> Pending:
    kind: EventKind = "over"
    if row.phase == "forgotten":
        kind = "forgotten"
    elif row.phase == "refused" or row.status == "failed":
        kind = "failed"
    return Pending(kind=kind, row=row)


def _doubts(connection: Connection, values: Values) -> list[Pending]:
    untold = _UNTOLD.replace("{mark}", "'uncertain'")
    uncertain = f"t.phase IN ('intended', 'uncertain') AND {reading.PHASE} = 'uncertain'"
    found = _select(connection, f"{uncertain} AND {untold}", "t.updated_at", values)
    return [Pending(kind="uncertain", row=row) for row in found]


def _questions(connection: Connection, values: Values) -> list[Pending]:
    untold = _UNTOLD.replace("{mark}", "'question:' || q.key")
    waiting = "q.acknowledged_at IS NULL AND q.decided_at IS NULL"
    found = connection.all(
        f"SELECT {reading.COLUMNS}, {reading.QUESTION} {reading.TASKS} JOIN question q ON q.task = t.id WHERE "
        f"{waiting} AND {untold} ORDER BY q.asked_at, q.key LIMIT :limit",
        values,
    )
    return [
        Pending(
            kind="question",
            row=reading.row(each[: reading.WIDTH]),
            question=reading.question(each[reading.WIDTH :]),
        )
        for each in found
    ]


def _select(connection: Connection, where: str, order: str, values: Values) -> list[Row]:
    found = connection.all(
        f"SELECT {reading.COLUMNS} {reading.TASKS} WHERE {where} ORDER BY {order}, t.id LIMIT :limit", values
    )
    return [reading.row(each) for each in found]


def _since(pending: Pending) -> tuple[datetime, str]:
    """When the event happened, and the record's id, for the order of events."""
    question: Question | None = pending.question
    at = question.asked_at if question is not None else pending.row.over_at or pending.row.updated_at
    return at, pending.row.id


def _mark(mark: str) -> str:
    """A mark as `_UNTOLD` looks for it: the key of a question as its row has it."""
    word, found, key = mark.partition(":")
    return f"{word}:{indexed(key)}" if found else mark


def told(connection: Connection, write: Told) -> bool:
    """Record that a consumer has dealt with an event."""
    values = {
        "consumer": indexed(write.consumer),
        "owner": write.owner,
        "task": write.task,
        "mark": _mark(write.mark),
        "at": micros(write.at),
    }
    if not connection.run("UPDATE consumer SET owner = owner WHERE consumer = :consumer AND owner = :owner", values):
        return False
    connection.run(
        "INSERT INTO delivery (task, consumer, mark, at) SELECT t.id, :consumer, :mark, :at FROM task t WHERE "
        "t.id = :task ON CONFLICT (task, consumer, mark) DO NOTHING",
        values,
    )
    return True
