"""The writes about the life of a task and about its questions. Each needs the lease on its task. Most functions take
many writes at once; see `calls.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcptasks._store.sql.calls import HELD, change, lease
from mcptasks._store.sql.dialect import Connection
from mcptasks._store.sql.reading import QUESTION, question
from mcptasks._store.sql.values import beyond, indexed, listed, micros
from mcptasks._store.writes import (
    Acknowledged,
    Asked,
    CancelAsked,
    Decide,
    Decision,
    Forgotten,
    Over,
    StatusSeen,
)

_ALIVE = "'created', 'over', 'forgotten'"
"""The phases in which the end of a task may be recorded. It may come in two steps: the status first, and the result
later."""
_WIPED = (
    "acknowledged_at = COALESCE(acknowledged_at, :at), "
    "request = CASE WHEN :keep = 1 THEN request END, answer = CASE WHEN :keep = 1 THEN answer END"
)
"""The assignments that close a question."""


def status_seen(connection: Connection, writes: Sequence[StatusSeen]) -> list[bool]:
    """Record the latest status of tasks."""
    return change(
        connection,
        "status = :status, message = :message, expires_at = :expires_at",
        "'created'",
        [
            (
                write.held,
                {
                    "at": micros(write.at),
                    "status": write.status,
                    "message": write.message,
                    "expires_at": micros(write.expires_at),
                },
            )
            for write in writes
        ],
    )


def over(connection: Connection, writes: Sequence[Over]) -> list[bool]:
    """Record the end of the work, and close the questions."""
    done = change(
        connection,
        "phase = 'over', over_at = COALESCE(over_at, :at), status = :status, message = COALESCE(:message, message), "
        "result = COALESCE(:result, result), error = :error",
        _ALIVE,
        [
            (
                write.held,
                {
                    "at": micros(write.at),
                    "status": write.status,
                    "message": write.message,
                    "result": write.result,
                    "error": write.error,
                },
            )
            for write in writes
        ],
    )
    _close_questions(connection, writes, done)
    return done


def forgotten(connection: Connection, writes: Sequence[Forgotten]) -> list[bool]:
    """Record that the server does not know the tasks any more, and close their questions."""
    done = change(
        connection,
        "phase = 'forgotten', over_at = COALESCE(over_at, :at), error = :error",
        "'created'",
        [(write.held, {"at": micros(write.at), "error": write.error}) for write in writes],
    )
    _close_questions(connection, writes, done)
    return done


def _close_questions(connection: Connection, writes: Sequence[Over | Forgotten], held: Sequence[bool]) -> None:
    # Most tasks ask nothing. No question can be added meanwhile, since that needs the row of the task, which is locked.
    names, ids = listed("task", {write.held.id for write in writes})
    asked = {task for (task,) in connection.all(f"SELECT DISTINCT task FROM question WHERE task IN ({names})", ids)}
    ended = [write for write, holds in zip(writes, held, strict=True) if holds and write.held.id in asked]
    closed = connection.each(
        f"UPDATE question SET {_WIPED} WHERE task = :id AND (acknowledged_at IS NULL OR answer IS NOT NULL)",
        [{"id": write.held.id, "at": micros(write.at), "keep": int(write.keep)} for write in ended],
    )
    if any(count and not write.keep for count, write in zip(closed, ended, strict=True)):
        connection.wiped()


def cancel_asked(connection: Connection, writes: Sequence[CancelAsked]) -> list[bool]:
    """Record that the server is asked to cancel the tasks."""
    return change(
        connection,
        "cancel_asked_at = COALESCE(cancel_asked_at, :at)",
        "'intended', 'created'",
        [(write.held, {"at": micros(write.at)}) for write in writes],
    )


_ASK = (
    "INSERT INTO question (task, key, whole_key, request, asked_at) VALUES (:id, :key, :whole_key, :request, :at) "
    "ON CONFLICT (task, key) DO NOTHING"
)


def asked(connection: Connection, writes: Sequence[Asked]) -> list[bool]:
    """Record questions, except those that are recorded already."""
    held = _touched(connection, writes)
    connection.each(
        _ASK, [{**_of(write), "request": write.request} for write, ours in zip(writes, held, strict=True) if ours]
    )
    return held


def decide(connection: Connection, writes: Sequence[Decide]) -> list[Decision | None]:
    """Record the answers to questions. The first answer to a question stays."""
    held = _touched(connection, writes)
    values = [
        {**_of(write), "request": None, "answer": write.answer, "owner": write.held.owner}
        for write, ours in zip(writes, held, strict=True)
        if ours
    ]
    connection.each(_ASK, values)
    first = connection.each(
        "UPDATE question SET answer = :answer, decided_at = :at, decided_by = :owner WHERE task = :id AND key = :key "
        "AND decided_at IS NULL AND acknowledged_at IS NULL",
        values,
    )
    found = connection.all_each(f"SELECT {QUESTION} FROM question q WHERE q.task = :id AND q.key = :key", values)
    stands = (_decision(rows[0], ours=bool(count)) for count, rows in zip(first, found, strict=True))
    return [next(stands) if ours else None for ours in held]


def _decision(columns: tuple[Any, ...], *, ours: bool) -> Decision:
    stands = question(columns)
    return Decision(answer=stands.answer, ours=ours, acknowledged=stands.acknowledged_at is not None)


def acknowledged(connection: Connection, writes: Sequence[Acknowledged]) -> list[bool]:
    """Close questions that need no answer any more."""
    held = _touched(connection, writes)
    ended = [write for write, ours in zip(writes, held, strict=True) if ours]
    connection.each(
        f"UPDATE question SET {_WIPED} WHERE task = :id AND key = :key",
        [{**_of(write), "keep": int(write.keep)} for write in ended],
    )
    if any(not write.keep for write in ended):
        connection.wiped()
    return held


def _of(write: Asked | Decide | Acknowledged) -> dict[str, Any]:
    return {
        "id": write.held.id,
        "key": indexed(write.key),
        "whole_key": beyond(write.key),
        "at": micros(write.at),
    }


def _touched(connection: Connection, writes: Sequence[Asked | Decide | Acknowledged]) -> list[bool]:
    """Whether each lease holds. The row of the task is written to, so nobody can take the lease before the transaction
    ends."""
    done = connection.each(
        f"UPDATE task SET updated_at = :at WHERE {HELD}",
        [{**lease(write.held), "at": micros(write.at)} for write in writes],
    )
    return [bool(count) for count in done]
