"""The conformance suite: statuses, ends and questions of a task, on every backend."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mcptasks._store.backend import Backend
from mcptasks._store.upkeep import Claim, Release
from mcptasks._store.writes import (
    Acknowledged,
    Asked,
    CancelAsked,
    Decide,
    Decision,
    Forgotten,
    Held,
    Immediate,
    Over,
    Refused,
    StatusSeen,
    Uncertain,
    Write,
)
from tests.helpers.stores import ENDPOINT, LATER, NOW, alive, created, do, intended, row


def test_the_latest_status_wins(backend: Backend) -> None:
    """A status replaces the one before, with all that belongs to it."""
    alive(backend)
    held = created(backend)
    do(backend, StatusSeen(held=held, at=NOW, status="working", message=b'"a"', expires_at=NOW))
    do(backend, StatusSeen(held=held, at=NOW + LATER, status="input_required"))
    found = row(backend, held)
    assert (found.status, found.message, found.expires_at, found.updated_at) == (
        "input_required",
        None,
        None,
        NOW + LATER,
    )


def test_an_end_in_two_steps(backend: Backend) -> None:
    """The status may come before the result: the end is when the first came, and the result is added."""
    alive(backend)
    held = created(backend)
    assert do(backend, Over(held=held, at=NOW, status="completed", message=b'"done"'))
    assert do(backend, Over(held=held, at=NOW + LATER, status="failed", result=b"1", error=b'"why"'))
    found = row(backend, held)
    assert (found.phase, found.status, found.message, found.error) == ("over", "failed", b'"done"', b'"why"')
    assert (found.over_at, found.has_result) == (NOW, True)
    assert backend.payload(held.id, "result") == b"1"
    assert backend.payload(held.id, "arguments") is None


def test_a_status_after_the_end_changes_nothing(backend: Backend) -> None:
    """A lazy write may be carried out after the end, which stays."""
    alive(backend)
    held = created(backend)
    do(backend, Over(held=held, at=NOW, status="completed"))
    assert do(backend, StatusSeen(held=held, at=NOW, status="working"))
    found = row(backend, held)
    assert (found.phase, found.status) == ("over", "completed")


def test_cancelling_is_told_once(backend: Backend) -> None:
    """The first time counts."""
    alive(backend)
    held = created(backend)
    do(backend, CancelAsked(held=held, at=NOW))
    do(backend, CancelAsked(held=held, at=NOW + LATER))
    assert row(backend, held).cancel_asked_at == NOW


def test_a_question_is_decided_once(backend: Backend) -> None:
    """The first answer stands, and whoever decides later is told that one."""
    alive(backend)
    held = created(backend)
    assert do(backend, Asked(held=held, key="q", at=NOW, request=b'{"method":"x"}'))
    assert do(backend, Asked(held=held, key="q", at=NOW + LATER, request=b"other"))
    (question,) = backend.questions([held.id])
    assert (question.key, question.request, question.asked_at, question.decided_at) == (
        "q",
        b'{"method":"x"}',
        NOW,
        None,
    )
    first = do(backend, Decide(held=held, key="q", at=NOW + LATER, answer=b"1"))
    second = do(backend, Decide(held=held, key="q", at=NOW + LATER, answer=b"2"))
    assert first == Decision(answer=b"1", ours=True, acknowledged=False)
    assert second == Decision(answer=b"1", ours=False, acknowledged=False)
    (question,) = backend.questions([held.id])
    assert (question.answer, question.decided_by, question.decided_at) == (b"1", "one", NOW + LATER)


def test_what_is_acknowledged_is_wiped(backend: Backend) -> None:
    """Nothing is left of the words of a question and its answer, and nobody decides it again."""
    alive(backend)
    held = created(backend)
    do(backend, Asked(held=held, key="q", at=NOW, request=b"secret"))
    do(backend, Decide(held=held, key="q", at=NOW, answer=b"secret"))
    assert do(backend, Acknowledged(held=held, key="q", at=NOW))
    assert backend.questions([held.id]) == []
    (question,) = backend.questions([held.id], all_of_them=True)
    assert (question.request, question.answer, question.acknowledged_at) == (None, None, NOW)
    late = do(backend, Decide(held=held, key="q", at=NOW, answer=b"2"))
    assert late == Decision(answer=None, ours=False, acknowledged=True)


def test_what_is_kept_stays(backend: Backend) -> None:
    """With `Keep.answers` the words stay."""
    alive(backend)
    held = created(backend)
    do(backend, Asked(held=held, key="q", at=NOW, request=b"r"))
    do(backend, Decide(held=held, key="q", at=NOW, answer=b"a"))
    do(backend, Acknowledged(held=held, key="q", at=NOW, keep=True))
    do(backend, Over(held=held, at=NOW, status="completed", keep=True))
    (question,) = backend.questions([held.id], all_of_them=True)
    assert (question.request, question.answer) == (b"r", b"a")


@pytest.mark.parametrize("end", ["over", "forgotten"])
def test_an_end_closes_questions(backend: Backend, end: str) -> None:
    """Nobody answers a task that has ended, and nothing of the words is left."""
    alive(backend)
    held = created(backend)
    do(backend, Asked(held=held, key="open", at=NOW, request=b"r"))
    do(backend, Decide(held=held, key="decided", at=NOW, answer=b"a"))
    do(backend, Over(held=held, at=NOW, status="failed") if end == "over" else Forgotten(held=held, at=NOW))
    assert backend.questions([held.id]) == []
    found = backend.questions([held.id], all_of_them=True)
    assert [(each.request, each.answer, each.acknowledged_at) for each in found] == [(None, None, NOW)] * 2


def test_questions_of_all_tasks(backend: Backend) -> None:
    """Questions are found by task or all at once, oldest first."""
    alive(backend)
    one, other = created(backend), created(backend, task_id="t2")
    do(backend, Asked(held=other, key="b", at=NOW))
    do(backend, Asked(held=one, key="a", at=NOW + LATER))
    assert [each.key for each in backend.questions()] == ["b", "a"]
    assert [each.key for each in backend.questions([one.id])] == ["a"]
    assert backend.questions([]) == []


FENCED: dict[str, Callable[[Held], Write[object]]] = {
    "status": lambda held: StatusSeen(held=held, at=NOW, status="working"),
    "over": lambda held: Over(held=held, at=NOW, status="completed"),
    "forgotten": lambda held: Forgotten(held=held, at=NOW),
    "cancel": lambda held: CancelAsked(held=held, at=NOW),
    "asked": lambda held: Asked(held=held, key="q", at=NOW),
    "decide": lambda held: Decide(held=held, key="q", at=NOW, answer=b"1"),
    "acknowledged": lambda held: Acknowledged(held=held, key="q", at=NOW),
    "release": lambda held: Release(held=held, at=NOW),
    "immediate": lambda held: Immediate(held=held, at=NOW),
    "refused": lambda held: Refused(held=held, at=NOW),
    "uncertain": lambda held: Uncertain(held=held, at=NOW),
}


@pytest.mark.parametrize("name", FENCED)
def test_a_lease_that_was_lost_writes_nothing(backend: Backend, name: str) -> None:
    """A holder whose task was taken is refused, and told so: the new holder's record is as it was."""
    alive(backend, "one", lease=0)
    held = created(backend)
    alive(backend, "two")
    (taken,) = do(backend, Claim(owner="two", endpoint=ENDPOINT, at=NOW))
    assert taken.held == Held(held.id, "two", 2)
    before = row(backend, held)._replace(lease_left=None)
    assert not do(backend, FENCED[name](held))
    assert row(backend, held)._replace(lease_left=None) == before
    assert backend.questions([held.id], all_of_them=True) == []


@pytest.mark.parametrize("name", FENCED)
def test_a_lease_that_holds(backend: Backend, name: str) -> None:
    """The same writes are carried out, or come too late, while the lease holds."""
    alive(backend)
    held = intended(backend) if name in ("immediate", "refused", "uncertain") else created(backend)
    assert do(backend, FENCED[name](held))


def test_a_batch_is_one_transaction(backend: Backend) -> None:
    """A write that fails takes those before it along."""
    alive(backend)
    held = created(backend)
    broken = StatusSeen(held=held, at=NOW, status=object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(Exception, match=r"store|type"):
        backend.apply([Over(held=held, at=NOW, status="completed"), broken])
    assert row(backend, held).phase == "created"
    assert do(backend, Over(held=held, at=NOW, status="completed"))
