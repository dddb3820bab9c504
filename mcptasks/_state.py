"""The state machine of one task: events in, effects out. No I/O, no clock, no threads, no library but attrs.

The rules:

- A task is unknown, then `working` or `input_required` (these two may alternate), then terminal: `completed`,
  `failed` or `cancelled`. A task may be seen first in any status, also in a terminal one.
- A terminal status is final. Whatever arrives later, twice or out of order changes nothing, except that a result
  that was still missing may be filled in.
- Nothing is ordered by the server's timestamps: real servers put the time of the query there. A push that was
  delivered before, to the letter, is a duplicate and ignored. So is one that, in the same status, comes back to a
  message that was told before, or drops the message: real servers push twice and out of order. If it should be true
  after all, the next look says so.
- A status is emitted only when it differs from the one before in something a program can see: the status, its
  message or the open input requests.
- The outcome (result, error or cancellation) is known at most once. `cancelled` is its own outcome. Otherwise it came
  inlined with the status, or it has to be fetched; it is fetched only if somebody wants it, once at a time.
- Questions in mid-task have a machine of their own (`_input.py`); a status is told as it follows from the two.
- Trouble with the connection is not a state of the task. It is handed to whoever waits, and the next event finds
  the machine as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from attrs import evolve, field, frozen

from mcptasks._exceptions import TaskProtocolError
from mcptasks._input import (
    NO_QUESTIONS,
    InputAnswered,
    InputAsked,
    InputEvent,
    InputReleased,
    InputReserved,
    InputWithdrawn,
    Questions,
)
from mcptasks._models import TERMINAL, Status, TaskStatus

# --- outcomes -----------------------------------------------------------------------------------------------------


@frozen
class Finished:
    """The request has a result: exactly what the original request would have been answered."""

    result: Any
    """The JSON object as it came, or the SDK's model where the SDK parsed it already."""


@frozen
class Failed:
    """The request failed with a JSON-RPC error."""

    code: int
    message: str
    data: Any = None


@frozen
class Cancelled:
    """The task was cancelled; there is no result."""

    message: str | None = None


Outcome: TypeAlias = Finished | Failed | Cancelled

# --- events -------------------------------------------------------------------------------------------------------

Origin: TypeAlias = Literal["created", "polled", "pushed", "cancelled"]
"""Where a status was seen: the creating answer, `tasks/get`, a notification, the answer to `tasks/cancel`."""


@frozen
class Seen:
    """A status was seen, with the outcome where the server inlined it."""

    status: TaskStatus
    origin: Origin
    outcome: Outcome | None = None


@frozen
class Wanted:
    """Somebody waits for the outcome."""


@frozen
class Fetched:
    """The outcome arrived on its own (`tasks/result`)."""

    outcome: Outcome


@frozen
class FetchRefused:
    """The server would not give the outcome of a task that it calls over. Perhaps it is not ready yet."""

    error: Exception
    """What to say if it stays so."""


@frozen
class CancelAsked:
    """The server was asked to cancel."""


@frozen
class Trouble:
    """A look or a fetch failed for good; the task may be well."""

    error: Exception


@frozen
class ConnectionLost:
    """The connection was replaced; what was under way on it is void."""


Event: TypeAlias = Seen | Wanted | Fetched | FetchRefused | InputEvent | CancelAsked | Trouble | ConnectionLost

# --- effects ------------------------------------------------------------------------------------------------------


@frozen
class Emit:
    """Tell everyone who watches of a new status."""

    status: TaskStatus


@frozen
class Fetch:
    """Ask the server for the outcome now."""


@frozen
class Look:
    """Ask the server for the status soon, not only when the schedule says so."""


@frozen
class Finish:
    """The outcome is known; nothing needs to be asked any more."""

    outcome: Outcome


@frozen
class Fail:
    """Hand an error to those who wait at this moment."""

    error: Exception


@frozen
class Wake:
    """Have those who wait look again."""


Effect: TypeAlias = Emit | Fetch | Look | Finish | Fail | Wake

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
"""How often a server may refuse the outcome of a task that it calls over before it is believed."""

_REMEMBERED = 16


@frozen
class TaskState:
    """What is known of one task. Never changed in place: `advance` returns the next one."""

    status: TaskStatus | None = None
    """The latest status; None before the first."""
    outcome: Outcome | None = None
    """The outcome once it is known."""
    wanted: bool = False
    """Whether somebody wants the outcome."""
    fetching: bool = False
    """Whether a fetch of the outcome is under way."""
    refusals: int = 0
    """How often the server would not give the outcome of a task that it calls over."""
    told: tuple[tuple[object, ...], ...] = field(default=(), repr=False)
    """Marks of the latest statuses that were emitted, to know a push that tells of the past."""
    word: TaskStatus | None = field(default=None, repr=False)
    """The latest status in the server's own words; `status` is what follows from it and the questions."""
    questions: Questions = NO_QUESTIONS

    @property
    def terminal(self) -> bool:
        """Whether the task is over."""
        return self.status is not None and self.status.status in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether no question to the server is left: over, and the outcome known or not wanted."""
        return self.terminal and (self.outcome is not None or not self.wanted)

    @property
    def waits(self) -> bool:
        """Whether the task waits for input by the server's own word."""
        return self.word is not None and self.word.status == "input_required"

    @property
    def open(self) -> Mapping[str, Any]:
        """The questions that are not answered yet, by key."""
        if self.status is None:
            return self.questions.held
        return self.status.input_requests if self.status.status == "input_required" else {}


def visible(status: TaskStatus) -> tuple[object, ...]:
    """What a program can tell two statuses apart by."""
    return (status.status, status.status_message, status.input_requests)


def mark(status: TaskStatus) -> tuple[object, ...]:
    """What tells two deliveries apart: the server's time, and what a program sees."""
    return (status.last_updated_at, *visible(status))


def advance(state: TaskState, event: Event) -> tuple[TaskState, tuple[Effect, ...]]:
    """The next state, and what has to be done about it."""
    match event:
        case Seen():
            return _seen(state, event)
        case Wanted():
            return _fetch_if_due(evolve(state, wanted=True), ())
        case Fetched(outcome):
            if state.outcome is not None:
                return evolve(state, fetching=False), ()
            known = evolve(state, fetching=False, outcome=outcome)
            # A server that blocked on the fetch may answer it before any look saw the end.
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
        # What it waited for was answered; whether there is more the next look shows.
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
    reused = None if state.terminal else state.questions.reused(event.status)
    if reused is not None:
        words = f"the server uses the key {reused!r:.80} of an earlier question for another one"
        return state, (Fail(TaskProtocolError(words)),)
    questions = state.questions.seen(event.status)
    if event.origin == "polled":
        questions = questions.looked(event.status)
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
            # What is asked stands in the answer to a look (2026-07-28; creating answers never hold it).
            effects.append(Look())
        return state, tuple(effects)
    state = evolve(state, word=None, questions=NO_QUESTIONS)
    outcome = Cancelled(status.status_message) if status.status == "cancelled" else event.outcome
    if outcome is not None and state.outcome is None:
        state = evolve(state, outcome=outcome, told=())
        effects.append(Finish(outcome))
    return _fetch_if_due(state, tuple(effects))


def _stale(state: TaskState, status: TaskStatus, before: TaskStatus) -> bool:
    """Whether a push tells of the past: delivered twice, or overtaken by a later one."""
    if status.last_updated_at is not None and mark(status) in state.told:
        return True
    if status.status != before.status or status.input_requests != before.input_requests:
        return False
    if status.status_message is None:
        return before.status_message is not None
    return visible(status) != visible(before) and any(visible(status) == told[1:] for told in state.told)


def _late(state: TaskState, event: Seen) -> tuple[TaskState, tuple[Effect, ...]]:
    """After the end only a missing outcome of the very same ending is of interest."""
    if state.status is None or state.outcome is not None:
        return state, ()
    if state.status.status != event.status.status:
        return _contradicted(state, event.status) if event.origin == "polled" else (state, ())
    if event.outcome is not None:
        return evolve(state, outcome=event.outcome), (Finish(event.outcome),)
    return _fetch_if_due(state, ())


def _contradicted(state: TaskState, status: TaskStatus) -> tuple[TaskState, tuple[Effect, ...]]:
    """The server takes an ending back whose outcome it never gave. It may be a slip, so it is given some time."""
    before = state.status.status if state.status is not None else "unknown"
    state = evolve(state, refusals=state.refusals + 1)
    if not state.wanted or state.fetching or state.refusals < REFUSALS:
        return state, ()
    words = f"the server called the task {before} and calls it {status.status} now"
    return state, (Fail(TaskProtocolError(words)),)


def _fetch_if_due(state: TaskState, effects: tuple[Effect, ...]) -> tuple[TaskState, tuple[Effect, ...]]:
    if state.terminal and state.wanted and state.outcome is None and not state.fetching:
        return evolve(state, fetching=True), (*effects, Fetch())
    return state, effects
