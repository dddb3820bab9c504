"""The two dialects: requests as they stand on the wire, and events."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import PaginatedRequestParams

from mcptasks import TaskProtocolError
from mcptasks._core.events import Failed, Finished, Seen
from mcptasks._wire import legacy, modern
from tests.helpers.samples import modern_task, wire_task

PARAMS = modern.TaskParams(task_id="t-1")


@pytest.mark.parametrize(
    ("request_", "expected", "name_param"),
    [
        (legacy.GetTask(params=PARAMS), {"method": "tasks/get", "params": {"taskId": "t-1"}}, None),
        (legacy.GetResult(params=PARAMS), {"method": "tasks/result", "params": {"taskId": "t-1"}}, None),
        (legacy.CancelTask(params=PARAMS), {"method": "tasks/cancel", "params": {"taskId": "t-1"}}, None),
        (legacy.ListTasks(), {"method": "tasks/list"}, None),
        (
            legacy.ListTasks(params=PaginatedRequestParams(cursor="c")),
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


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["working", "completed", "failed"])
def test_handshake_events_have_no_outcome(status: str) -> None:
    """2025-11-25 answers never inline an outcome, whatever they carry; `tasks/result` has it."""
    raw = wire_task(status, result={"content": []}, error={"code": 1})
    assert legacy.seen(raw, "polled") == Seen(legacy.seen(raw, "polled").status, "polled", None)
    assert legacy.fetched({"content": []}) == Finished({"content": []})
    values: list[Any] = [None, [], "x"]
    for value in values:
        with pytest.raises(TaskProtocolError, match="tasks/result: the result is "):
            legacy.fetched(value)


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


@pytest.mark.parametrize("origin", ["created", "polled", "pushed"])
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"result": {"content": [{"type": "text", "text": "no such city"}], "isError": True}}, "no such city"),
        ({"result": {"content": [{"text": "no such city"}], "isError": "true"}}, "no such city"),
        ({"result": RESULT, "statusMessage": "step 3"}, "step 3"),
        ({"result": RESULT}, None),
    ],
)
def test_modern_completed_with_an_error_is_failed(more: dict[str, Any], told: str | None, origin: Any) -> None:
    """A result that reports an error makes the status "failed" in the tool's words; `raw` is what the server sent."""
    raw = modern_task("completed", **more)
    found = modern.seen(raw, origin)
    assert (found.status.status, found.status.status_message, found.partial) == ("failed", told, False)
    assert found.status.raw == raw
    assert found.outcome == Finished(more["result"])


@pytest.mark.parametrize("origin", ["created", "polled", "pushed"])
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"error": ERROR}, "boom"),
        ({"error": ERROR, "statusMessage": "why"}, "why"),
        ({"error": {"code": 1, "message": "\x1b[2J"}}, "\\x1b[2J"),
        ({"error": {}}, None),
        ({"error": None}, None),
    ],
)
def test_modern_failed_has_the_words_of_its_error(more: dict[str, Any], told: str | None, origin: Any) -> None:
    """A failed task without a message has that of its error, made harmless."""
    assert modern.seen(modern_task("failed", **more), origin).status.status_message == told


@pytest.mark.parametrize("origin", ["created", "pushed"])
@pytest.mark.parametrize("status", ["completed", "failed", "input_required"])
def test_modern_events_may_be_partial(status: str, origin: Any) -> None:
    """Where a push or a creating answer leaves out what belongs to the status, a look will tell."""
    found = modern.seen(modern_task(status), origin)
    assert (found.outcome, found.partial) == (None, status == "completed")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (modern_task("completed"), "tasks/get: the task is completed, but its result is missing"),
        (
            modern_task("completed", result=[1]),
            "tasks/get: the task is completed, but its result is an array, not an object",
        ),
        (modern_task("input_required"), "tasks/get: the task requires input, but inputRequests is missing"),
        (
            modern_task("input_required", inputRequests=[]),
            "tasks/get: the task requires input, but inputRequests is an array, not an object",
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
    assert modern.seen(created.wire(), "created").status.ttl is not None
    created.wire().clear()
    assert created.wire() == modern_task(extra={"x": 1})
