"""The state machine of one task: events in, effects out. No I/O, no clock, no threads, no library but attrs.

The rules:

- A task is unknown, then `working` or `input_required` (these two may alternate), then terminal: `completed`,
  `failed` or `cancelled`. A task may be seen first in any status, also in a terminal one.
- A terminal status is final. Whatever arrives later, twice or out of order changes nothing, except that a result
  that was still missing may be filled in.
- The server's timestamps order nothing: real servers put the time of the query there. Real servers also push twice
  and out of order, so two kinds of pushes are ignored: an exact repetition, and one with the same status that
  returns to an earlier message or drops the message. If such a push was true after all, the next poll says so.
- A status is emitted only if a program can see a difference: another status, another message, or other open input
  requests.
- The outcome (result, error or cancellation) becomes known at most once. `cancelled` is its own outcome. Any other
  outcome comes together with the status, or is fetched: only if somebody wants it, and by one request at a time.
- The status that programs see includes the result: "completed" with a result that reports an error is "failed"
  (`judged`). If the protocol sends both together (2026-07-28) and the result is missing, the status is not emitted
  until a poll has the result.
- Input requests have a machine of their own (`input_state.py`). The status that we report follows from both machines.
- Trouble with the connection is not a state of the task. Current waiters get the error; the machine stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from mcptasks._core.events import (
    CancelAsked,
    Cancelled,
    ConnectionLost,
    Effect,
    Emit,
    Event,
    Fail,
    Fetch,
    Fetched,
    FetchRefused,
    Finish,
    Finished,
    Look,
    Outcome,
    Seen,
    Trouble,
    Wake,
    Wanted,
)
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.input_state import (
    NO_QUESTIONS,
    InputAnswered,
    InputAsked,
    InputEvent,
    InputReleased,
    InputReserved,
    InputWithdrawn,
    Questions,
)
from mcptasks._core.models import TERMINAL, Status, TaskOutcome, TaskStatus
from mcptasks._core.verdicts import how_it_ended, judged

# --- the table ----------------------------------------------------------------------------------------------------

TRANSITIONS: Mapping[Status | None, frozenset[Status]] = {
    None: frozenset({"working", "input_required", "completed", "failed", "cancelled"}),
    "working": frozenset({"working", "input_required", "completed", "failed", "cancelled"}),
    "input_required": frozenset({"working", "input_required", "completed", "failed", "cancelled"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
"""Which status may follow which (2025-11-25 tasks, "Task Status Lifecycle"; ext-tasks, "Task Status").
None is the unknown task. Staying in place is allowed: the message or the open requests may change."""

REFUSALS = 8
"""How many times a server may refuse the outcome of a task with a terminal status; then the waiters get the error. Some
servers set the status shortly before the result is ready."""

_REMEMBERED = 16
"""How many emitted statuses are remembered to recognize late pushes; an older push counts as new. Late pushes are a few
statuses behind."""
_SHORT = 200
"""How many characters a remembered message may have; of a longer message only a hash is kept, to save memory."""


@frozen(weakref_slot=False)
class TaskState:
    """Everything that is known of one task. Never changed in place: `advance` returns a new state."""

    status: TaskStatus | None = None
    """The latest status; None before the first."""
    outcome: Outcome | None = None
    """The outcome once it is known."""
    wanted: bool = False
    """Whether somebody wants the outcome."""
    fetching: bool = False
    """Whether a request for the outcome is under way."""
    refusals: int = 0
    """How many times the server has refused the outcome of the task although its status is terminal."""
    told: tuple[tuple[object, ...], ...] = field(default=(), repr=False)
    """The marks (see `mark`) of the statuses that were emitted last, to recognize late pushes."""
    word: TaskStatus | None = field(default=None, repr=False)
    """The latest status as the server sent it; `status` is made from this one and the questions."""
    questions: Questions = NO_QUESTIONS
    ending: bool = False
    """Whether the server says that the task is completed, but a poll has yet to bring the result."""

    @property
    def verdict(self) -> TaskOutcome | None:
        """How the work ended; None as long as that is not known."""
        return how_it_ended(self.status, self.outcome)

    @property
    def terminal(self) -> bool:
        """Whether the task is over."""
        return self.status is not None and self.status.status in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether the server need not be asked any more: the task has ended, and its outcome is known or not wanted."""
        return self.terminal and (self.outcome is not None or not self.wanted)

    @property
    def waits(self) -> bool:
        """Whether the server itself says that the task requires input."""
        return self.word is not None and self.word.status == "input_required"

    @property
    def open(self) -> Mapping[str, Any]:
        """The questions that are not answered yet, by key."""
        if self.status is None:
            return self.questions.held
        return self.status.input_requests if self.status.status == "input_required" else {}


def visible(status: TaskStatus) -> tuple[object, ...]:
    """The parts of a status that a program can see: two statuses with the same parts count as one."""
    return (status.status, status.status_message, status.input_requests)


def mark(status: TaskStatus) -> tuple[object, ...]:
    """A small value that is the same for two deliveries of one status: the server's time and the visible parts."""
    message = status.status_message
    words = message if message is None or len(message) <= _SHORT else (len(message), hash(message))
    return (status.last_updated_at, status.status, words, hash(frozenset(status.input_requests)))


def advance(state: TaskState, event: Event) -> tuple[TaskState, tuple[Effect, ...]]:
    """The next state after an event, and the effects to carry out."""
    match event:
        case Seen():
            return _seen(state, event)
        case Wanted():
            return _fetch_if_due(evolve(state, wanted=True), ())
        case Fetched(outcome):
            if state.outcome is not None:
                return evolve(state, fetching=False), ()
            known = evolve(state, fetching=False, outcome=outcome)
            # A server that holds `tasks/result` open may answer it before a poll has seen the end.
            return known, (Finish(outcome),) if state.terminal else (Finish(outcome), Look())
        case FetchRefused(error):
            refused = evolve(state, fetching=False, refusals=state.refusals + 1)
            if state.outcome is not None:
                return refused, ()
            return refused, (Look(),) if refused.refusals < REFUSALS else (Fail(error),)
        case InputAsked() | InputWithdrawn() | InputReserved() | InputReleased() | InputAnswered():
            return _input(state, event)
        case CancelAsked():
            return state, () if state.terminal else (Look(),)
        case Trouble(error):
            return evolve(state, fetching=False), () if state.settled else (Fail(error),)
        case ConnectionLost():
            return evolve(state, fetching=False), () if state.settled else (Look(),)


def _input(state: TaskState, event: InputEvent) -> tuple[TaskState, tuple[Effect, ...]]:
    if state.terminal:
        return state, ()
    state = evolve(state, questions=state.questions.after(event))
    unsaid = state.word is not None and state.word.status == "input_required" and not state.word.input_requests
    if isinstance(event, InputAnswered) and unsaid and state.word is not None and not state.questions.held:
        # The question that blocked the task is answered. The next poll tells whether there are others.
        state = evolve(state, word=evolve(state.word, status="working", status_message=None))
    effects: tuple[Effect, ...] = ()
    if state.word is not None:
        state, effects = _tell(state, state.questions.shown(state.word))
    match event:
        case InputReserved():
            return state, ()
        case InputAnswered():
            return state, (*effects, Look())
        case _:
            return state, effects or (Wake(),)


def _tell(state: TaskState, status: TaskStatus) -> tuple[TaskState, tuple[Effect, ...]]:
    """Take a status in; emit it if a program can see a difference."""
    before = state.status
    state = evolve(state, status=status)
    if before is not None and visible(before) == visible(status):
        return state, ()
    return evolve(state, told=(*state.told, mark(status))[-_REMEMBERED:]), (Emit(status),)


def _seen(state: TaskState, event: Seen) -> tuple[TaskState, tuple[Effect, ...]]:
    if event.partial and not state.terminal:
        return _ending(state, event.status)
    known = event.outcome or state.outcome
    if isinstance(known, Finished):
        event = evolve(event, status=judged(event.status, known.result))
    if state.ending and event.origin == "polled":
        state = evolve(state, ending=False)
    over = state.terminal or event.status.is_terminal
    breach = None if over else state.questions.breach(event.status)
    if breach is not None:
        return state, (Fail(TaskProtocolError(f"{breach}; the task stays at the server")),)
    questions = state.questions if over else state.questions.seen(event.status)
    if event.origin == "polled":
        questions = questions.polled(event.status)
    status, before = questions.shown(event.status), state.status
    if status.status not in TRANSITIONS[before.status if before else None]:
        return _late(state, event)
    if event.origin == "pushed" and before is not None and _stale(state, status, before):
        return state, ()
    state, told = _tell(evolve(state, word=event.status, questions=questions), status)
    effects = list(told)
    if not state.terminal:
        unsaid = status.status == "input_required" and not status.input_requests
        if unsaid and told and event.origin in ("created", "pushed"):
            # Only the answer to a poll is sure to have the input requests (2026-07-28); a creating answer never has.
            effects.append(Look())
        return state, tuple(effects)
    state = evolve(state, word=None, questions=NO_QUESTIONS)
    outcome = Cancelled(status.status_message) if status.status == "cancelled" else event.outcome
    if outcome is not None and state.outcome is None:
        state = evolve(state, outcome=outcome, told=())
        effects.append(Finish(outcome))
    return _fetch_if_due(state, tuple(effects))


def _ending(state: TaskState, status: TaskStatus) -> tuple[TaskState, tuple[Effect, ...]]:
    """Handle "completed" without the result that tells success from failure: poll for the result.

    Until the result is known, programs see the status from before, or "working" if there was none.
    """
    effects: tuple[Effect, ...] = ()
    if state.status is None:
        word = evolve(status, status="working", status_message=None, input_requests={})
        state, effects = _tell(evolve(state, word=word), state.questions.shown(word))
    return evolve(state, ending=True), (*effects, Look())


def _stale(state: TaskState, status: TaskStatus, before: TaskStatus) -> bool:
    """Whether a push is out of date: a repetition, or overtaken by a later push."""
    if status.last_updated_at is not None and mark(status) in state.told:
        return True
    if status.status != before.status or status.input_requests != before.input_requests:
        return False
    if status.status_message is None:
        return before.status_message is not None
    return visible(status) != visible(before) and any(mark(status)[1:] == told[1:] for told in state.told)


def _late(state: TaskState, event: Seen) -> tuple[TaskState, tuple[Effect, ...]]:
    """Handle a status that comes after the end: only a missing outcome with the same status still counts."""
    if state.status is None or state.outcome is not None:
        return state, ()
    if state.status.status != event.status.status:
        return _contradicted(state, event.status) if event.origin == "polled" else (state, ())
    if event.outcome is not None:
        return evolve(state, outcome=event.outcome), (Finish(event.outcome),)
    return _fetch_if_due(state, ())


def _contradicted(state: TaskState, status: TaskStatus) -> tuple[TaskState, tuple[Effect, ...]]:
    """Handle a server that revokes a terminal status whose outcome it never sent. Fails only if the server persists."""
    before = state.status.status if state.status is not None else "unknown"
    state = evolve(state, refusals=state.refusals + 1)
    if not state.wanted or state.fetching or state.refusals < REFUSALS:
        return state, ()
    words = f"the server called the task {before} and now calls it {status.status}"
    return state, (Fail(TaskProtocolError(words)),)


def _fetch_if_due(state: TaskState, effects: tuple[Effect, ...]) -> tuple[TaskState, tuple[Effect, ...]]:
    if state.terminal and state.wanted and state.outcome is None and not state.fetching:
        return evolve(state, fetching=True), (*effects, Fetch())
    return state, effects
