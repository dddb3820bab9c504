"""The questions in mid-task: what the state machine makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mcptasks import TaskProtocolError, TaskStatus
from mcptasks._core.events import Effect, Emit, Event, Fail, Finished, Look, Origin, Seen, Wake
from mcptasks._core.input_state import (
    AT_ONCE,
    IN_A_LIFE,
    NO_QUESTIONS,
    InputAnswered,
    InputAsked,
    InputEvent,
    InputReleased,
    InputReserved,
    InputWithdrawn,
)
from mcptasks._core.state import TaskState, advance
from tests.helpers.samples import status_of

NAME: dict[str, Any] = {"method": "elicitation/create", "params": {"message": "Who?"}}
AGE: dict[str, Any] = {"method": "elicitation/create", "params": {"message": "How old?"}}


def asking(origin: Origin = "polled", **requests: Any) -> Seen:
    """A look at a task that asks."""
    return Seen(evolve(status_of("input_required", "asks"), input_requests=requests), origin)


def after(*events: Event) -> tuple[TaskState, tuple[Effect, ...]]:
    """The state after events, and the effects of the last one."""
    state = TaskState()
    effects: tuple[Effect, ...] = ()
    for event in events:
        state, effects = advance(state, event)
    return state, effects


def told(state: TaskState) -> tuple[str, dict[str, Any]]:
    """What a program sees."""
    assert state.status is not None
    return state.status.status, dict(state.status.input_requests)


def test_questions_are_open_until_answered() -> None:
    """Answered questions leave the status one by one; after the last one the task counts as working."""
    state, _ = after(asking(name=NAME, age=AGE))
    assert told(state) == ("input_required", dict(state.open)) == ("input_required", {"name": NAME, "age": AGE})
    state, effects = advance(state, InputAnswered("name"))
    assert told(state) == ("input_required", {"age": AGE})
    assert [type(effect) for effect in effects] == [Emit, Look]
    state, effects = advance(state, InputAnswered("age"))
    assert (told(state), dict(state.open)) == (("working", {}), {})
    assert [type(effect) for effect in effects] == [Emit, Look]


def test_answered_questions_shown_again() -> None:
    """A server that shows an answered question again changes nothing; a new question is open, and only that."""
    state, _ = after(asking(name=NAME), InputAnswered("name"))
    again, effects = advance(state, asking(name=NAME))
    assert (told(again), effects) == (("working", {}), ())
    more, effects = advance(again, asking(name=NAME, age=AGE))
    assert told(more) == ("input_required", {"age": AGE})
    assert [type(effect) for effect in effects] == [Emit]


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "open"])
def test_reused_keys(answered: bool) -> None:
    """A key that comes with another request is an error that names it; nothing else of that look is believed."""
    state, _ = after(asking(name=NAME), *([InputAnswered("name")] if answered else []))
    following, effects = advance(state, asking(name=AGE))
    assert following == state
    (effect,) = effects
    assert isinstance(effect, Fail)
    assert isinstance(effect.error, TaskProtocolError)
    assert "'name'" in str(effect.error)


def test_questions_with_other_metadata() -> None:
    """What a server puts into `_meta`, such as a trace of its own, makes no other question."""
    traced = {**NAME, "params": {**NAME["params"], "_meta": {"trace": 1}}}
    state, _ = after(asking(name=traced))
    following, _ = advance(state, asking(name={**NAME, "params": {**NAME["params"], "_meta": {"trace": 2}}}))
    assert following.status is not None
    assert set(following.status.input_requests) == {"name"}


def test_reservations() -> None:
    """A reserved question is open still, and its release wakes whoever may answer it next."""
    state, effects = after(asking(name=NAME), InputReserved("name"))
    assert (set(state.questions.reserved), dict(state.open), list(effects)) == ({"name"}, {"name": NAME}, [])
    state, effects = advance(state, InputReleased("name"))
    assert (set(state.questions.reserved), dict(state.open), list(effects)) == (set(), {"name": NAME}, [Wake()])


def test_requests_of_the_server() -> None:
    """A 2025-11-25 server's own request makes a working task count as waiting, until it is answered or taken back."""
    state, effects = after(Seen(status_of("working"), "polled"), InputAsked("1", NAME))
    assert told(state) == ("input_required", {"1": NAME})
    assert [type(effect) for effect in effects] == [Emit]
    assert told(advance(state, Seen(status_of("working"), "polled"))[0]) == ("input_required", {"1": NAME})
    for event in (InputAnswered("1"), InputWithdrawn("1")):
        assert told(advance(state, event)[0]) == ("working", {})


def test_requests_of_a_server_that_says_that_it_waits() -> None:
    """After the answer to what it waits for a 2025-11-25 task counts as working at once; the next look may say more."""
    state, _ = after(Seen(status_of("input_required", "Who?"), "pushed"), InputAsked("1", NAME))
    state, effects = advance(state, InputAnswered("1"))
    assert told(state) == ("working", {})
    assert [type(effect) for effect in effects] == [Emit, Look]
    assert told(advance(state, Seen(status_of("input_required"), "polled"))[0]) == ("input_required", {})


def test_requests_before_any_status() -> None:
    """A request that comes before the first status is open at once, and shows in that status."""
    state, effects = after(InputAsked("1", NAME))
    assert (dict(state.open), effects) == ({"1": NAME}, (Wake(),))
    assert told(advance(state, Seen(status_of("working"), "polled"))[0]) == ("input_required", {"1": NAME})


@pytest.mark.parametrize("origin", ["created", "pushed"])
def test_unsaid_questions_are_looked_for(origin: Origin) -> None:
    """A task that waits for input without saying what it asks is looked at: the answer to a look says it."""
    _, effects = after(asking(origin))
    assert [type(effect) for effect in effects] == [Emit, Look]


def test_the_end_forgets_questions() -> None:
    """After the end there are no questions left, nor a memory of them."""
    state, _ = after(asking(name=NAME), InputReserved("name"), Seen(status_of("completed"), "polled", Finished({})))
    assert (state.questions, dict(state.open)) == (NO_QUESTIONS, {})
    for event in (InputAsked("2", AGE), InputReleased("name"), InputAnswered("name"), InputWithdrawn("name")):
        assert advance(state, event) == (state, ())


EVENTS = st.sampled_from([InputAsked, InputReserved, InputReleased, InputAnswered, InputWithdrawn])


@given(st.lists(st.tuples(EVENTS, st.sampled_from("abc")), max_size=30), st.sets(st.sampled_from("abc")))
def test_no_question_is_asked_twice(steps: list[tuple[type[InputEvent], str]], shown: set[str]) -> None:
    """Whatever happens in whatever order: what was answered is never shown as open by the server's word again."""
    questions = NO_QUESTIONS
    for kind, key in steps:
        event: InputEvent = InputAsked(key, {"of": key}) if kind is InputAsked else kind(key)  # type: ignore[call-arg]
        questions = questions.after(event)
        word = TaskStatus(task_id="t", status="input_required", input_requests={key: {"of": key} for key in shown})
        left = questions.shown(word).input_requests.keys()
        assert left == (shown - questions.answered) | questions.held.keys()
        assert questions.breach(word) is None


def test_answered_questions_that_are_shown_again() -> None:
    """Looks in a row that show an answered question are counted, and that some look did not show it is known; pushes,
    and looks before the answer, count for nothing."""
    state, _ = after(asking(name=NAME), InputReserved("name"), InputAnswered("name"))
    assert (dict(state.questions.again), state.questions.gone) == ({}, frozenset[str]())
    for event in (asking(name=NAME), asking("pushed", name=NAME), asking(name=NAME)):
        state, _ = advance(state, event)
        assert told(state) == ("working", {})
    assert (dict(state.questions.again), state.questions.gone) == ({"name": 2}, frozenset[str]())
    state, _ = advance(state, Seen(status_of("working"), "polled"))
    assert (dict(state.questions.again), state.questions.gone) == ({}, frozenset({"name"}))
    state, _ = advance(state, asking(name=NAME))
    assert (dict(state.questions.again), state.questions.gone) == ({"name": 1}, frozenset({"name"}))


def many(count: int) -> dict[str, Any]:
    """So many questions."""
    return {f"q{number}": NAME for number in range(count)}


def test_how_many_questions_may_be_asked() -> None:
    """As many questions as are allowed, at once and in a life, are no breach; one more is."""
    assert NO_QUESTIONS.breach(status_of("input_required", input_requests=many(AT_ONCE))) is None
    assert NO_QUESTIONS.breach(status_of("input_required", input_requests=many(AT_ONCE + 1))) is not None
    nearly = evolve(NO_QUESTIONS, asked=dict.fromkeys(many(IN_A_LIFE - 1), b""))
    assert nearly.breach(status_of("input_required", input_requests={"other": NAME})) is None
    assert nearly.breach(status_of("input_required", input_requests={"other": NAME, "more": NAME})) is not None
    assert not nearly.full
    assert nearly.after(InputAsked("other", NAME)).full
    assert not evolve(NO_QUESTIONS, held=many(AT_ONCE - 1)).full
    assert evolve(NO_QUESTIONS, held=many(AT_ONCE)).full


@pytest.mark.parametrize(
    ("first", "other"),
    [(1, 1.5), ({"method": "x"}, {"method": "y"}), ({"params": None}, {"params": 1}), (None, {}), ("1", 1), ([1], [2])],
)
def test_other_questions(first: Any, other: Any) -> None:
    """Whatever a question is, another one under its key is a breach, and the same one is none."""
    questions = NO_QUESTIONS.seen(status_of("input_required", input_requests={"q": first}))
    assert questions.breach(status_of("input_required", input_requests={"q": first})) is None
    assert questions.breach(status_of("input_required", input_requests={"q": other})) is not None


def test_a_whole_number_is_one_number() -> None:
    """1 and 1.0 are one number in JSON, so they make one question."""
    questions = NO_QUESTIONS.seen(status_of("input_required", input_requests={"q": {"n": 1}}))
    assert questions.breach(status_of("input_required", input_requests={"q": {"n": 1.0}})) is None


def test_whether_the_server_itself_waits() -> None:
    """The server waits if its own latest status says so, and not if only a request of its own is open."""
    assert not after(InputAsked("1", NAME))[0].waits
    assert not after(Seen(status_of("working"), "polled"), InputAsked("1", NAME))[0].waits
    assert after(asking(name=NAME))[0].waits
