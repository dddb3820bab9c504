"""The conformance suite: what consumers of `Store.finished` are told, on every backend."""

from __future__ import annotations

import pytest

from mcptasks._store.backend import Backend
from mcptasks._store.deliveries import Next, Pending, Told
from mcptasks._store.upkeep import Retire
from mcptasks._store.writes import Acknowledged, Asked, Decide, Forgotten, Immediate, Over, Refused, Uncertain
from tests.helpers.stores import LATER, NOW, alive, created, do, intended, owner


def ask(backend: Backend, by: str = "teller", consumer: str = "agent", *, lease: float = 30.0) -> list[Pending] | None:
    """What a consumer was not told yet."""
    return do(backend, Next(consumer=consumer, owner=owner(by), lease=lease))


def news(backend: Backend, by: str = "teller") -> list[Pending]:
    """The same, for a consumer that belongs to nobody else."""
    found = ask(backend, by)
    assert found is not None
    return found


def tell(backend: Backend, pending: Pending, by: str = "teller", consumer: str = "agent") -> bool:
    """Say that a consumer was told."""
    return do(backend, Told(consumer=consumer, owner=by, task=pending.row.id, mark=pending.mark, at=NOW))


def kinds(found: list[Pending] | None) -> list[str]:
    """What there is to tell."""
    return [each.kind for each in found or ()]


def test_ends_failures_and_questions(backend: Backend) -> None:
    """Everything that a program may want to react to is told, oldest first; what goes on is not."""
    alive(backend)
    ends = [created(backend, task_id=f"t{number}") for number in range(6)]
    do(backend, Over(held=ends[0], at=NOW + 4 * LATER, status="completed"))
    do(backend, Over(held=ends[1], at=NOW + 3 * LATER, status="failed"))
    do(backend, Over(held=ends[2], at=NOW + 2 * LATER, status="cancelled"))
    do(backend, Forgotten(held=ends[3], at=NOW + LATER))
    do(backend, Asked(held=ends[4], key="q", at=NOW + 5 * LATER, request=b"r"))
    do(backend, Immediate(held=intended(backend), at=NOW + 6 * LATER))
    do(backend, Refused(held=intended(backend), at=NOW + 7 * LATER))
    do(backend, Uncertain(held=intended(backend), at=NOW + 8 * LATER))
    found = ask(backend)
    assert kinds(found) == ["forgotten", "over", "failed", "over", "question", "over", "failed", "uncertain"]
    assert found is not None
    assert found[4].question is not None
    assert (found[4].question.key, found[4].question.request) == ("q", b"r")


def test_each_consumer_is_told_once(backend: Backend) -> None:
    """What was acknowledged is told no more to that consumer, and still to the others."""
    alive(backend)
    do(backend, Over(held=created(backend), at=NOW, status="completed"))
    (end,) = news(backend)
    assert kinds(ask(backend)) == ["over"]
    assert tell(backend, end)
    assert tell(backend, end)
    assert ask(backend) == []
    assert kinds(ask(backend, "other teller", "other")) == ["over"]


def test_a_question_and_the_end_are_told_apart(backend: Backend) -> None:
    """Each question of a task is told, and then its end; a question that is answered is not."""
    alive(backend)
    held = created(backend)
    for key in ("a", "b", "c"):
        do(backend, Asked(held=held, key=key, at=NOW))
    do(backend, Decide(held=held, key="b", at=NOW, answer=b"1"))
    do(backend, Acknowledged(held=held, key="c", at=NOW))
    (question,) = news(backend)
    assert question.mark == "question:a"
    tell(backend, question)
    assert ask(backend) == []
    do(backend, Over(held=held, at=NOW, status="completed"))
    assert kinds(ask(backend)) == ["over"]


def test_an_uncertain_call_is_told_again_when_it_is_over(backend: Backend) -> None:
    """That a call is uncertain is one thing to tell, what became of it another."""
    alive(backend)
    held = intended(backend)
    do(backend, Retire(owner="one"))
    (doubt,) = news(backend)
    assert (doubt.kind, doubt.row.phase) == ("uncertain", "uncertain")
    tell(backend, doubt)
    assert ask(backend) == []
    alive(backend)
    do(backend, Immediate(held=held, at=NOW))
    assert ask(backend) == []


def test_a_consumer_belongs_to_one_process(backend: Backend) -> None:
    """While one process tells a consumer another waits; it takes over when the first is dead, and is told what was not
    acknowledged."""
    alive(backend)
    do(backend, Over(held=created(backend), at=NOW, status="completed"))
    (end,) = news(backend, "first")
    assert ask(backend, "second") is None
    assert not tell(backend, end, "second")
    ask(backend, "first", lease=0)
    assert kinds(ask(backend, "second")) == ["over"]
    assert not tell(backend, end, "first")
    assert ask(backend, "first") is None
    do(backend, Retire(owner="second"))
    assert kinds(ask(backend, "first")) == ["over"]


@pytest.mark.parametrize("limit", [1, 2])
def test_how_many_are_told_at_once(backend: Backend, limit: int) -> None:
    """No more than were asked for."""
    alive(backend)
    for number in range(3):
        do(backend, Over(held=created(backend, task_id=f"t{number}"), at=NOW, status="completed"))
    found = do(backend, Next(consumer="agent", owner=owner("teller"), lease=30, limit=limit))
    assert len(found or ()) == limit
