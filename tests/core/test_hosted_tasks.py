"""The options for hosting tasks, and the book of hosted tasks: no clock, no connection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcptasks._core.events import Cancelled, Failed, Finished
from mcptasks._core.hosted_tasks import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MOST_WAITING,
    PAGE,
    Changed,
    Dropped,
    HostBook,
    HostTasks,
    Instant,
    Refusal,
    Settled,
    hosting,
)
from mcptasks._core.models import TERMINAL
from mcptasks._core.state import TRANSITIONS

START = datetime(2026, 1, 1, tzinfo=UTC)
DONE = Finished({"action": "decline"})
LATE = Failed(-32603, "too late")


def at(seconds: float) -> Instant:
    """That many seconds after the start."""
    return Instant(seconds, START + timedelta(seconds=seconds))


def refused(call: Any, *arguments: Any) -> int:
    """The code of the refusal that a call ends with."""
    with pytest.raises(Refusal) as caught:
        call(*arguments)
    assert str(caught.value) == caught.value.message
    return caught.value.code


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"kinds": ()}, ValueError, "elicitation, sampling"),
        ({"kinds": ("roots",)}, ValueError, "unknown kind 'roots'"),
        ({"kinds": 7}, TypeError, "kinds"),
        ({"ttl": 0}, ValueError, "ttl"),
        ({"ttl": None}, TypeError, "ttl"),
        ({"ttl": "60"}, TypeError, "ttl"),
        ({"ttl": timedelta(seconds=-1)}, ValueError, "ttl"),
        ({"limit": 0}, ValueError, "limit"),
        ({"limit": True}, TypeError, "limit"),
        ({"limit": 1.5}, TypeError, "limit"),
        ({"poll_interval": -1}, ValueError, "poll_interval"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], error: type[Exception], words: str) -> None:
    """An option that makes no sense is named when it is given."""
    with pytest.raises(error, match=words):
        HostTasks(**options)


def test_durations() -> None:
    """Durations are seconds or timedeltas; none is shorter than the protocol can say, or longer than Python can."""
    assert HostTasks(ttl=90) == HostTasks(ttl=timedelta(seconds=90))
    assert HostTasks(ttl=1e-9).ttl == timedelta(milliseconds=1)
    assert HostTasks(ttl=1e300).ttl.days == 365_000
    assert HostTasks(kinds="sampling").kinds == ("sampling",)


def test_host_tasks_argument() -> None:
    """`host_tasks` is a switch or options; kinds without a handler are left out, and none at all is an error."""
    assert hosting(None, []) is hosting(False, ["sampling"]) is None
    assert hosting(True, ["elicitation"]) == HostTasks(kinds=("elicitation",))
    assert hosting(HostTasks(limit=3), ["sampling", "elicitation"]) == HostTasks(limit=3)
    with pytest.raises(ValueError, match="elicitation_handler or sampling_handler"):
        hosting(True, [])
    with pytest.raises(ValueError, match="give sampling_handler"):
        hosting(HostTasks(kinds=("sampling",)), ["elicitation"])
    with pytest.raises(TypeError, match="HostTasks"):
        hosting({"ttl": 5}, ["elicitation"])


# --- the book ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def book() -> HostBook:
    """A book with room for three tasks, each kept for a minute at most."""
    return HostBook(HostTasks(ttl=60, limit=3))


@pytest.mark.parametrize(("asked", "granted"), [(None, 60), (5, 5), (60, 60), (3600, 60)])
def test_ttl(book: HostBook, asked: float | None, granted: float) -> None:
    """A task is kept as long as was asked, but no longer than the most; then nobody finds it, and who waits hears."""
    status = book.create(at(0), None if asked is None else timedelta(seconds=asked))
    assert (status.status, status.ttl, status.created_at) == ("working", timedelta(seconds=granted), START)
    assert book.next_expiry == granted
    assert book.want(at(0), status.task_id, "w") is None
    assert book.expire(at(granted - 0.001)) == ()
    assert refused(book.get, at(granted), status.task_id) == INVALID_PARAMS
    assert book.page(at(granted), None) == ([], None)
    assert book.expire(at(granted)) == (Dropped(status.task_id, ("w",)),)
    assert book.finish(at(granted), status.task_id, DONE) == ()
    assert book.next_expiry is None


def test_a_life(book: HostBook) -> None:
    """A result is told to all who waited and to all who ask afterwards; the change is told before."""
    task_id = book.create(at(0), None).task_id
    assert book.want(at(1), task_id, 1) is book.want(at(1), task_id, "b") is book.want(at(1), task_id, 3) is None
    assert book.give_up("3")
    assert not book.give_up("3")
    changed, settled = book.finish(at(2), task_id, DONE)
    assert isinstance(changed, Changed)
    assert (changed.status.status, changed.status.last_updated_at) == ("completed", at(2).wall)
    assert settled == Settled(task_id, DONE, (1, "b"))
    assert not book.give_up(1)
    assert book.want(at(3), task_id, 4) == DONE
    assert book.get(at(3), task_id) == changed.status


def test_request_ids_that_come_again(book: HostBook) -> None:
    """One request waits in one place: it is never answered twice."""
    first, second = book.create(at(0), None).task_id, book.create(at(0), None).task_id
    book.want(at(0), first, 1)
    book.want(at(0), second, 1)
    assert book.finish(at(1), first, DONE)[1] == Settled(first, DONE, ())
    assert book.finish(at(1), second, DONE)[1] == Settled(second, DONE, (1,))


def test_too_many_wait(book: HostBook) -> None:
    """A server that lets ever more requests wait is refused."""
    task_id = book.create(at(0), None).task_id
    for number in range(MOST_WAITING):
        book.want(at(0), task_id, number)
    assert refused(book.want, at(0), task_id, "one more") == INTERNAL_ERROR


def test_cancelled_is_final(book: HostBook) -> None:
    """Cancelling settles a task for good, whatever its handler still comes to; what is over cannot be cancelled."""
    task_id = book.create(at(0), None).task_id
    book.want(at(0), task_id, 1)
    status, effects = book.cancel(at(1), task_id)
    assert status.status == "cancelled"
    assert effects == (Changed(status), Settled(task_id, Cancelled(status.status_message), (1,)))
    assert book.finish(at(2), task_id, DONE) == book.finish(at(2), task_id, LATE) == ()
    assert book.get(at(2), task_id) == status
    assert refused(book.cancel, at(2), task_id) == INVALID_PARAMS


def test_failure(book: HostBook) -> None:
    """A failed task says why, and its result is that error."""
    task_id = book.create(at(0), None).task_id
    changed, settled = book.finish(at(1), task_id, LATE)
    assert isinstance(changed, Changed)
    assert (changed.status.status, changed.status.status_message) == ("failed", "too late")
    assert settled == Settled(task_id, LATE, ())
    assert refused(book.cancel, at(2), task_id) == INVALID_PARAMS


@pytest.mark.parametrize("task_id", ["", "nonsense", "t-1"])
def test_foreign_ids(book: HostBook, task_id: str) -> None:
    """Nobody gets at a task by an id that is not one of this connection's, another connection's included."""
    other = HostBook(book.options).create(at(0), None).task_id
    for id_ in (task_id, other):
        assert {refused(call, at(0), id_) for call in (book.get, book.cancel)} == {INVALID_PARAMS}
        assert refused(book.want, at(0), id_, 1) == INVALID_PARAMS


def test_ids_cannot_be_guessed() -> None:
    """Ids hold at least 128 bits, and none is like the other."""
    book = HostBook(HostTasks(limit=1000))
    ids = {book.create(at(0), None).task_id for _ in range(1000)}
    assert len(ids) == 1000
    assert min(map(len, ids)) * 6 >= 128


def test_full(book: HostBook) -> None:
    """The task that finished first makes room for a new one; while all of them work, the server is refused."""
    first, second, third = (book.create(at(0), None).task_id for _ in range(3))
    assert refused(book.create, at(1), None) == INTERNAL_ERROR
    book.finish(at(1), third, DONE)
    book.cancel(at(2), first)
    fourth = book.create(at(3), None).task_id
    assert [status.task_id for status in book.page(at(3), None)[0]] == [first, second, fourth]
    fifth = book.create(at(4), None).task_id
    assert [status.task_id for status in book.page(at(4), None)[0]] == [second, fourth, fifth]
    assert refused(book.create, at(5), None) == INTERNAL_ERROR


def test_pages() -> None:
    """Every task is on one page, in the order of creation, also while tasks come and go."""
    book = HostBook(HostTasks(limit=3 * PAGE - 1))
    ids = [book.create(at(0), None).task_id for _ in range(2 * PAGE + 1)]
    first, cursor = book.page(at(0), None)
    book.finish(at(1), ids[PAGE - 1], DONE)
    for _ in range(PAGE - 1):
        book.create(at(1), None)  # the last of these takes the place of the one that the cursor stands at
    second, cursor = book.page(at(1), cursor)
    third, last = book.page(at(1), cursor)
    found = [status.task_id for status in (*first, *second, *third)]
    assert found[: len(ids)] == ids
    assert len(found) == len(set(found)) == 3 * PAGE
    assert last is None


@given(st.text() | st.from_regex(r"\A\d{1,30}\.[0-9a-f]{64}\Z"))
def test_cursors_of_others(cursor: str) -> None:
    """A cursor that was not given here is refused, whatever it looks like."""
    book = HostBook(HostTasks())
    book.create(at(0), None)
    assert refused(book.page, at(0), cursor) == INVALID_PARAMS


class Lives(RuleBasedStateMachine):
    """Any order of events: no forbidden change, no more than the limit, every wait ended once."""

    def __init__(self) -> None:
        super().__init__()
        self.book = HostBook(HostTasks(ttl=30, limit=4))
        self.now = 0.0
        self.known: dict[str, str] = {}
        self.waiting: set[int] = set()
        self.requests = 0

    def take(self, effects: Any) -> None:
        """Hold what comes out against what is known."""
        for effect in effects:
            if isinstance(effect, Changed):
                before = self.known[effect.status.task_id]
                assert effect.status.status in TRANSITIONS[before]  # type: ignore[index]
                self.known[effect.status.task_id] = effect.status.status
            else:
                assert self.waiting >= set(effect.waiting)
                self.waiting -= set(effect.waiting)
                if isinstance(effect, Dropped):
                    assert self.known[effect.task_id] not in TERMINAL

    def ids(self) -> list[str]:
        """The tasks of the first page, which holds all."""
        return [status.task_id for status in self.book.page(at(self.now), None)[0]]

    @rule(ttl=st.none() | st.integers(1, 60))
    def create(self, ttl: int | None) -> None:
        """The server asks for one more."""
        try:
            status = self.book.create(at(self.now), None if ttl is None else timedelta(seconds=ttl))
        except Refusal:
            assert [self.known[id_] for id_ in self.ids()] == ["working"] * 4
        else:
            self.known[status.task_id] = status.status

    @precondition(lambda self: self.ids())
    @rule(data=st.data(), outcome=st.sampled_from([DONE, LATE]))
    def finish(self, data: st.DataObject, outcome: Finished | Failed) -> None:
        """A handler ends."""
        self.take(self.book.finish(at(self.now), data.draw(st.sampled_from(self.ids())), outcome))

    @precondition(lambda self: self.ids())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """The server cancels."""
        task_id = data.draw(st.sampled_from(self.ids()))
        if self.known[task_id] in TERMINAL:
            assert refused(self.book.cancel, at(self.now), task_id) == INVALID_PARAMS
        else:
            self.take(self.book.cancel(at(self.now), task_id)[1])

    @precondition(lambda self: self.ids())
    @rule(data=st.data())
    def want(self, data: st.DataObject) -> None:
        """The server asks for a result."""
        self.requests += 1
        if self.book.want(at(self.now), data.draw(st.sampled_from(self.ids())), self.requests) is None:
            self.waiting.add(self.requests)

    @rule(seconds=st.integers(1, 20))
    def later(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds
        self.take(self.book.expire(at(self.now)))

    @invariant()
    def what_is_told(self) -> None:
        """The list shows what was told, and no more than may be kept."""
        found, _ = self.book.page(at(self.now), None)
        assert len(found) <= 4
        assert {status.task_id: status.status for status in found}.items() <= self.known.items()

    def teardown(self) -> None:
        """In the end nobody waits."""
        self.take(self.book.expire(at(self.now + 60)))
        assert not self.waiting


TestLives = Lives.TestCase
