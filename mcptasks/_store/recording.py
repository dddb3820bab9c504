"""Rows and questions as the records that programs see. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from mcptasks._store.payloads import Payloads
from mcptasks._store.records import Question, QuestionRecord, Row, TaskRecord

if TYPE_CHECKING:
    # `models` imports pydantic; see `records`.
    from mcptasks._core.models import Era, Kind, Status


def question_record(question: Question, payloads: Payloads) -> QuestionRecord:
    """A question as programs see it.

    Raises:
        StoreError: A payload cannot be read.
    """
    return QuestionRecord(
        key=question.key,
        request=payloads.read_request(question.task, question.key, question.request),
        answer=payloads.read_answer(question.task, question.key, question.answer),
        asked_at=question.asked_at,
        decided_at=question.decided_at,
        decided_by=question.decided_by,
        acknowledged_at=question.acknowledged_at,
    )


def task_record(row: Row, questions: Iterable[QuestionRecord], payloads: Payloads, now: datetime) -> TaskRecord:
    """A task as programs see it.

    Args:
        row: The task.
        questions: Its questions.
        payloads: Reads them.
        now: This machine's time, from which `lease_until` counts.

    Raises:
        StoreError: A payload cannot be read.
    """
    left = row.lease_left
    return TaskRecord(
        id=row.id,
        endpoint=row.endpoint,
        era=cast("Era | None", row.era),
        kind=cast("Kind | None", row.kind),
        name=row.name,
        label=row.label,
        key=row.key,
        labels=row.labels,
        phase=row.phase,
        task_id=row.task_id,
        status=cast("Status | None", row.status),
        message=None if row.message is None else payloads.read_words(row.id, row.message),
        error=None if row.error is None else payloads.read_words(row.id, row.error),
        questions=tuple(questions),
        created_at=row.created_at,
        updated_at=row.updated_at,
        over_at=row.over_at,
        expires_at=row.expires_at,
        cancel_asked_at=row.cancel_asked_at,
        owner=row.owner,
        lease_until=None if left is None else now + timedelta(seconds=left),
        arguments_digest=row.digest,
        has_arguments=row.has_arguments,
        has_result=row.has_result,
        fence=row.fence,
        traceparent=row.traceparent,
    )


def task_records(
    rows: Iterable[Row], questions: Iterable[Question], payloads: Payloads, now: datetime
) -> list[TaskRecord]:
    """Tasks with the questions that belong to them; see `task_record`."""
    of_task = by_task(questions, payloads)
    return [task_record(row, of_task.get(row.id, ()), payloads, now) for row in rows]


def by_task(questions: Iterable[Question], payloads: Payloads) -> Mapping[str, list[QuestionRecord]]:
    """Questions by the record that they belong to."""
    found: defaultdict[str, list[QuestionRecord]] = defaultdict(list)
    for question in questions:
        found[question.task].append(question_record(question, payloads))
    return found
