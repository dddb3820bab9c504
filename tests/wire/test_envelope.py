"""Marks on calls, and answers on their way through the SDK: put aside for it, and found again behind it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import CallToolResult, GetPromptResult, ReadResourceResult

from mcptasks._wire import envelope, legacy, modern
from mcptasks._wire.envelope import Content, Creating, Marks
from tests.helpers.samples import json_values, modern_task, wire_task

METHODS = ["tools/call", "resources/read", "prompts/get"]
ASKED = Marks(augmented=True)
FASTMCP2 = {"modelcontextprotocol.io/task": {"taskId": "t-1", "status": "working"}}
ORDINARY: dict[str, dict[str, Any]] = {
    "tools/call": {"content": [], "isError": False},
    "resources/read": {"contents": []},
    "prompts/get": {"description": "", "messages": []},
}
MODELS: dict[str, Any] = {
    "tools/call": CallToolResult,
    "resources/read": ReadResourceResult,
    "prompts/get": GetPromptResult,
}


def marked(meta: dict[str, Any], augment: dict[str, Any] | None = None, *, keep: bool = False) -> dict[str, Any]:
    """A `_meta` with marks beside what it has."""
    found = dict(meta)
    envelope.mark(found, augment=augment, keep=keep)
    return found


# --- marks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("augment", [None, {}, {"ttl": 5}])
@pytest.mark.parametrize("more", [{}, {"progressToken": 1}])
def test_marks_come_off(more: dict[str, Any], augment: dict[str, Any] | None, keep: bool) -> None:
    """Marks leave no trace in `_meta`; the one for a task becomes the request's `task` field."""
    params: dict[str, Any] = {"name": "add", "_meta": marked(more, augment, keep=keep)}
    if not params["_meta"]:
        del params["_meta"]
    found = envelope.unmark(params)
    assert found == Marks(augment is not None, keep)
    assert bool(found) is (augment is not None or keep)
    task = {} if augment is None else {"task": augment}
    assert params == {"name": "add", **task, **({"_meta": more} if more else {})}
    assert not envelope.unmark(params)


@pytest.mark.parametrize(
    "params", [{}, {"_meta": None}, {"_meta": {}}, {"_meta": list(marked({}, {}, keep=True))}, {"_meta": "x"}]
)
def test_nothing_to_unmark(params: dict[str, Any]) -> None:
    """Without a mark a request stays as it is."""
    before = copy.deepcopy(params)
    assert not envelope.unmark(params)
    assert params == before


# --- creating answers (2025-11-25) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hint", ["wait a moment", None, 7])
def test_standard_creating_answer(method: str, hint: Any) -> None:
    """A creating answer becomes a result that the SDK accepts, and comes out of that with the hint for a model."""
    found = envelope.wrap(method, {"task": wire_task(), "_meta": {legacy.IMMEDIATE_RESPONSE_KEY: hint}}, ASKED)
    parsed = MODELS[method].model_validate(found, by_name=False)
    creating = envelope.unwrap(parsed).creating
    assert creating is not None
    assert creating == Creating(wire_task(), hint if isinstance(hint, str) else None)
    assert legacy.seen(creating.task, "created").status.task_id == "t-1"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", [{"taskId": "t-1"}, {"taskId": "t-1", "status": "completed"}])
def test_creating_answer_of_fastmcp_2(method: str, task: dict[str, Any]) -> None:
    """An ordinary result with fastmcp 2's key is a creating answer too, and `working` where it does not say."""
    raw = {**ORDINARY[method], "_meta": {"modelcontextprotocol.io/task": task, "x": 1}}
    parsed = MODELS[method].model_validate(envelope.wrap(method, raw, ASKED), by_name=False)
    assert parsed.meta["x"] == 1
    assert not FASTMCP2.keys() & parsed.meta.keys()
    assert envelope.unwrap(parsed) == Content(Creating({"status": "working", **task}, None))


def test_stand_in_is_not_held_against_the_output_schema() -> None:
    """The stand-in for a tool's answer is marked as an error, since the SDK validates only successes."""
    assert envelope.wrap("tools/call", {"task": wire_task()}, ASKED)["isError"] is True
    assert envelope.wrap("tools/call", {"content": []}, Marks(kept=True))["isError"] is True


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"_meta": None},
        {"_meta": {"modelcontextprotocol.io/task": {"returned_immediately": True}}},
        {"_meta": {"modelcontextprotocol.io/task": "t-1"}},
        {"_meta": {"modelcontextprotocol.io/related-task": {"taskId": "t-1"}}},
        {"task": None},
        {"task": "t-1"},
        {"task": ["t-1"]},
    ],
)
def test_immediate_answers(method: str, more: dict[str, Any]) -> None:
    """An answer that creates no task is handed on as it is."""
    raw = {**ORDINARY[method], **more}
    assert envelope.wrap(method, raw, ASKED) is raw


@pytest.mark.parametrize("method", METHODS)
def test_without_marks(method: str) -> None:
    """The answer to a request that was not marked is handed on as it is, whatever it says."""
    raw: dict[str, Any] = {"task": wire_task(), "content": []}
    assert envelope.wrap(method, raw, Marks()) is raw


@pytest.mark.parametrize("method", ["tasks/get", "tools/list", "ping", ""])
def test_answers_to_other_requests(method: str) -> None:
    """Nothing else creates tasks."""
    raw = {"task": wire_task()}
    assert envelope.wrap(method, raw, ASKED) is raw


@given(
    st.sampled_from([*METHODS, "tasks/get"]),
    st.dictionaries(st.sampled_from(["task", "_meta", "content"]), json_values)
    | st.fixed_dictionaries({"_meta": st.dictionaries(st.sampled_from([*FASTMCP2, "x"]), json_values)}),
)
def test_wrap_any_object(method: str, raw: dict[str, Any]) -> None:
    """Whatever answers a request that asks for a task, wrapping gives an object, and leaves the server's own as it
    was."""
    before = repr(raw)
    found = envelope.wrap(method, raw, ASKED)
    assert isinstance(found, dict)
    assert repr(raw) == before
    assert found is raw or isinstance(envelope.unwrap(MODELS[method].model_validate(found)).creating, Creating)


# --- results that are kept, and creating answers of 2026-07-28 --------------------------------------------------------


@pytest.mark.parametrize("marks", [Marks(kept=True), Marks(augmented=True, kept=True)])
@pytest.mark.parametrize("more", [{}, {"resultType": "complete"}, {"resultType": "later"}, {"structuredContent": 7}])
def test_a_kept_result(more: dict[str, Any], marks: Marks) -> None:
    """A tool's result comes through the SDK as the server sent it, also one that the SDK would refuse."""
    raw = {**ORDINARY["tools/call"], **more}
    parsed = CallToolResult.model_validate(envelope.wrap("tools/call", raw, marks), by_name=False)
    assert envelope.unwrap(parsed) == Content(None, raw)


@pytest.mark.parametrize("kind", ["task", "input_required"])
def test_a_kept_answer_that_goes_on(kind: str) -> None:
    """An answer of 2026-07-28 that the SDK has a use for is left to it."""
    raw = {"resultType": kind, "x": 1}
    assert envelope.wrap("tools/call", raw, Marks(kept=True)) is raw


def test_a_creating_answer_beats_a_kept_result() -> None:
    """Of a call that asks for a task and whose result is to be kept, the creating answer is still one."""
    found = envelope.wrap("tools/call", {"task": wire_task()}, Marks(augmented=True, kept=True))
    assert envelope.unwrap(CallToolResult.model_validate(found)).creating == Creating(wire_task(), None)


def test_an_ordinary_result() -> None:
    """A result that was not wrapped is the SDK's own."""
    for meta in (None, {}, {"x": 1}):
        answer = CallToolResult(content=[], _meta=meta)
        assert envelope.unwrap(answer).result is answer


def test_a_creating_answer_of_2026() -> None:
    """The task object of a creating answer of 2026-07-28 comes out as the server sent it."""
    created = modern.CreatedTask.model_validate({"resultType": "task", **modern_task(extra={"x": 1})}, by_name=False)
    answer = CallToolResult(content=[], _meta=envelope.carry(created.wire()))
    assert envelope.unwrap(answer) == Content(Creating(modern_task(extra={"x": 1}), None))
