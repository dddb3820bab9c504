"""The writes of the lives of tasks and of their questions. Each needs the lease on its task. See `calls.py` on many
writes at once."""

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
"""The phases of a task that the server made: its end may be told in two steps, the status before the result."""
_WIPED = (
    "acknowledged_at = COALESCE(acknowledged_at, :at), "
    "request = CASE WHEN :keep = 1 THEN request END, answer = CASE WHEN :keep = 1 THEN answer END"
)
"""What becomes of a question when nothing more is to be sent."""


def status_seen(connection: Connection, writes: Sequence[StatusSeen]) -> list[bool]:
    """The latest status."""
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
    """The end of the work."""
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
    """The server does not know the tasks any more."""
    done = change(
        connection,
        "phase = 'forgotten', over_at = COALESCE(over_at, :at), error = :error",
        "'created'",
        [(write.held, {"at": micros(write.at), "error": write.error}) for write in writes],
    )
    _close_questions(connection, writes, done)
    return done


def _close_questions(connection: Connection, writes: Sequence[Over | Forgotten], held: Sequence[bool]) -> None:
    # Most tasks ask nothing. Whoever adds a question writes to the row of its task first, which is locked by now.
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
    """The server is asked to cancel the tasks."""
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
    """Questions, but those that are known."""
    held = _touched(connection, writes)
    connection.each(
        _ASK, [{**_of(write), "request": write.request} for write, ours in zip(writes, held, strict=True) if ours]
    )
    return held


def decide(connection: Connection, writes: Sequence[Decide]) -> list[Decision | None]:
    """The answers to questions: the first one of each stands."""
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
    """Nothing more is to be sent to questions."""
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
    """Whether each lease holds, and nobody takes it before the end of this transaction: the row is written to."""
    done = connection.each(
        f"UPDATE task SET updated_at = :at WHERE {HELD}",
        [{**lease(write.held), "at": micros(write.at)} for write in writes],
    )
    return [bool(count) for count in done]
