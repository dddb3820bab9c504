"""The conformance suite: what becomes of a creating call, on every backend."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from anyio import create_task_group, to_thread, wait_all_tasks_blocked
from attrs import evolve

from mcptasks._core.exceptions import StoreError
from mcptasks._store.backend import Backend
from mcptasks._store.deliveries import Next, Told
from mcptasks._store.records import LearnedRun, Query, new_id
from mcptasks._store.sql.backend import groups
from mcptasks._store.upkeep import Claim, EraKnown, Learned, Release, Retire, Settle
from mcptasks._store.writer import Writer
from mcptasks._store.writes import (
    Adopt,
    Asked,
    Created,
    Decide,
    Forgotten,
    Held,
    Immediate,
    Intend,
    Over,
    Refused,
    Retry,
    StatusSeen,
    Uncertain,
    Write,
)
from tests.helpers.stores import (
    ENDPOINT,
    LATER,
    NOW,
    Place,
    alive,
    created,
    do,
    intend,
    intended,
    owner,
    row,
)


def test_an_intent_is_there_before_the_answer(place: Place) -> None:
    """What was intended is found by whoever opens the store next, with all that was said of the call."""
    backend = place.open()
    alive(backend)
    held = intended(
        backend,
        key="order-42",
        labels={"job": "nightly"},
        label="mine",
        digest="1:a:b",
        arguments=b"{}",
        era="2026-07-28",
        traceparent="00-1-2-01",
    )
    (found,) = place.open().rows(Query())
    assert (found.id, found.phase, found.owner, found.fence) == (held.id, "intended", "one", 1)
    assert (found.endpoint, found.era, found.kind, found.name) == (ENDPOINT, "2026-07-28", "tool", "work")
    assert (found.key, found.label, dict(found.labels)) == ("order-42", "mine", {"job": "nightly"})
    assert (found.digest, found.has_arguments, found.traceparent) == ("1:a:b", True, "00-1-2-01")
    assert found.created_at == found.updated_at == NOW
    assert found.lease_left is not None
    assert 0 < found.lease_left <= 45


def test_a_key_is_taken_once(backend: Backend) -> None:
    """The second call with a key gets the first one's record, and writes nothing; other endpoints have keys of their
    own."""
    alive(backend)
    first = intended(backend, key="k")
    again = intend(backend, key="k")
    assert again.held is None
    assert again.row is not None
    assert again.row.id == first.id
    assert intend(backend, key="k", endpoint="https://elsewhere.example/mcp").held is not None
    assert intend(backend).held is not None
    assert len(backend.rows(Query())) == 3


def test_a_task_is_created(backend: Backend) -> None:
    """The id is recorded by the lease, with the first status."""
    alive(backend)
    held = intended(backend)
    placed = do(
        backend,
        Created(
            held=held,
            spare=new_id(),
            task_id="t1",
            at=NOW + LATER,
            status="working",
            message=b'"busy"',
            expires_at=NOW + 60 * LATER,
            era="2025-11-25",
        ),
    )
    assert (placed.held, placed.ours) == (held, True)
    found = row(backend, held)
    assert (found.phase, found.task_id, found.status, found.message) == ("created", "t1", "working", b'"busy"')
    assert (found.expires_at, found.era, found.updated_at) == (NOW + 60 * LATER, "2025-11-25", NOW + LATER)


def test_an_id_is_recorded_without_the_lease(backend: Backend) -> None:
    """An answer that comes after the owner was given up is not lost: nobody has the task, so its caller gets it."""
    alive(backend)
    held = intended(backend)
    do(backend, Retire(owner="one"))
    assert row(backend, held).phase == "uncertain"
    alive(backend)
    placed = do(backend, Created(held=held, spare=new_id(), task_id="t1", at=NOW))
    assert placed.ours
    assert placed.held == Held(held.id, "one", 2)
    assert row(backend, held).task_id == "t1"
    assert do(backend, Over(held=placed.held, at=NOW, status="completed"))


def test_an_id_that_comes_after_the_call_was_sent_again_gets_a_record(backend: Backend) -> None:
    """Two tasks of one call are two records, so that no id is lost."""
    alive(backend)
    held = intended(backend, key="k", labels={"a": "b"})
    do(backend, Retire(owner="one"))
    alive(backend, "two")
    again = do(backend, Retry(id=held.id, fence=1, owner="two", at=NOW))
    assert again is not None
    do(backend, Created(held=again, spare=new_id(), task_id="second", at=NOW))
    spare = new_id()
    placed = do(backend, Created(held=held, spare=spare, task_id="first", at=NOW))
    assert placed.held.id == spare
    assert row(backend, spare).task_id == "first"
    assert row(backend, spare).key is None
    assert len(backend.rows(Query(labels={"a": "b"}))) == 2
    assert row(backend, again).task_id == "second"


def test_an_id_that_is_handed_out_again(backend: Backend) -> None:
    """A server that lost its memory may use an id again: the task that had it is gone, and the new one is there."""
    alive(backend)
    old = created(backend, task_id="1")
    new = created(backend, task_id="1")
    assert row(backend, old).phase == "forgotten"
    assert row(backend, new).phase == "created"
    found = backend.find_task(ENDPOINT, "1")
    assert found is not None


def test_an_answer_at_once(backend: Backend) -> None:
    """A call without a task ends at once, with the result if it is kept."""
    alive(backend)
    held = intended(backend)
    assert do(backend, Immediate(held=held, at=NOW + LATER, result=b'{"content":[]}'))
    found = row(backend, held)
    assert (found.phase, found.status, found.over_at, found.has_result) == (
        "immediate",
        "completed",
        NOW + LATER,
        True,
    )
    assert backend.payload(held.id, "result") == b'{"content":[]}'


@pytest.mark.parametrize("phase", ["refused", "uncertain"])
def test_a_call_that_fails(backend: Backend, phase: str) -> None:
    """A failed call has had no effect, or nobody knows; either can be sent again by one caller."""
    alive(backend)
    held = intended(backend, key="k")
    write = Refused(held=held, at=NOW, error=b'"no"') if phase == "refused" else Uncertain(held=held, at=NOW)
    assert do(backend, write)
    assert row(backend, held).phase == phase
    again = do(backend, Retry(id=held.id, fence=1, owner="one", at=NOW))
    assert again == Held(held.id, "one", 2)
    assert do(backend, Retry(id=held.id, fence=1, owner="two", at=NOW)) is None
    found = row(backend, held)
    assert (found.phase, found.error, found.over_at) == ("intended", None, None)


def test_an_intent_of_a_dead_owner_is_uncertain(backend: Backend) -> None:
    """A call whose owner died before the answer is uncertain, for whoever reads it and in every query."""
    alive(backend, lease=0)
    held = intended(backend)
    assert row(backend, held).phase == "uncertain"
    assert [found.id for found in backend.rows(Query(phases=frozenset({"uncertain"})))] == [held.id]
    assert backend.rows(Query(phases=frozenset({"intended"}))) == []
    alive(backend)
    assert row(backend, held).phase == "intended"
    assert backend.rows(Query(phases=frozenset({"uncertain"}))) == []


def test_a_call_of_a_live_owner_is_not_sent_again(backend: Backend) -> None:
    """While somebody waits for the answer nobody else sends the call; once that owner is dead, one other may."""
    alive(backend)
    held = intended(backend)
    alive(backend, "two")
    assert do(backend, Retry(id=held.id, fence=1, owner="two", at=NOW)) is None
    alive(backend, "one", lease=0)
    assert do(backend, Retry(id=held.id, fence=1, owner="two", at=NOW)) == Held(held.id, "two", 2)


def test_a_task_from_elsewhere_is_adopted(backend: Backend) -> None:
    """A task that was resumed is recorded, and held; the second time it is found."""
    alive(backend)
    new = do(backend, Adopt(id=new_id(), owner="one", endpoint=ENDPOINT, task_id="t1", at=NOW, kind="tool", name="f"))
    assert new.held is not None
    assert (new.row.phase, new.row.task_id, new.row.name) == ("created", "t1", "f")
    again = do(backend, Adopt(id=new_id(), owner="one", endpoint=ENDPOINT, task_id="t1", at=NOW))
    assert again.held == new.held
    alive(backend, "two")
    other = do(backend, Adopt(id=new_id(), owner="two", endpoint=ENDPOINT, task_id="t1", at=NOW))
    assert (other.held, other.row.owner) == (None, "one")
    alive(backend, "one", lease=0)
    taken = do(backend, Adopt(id=new_id(), owner="two", endpoint=ENDPOINT, task_id="t1", at=NOW))
    assert taken.held == Held(new.row.id, "two", 2)
    assert len(backend.rows(Query())) == 1


def test_a_task_that_is_over_is_not_adopted(backend: Backend) -> None:
    """There is nothing to look after."""
    alive(backend)
    held = created(backend)
    do(backend, Over(held=held, at=NOW, status="completed"))
    found = do(backend, Adopt(id=new_id(), owner="one", endpoint=ENDPOINT, task_id="t1", at=NOW))
    assert (found.held, found.row.id) == (None, held.id)


def test_people_settle_what_is_uncertain(backend: Backend) -> None:
    """An uncertain call becomes a task that can be claimed, or one without effect; nothing else can be settled."""
    alive(backend)
    one, other, third = intended(backend), intended(backend), created(backend)
    assert do(backend, Settle(id=one.id, at=NOW, task_id="x")) == "certain"
    do(backend, Uncertain(held=one, at=NOW))
    do(backend, Uncertain(held=other, at=NOW))
    assert do(backend, Settle(id=one.id, at=NOW, task_id="t1")) == "taken"
    assert do(backend, Settle(id=one.id, at=NOW, task_id="x", name="f")) == "settled"
    assert do(backend, Settle(id=other.id, at=NOW, task_id=None)) == "settled"
    assert do(backend, Settle(id=third.id, at=NOW, task_id=None)) == "certain"
    found = row(backend, one)
    assert (found.phase, found.task_id, found.name, found.lease_left) == ("created", "x", "f", None)
    assert row(backend, other).phase == "refused"
    # Whoever made the call may be alive, and learn of its end too late.
    assert not do(backend, Refused(held=one, at=NOW))


def test_a_final_phase_stays(backend: Backend) -> None:
    """A write that comes too late changes nothing, and says that the lease holds."""
    alive(backend)
    held = created(backend)
    assert do(backend, Forgotten(held=held, at=NOW))
    assert do(backend, Uncertain(held=held, at=NOW))
    assert do(backend, Refused(held=held, at=NOW))
    assert row(backend, held).phase == "forgotten"


ODD = ["\ud800half", "nul\x00", "\ufdd0", "\ufdd00041", "日本", "'; DROP TABLE task; --", "%s {now} :at"]


@pytest.mark.parametrize("word", ODD)
def test_odd_text(backend: Backend, word: str) -> None:
    """Whatever text a server or a program has chosen comes back as it was, and is found by it."""
    alive(backend)
    held = created(backend, task_id=word, name=word, label=word, key=word, labels={word: word}, endpoint=word)
    found = row(backend, held)
    assert (found.task_id, found.name, found.label, found.key, found.endpoint) == (word,) * 5
    assert dict(found.labels) == {word: word}
    assert [each.id for each in backend.find(word)] == [held.id]
    assert [each.id for each in backend.rows(Query(endpoint=word, name=word, labels={word: word}))] == [held.id]


LONG = ["x" * 3000 + "1", "x" * 3000 + "2", "日" * 1000, "\x00" * 1000, "\ufdd0#" + "a" * 64, "y" * 200_000]


@pytest.mark.parametrize("word", LONG, ids=lambda word: f"{word[0]!r}*{len(word)}{word[-1]!r}")
def test_text_that_is_too_long_for_an_index(backend: Backend, word: str) -> None:
    """However long a text is, it comes back as it was, is found by it, and is told from others that begin so."""
    alive(backend)
    other = created(backend, task_id=word + "!", key=word + "!", labels={word: word + "!"}, endpoint=word)
    held = created(backend, task_id=word, name=word, label=word, key=word, labels={word: word}, endpoint=word)
    found = row(backend, held)
    assert (found.task_id, found.name, found.label, found.key, found.endpoint) == (word,) * 5
    assert dict(found.labels) == {word: word}
    assert [each.id for each in backend.find(word)] == [held.id]
    assert [each.id for each in backend.rows(Query(endpoint=word, name=word, labels={word: word}))] == [held.id]
    same = backend.find_task(word, word)
    assert same is not None
    assert same.id == held.id
    assert row(backend, other).task_id == word + "!"
    again = intend(backend, key=word, endpoint=word)
    assert again.row is not None
    assert again.row.id == held.id
    assert do(backend, Asked(held=held, key=word, at=NOW, request=b"{}"))
    assert do(backend, Asked(held=held, key=word + "!", at=NOW + LATER, request=b"{}"))
    decision = do(backend, Decide(held=held, key=word, at=NOW, answer=b"1"))
    assert decision is not None
    assert (decision.ours, decision.answer) == (True, b"1")
    assert [(each.key, each.answer) for each in backend.questions()] == [(word, b"1"), (word + "!", None)]
    asking = do(backend, Next(consumer=word, owner=owner("consumer"), lease=30))
    assert asking is not None
    assert [each.mark for each in asking] == [f"question:{word}!"]
    assert do(backend, Told(consumer=word, owner="consumer", task=held.id, mark=asking[0].mark, at=NOW))
    assert backend.pending(word, limit=9) == []
    assert do(backend, EraKnown(endpoint=word, era="2026-07-28", at=NOW)) is None
    assert backend.era(word) == "2026-07-28"
    adopted = do(backend, Adopt(id=new_id(), owner="one", endpoint=word, task_id=word * 2, at=NOW))
    assert adopted.row.task_id == word * 2
    assert (
        do(backend, Adopt(id=new_id(), owner="one", endpoint=word, task_id=word * 2, at=NOW)).row.id == adopted.row.id
    )
    doubtful = intended(backend, endpoint=word)
    do(backend, Uncertain(held=doubtful, at=NOW))
    assert do(backend, Settle(id=doubtful.id, at=NOW, task_id=word)) == "taken"
    assert do(backend, Settle(id=doubtful.id, at=NOW, task_id=word * 3)) == "settled"
    assert row(backend, doubtful).task_id == word * 3


def test_numbers_and_times_out_of_range(backend: Backend) -> None:
    """The first and the last time that there is come back; numbers without bounds mean all rows, and a run that took
    no number of seconds is not learned."""
    alive(backend)
    last, first = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    held = intended(backend)
    do(backend, Created(held=held, spare=new_id(), task_id="t1", at=first, expires_at=last))
    found = row(backend, held)
    assert (found.updated_at, found.expires_at) == (first, last)
    assert len(backend.rows(Query(limit=10**30, since=first))) == 1
    assert backend.pending("somebody", limit=10**30) == []
    do(backend, Release(held=held, at=NOW))
    assert len(do(backend, Claim(owner="one", endpoint=ENDPOINT, at=NOW, limit=10**30))) == 1
    for seconds in (math.nan, math.inf):
        do(backend, Learned(LearnedRun(endpoint="e", kind="tool", name="f", low=0, high=seconds, least=0, at=NOW)))
    do(backend, Learned(LearnedRun(endpoint="e", kind="tool", name="long" * 999, low=0, high=1, least=0, at=NOW)))
    assert backend.runs("e") == []


REFUSED: dict[str, Write[Any]] = {
    "a time without a zone": StatusSeen(held=Held("x", "one", 1), at=NOW.replace(tzinfo=None), status="working"),
    "half a surrogate pair": StatusSeen(held=Held("x\ud800", "one", 1), at=NOW, status="working"),
    "something else": StatusSeen(held=Held("x", "one", 1), at=NOW, status=cast("str", object())),
}
"""Writes that nothing of ours makes."""


@pytest.mark.parametrize("kind", REFUSED)
def test_a_value_that_a_database_refuses(backend: Backend, kind: str) -> None:
    """The error says that this very write cannot be stored; nothing of its batch is, and the next batch is."""
    alive(backend)
    held = intended(backend)
    with pytest.raises(StoreError) as caught:
        backend.apply([Uncertain(held=held, at=NOW), REFUSED[kind]])
    assert caught.value.refused
    assert row(backend, held).phase == "intended"
    assert do(backend, Uncertain(held=held, at=NOW))


@pytest.mark.anyio
@pytest.mark.parametrize("kind", REFUSED)
async def test_the_writes_of_others_do_not_fail(backend: Backend, kind: str) -> None:
    """Of all writes that are waiting, the one that the database refuses fails, and no other."""
    alive(backend)
    writer, results = Writer(lambda writes: to_thread.run_sync(backend.apply, list(writes))), list[object]()
    calls = [Intend(id=new_id(), owner="one", endpoint=ENDPOINT, at=NOW) for _ in range(20)]

    async def commit(write: Write[Any]) -> None:
        try:
            results.append(await writer.commit(write))
        except StoreError as exc:
            results.append(exc.refused)

    async with create_task_group() as tasks:
        for write in (*calls[:7], REFUSED[kind], *calls[7:]):
            tasks.start_soon(commit, write)
        await wait_all_tasks_blocked()
        async with create_task_group() as running:
            running.start_soon(writer.run)
            await wait_all_tasks_blocked()
            writer.stop()
    assert results.count(True) == 1
    assert len(results) == 21
    assert {each.id for each in backend.rows(Query())} == {write.id for write in calls}


@pytest.mark.parametrize("odd", [0, 50, 99])
def test_many_writes_of_a_kind_are_answered_each(backend: Backend, odd: int) -> None:
    """Of a hundred calls that are written together, the one whose key is taken gets the earlier record. Of the ends
    of a hundred calls, the one whose lease is lost is refused, and the others are recorded, each with its own words."""
    alive(backend)
    first = intended(backend, key="k")
    calls = [Intend(id=new_id(), owner="one", endpoint=ENDPOINT, at=NOW, name=f"{place}") for place in range(100)]
    calls[odd] = evolve(calls[odd], key="k")
    answers = backend.apply(calls)
    assert [place for place, each in enumerate(answers) if each.held is None] == [odd]
    assert answers[odd].row.id == first.id
    assert len(backend.rows(Query())) == 100
    held = [first if each.held is None else each.held for each in answers]
    held[odd] = evolve(held[odd], fence=7)
    ends = [Immediate(held=each, at=NOW, error=b"%d" % place) for place, each in enumerate(held)]
    assert backend.apply(ends) == [place != odd for place in range(100)]
    found = {each.id: each for each in backend.rows(Query())}
    assert [found[each.id].phase for each in held] == [
        "intended" if place == odd else "immediate" for place in range(100)
    ]
    assert [found[each.id].error for each in held] == [None if place == odd else b"%d" % place for place in range(100)]


def test_two_statuses_of_one_task_in_a_batch(backend: Backend) -> None:
    """The later one stays, also among many others."""
    alive(backend)
    many = [created(backend, task_id=f"t{place}") for place in range(20)]
    statuses = [StatusSeen(held=each, at=NOW, status="working") for each in many]
    statuses[8:8] = [StatusSeen(held=many[3], at=NOW, status="input_required")]
    assert backend.apply(statuses) == [True] * 21
    assert row(backend, many[3]).status == "input_required"


def test_what_is_carried_out_together() -> None:
    """Writes of one kind go together, two writes about one task stay in their order, and a write about many tasks is
    carried out between those before and those behind it."""
    a, b = Held("a", "one", 1), Held("b", "one", 1)
    writes: list[Write[Any]] = [
        StatusSeen(held=a, at=NOW, status="working"),
        Over(held=b, at=NOW, status="completed"),
        EraKnown(endpoint="e", era="2026-07-28", at=NOW),
        StatusSeen(held=a, at=NOW, status="working"),
        Over(held=a, at=NOW, status="completed"),
        Retire(owner="one"),
        StatusSeen(held=b, at=NOW, status="working"),
    ]
    assert list(groups(writes)) == [[2], [0, 3], [1], [4], [5], [6]]
    run = Learned(LearnedRun(endpoint="e", kind="tool", name="f", low=0, high=1, least=0, at=NOW))
    assert list(groups([run, writes[0], run, writes[1], run])) == [[0, 2, 4], [1], [3]]
