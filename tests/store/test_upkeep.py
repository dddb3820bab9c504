"""The conformance suite: owners, leases, queries, what people delete and what is learned, on every backend."""

from __future__ import annotations

import math
import threading
from datetime import timedelta
from typing import cast

import pytest

from mcptasks._store.backend import Backend
from mcptasks._store.records import LearnedRun, Query, Row, new_id
from mcptasks._store.upkeep import Claim, Claimed, EraKnown, Forget, Learned, Purge, Release, Retire
from mcptasks._store.writes import Adopt, Asked, Decide, Decision, Held, Intend, Intended, Over, Refused, Uncertain
from tests.helpers.stores import ENDPOINT, LATER, NOW, Place, alive, created, do, intend, intended, row


def row_of(backend: Backend, task_id: str) -> Row:
    """The record of a task."""
    found = backend.find_task(ENDPOINT, task_id)
    assert found is not None
    return found


def test_a_lease_is_renewed(backend: Backend) -> None:
    """A beat begins the lease anew, and makes an owner whose lease had ended live again."""
    alive(backend, lease=0)
    (dead,) = backend.owners()
    assert dead.lease_left <= 0
    alive(backend, lease=30)
    (found,) = backend.owners()
    assert (found.owner, found.host, found.process) == ("one", "host", "1:1")
    assert 0 < found.lease_left <= 45


def test_free_tasks_are_claimed_oldest_first(backend: Backend) -> None:
    """A claim takes what no live owner holds, as many as it asks for, each with the questions that wait."""
    alive(backend, "dead", lease=0)
    alive(backend, "live")
    alive(backend, "me")
    third = created(backend, "dead", "t3", at=NOW + 2 * LATER)
    first = created(backend, "dead", "t1", at=NOW)
    created(backend, "live", "t2", at=NOW)
    do(backend, Asked(held=first, key="open", at=NOW, request=b"r"))
    do(backend, Decide(held=first, key="decided", at=NOW + LATER, answer=b"a"))
    (taken,) = do(backend, Claim(owner="me", endpoint=ENDPOINT, at=NOW, limit=1))
    assert taken.held == Held(first.id, "me", 2)
    assert taken.row.task_id == "t1"
    assert [(each.key, each.answer) for each in taken.questions] == [("open", None), ("decided", b"a")]
    rest = do(backend, Claim(owner="me", endpoint=ENDPOINT, at=NOW))
    assert [each.held.id for each in rest] == [third.id]
    assert do(backend, Claim(owner="me", endpoint=ENDPOINT, at=NOW)) == []


def test_a_claim_is_for_some_tasks(backend: Backend) -> None:
    """Endpoint, phase, name, labels and ids all restrict a claim."""
    alive(backend, "dead", lease=0)
    held = created(backend, "dead", name="f", labels={"job": "nightly"})
    intended(backend, "dead")
    alive(backend, "me")
    for other in (
        Claim(owner="me", endpoint="https://elsewhere.example", at=NOW),
        Claim(owner="me", endpoint=ENDPOINT, at=NOW, name="g"),
        Claim(owner="me", endpoint=ENDPOINT, at=NOW, labels={"job": "daily"}),
        Claim(owner="me", endpoint=ENDPOINT, at=NOW, ids=("x",)),
        Claim(owner="me", endpoint=ENDPOINT, at=NOW, ids=()),
        Claim(owner="me", endpoint=ENDPOINT, at=NOW, limit=0),
    ):
        assert do(backend, other) == []
    wanted = Claim(owner="me", endpoint=ENDPOINT, at=NOW, name="f", labels={"job": "nightly"}, ids=(held.id,))
    assert [each.held.id for each in do(backend, wanted)] == [held.id]


def test_a_task_that_was_released_is_free(backend: Backend) -> None:
    """Who releases a task may not write about it any more, and others may take it."""
    alive(backend, "one")
    held = created(backend)
    assert do(backend, Release(held=held, at=NOW))
    assert row(backend, held).lease_left is None
    assert not do(backend, Over(held=held, at=NOW, status="completed"))
    alive(backend, "two")
    assert [each.held.fence for each in do(backend, Claim(owner="two", endpoint=ENDPOINT, at=NOW))] == [2]


def test_an_owner_retires(backend: Backend) -> None:
    """The tasks of an owner that is gone are free at once, and its calls without an answer are uncertain."""
    alive(backend)
    call, task, ended = intended(backend), created(backend), created(backend, task_id="t2")
    do(backend, Over(held=ended, at=NOW, status="completed"))
    assert do(backend, Retire(owner="one")) == 2
    assert row(backend, call).phase == "uncertain"
    assert row(backend, task).lease_left is None
    assert row(backend, ended).phase == "over"
    assert backend.owners() == []
    assert do(backend, Retire(owner="one")) == 0


def test_takeovers_are_told(backend: Backend) -> None:
    """A claim tells the tasks of owners that died from tasks that were given back, and from the claimer's own."""
    alive(backend, "dead", lease=0)
    alive(backend, "crashed")
    alive(backend, "gone")
    alive(backend, "kind")
    alive(backend, "me", lease=0)
    for name in ("dead", "crashed", "gone", "kind", "me"):
        created(backend, name, name)
    do(backend, Release(held=Held(row_of(backend, "kind").id, "kind", 1), at=NOW))
    do(backend, Retire(owner="gone"))
    assert do(backend, Retire(owner="crashed", dead=True)) == 1
    taken = do(backend, Claim(owner="me", endpoint=ENDPOINT, at=NOW))
    assert {each.row.task_id: each.takeover for each in taken} == {
        "dead": True,
        "crashed": True,
        "gone": False,
        "kind": False,
        "me": False,
    }


@pytest.mark.parametrize("how", ["dead", "released", "own", "live", "new"])
def test_takeovers_of_one_task_are_told(backend: Backend, how: str) -> None:
    """Who adopts a task is told whether its last owner died."""
    alive(backend, "first", lease=30 if how == "live" else 0)
    alive(backend, "me")
    if how != "new":
        held = created(backend, "me" if how == "own" else "first")
        if how == "released":
            do(backend, Release(held=held, at=NOW))
    adopted = do(backend, Adopt(id=new_id(), owner="me", endpoint=ENDPOINT, task_id="t1", at=NOW))
    assert adopted.takeover == (how == "dead")


def test_takeovers_are_counted(backend: Backend) -> None:
    """A record has the number of takeovers in the task's whole life, by whichever way a client takes the task. It does
    not count clients that gave the task back, or ended in order, or took it from themselves."""
    held = created(backend, alive(backend, "first", lease=0))
    assert row(backend, held).takeovers == 0
    (taken,) = do(backend, Claim(owner=alive(backend, "second", lease=0), endpoint=ENDPOINT, at=NOW))
    assert (taken.takeovers, row(backend, held).takeovers) == (1, 1)
    (again,) = do(backend, Claim(owner="second", endpoint=ENDPOINT, at=NOW))  # Its own lease had run out.
    assert (again.takeovers, row(backend, held).takeovers) == (1, 1)
    adopt = Adopt(id=new_id(), owner=alive(backend, "third"), endpoint=ENDPOINT, task_id="t1", at=NOW)
    adopted = do(backend, adopt)
    assert (adopted.takeover, adopted.row.takeovers) == (True, 2)
    own = do(backend, adopt)
    assert (own.takeover, own.row.takeovers) == (False, 2)
    assert adopted.held is not None
    do(backend, Release(held=adopted.held, at=NOW))
    (given,) = do(backend, Claim(owner=alive(backend, "fourth"), endpoint=ENDPOINT, at=NOW))
    assert (given.takeover, given.takeovers) == (False, 2)
    do(backend, Retire(owner="fourth"))
    freed = do(backend, Adopt(id=new_id(), owner=alive(backend, "fifth"), endpoint=ENDPOINT, task_id="t1", at=NOW))
    assert (freed.takeover, freed.row.takeovers, freed.row.fence) == (False, 2, 6)


def test_how_many_others_hold(backend: Backend) -> None:
    """Tasks of live owners count, those of dead ones and one's own do not."""
    alive(backend, "dead", lease=0)
    for name in ("me", "other"):
        alive(backend, name)
    for number, name in enumerate(("dead", "me", "other", "other")):
        created(backend, name, f"t{number}")
    query = Query(endpoint=ENDPOINT, phases=frozenset({"created"}))
    assert backend.elsewhere(query, "me") == 2
    assert backend.elsewhere(Query(endpoint="x"), "me") == 0


def test_pages_and_filters(backend: Backend) -> None:
    """Records come newest first, page by page, and every filter holds."""
    alive(backend)
    ids = [intended(backend, at=NOW + number * LATER, name=f"f{number % 2}").id for number in range(5)]
    newest = ids[::-1]
    assert [each.id for each in backend.rows(Query(limit=None))] == newest
    first = [each.id for each in backend.rows(Query(limit=2))]
    second = [each.id for each in backend.rows(Query(limit=2, after=first[-1]))]
    assert (first, second) == (newest[:2], newest[2:4])
    assert [each.id for each in backend.rows(Query(name="f1"))] == [ids[3], ids[1]]
    assert [each.id for each in backend.rows(Query(since=NOW + 3 * LATER))] == [ids[4], ids[3]]
    assert backend.rows(Query(labels={"a": "b"})) == []
    assert backend.rows(Query(phases=frozenset())) == []


def test_what_a_name_may_mean(backend: Backend) -> None:
    """An id goes before a key, a key before a task's id, and a beginning of ids comes last."""
    alive(backend)
    one = created(backend, id="aa" + "0" * 30, task_id="t1")
    other = created(backend, id="ab" + "0" * 30, task_id="t2", key="t1")
    assert [each.id for each in backend.find("t1")] == [other.id]
    assert [each.id for each in backend.find(one.id)] == [one.id]
    assert [each.id for each in backend.find("aa")] == [one.id]
    assert {each.id for each in backend.find("a")} == {one.id, other.id}
    assert backend.find("c") == []
    assert backend.find("%") == []
    assert backend.find_task(None, "t2") is not None
    assert backend.find_task("https://elsewhere.example", "t2") is None


def test_records_are_forgotten(backend: Backend) -> None:
    """Records go with all that belongs to them; that of a call that is just being made stays."""
    alive(backend)
    held = created(backend, labels={"a": "b"})
    do(backend, Asked(held=held, key="q", at=NOW, request=b"r"))
    call = intended(backend)
    assert do(backend, Forget((held.id, call.id, "no such record"))) == 1
    assert backend.find(held.id) == []
    assert backend.questions([held.id], all_of_them=True) == []
    assert backend.rows(Query(labels={"a": "b"})) == []
    assert row(backend, call).phase == "intended"
    do(backend, Retire(owner="one"))
    assert do(backend, Forget((call.id,))) == 1


def test_old_records_are_purged(backend: Backend) -> None:
    """Records of the phases that are named go once they have not changed since the time that is named."""
    alive(backend)
    old, new, task = intended(backend), intended(backend), created(backend)
    do(backend, Refused(held=old, at=NOW))
    do(backend, Refused(held=new, at=NOW + LATER))
    assert do(backend, Purge(before=NOW + LATER, phases=frozenset({"refused", "over"}))) == 1
    assert {each.id for each in backend.rows(Query())} == {new.id, task.id}


def test_runs_are_bounded(backend: Backend) -> None:
    """The latest 8 runs of a tool stay, and the 256 tools that were seen last."""

    def run(name: str, number: int) -> Learned:
        at = NOW + timedelta(milliseconds=number)
        return Learned(LearnedRun(endpoint=ENDPOINT, kind="tool", name=name, low=0.5, high=math.pi, least=0.0, at=at))

    backend.apply([run("f", number) for number in range(10)])
    found = backend.runs(ENDPOINT)
    assert [each.at for each in found] == [NOW + timedelta(milliseconds=number) for number in range(2, 10)]
    assert (found[0].name, found[0].low, found[0].high) == ("f", 0.5, math.pi)
    backend.apply([run(f"g{number}", 100 + number) for number in range(256)])
    names = [each.name for each in backend.runs(ENDPOINT)]
    assert len(names) == 256
    assert "f" not in names
    assert backend.runs("https://elsewhere.example") == []


def test_the_era_of_an_endpoint(backend: Backend) -> None:
    """The latest one stands."""
    assert backend.era(ENDPOINT) is None
    do(backend, EraKnown(endpoint=ENDPOINT, era="2025-11-25", at=NOW))
    do(backend, EraKnown(endpoint=ENDPOINT, era="2026-07-28", at=NOW))
    assert backend.era(ENDPOINT) == "2026-07-28"


def test_values_of_the_store(backend: Backend) -> None:
    """The first value of a name stands."""
    assert backend.meta("codec", "plain") == "plain"
    assert backend.meta("codec", "other") == "plain"


def test_changes_are_seen(place: Place) -> None:
    """A commit changes the mark, of this opening and of another one; reading does not."""
    one, other = place.open(), place.open()
    mark = other.changes()
    other.rows(Query())
    assert other.changes() == mark
    created(one, alive(one))
    after = other.changes()
    assert after != mark
    created(other, alive(other), task_id="t2")
    assert other.changes() != after


def test_a_sound_store_has_nothing_to_say(place: Place) -> None:
    """`check` finds nothing in a store that was only used."""
    backend = place.open()
    created(backend, alive(backend))
    found = backend.check()
    # The PostgreSQL of the tests does not sync, which makes it fast.
    assert [words for words in found if "write-ahead log" not in words and "fsync is off" not in words] == []


def at_once(place: Place, *writes: object) -> list[object]:
    """Carry out writes from as many threads, each with an opening of its own, at the same moment."""
    gate = threading.Barrier(len(writes))
    answers: list[object] = [None] * len(writes)

    def work(number: int) -> None:
        backend = place.open()
        backend.owners()
        gate.wait()
        answers[number] = do(backend, writes[number])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(writes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_two_decide_at_once(place: Place) -> None:
    """One answer stands, and both are told that one."""
    backend = place.open()
    held = created(backend, alive(backend))
    found = at_once(place, *(Decide(held=held, key="q", at=NOW, answer=word) for word in (b"1", b"2", b"3")))
    decisions = [each for each in found if isinstance(each, Decision)]
    assert len(decisions) == 3
    assert len({each.answer for each in decisions}) == 1
    assert [each.ours for each in decisions].count(True) == 1


def test_two_use_a_key_at_once(place: Place) -> None:
    """One call gets the key, and the other its record."""
    backend = place.open()
    alive(backend)
    found = at_once(place, *(intend_write("one", key="k") for _ in range(3)))
    answers = [each for each in found if isinstance(each, Intended)]
    assert len(answers) == 3
    (held,) = [each.held for each in answers if each.held is not None]
    assert {each.row.id for each in answers if each.row is not None} == {held.id}


def test_two_claim_at_once(place: Place) -> None:
    """Each task goes to one of them."""
    backend = place.open()
    alive(backend, "dead", lease=0)
    ids = {created(backend, "dead", f"t{number}").id for number in range(20)}
    for name in ("one", "two", "three"):
        alive(backend, name)
    found = at_once(place, *(Claim(owner=name, endpoint=ENDPOINT, at=NOW, limit=8) for name in ("one", "two", "three")))
    taken = [each.held.id for claims in cast("list[list[Claimed]]", found) for each in claims]
    assert len(taken) == len(set(taken))
    # Who came too early for what another has locked leaves it alone.
    rest = [each.held.id for each in do(backend, Claim(owner="one", endpoint=ENDPOINT, at=NOW))]
    assert {*taken, *rest} == ids


def intend_write(by: str, **fields: object) -> object:
    """The write of a call that is about to be sent."""
    return Intend(id=new_id(), owner=by, endpoint=ENDPOINT, at=NOW, **fields)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("count", [1, 3])
def test_opening_at_once(place: Place, count: int) -> None:
    """Several processes may make the store at the same moment."""
    at_once(place, *(EraKnown(endpoint=f"e{number}", era="2026-07-28", at=NOW) for number in range(count)))
    assert [place.open().era(f"e{number}") for number in range(count)] == ["2026-07-28"] * count


def test_uncertain_calls_are_not_claimed(backend: Backend) -> None:
    """A claim of tasks leaves calls alone of which nobody knows whether there is a task."""
    alive(backend)
    do(backend, Uncertain(held=intended(backend), at=NOW))
    do(backend, Retire(owner="one"))
    alive(backend, "two")
    assert do(backend, Claim(owner="two", endpoint=ENDPOINT, at=NOW)) == []
    assert intend(backend, "two").held is not None
