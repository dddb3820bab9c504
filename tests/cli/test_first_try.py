"""What a command says to somebody who knows its `--help` alone: each of these once left a new user guessing."""

from __future__ import annotations

import warnings
from typing import Any

import anyio
import pytest

import mcptasks
from mcptasks import TaskConnectionError, TaskTimeoutError, TaskUncertainError, TtlIgnoredWarning
from mcptasks._cli import calling, questions, running
from mcptasks._cli.commands import answer
from mcptasks._cli.commands import list as listing
from mcptasks._cli.display import Lines, Row
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, of_exception
from mcptasks._cli.naming import Named, of_record
from mcptasks._cli.nearest import unknown_tool
from mcptasks._cli.screen import Manner, Screen
from mcptasks._cli.setting import Setting
from mcptasks.store import Store
from mcptasks.testing import Delay, TaskServer, elicit, sample
from tests.helpers.virtual_time import run_virtually

LONG = "l3_n2mP58btysUpn37263VPnpKRDuW5LsqDelevEpFc"
"""A task's id in fastmcp 4, whose keys of questions are the id, a colon and 16 digits."""
KEYS = (f"{LONG}:5eb2eb76282025b5", f"{LONG}:83b1a955812bc85f")


def test_unknown_tool() -> None:
    """A list of tools that is cut says so."""
    assert unknown_tool("zz", [f"tool{n}" for n in range(20)]).endswith("tool18, tool19")
    assert unknown_tool("zz", [f"tool{n}" for n in range(23)]).endswith("tool18, tool19 and 3 more")


def test_short_keys() -> None:
    """A long key of a question is shown by its end, by as many characters as tell the keys apart."""
    assert questions.short_keys(["city", "seat"]) == {"city": "city", "seat": "seat"}
    assert list(questions.short_keys(KEYS).values()) == ["5eb2eb76282025b5", "83b1a955812bc85f"]
    alike = ["a" + "x" * 30, "b" + "x" * 30]
    assert questions.short_keys(alike) == {key: key for key in alike}


def test_question_by_the_end_of_its_key() -> None:
    """The end of a key that only one open question has names the question; an error lists what can be typed."""
    requests = {key: elicit(f"Which {what}?") for key, what in zip(KEYS, ("city", "seat"), strict=True)}
    assert answer.chosen(requests, "83b1a955812bc85f", Named("t")) == KEYS[1]
    assert answer.chosen(requests, KEYS[0], Named("t")) == KEYS[0]
    for key, said in ((None, "name one by its key: 5eb2eb76282025b5: Which city?"), ("5f", "no open question '5f'")):
        with pytest.raises(Failure, match=said) as caught:
            answer.chosen(requests, key, Named("t"))
        assert LONG not in caught.value.message
    with pytest.raises(Failure, match=r"no open question 'Rome'.*; a field is field=value"):
        answer.chosen({"q": elicit("Where?")}, "Rome", Named("t"))


def test_fields_of_questions() -> None:
    """An answer that cannot be right is told in the words of `answer --help`: a form has fields."""
    with pytest.raises(Failure, match="the question has no field name; it has value"):
        answer.fields(elicit("Who?"), ["name=Eve"])


def test_request_to_a_model() -> None:
    """A request to a model is shown by its text, with the ways to answer it."""
    assert questions.summary(sample("Tell me")) == "for a text of a model: Tell me"
    broken: Any = {"method": questions.SAMPLING, "params": {"messages": [3, {"content": {"text": 4}}]}}
    assert questions.summary(broken).startswith("for a text of a model: [3, ")
    assert questions.how_to_answer(sample("Tell me")) == "text=..."
    assert questions.how_to_answer(elicit("Where?")) == "field=value, --decline or --cancel"


def test_nothing_left_by_a_crash(capsys: pytest.CaptureFixture[str]) -> None:
    """`recover` without a find does not speak of an option of `list`."""
    listing.show(Setting(manner=Manner()), [], nothing="nothing is left of a crash")
    assert capsys.readouterr().err == "nothing is left of a crash\n"


def test_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning of the library is one line in words, without a file of this program and its source."""
    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with running.told_warnings(Screen(Manner(), {})):
            warnings.warn("ttl was\x1b[2J not sent", TtlIgnoredWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: ttl was\\x1b[2J not sent\n"
    assert warnings.showwarning is before


def test_refused_credentials() -> None:
    """A server that refuses credentials is told with the ways to give them."""
    failure = of_exception(TaskConnectionError("cannot reach https://a/mcp: HTTP 401 Unauthorized"))
    assert failure.code is Exit.CREDENTIALS
    assert "MCPTASKS_TOKEN" in failure.hints[0]
    assert of_exception(TaskConnectionError("cannot reach https://a/mcp")).hints == ()


def test_end_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A line says once that a task has completed, also if several are followed."""
    lines = Lines(Screen(Manner(), {}))
    lines.update(Row("a", "report", "working"))
    lines.update(Row("a", "report", "completed"))
    lines.end(Row("a", "report", "completed"))
    lines.end(Row("b", "report", "completed"))
    assert capsys.readouterr().err.splitlines() == [
        "a  report  working",
        "a  report  completed",
        "b  report  completed",
    ]


def test_call_with_a_known_key_is_found() -> None:
    """A call that may exist is found by its mark, or by its key, with the mark of the first command."""

    async def found() -> list[str | None]:
        store = Store(":memory:")
        server = TaskServer("gone")
        server.add_tool("report", result=1)
        server.faults.add("tools/call", Delay(60))
        async with mcptasks.Client(server, store=store) as client:
            with pytest.raises(TaskTimeoutError):
                await client.call_tool("report", task=True, key="k", labels={"cli.call": "first"}, timeout=0.01)
        asked = (("first", None), ("second", "k"), ("second", None), ("second", "other"))
        calls = [await calling.lost(store, {"cli.call": mark}, key) for mark, key in asked]
        await store.close()
        return [None if each is None else each.key for each in calls]

    # In virtual time, so that the call is written down before its time is over, however slow the machine is.
    assert run_virtually("trio", found) == ["k", "k", None, None]


def test_task_that_came_late() -> None:
    """A task whose id came right after `--timeout` is found by its mark, and the command says how to come back."""

    async def late() -> Failure:
        store = Store(":memory:")
        server = TaskServer("late")
        server.add_tool("report")
        server.faults.add("tools/call", Delay(1))
        async with mcptasks.Client(server, store=store) as client:
            with pytest.raises(TaskTimeoutError) as caught:
                await client.call_tool("report", task=True, labels={"cli.call": "mine"}, timeout=0.5)
            await anyio.sleep(1)
            record = await calling.lost(store, {"cli.call": "mine"}, None)
        await store.close()
        assert record is not None
        assert record.phase == "created"
        return calling.came_late(Setting(manner=Manner()), of_record(record), caught.value)

    failure = run_virtually("trio", late)
    assert (failure.code, failure.kind) == (Exit.TIMEOUT, "TaskTimeoutError")
    assert failure.message.endswith("no answer within 0.5 s; the work goes on")
    watch, cancel = failure.hints
    assert ("watch it:" in watch, "cancel it:" in cancel) == (True, True)


def test_key_of_a_call_that_may_exist() -> None:
    """A key that belongs to a call that may exist is told with options of the command line, not with Python's."""
    error = TaskUncertainError('Give on_uncertain="send"', key="k", record_id="0123456789abcdef")
    failure = calling.sent_before(Setting(manner=Manner()), error)
    assert (failure.code, failure.kind) == (Exit.UNCERTAIN, "TaskUncertainError")
    assert failure.message == (
        "a call with the key 'k' was sent before, and nobody knows whether the server carried it out; "
        "nothing was sent now"
    )
    settle, again = failure.hints
    assert "settle 01234567 --none" in settle
    assert "--send-again" in again
