"""The state machine of a task, driven by hypothesis as a hostile server and an impatient program would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcptasks import TaskStatus
from mcptasks._core.events import (
    CancelAsked,
    Cancelled,
    ConnectionLost,
    Emit,
    Event,
    Fail,
    Failed,
    Fetch,
    Fetched,
    FetchRefused,
    Finish,
    Finished,
    Look,
    Origin,
    Outcome,
    Seen,
    Trouble,
    Wanted,
)
from mcptasks._core.input_state import InputAnswered
from mcptasks._core.models import STATUSES, TERMINAL
from mcptasks._core.state import TRANSITIONS, TaskState, advance, visible
from tests.helpers.samples import status_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

times = st.none() | st.integers(0, 5).map(lambda second: NOON + timedelta(seconds=second))
statuses = st.builds(
    status_of,
    st.sampled_from(STATUSES),
    st.sampled_from([None, "", "a", "b"]),
    last_updated_at=times,
    input_requests=st.sampled_from([{}, {"k": {"method": "elicitation/create"}}]),
)
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    [Finished({"content": []}), Finished({}), Failed(-32603, "boom"), Cancelled("no")]
)
origins: st.SearchStrategy[Origin] = st.sampled_from(["created", "polled", "pushed"])
sightings = st.builds(Seen, statuses, origins, st.none() | outcomes)


class TaskLife(RuleBasedStateMachine):
    """One task. A fetch is answered only while one is under way: that much its client guarantees."""

    def __init__(self) -> None:
        super().__init__()
        self.state = TaskState()
        self.fetches = 0
        self.finishes = 0
        self.pushed: list[Seen] = []

    def feed(self, event: Event) -> None:
        """Apply an event and check what must hold for each step."""
        before = self.state
        self.state, effects = advance(before, event)
        after = self.state
        emitted = [effect.status for effect in effects if isinstance(effect, Emit)]
        self.finishes += sum(isinstance(effect, Finish) for effect in effects)
        self.fetches += sum(isinstance(effect, Fetch) for effect in effects)

        old = None if before.status is None else before.status.status
        new = None if after.status is None else after.status.status
        assert after.status is before.status or new in TRANSITIONS[old]
        if emitted:
            assert emitted == [after.status]
            assert before.status is None or visible(before.status) != visible(emitted[0])
        elif before.status is not after.status:
            assert before.status is not None
            assert after.status is not None
            assert visible(before.status) == visible(after.status)
        if before.outcome is not None:
            assert after.outcome is before.outcome
        if before.terminal and before.outcome is not None:
            assert effects == ()
        if before.settled and not isinstance(event, Wanted):
            assert not any(isinstance(effect, Fetch | Fail) for effect in effects)
        assert before.wanted <= after.wanted
        for effect in effects:
            if isinstance(effect, Fetch):
                assert after.terminal
                assert after.wanted
                assert after.outcome is None
            elif isinstance(effect, Look):
                assert after.outcome is None or not after.terminal

    @rule(event=sightings)
    def see(self, event: Seen) -> None:
        """A status from anywhere."""
        if event.origin == "pushed":
            self.pushed.append(event)
        self.feed(event)

    @precondition(lambda self: self.pushed)
    @rule(data=st.data())
    def push_again(self, data: st.DataObject) -> None:
        """The latest push once more, at once: harmless if it was what is known; never a second end."""
        event = data.draw(st.sampled_from(self.pushed))
        known = self.state.status
        same = known is not None and visible(known) == visible(event.status)
        before = self.state
        self.feed(event)
        if same and event.outcome is None and not event.status.is_terminal:
            assert self.state.outcome is before.outcome
            assert self.state.told == before.told

    @rule()
    def want(self) -> None:
        """A program waits for the outcome."""
        self.feed(Wanted())

    @precondition(lambda self: self.fetches)
    @rule(outcome=outcomes)
    def fetched(self, outcome: Outcome) -> None:
        """The fetch under way is answered."""
        self.fetches -= 1
        self.feed(Fetched(outcome))

    @precondition(lambda self: self.fetches)
    @rule()
    def refused(self) -> None:
        """The fetch under way is refused."""
        self.fetches -= 1
        self.feed(FetchRefused(RuntimeError("not yet")))

    @rule()
    def trouble(self) -> None:
        """A request failed for good."""
        self.fetches = 0
        self.feed(Trouble(RuntimeError("down")))

    @rule()
    def lost(self) -> None:
        """The connection was replaced."""
        self.fetches = 0
        self.feed(ConnectionLost())

    @rule(event=st.sampled_from([InputAnswered("k"), CancelAsked()]))
    def told(self, event: Event) -> None:
        """The server was told something."""
        self.feed(event)

    @invariant()
    def one_end(self) -> None:
        """The outcome is announced exactly when it is known, once."""
        assert self.finishes == (self.state.outcome is not None)

    @invariant()
    def one_fetch(self) -> None:
        """At most one fetch is under way, and the state knows of it."""
        assert self.fetches <= 1
        assert self.state.fetching == (self.fetches == 1)

    @invariant()
    def wanted_outcomes_are_pursued(self) -> None:
        """`settled` says that no question is left."""
        open_question = self.state.outcome is None and (self.state.wanted or not self.state.terminal)
        assert self.state.settled is not open_question


TestTaskLife = TaskLife.TestCase
TestTaskLife.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)

anything: st.SearchStrategy[Event] = st.one_of(
    sightings,
    outcomes.map(Fetched),
    st.sampled_from(
        [
            Wanted(),
            InputAnswered("k"),
            CancelAsked(),
            ConnectionLost(),
            Trouble(RuntimeError("down")),
            FetchRefused(RuntimeError("not yet")),
        ]
    ),
)


@given(st.lists(anything, max_size=30))
def test_any_order_of_events(events: list[Event]) -> None:
    """Whatever comes, in whatever order, also what nobody asked for: one ending, which stays, and one outcome."""
    state, finishes, endings = TaskState(), 0, set[str]()
    for event in events:
        state, effects = advance(state, event)
        finishes += sum(isinstance(effect, Finish) for effect in effects)
        if state.status is not None and state.status.status in TERMINAL:
            endings.add(state.status.status)
        assert len(endings) <= 1
        assert finishes == (state.outcome is not None)


@given(st.lists(statuses, max_size=12))
def test_repeated_pushes_are_told_once(order: list[TaskStatus]) -> None:
    """Delivering each push twice in a row tells a program exactly what delivering it once does."""
    once, twice = list[object](), list[object]()
    for copies, told in ((1, once), (2, twice)):
        state = TaskState()
        for status in order:
            for _ in range(copies):
                state, effects = advance(state, Seen(status, "pushed"))
                told += [visible(effect.status) for effect in effects if isinstance(effect, Emit)]
    assert once == twice
