"""Which task asks, where a server's request does not say so: every rule by table."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._engine.input.routing import Suspect, announcers, askers, related_task, to_poll

CURRENT, FASTMCP_2 = "io.modelcontextprotocol/related-task", "modelcontextprotocol.io/related-task"

WORKS = Suspect(task_id="works", message="Name?")
OVER = Suspect(task_id="over", over=True)
WAITS = Suspect(task_id="waits", waits=True)
SAYS = Suspect(task_id="says", waits=True, message="Name?")
SAYS_TOO = evolve(SAYS, task_id="says-too")
ASKED = Suspect(task_id="asked", waits=True, message="Other?", asked=True)
SILENT = Suspect(task_id="silent", waits=True, silent=True)
ANNOUNCED = Suspect(task_id="announced", announced=("Other?", "Name?"))


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({}, None),
        ({CURRENT: {"taskId": "t"}}, "t"),
        ({FASTMCP_2: {"taskId": "t"}}, "t"),
        ({CURRENT: {"taskId": "t"}, FASTMCP_2: {"taskId": "u"}}, "t"),
        ({CURRENT: {"taskId": 7}, FASTMCP_2: {"taskId": "u"}}, "u"),
        ({CURRENT: {"taskId": ""}}, ""),
        ({CURRENT: {"taskId": None}}, None),
        ({CURRENT: {}}, None),
        ({CURRENT: None}, None),
        ({CURRENT: "t"}, None),
        ({CURRENT: ["t"]}, None),
    ],
)
def test_related_task(meta: dict[str, Any], expected: str | None) -> None:
    """A request names its task in either spelling; nonsense in that place names none."""
    assert related_task(meta) == expected


@pytest.mark.parametrize(
    ("suspects", "question", "expected"),
    [
        ([], "Name?", []),
        ([ANNOUNCED, WAITS], "Name?", ["announced"]),
        ([ANNOUNCED, WAITS], "Else?", []),
        ([ANNOUNCED, evolve(ANNOUNCED, task_id="b")], "Other?", ["announced", "b"]),
        ([SAYS], "Name?", []),
        ([ANNOUNCED, WAITS], None, []),
        ([ANNOUNCED], ["Name?"], []),
    ],
)
def test_announcers(suspects: list[Suspect], question: object, expected: list[str]) -> None:
    """The tasks that announced this very question by a push."""
    assert announcers(suspects, question) == expected


def test_to_poll() -> None:
    """The sixteen newest tasks are polled that are not known to wait."""
    many = [Suspect(task_id=str(number), waits=number % 2 == 0) for number in range(50)]
    assert to_poll(many) == [str(number) for number in range(19, 50, 2)]
    assert to_poll([WORKS, WAITS]) == ["works"]
    assert to_poll([]) == []


@pytest.mark.parametrize("calls", [False, True])
@pytest.mark.parametrize(
    ("suspects", "question", "expected"),
    [
        # One that says what is asked.
        ([SAYS, WAITS], "Name?", ["says"]),
        ([SAYS, SAYS_TOO, WAITS], "Name?", ["says", "says-too", "waits"]),
        ([evolve(SAYS, asked=True), WAITS], "Name?", ["says"]),
        ([evolve(SAYS, silent=True), WAITS], "Name?", ["says"]),
        # One that works says nothing by its message.
        ([WORKS, WAITS], "Name?", ["waits"]),
        # No message is not the same as no message of the task's.
        ([WAITS, SAYS], None, ["waits", "says"]),
        # One that waits, and nothing explains why.
        ([WORKS, WAITS], "Else?", ["waits"]),
        ([WORKS, WAITS, ASKED, SILENT], "Else?", ["waits"]),
        ([WORKS, WAITS, SAYS, OVER], "Else?", ["waits", "says"]),
    ],
)
def test_askers(suspects: list[Suspect], question: object, expected: list[str], calls: bool) -> None:
    """A task that waits for input asks, whether a plain call is under way or not; the message decides among several."""
    assert askers(suspects, question, calls=calls) == expected


@pytest.mark.parametrize(
    ("suspects", "calls", "expected"),
    [
        ([], True, []),
        ([], False, []),
        ([WORKS], True, []),
        ([WORKS], False, ["works"]),
        ([WORKS, OVER, ASKED, SILENT], True, []),
        ([WORKS, OVER, ASKED, SILENT], False, ["works", "asked", "silent"]),
        ([OVER], False, []),
    ],
)
def test_where_no_task_waits_for_it(suspects: list[Suspect], calls: bool, expected: list[str]) -> None:
    """Where every task's waiting is explained a plain call asks, if there is one; else any task that is not over."""
    assert askers(suspects, "Else?", calls=calls) == expected


questions = st.sampled_from([None, "Name?", "Other?"])
facts = st.builds(
    Suspect,
    task_id=st.just(""),
    over=st.booleans(),
    waits=st.booleans(),
    message=questions,
    announced=st.lists(st.sampled_from(["Name?", "Other?"]), max_size=2).map(tuple),
    asked=st.booleans(),
    silent=st.booleans(),
)


@given(st.lists(facts, max_size=8), questions, st.booleans())
def test_any_facts(found: list[Suspect], question: str | None, calls: bool) -> None:
    """Whatever is known: only tasks that were given are named, each once and in order; none that does not wait while a
    plain call may ask; and where there is no call, a question goes to some task as long as one is not over."""
    suspects = [evolve(each, task_id=str(number)) for number, each in enumerate(found)]
    named = askers(suspects, question, calls=calls)
    assert named == sorted(set(named), key=int)
    by_id = {each.task_id: each for each in suspects}
    assert not (calls and any(not by_id[each].waits for each in named))
    assert calls or named or all(each.over for each in suspects)
