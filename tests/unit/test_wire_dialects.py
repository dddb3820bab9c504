"""The two dialects: requests as they stand on the wire, creating answers, and events."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import CallToolResult, GetPromptResult, PaginatedRequestParams, ReadResourceResult

from mcptasks import TaskProtocolError
from mcptasks._state import Failed, Finished, Seen
from mcptasks._wire import handshake, modern
from mcptasks._wire.parsing import STASH_KEY
from tests.unit.samples import json_values, modern_task, wire_task

PARAMS = modern.TaskParams(task_id="t-1")
METHODS = ["tools/call", "resources/read", "prompts/get"]


@pytest.mark.parametrize(
    ("request_", "expected", "name_param"),
    [
        (handshake.GetTask(params=PARAMS), {"method": "tasks/get", "params": {"taskId": "t-1"}}, None),
        (handshake.GetResult(params=PARAMS), {"method": "tasks/result", "params": {"taskId": "t-1"}}, None),
        (handshake.CancelTask(params=PARAMS), {"method": "tasks/cancel", "params": {"taskId": "t-1"}}, None),
        (handshake.ListTasks(), {"method": "tasks/list"}, None),
        (
            handshake.ListTasks(params=PaginatedRequestParams(cursor="c")),
            {"method": "tasks/list", "params": {"cursor": "c"}},
            None,
        ),
        (modern.GetTask(params=PARAMS), {"method": "tasks/get", "params": {"taskId": "t-1"}}, "taskId"),
        (modern.CancelTask(params=PARAMS), {"method": "tasks/cancel", "params": {"taskId": "t-1"}}, "taskId"),
        (
            modern.listen_request(["t-1", "t-2"]),
            {"method": "subscriptions/listen", "params": {"notifications": {"taskIds": ["t-1", "t-2"]}}},
            None,
        ),
    ],
    ids=lambda value: type(value).__module__.rpartition(".")[2] + "." + type(value).__name__,
)
def test_requests(request_: Any, expected: dict[str, Any], name_param: str | None) -> None:
    """Requests stand on the wire as the specifications have them; those of 2026-07-28 about one task name the field
    that `Mcp-Name` is made of, and it is there."""
    params = request_.model_dump(by_alias=True, mode="json", exclude_none=True)
    assert params == expected
    assert request_.name_param == name_param
    if name_param is not None:
        assert params["params"][name_param] == "t-1"


# --- the `task` field (2025-11-25) ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"_meta": {handshake.AUGMENT_KEY: {}}}, {"task": {}}),
        ({"name": "add", "_meta": {handshake.AUGMENT_KEY: {"ttl": 5}}}, {"name": "add", "task": {"ttl": 5}}),
        ({"_meta": {handshake.AUGMENT_KEY: {}, "progressToken": 1}}, {"task": {}, "_meta": {"progressToken": 1}}),
    ],
)
def test_augment(params: dict[str, Any], expected: dict[str, Any]) -> None:
    """The marker moves to where the protocol has it, and leaves no trace in `_meta`."""
    assert handshake.augment(params)
    assert params == expected
    assert not handshake.augment(params)
    assert params == expected


@pytest.mark.parametrize(
    "params", [{}, {"_meta": None}, {"_meta": {}}, {"_meta": [handshake.AUGMENT_KEY]}, {"_meta": "x"}]
)
def test_nothing_to_augment(params: dict[str, Any]) -> None:
    """Without the marker a request stays as it is."""
    before = copy.deepcopy(params)
    assert not handshake.augment(params)
    assert params == before


# --- creating answers (2025-11-25) ------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("method", METHODS)
def test_standard_creating_answer(method: str) -> None:
    """A creating answer becomes a result that the SDK accepts, with the task and the hint for a model in `_meta`."""
    hint = {handshake.IMMEDIATE_RESPONSE_KEY: "wait a moment"}
    found = handshake.unfold(method, {"task": wire_task(), "_meta": hint})
    parsed = MODELS[method].model_validate(found, by_name=False)
    assert parsed.meta == {**hint, STASH_KEY: wire_task()}
    assert handshake.seen(parsed.meta[STASH_KEY], "created").status.task_id == "t-1"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", [{"taskId": "t-1"}, {"taskId": "t-1", "status": "completed"}])
def test_creating_answer_of_fastmcp_2(method: str, task: dict[str, Any]) -> None:
    """An ordinary result with fastmcp 2's key is a creating answer too, and `working` where it does not say."""
    found = handshake.unfold(method, {**ORDINARY[method], "_meta": {"modelcontextprotocol.io/task": task, "x": 1}})
    parsed = MODELS[method].model_validate(found, by_name=False)
    assert parsed.meta == {"x": 1, STASH_KEY: {"status": "working", **task}}


def test_stand_in_is_not_held_against_the_output_schema() -> None:
    """The stand-in for a tool's answer is marked as an error, since the SDK validates only successes."""
    assert handshake.unfold("tools/call", {"task": wire_task()})["isError"] is True


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
    assert handshake.unfold(method, raw) is raw


@pytest.mark.parametrize("method", ["tasks/get", "tools/list", "ping", ""])
def test_answers_to_other_requests(method: str) -> None:
    """Nothing else creates tasks."""
    raw = {"task": wire_task()}
    assert handshake.unfold(method, raw) is raw


@given(
    st.sampled_from([*METHODS, "tasks/get"]),
    st.dictionaries(st.sampled_from(["task", "_meta", "content"]), json_values)
    | st.fixed_dictionaries({"_meta": st.dictionaries(st.sampled_from([*FASTMCP2, "x"]), json_values)}),
)
def test_unfold_any_object(method: str, raw: dict[str, Any]) -> None:
    """Whatever answers an augmented request, unfolding gives an object, and leaves the server's own as it was."""
    before = repr(raw)
    found = handshake.unfold(method, raw)
    assert isinstance(found, dict)
    assert repr(raw) == before
    assert found is raw or isinstance(found["_meta"][STASH_KEY], dict)


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["working", "completed", "failed"])
def test_handshake_events_have_no_outcome(status: str) -> None:
    """2025-11-25 answers never inline an outcome, whatever they carry; `tasks/result` has it."""
    raw = wire_task(status, result={"content": []}, error={"code": 1})
    assert handshake.seen(raw, "polled") == Seen(handshake.seen(raw, "polled").status, "polled", None)
    assert handshake.fetched({"content": []}) == Finished({"content": []})
    values: list[Any] = [None, [], "x"]
    for value in values:
        with pytest.raises(TaskProtocolError, match="tasks/result: expected an object, got"):
            handshake.fetched(value)


RESULT: dict[str, Any] = {"content": [], "isError": True}
ERROR = {"code": -32000, "message": "boom", "data": 1}
BOOM = Failed(-32000, "boom", 1)


@pytest.mark.parametrize("origin", ["created", "polled", "pushed"])
@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (modern_task("completed", result=RESULT), Finished(RESULT)),
        (modern_task("failed", error=ERROR), BOOM),
        (modern_task("failed", error=None, statusMessage="why"), Failed(-32603, "why")),
        (modern_task("cancelled", result=RESULT), None),
        (modern_task("working", result=RESULT, error=ERROR), None),
        (modern_task("input_required", inputRequests={}, result=RESULT), None),
    ],
)
def test_modern_events(raw: dict[str, Any], outcome: Any, origin: Any) -> None:
    """2026-07-28 inlines the outcome, and only the one that belongs to the status counts."""
    assert modern.seen(raw, origin, expected_id="t-1").outcome == outcome


@pytest.mark.parametrize("origin", ["created", "pushed"])
@pytest.mark.parametrize("status", ["completed", "failed", "input_required"])
def test_modern_events_may_be_partial(status: str, origin: Any) -> None:
    """Where a push or a creating answer leaves out what belongs to the status, a look will tell."""
    assert modern.seen(modern_task(status), origin).outcome is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (modern_task("completed"), "tasks/get: the task is completed, but its result is None"),
        (modern_task("completed", result=[1]), "tasks/get: the task is completed, but its result is [1]"),
        (modern_task("input_required"), "tasks/get: the task requires input, but inputRequests is None"),
        (
            modern_task("input_required", inputRequests=[]),
            "tasks/get: the task requires input, but inputRequests is []",
        ),
    ],
)
def test_modern_looks_are_whole(raw: dict[str, Any], words: str) -> None:
    """An answer to `tasks/get` has what belongs to its status, or it is nonsense."""
    with pytest.raises(TaskProtocolError) as caught:
        modern.seen(raw, "polled")
    assert caught.value.message == words


def test_failed_without_words() -> None:
    """A failure that a look finds without an error has words all the same."""
    assert modern.seen(modern_task("failed"), "polled").outcome == Failed(-32603, "the task failed")


def test_modern_creating_answer() -> None:
    """A creating answer keeps the server's own fields through the SDK's model, under the wire's names."""
    raw = {"resultType": "task", **modern_task(extra={"x": 1}), "_meta": {"y": 2}}
    created = modern.CreatedTask.model_validate(raw, by_name=False)
    assert created.wire() == modern_task(extra={"x": 1})
    assert modern.stash(created) == {STASH_KEY: modern_task(extra={"x": 1})}
    assert modern.seen(created.wire(), "created").status.ttl is not None
    created.wire().clear()
    assert created.wire() == modern_task(extra={"x": 1})
