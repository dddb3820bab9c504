"""The rules in the docstring of `_state.py`, one by one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcptasks import TaskProtocolError, TaskStatus
from mcptasks._core.events import (
    Cancelled,
    ConnectionLost,
    Effect,
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
    Seen,
    Trouble,
    Wanted,
)
from mcptasks._core.models import Status
from mcptasks._core.state import REFUSALS, TaskState, advance, visible
from mcptasks._core.verdicts import judged
from tests.helpers.samples import status_of

RESULT = Finished({"content": []})
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def run(events: Iterable[Event], state: TaskState | None = None) -> tuple[TaskState, list[Effect]]:
    """The state after some events, and all their effects."""
    state, effects = state or TaskState(), list[Effect]()
    for event in events:
        state, more = advance(state, event)
        effects += more
    return state, effects


def push(status: Status, message: str | None = None, second: int | None = None, **fields: Any) -> Seen:
    """A pushed status with the server's time in seconds after noon."""
    updated = None if second is None else NOON + timedelta(seconds=second)
    return Seen(status_of(status, message, last_updated_at=updated, **fields), "pushed")


def emitted(effects: Iterable[Effect]) -> list[tuple[str, str | None]]:
    """What a callback would have been told."""
    return [(effect.status.status, effect.status.status_message) for effect in effects if isinstance(effect, Emit)]


@pytest.mark.parametrize("status", ["working", "input_required", "completed", "failed", "cancelled"])
@pytest.mark.parametrize("origin", ["created", "polled", "pushed"])
def test_first_seen_in_any_status(status: Status, origin: Origin) -> None:
    """A task may be seen first in any status and from anywhere; that is emitted."""
    first = status_of(status)
    state, effects = run([Seen(first, origin)])
    assert state.status is first
    assert effects[0] == Emit(first)


def test_open_statuses_alternate() -> None:
    """`working` and `input_required` may alternate, and each change is told."""
    order: list[Status] = ["working", "input_required", "working", "input_required", "completed"]
    _, effects = run(Seen(status_of(status), "polled") for status in order)
    assert [status for status, _ in emitted(effects)] == order


def test_terminal_is_final() -> None:
    """What arrives after the end, from anywhere, neither changes the status nor is emitted."""
    state, _ = run([Seen(status_of("completed"), "polled", RESULT)])
    late: list[Event] = [
        push("working", "late", 99),
        Seen(status_of("cancelled"), "polled"),
        Seen(status_of("failed"), "polled", Failed(1, "no")),
        Seen(status_of("completed", "other words"), "pushed"),
    ]
    assert run(late, state) == (state, [])


def test_missing_result_is_filled_in() -> None:
    """A result that comes after the end, for the same ending, is taken and nothing is emitted again."""
    state, _ = run([Seen(status_of("completed"), "pushed")])
    state, effects = run([Seen(status_of("completed", "again"), "polled", RESULT)], state)
    assert effects == [Finish(RESULT)]
    assert state.status == status_of("completed")


def test_result_of_another_ending_is_not_taken() -> None:
    """The outcome of a task that is said to have ended otherwise is not mixed in."""
    before, _ = run([Seen(status_of("completed"), "pushed")])
    state, effects = run([Seen(status_of("failed"), "polled", Failed(1, "no"))], before)
    assert (state.status, state.outcome, effects) == (before.status, None, [])


def test_servers_timestamps_order_nothing() -> None:
    """A later message with an earlier time of the server's is taken, since servers put the query's time there."""
    early, late = NOON, NOON + timedelta(hours=1)
    _, effects = run(
        [
            Seen(status_of("working", "one", last_updated_at=late), "polled"),
            Seen(status_of("working", "two", last_updated_at=early), "polled"),
            push("input_required", "three", -3600),
        ]
    )
    assert emitted(effects) == [("working", "one"), ("working", "two"), ("input_required", "three")]


def test_repeated_delivery_is_ignored() -> None:
    """A push that was delivered before, to the letter, changes nothing, also behind others and another status."""
    order = [push("working", "a", 1), push("input_required", None, 2), push("working", "b", 3)]
    state, effects = run([*order, order[0], order[1], order[2]])
    assert emitted(effects) == [("working", "a"), ("input_required", None), ("working", "b")]
    assert state.status is order[2].status


@pytest.mark.parametrize("second", [None, 5])
def test_push_back_to_an_earlier_message_is_ignored(second: int | None) -> None:
    """A push that goes back to a message told before, in the same status, was overtaken (fastmcp 2 and 3)."""
    _, effects = run([push("working", "1 of 4", 1), push("working", "2 of 4", 2), push("working", "1 of 4", second)])
    assert emitted(effects) == [("working", "1 of 4"), ("working", "2 of 4")]


def test_push_that_drops_the_message_is_ignored() -> None:
    """A push without words does not take the words of the same status away."""
    _, effects = run([push("working", "1 of 4", 1), push("working", None, 2)])
    assert emitted(effects) == [("working", "1 of 4")]


def test_pushed_questions_are_news() -> None:
    """A push whose open questions differ is taken though it has no words, or has earlier ones; to the letter it is a
    duplicate all the same."""
    one, two = push("input_required", "which?", 1, input_requests={"a": {}}), push("working", "which?", 2)
    both = push("input_required", None, 3, input_requests={"a": {}, "b": {}})
    state, effects = run([one, both])
    assert effects == [Emit(one.status), Emit(both.status)]
    assert run([one], state) == (state, [])
    left = push("input_required", "which?", None, input_requests={"b": {}})
    assert run([left, two], state)[1] == [Emit(left.status), Emit(two.status)]


@pytest.mark.parametrize("message", ["1 of 4", None])
def test_look_may_go_back(message: str | None) -> None:
    """If what a push told was true after all, the next look says so: looks are believed."""
    state, _ = run([push("working", "1 of 4", 1), push("working", "2 of 4", 2)])
    _, effects = run([Seen(status_of("working", message), "polled")], state)
    assert emitted(effects) == [("working", message)]


def test_push_back_to_another_status_is_taken() -> None:
    """A new push with another status is news, whatever its words."""
    _, effects = run([push("working", "a", 1), push("input_required", "b", 2), push("working", "a", 3)])
    assert [status for status, _ in emitted(effects)] == ["working", "input_required", "working"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, False),
        ({"last_updated_at": NOON}, False),
        ({"created_at": NOON}, False),
        ({"ttl": timedelta(1)}, False),
        ({"poll_interval": timedelta(1)}, False),
        ({"raw": {"x": 1}}, False),
        ({"status_message": "words"}, True),
        ({"input_requests": {"k": {"method": "elicitation/create"}}}, True),
        ({"status": "input_required"}, True),
    ],
)
def test_only_visible_changes_are_emitted(change: dict[str, Any], told: bool) -> None:
    """A status is emitted if its status, message or open questions differ; what else is new is kept in silence."""
    fields: dict[str, Any] = {"task_id": "t-1", "status": "working", **change}
    news = TaskStatus(**fields)
    state, effects = run([Seen(status_of(), "polled"), Seen(news, "polled")])
    assert (len(effects) == 2) is told
    assert (visible(news) != visible(status_of())) is told
    assert state.status is news


def test_cancelled_is_its_own_outcome() -> None:
    """A cancelled task is finished at once, with the server's words, and nothing is fetched."""
    state, effects = run([Wanted(), Seen(status_of("cancelled", "too slow"), "polled", RESULT)])
    assert effects[1:] == [Finish(Cancelled("too slow"))]
    assert state.settled


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_inlined_outcome_is_not_fetched(status: Status) -> None:
    """An outcome that came with the status finishes the task, wanted or not."""
    outcome = RESULT if status == "completed" else Failed(-1, "no")
    wishes: list[list[Event]] = [[], [Wanted()]]
    for before in wishes:
        state, effects = run([*before, Seen(status_of(status), "polled", outcome)])
        assert effects == [Emit(status_of(status)), Finish(outcome)]
        assert state.outcome is outcome


WORKING = status_of("working", "step 2")
PARTIAL = [Seen(status_of("completed", "done"), origin, partial=True) for origin in ("created", "pushed")]
REPORT = Finished({"content": [{"type": "text", "text": "no such city"}], "isError": True})


@pytest.mark.parametrize("partial", PARTIAL)
@pytest.mark.parametrize("before", [[], [Seen(WORKING, "polled")], [Seen(WORKING, "polled"), Wanted()]])
def test_completed_without_its_result_is_not_told(before: list[Event], partial: Seen) -> None:
    """Where the result belongs to the status and is missing, a look finds both; until then what was told holds, and
    pushes that are late do not end that. Then the true status is told, once."""
    known, _ = run(before)
    state, effects = run([partial], known)
    assert state.status == (known.status or status_of("working"))
    assert [each for each in effects if not isinstance(each, Emit)] == [Look()]
    assert (state.ending, state.terminal, state.verdict) == (True, False, None)
    state, _ = run([push("working", "late", 1), partial], state)
    assert state.ending
    state, effects = run([Seen(judged(status_of("completed"), REPORT.result), "polled", REPORT)], state)
    assert effects == [Emit(status_of("failed", "no such city")), Finish(REPORT)]
    assert (state.ending, state.verdict) == (False, "failed")
    assert run([partial], state) == (state, [])


def test_completed_without_its_result_is_taken_back() -> None:
    """A look that finds the task at work ends the hurry."""
    state, _ = run([PARTIAL[1], Seen(WORKING, "polled")])
    assert (state.status, state.ending) == (WORKING, False)


@pytest.mark.parametrize("word", ["completed", "failed"])
def test_status_after_a_result_that_reports_an_error(word: Status) -> None:
    """Where the result is known first (a server of 2025-11-25 that blocks on `tasks/result`), the status that follows
    is told as what the result makes it, in the tool's words."""
    state, _ = run([Seen(WORKING, "polled"), Wanted(), Fetched(REPORT)])
    assert (state.verdict, state.status) == ("failed", WORKING)
    _, effects = run([Seen(status_of(word, "Task over"), "polled")], state)
    assert effects == [Emit(status_of("failed", "no such city"))]


def test_bare_failure_and_its_result() -> None:
    """A task that was called failed may turn out as one that is completed with an error: that is the same ending."""
    state, _ = run([Wanted(), Seen(status_of("failed"), "pushed")])
    state, effects = run([Seen(judged(status_of("completed"), REPORT.result), "polled", REPORT)], state)
    assert (effects, state.verdict) == ([Finish(REPORT)], "failed")


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        ([], None),
        ([Seen(WORKING, "polled")], None),
        ([Seen(status_of("input_required"), "polled")], None),
        ([Seen(status_of("completed"), "polled")], None),
        ([Seen(status_of("failed"), "polled")], "failed"),
        ([Seen(status_of("cancelled"), "polled")], "cancelled"),
        ([Seen(status_of("completed"), "polled", RESULT)], "succeeded"),
        ([Seen(status_of("failed"), "polled", Failed(-1, "no"))], "failed"),
        ([Wanted(), Seen(status_of("completed"), "polled"), Fetched(RESULT)], "succeeded"),
        ([Wanted(), Seen(status_of("completed"), "polled"), Fetched(REPORT)], "failed"),
        ([Wanted(), Seen(status_of("failed"), "polled"), Fetched(REPORT)], "failed"),
        ([Wanted(), Seen(status_of("failed"), "polled"), Fetched(RESULT)], "failed"),
        ([Wanted(), Fetched(RESULT)], "succeeded"),
        ([Wanted(), Fetched(Failed(-1, "no"))], "failed"),
    ],
)
def test_what_work_came_to(events: list[Event], verdict: str | None) -> None:
    """The verdict is None until it is known, and what is known is not taken back."""
    assert run(events)[0].verdict == verdict


def test_fetched_only_if_wanted_and_once() -> None:
    """The outcome is fetched when somebody wants it, and not again while that is under way."""
    done = Seen(status_of("completed"), "polled")
    state, effects = run([done])
    assert (effects, state.settled) == ([Emit(done.status)], True)
    state, effects = run([Wanted()], state)
    assert (effects, state.settled) == ([Fetch()], False)
    state, effects = run([Wanted(), done, Wanted(), push("completed", None, 1)], state)
    assert effects == []
    state, effects = run([Fetched(RESULT), Wanted(), Fetched(Failed(1, "late")), done], state)
    assert effects == [Finish(RESULT)]
    assert state.outcome is RESULT


def test_inlined_result_during_a_fetch_wins() -> None:
    """Where the result comes inlined while it is fetched, it is known once, and the fetch's answer is dropped."""
    state, effects = run(
        [Wanted(), Seen(status_of("completed"), "pushed"), Seen(status_of("completed"), "polled", RESULT)]
    )
    assert effects[1:] == [Fetch(), Finish(RESULT)]
    state, effects = run([Fetched(Finished({"other": 1}))], state)
    assert (effects, state.outcome, state.fetching) == ([], RESULT, False)


def test_refusals_are_believed_in_the_end() -> None:
    """A server that will not give the outcome of what it calls over is asked again, then believed."""
    done, no = Seen(status_of("completed"), "polled"), FetchRefused(RuntimeError("not completed yet"))
    state, effects = run([Wanted(), done])
    for _ in range(REFUSALS - 1):
        state, effects = run([no, done], state)
        assert effects == [Look(), Fetch()]
    state, effects = run([no], state)
    assert effects == [Fail(no.error)]
    assert (state.outcome, state.fetching) == (None, False)
    state, effects = run([Wanted(), Fetched(RESULT)], state)
    assert effects == [Fetch(), Finish(RESULT)]


OTHERWISE = [
    Seen(status_of("failed"), "polled", Failed(-1, "no")),
    Seen(status_of("failed"), "polled"),
    Seen(status_of("cancelled"), "polled"),
    Seen(status_of("working"), "polled"),
    Seen(status_of("input_required", input_requests={"k": {}}), "polled"),
]


@pytest.mark.parametrize("other", OTHERWISE)
def test_contradictions_are_refusals(other: Seen) -> None:
    """A server that takes an ending back whose outcome it never gave is given some time; then whoever waits is told
    both statuses, and again at each later look. The ending stays."""
    state, _ = run([Wanted(), Seen(status_of("completed"), "pushed"), FetchRefused(RuntimeError("not yet"))])
    state, effects = run([other] * (REFUSALS - 2), state)
    assert effects == []
    for _ in range(3):
        state, (effect,) = run([other], state)
        assert isinstance(effect, Fail)
        assert isinstance(effect.error, TaskProtocolError)
        words = f"the server called the task completed and now calls it {other.status.status}"
        assert effect.error.message == words
        assert (state.status, state.outcome, state.settled) == (status_of("completed"), None, False)
    assert run([Seen(status_of("completed"), "polled", RESULT)], state)[1] == [Finish(RESULT)]


@pytest.mark.parametrize("other", OTHERWISE)
def test_refusals_between_contradictions(other: Seen) -> None:
    """However refusals and contradictions alternate, whoever waits hears of it within `REFUSALS` rounds."""
    state, _ = run([Wanted(), Seen(status_of("completed"), "pushed")])
    _, effects = run([FetchRefused(RuntimeError("not yet")), other] * REFUSALS, state)
    assert any(isinstance(effect, Fail) for effect in effects)
    assert not any(isinstance(effect, Finish | Emit) for effect in effects)


def test_contradictions_that_do_not_count() -> None:
    """A contradiction that is pushed, that nobody waits for, or that comes while the outcome is being fetched, fails
    nobody."""
    done = Seen(status_of("completed"), "pushed")
    lives: list[list[Event]] = [
        [Wanted(), done, FetchRefused(RuntimeError("not yet")), *[push("cancelled", "no", n) for n in range(50)]],
        [done, *[OTHERWISE[0]] * 50],
        [Wanted(), done, *[OTHERWISE[0]] * 50],
    ]
    for events in lives:
        state, effects = run(events)
        assert not any(isinstance(effect, Fail) for effect in effects)
        assert run([Fetched(RESULT)], state)[1] == [Finish(RESULT)]


@pytest.mark.parametrize("event", [Trouble(RuntimeError("down")), ConnectionLost()])
def test_trouble_is_no_state(event: Event) -> None:
    """Trouble leaves the machine as it was, but for a fetch, which is void; the next wish fetches again."""
    for before in (
        run([Seen(status_of(), "polled"), Wanted()]),
        run([Wanted(), Seen(status_of("completed"), "polled")]),
    ):
        state, effects = run([event], before[0])
        assert (state.status, state.outcome, state.wanted, state.fetching) == (before[0].status, None, True, False)
        assert effects == [Fail(event.error) if isinstance(event, Trouble) else Look()]
        _, effects = run([Wanted()], state)
        assert effects == ([Fetch()] if state.terminal else [])


@pytest.mark.parametrize("event", [Trouble(RuntimeError("down")), ConnectionLost()])
def test_trouble_does_not_concern_what_is_settled(event: Event) -> None:
    """Trouble after the end is nobody's: nothing fails and nothing is looked for."""
    lives: list[list[Event]] = [
        [Seen(status_of("completed"), "polled")],
        [Wanted(), Seen(status_of("cancelled"), "polled")],
    ]
    for events in lives:
        state, _ = run(events)
        assert run([event], state) == (state, [])


def test_fetch_that_ends_before_any_look_saw_the_end() -> None:
    """An outcome in hand finishes the wait at once; a look then finds the status."""
    _, effects = run([Seen(status_of(), "created"), Wanted(), Fetched(RESULT)])
    assert effects[1:] == [Finish(RESULT), Look()]


def test_memory_of_pushes_is_bounded() -> None:
    """However often a task changes, its state stays small; after the end nothing is remembered."""
    state, effects = run(push("working", f"step {n}", n) for n in range(500))
    assert len(emitted(effects)) == 500
    assert len(state.told) <= 32
    state, _ = run([Seen(status_of("completed"), "polled", RESULT)], state)
    assert state.told == ()
