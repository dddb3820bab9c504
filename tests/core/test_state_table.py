"""Every state and every event of a task, by table.

A cell reads `effects>next`. Effects: e emit, f fetch, l look, d done (finish), ! fail, - none. States: u unknown,
w working, i input_required, c completed, f failed, x cancelled; behind it W the outcome is wanted, F a fetch of it is
under way, K it is known.
"""

from __future__ import annotations

from typing import get_args

import pytest
from attrs import evolve

from mcptasks._core.events import (
    CancelAsked,
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
    Outcome,
    Seen,
    Trouble,
    Wake,
    Wanted,
)
from mcptasks._core.input_state import InputAnswered, InputAsked, InputReleased, InputReserved, InputWithdrawn
from mcptasks._core.models import STATUSES, TERMINAL, Status
from mcptasks._core.state import TRANSITIONS, TaskState, advance
from tests.helpers.samples import status_of

RESULT = Finished({"content": []})
ERROR = Failed(-32000, "boom")
TROUBLE = RuntimeError("no answer")
LETTERS: dict[str, Status | None] = {
    "u": None,
    "w": "working",
    "i": "input_required",
    "c": "completed",
    "f": "failed",
    "x": "cancelled",
}
EVENTS: dict[str, Event] = {
    "working": Seen(status_of("working"), "polled"),
    "working+words": Seen(status_of("working", "step 2"), "polled"),
    "input_required": Seen(status_of("input_required"), "polled"),
    "completed": Seen(status_of("completed"), "polled"),
    "completed+result": Seen(status_of("completed"), "polled", RESULT),
    "failed": Seen(status_of("failed"), "polled"),
    "failed+error": Seen(status_of("failed"), "polled", ERROR),
    "cancelled": Seen(status_of("cancelled", "stop"), "polled"),
    "wanted": Wanted(),
    "fetched": Fetched(RESULT),
    "refused": FetchRefused(TROUBLE),
    "asked": InputAsked("k", {}),
    "withdrawn": InputWithdrawn("k"),
    "reserved": InputReserved("k"),
    "released": InputReleased("k"),
    "answered": InputAnswered("k"),
    "cancel-asked": CancelAsked(),
    "trouble": Trouble(TROUBLE),
    "lost": ConnectionLost(),
}

OPEN_TABLE = """
                 u        uW       w        wW       wWK      i        iW
working          e>w      e>wW     ->w      ->wW     ->wWK    e>w      e>wW
working+words    e>w      e>wW     e>w      e>wW     e>wWK    e>w      e>wW
input_required   e>i      e>iW     e>i      e>iW     e>iWK    ->i      ->iW
completed        e>c      ef>cWF   e>c      ef>cWF   e>cWK    e>c      ef>cWF
completed+result ed>cK    ed>cWK   ed>cK    ed>cWK   e>cWK    ed>cK    ed>cWK
failed           e>f      ef>fWF   e>f      ef>fWF   e>fWK    e>f      ef>fWF
failed+error     ed>fK    ed>fWK   ed>fK    ed>fWK   e>fWK    ed>fK    ed>fWK
cancelled        ed>xK    ed>xWK   ed>xK    ed>xWK   e>xWK    ed>xK    ed>xWK
wanted           ->uW     ->uW     ->wW     ->wW     ->wWK    ->iW     ->iW
fetched          dl>uK    dl>uWK   dl>wK    dl>wWK   ->wWK    dl>iK    dl>iWK
refused          l>u      l>uW     l>w      l>wW     ->wWK    l>i      l>iW
asked            ^>u      ^>uW     ^>w      ^>wW     ^>wWK    ^>i      ^>iW
withdrawn        ^>u      ^>uW     ^>w      ^>wW     ^>wWK    ^>i      ^>iW
reserved         ->u      ->uW     ->w      ->wW     ->wWK    ->i      ->iW
released         ^>u      ^>uW     ^>w      ^>wW     ^>wWK    ^>i      ^>iW
answered         l>u      l>uW     l>w      l>wW     l>wWK    l>i      l>iW
cancel-asked     l>u      l>uW     l>w      l>wW     l>wWK    l>i      l>iW
trouble          !>u      !>uW     !>w      !>wW     !>wWK    !>i      !>iW
lost             l>u      l>uW     l>w      l>wW     l>wWK    l>i      l>iW
"""
TERMINAL_TABLE = """
                 c        cW       cWF      cWK      f        fW       fWF      fWK      xK       xWK
working          ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
working+words    ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
input_required   ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
completed        ->c      f>cWF    ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
completed+result d>cK     d>cWK    d>cWFK   ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
failed           ->c      ->cW     ->cWF    ->cWK    ->f      f>fWF    ->fWF    ->fWK    ->xK     ->xWK
failed+error     ->c      ->cW     ->cWF    ->cWK    d>fK     d>fWK    d>fWFK   ->fWK    ->xK     ->xWK
cancelled        ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
wanted           f>cWF    f>cWF    ->cWF    ->cWK    f>fWF    f>fWF    ->fWF    ->fWK    ->xWK    ->xWK
fetched          d>cK     d>cWK    d>cWK    ->cWK    d>fK     d>fWK    d>fWK    ->fWK    ->xK     ->xWK
refused          l>c      l>cW     l>cW     ->cWK    l>f      l>fW     l>fW     ->fWK    ->xK     ->xWK
asked            ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
withdrawn        ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
reserved         ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
released         ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
answered         ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
cancel-asked     ->c      ->cW     ->cWF    ->cWK    ->f      ->fW     ->fWF    ->fWK    ->xK     ->xWK
trouble          ->c      !>cW     !>cW     ->cWK    ->f      !>fW     !>fW     ->fWK    ->xK     ->xWK
lost             ->c      l>cW     l>cW     ->cWK    ->f      l>fW     l>fW     ->fWK    ->xK     ->xWK
"""


def made(code: str) -> TaskState:
    """The state that a code names."""
    status = LETTERS[code[0]]
    known: dict[str, Outcome] = {"f": ERROR, "x": Cancelled()}
    return TaskState(
        status=None if status is None else status_of(status),
        wanted="W" in code,
        fetching="F" in code,
        outcome=known.get(code[0], RESULT) if "K" in code else None,
    )


def code_of(state: TaskState) -> str:
    """The code that names a state."""
    status = None if state.status is None else state.status.status
    letter = next(letter for letter, name in LETTERS.items() if name == status)
    return letter + "W" * state.wanted + "F" * state.fetching + "K" * (state.outcome is not None)


def expected_effect(letter: str, event: Event, after: TaskState) -> Effect:
    """The effect that a letter stands for, with what it has to carry."""
    match letter:
        case "e":
            assert isinstance(event, Seen)
            return Emit(event.status)
        case "d":
            assert after.outcome is not None
            return Finish(after.outcome)
        case "!":
            return Fail(TROUBLE)
        case _:
            others: dict[str, Effect] = {"f": Fetch(), "l": Look(), "^": Wake()}
            return others[letter]


def cells() -> list[tuple[str, str, str, str]]:
    """State, event, effects and next state of every cell."""
    found: list[tuple[str, str, str, str]] = []
    for table in (OPEN_TABLE, TERMINAL_TABLE):
        head, *rows = table.strip("\n").splitlines()
        for name, *entries in map(str.split, rows):
            for state, entry in zip(head.split(), entries, strict=True):
                effects, after = entry.split(">")
                found.append((state, name, effects.strip("-"), after))
    return found


@pytest.mark.parametrize(("before", "name", "letters", "after"), cells())
def test_cell(before: str, name: str, letters: str, after: str) -> None:
    """Each event in each state has the effects of the table, in that order, and leads where the table says."""
    event, state = EVENTS[name], made(before)
    following, effects = advance(state, event)
    assert code_of(following) == after
    assert effects == tuple(expected_effect(letter, event, following) for letter in letters)
    assert state == made(before)


def test_tables_are_complete() -> None:
    """The tables name every event, and every state that can be reached."""
    table = {(before, name) for before, name, _, _ in cells()}
    columns = {before for before, _ in table}
    assert table == {(before, name) for before in columns for name in EVENTS}
    assert {type(event) for event in EVENTS.values()} == set(get_args(Event))
    assert {before[0] for before in columns} == set(LETTERS)
    # Nothing depends on W once the outcome is known, nor on F, since a known outcome is never fetched.
    reached = {after.replace("FK", "K") for _, _, _, after in cells()}
    assert {code for code in reached if "K" not in code} <= columns


@pytest.mark.parametrize("before", [None, *STATUSES])
@pytest.mark.parametrize("after", STATUSES)
@pytest.mark.parametrize("origin", get_args(Origin))
@pytest.mark.parametrize("wanted", [False, True])
def test_transitions_are_obeyed(before: Status | None, after: Status, origin: Origin, wanted: bool) -> None:
    """Wherever a status comes from, it is taken over if and only if `TRANSITIONS` allows it, and emitted then."""
    state = TaskState(status=None if before is None else status_of(before), wanted=wanted)
    event = Seen(status_of(after, "news"), origin)
    following, effects = advance(state, event)
    allowed = after in TRANSITIONS[before]
    assert (following.status == event.status) is allowed
    assert (Emit(event.status) in effects) is allowed
    if not allowed:
        assert following.status is state.status


def test_terminal_is_absorbing_by_table() -> None:
    """No status follows a terminal one, any may follow the others, and the tables know the same statuses."""
    assert set(TRANSITIONS) == {None, *STATUSES}
    for status, following in TRANSITIONS.items():
        assert following == (frozenset() if status in TERMINAL else frozenset(STATUSES))
    assert {status for status in STATUSES if status_of(status).is_terminal} == TERMINAL


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("code", ["cK", "cWK", "fK", "fWK", "xK", "xWK"])
def test_nothing_follows_the_end(code: str, name: str) -> None:
    """With a terminal status and a known outcome no event has an effect or changes what a program sees."""
    state = made(code)
    following, effects = advance(state, EVENTS[name])
    assert effects == ()
    assert evolve(following, wanted=state.wanted, refusals=0) == state
