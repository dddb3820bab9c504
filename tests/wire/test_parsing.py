"""Reading a task's state out of JSON that may be anything."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks import TaskProtocolError
from mcptasks._core.events import Failed, Seen
from mcptasks._core.json import kind_of
from mcptasks._core.models import STATUSES
from mcptasks._wire import legacy, modern
from mcptasks._wire.parsing import parse_error, parse_status
from tests.helpers.samples import json_values, modern_task, wire_task

FIELDS = [
    "taskId",
    "status",
    "statusMessage",
    "createdAt",
    "lastUpdatedAt",
    "ttl",
    "ttlMs",
    "pollInterval",
    "pollIntervalMs",
    "inputRequests",
    "result",
    "error",
    "_meta",
]


@pytest.mark.parametrize("raw", [wire_task(statusMessage="step 1"), modern_task(statusMessage="step 1")])
def test_whole_task(raw: dict[str, Any]) -> None:
    """The fields of both eras are read, under the names of each."""
    found = parse_status(raw, source="tasks/get", expected_id="t-1")
    assert (found.task_id, found.status, found.status_message) == ("t-1", "working", "step 1")
    assert (found.ttl, found.poll_interval) == (timedelta(seconds=60), timedelta(seconds=5))
    assert found.created_at is not None
    assert found.last_updated_at is not None
    assert found.last_updated_at - found.created_at == timedelta(minutes=10)
    assert (found.input_requests, found.raw) == ({}, raw)


def test_bare_task() -> None:
    """An id and a status are enough, as in the creating answers of fastmcp 2.14."""
    found = parse_status({"taskId": "t-1", "status": "working"}, source="x")
    assert (found.created_at, found.last_updated_at, found.ttl, found.poll_interval) == (None,) * 4
    assert found.status_message is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2025-11-25T10:30:00Z", datetime(2025, 11, 25, 10, 30, tzinfo=UTC)),
        ("2025-11-25T10:30:00+00:00", datetime(2025, 11, 25, 10, 30, tzinfo=UTC)),
        ("2025-11-25T10:30:00.123456Z", datetime(2025, 11, 25, 10, 30, 0, 123456, tzinfo=UTC)),
        ("2025-11-25T10:30:00-08:00", datetime(2025, 11, 25, 10, 30, tzinfo=timezone(timedelta(hours=-8)))),
        ("2025-11-25T10:30:00", datetime(2025, 11, 25, 10, 30, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("2025-02-30T00:00:00Z", None),
        (1764066600, None),
        (None, None),
        ([], None),
    ],
)
def test_times(value: Any, expected: datetime | None) -> None:
    """A time is read with its zone, UTC where it has none; what is no time is dropped."""
    found = parse_status(wire_task(createdAt=value, lastUpdatedAt=value), source="x")
    assert (found.created_at, found.last_updated_at) == (expected, expected)
    assert found.created_at is None or found.created_at.utcoffset() == (expected and expected.utcoffset())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, timedelta(0)),
        (1500, timedelta(seconds=1.5)),
        (0.5, timedelta(microseconds=500)),
        (10**30, timedelta(days=365_000)),
        (10**400, None),
        (1e300, timedelta(days=365_000)),
        (-1, None),
        (-(10**400), None),
        (math.nan, None),
        (math.inf, None),
        (True, None),
        ("60000", None),
        (None, None),
        ({}, None),
    ],
    ids=lambda value: f"{value!r:.40}",
)
@pytest.mark.parametrize("keys", [("ttl", "pollInterval"), ("ttlMs", "pollIntervalMs")])
def test_durations(keys: tuple[str, str], value: Any, expected: timedelta | None) -> None:
    """A duration is milliseconds, zero or more; long ones are cut, nonsense and what no float can hold is dropped."""
    found = parse_status({"taskId": "t-1", "status": "working", **dict.fromkeys(keys, value)}, source="x")
    assert (found.ttl, found.poll_interval) == (expected, expected)


@pytest.mark.parametrize("value", [None, 1, True, ["x"], {"x": 1}])
def test_garbled_words_and_questions(value: Any) -> None:
    """A message that is no text and questions that are no object are dropped, not shown."""
    raw = modern_task(statusMessage=value, inputRequests=value)
    found = parse_status(raw, source="x")
    assert found.status_message is None
    assert found.input_requests == (value if isinstance(value, dict) else {})


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (None, "tasks/get: the task is null, not an object"),
        ([], "tasks/get: the task is an array, not an object"),
        ("working", "tasks/get: the task is a string, not an object"),
        ({}, "tasks/get: taskId is missing; it must be a string that is not empty"),
        (wire_task(taskId=7), "tasks/get: taskId is a number; it must be a string"),
        (wire_task(taskId=""), "tasks/get: taskId is an empty string; it must be a string"),
        (wire_task(taskId="t-2"), "tasks/get: the answer is about another task than the request"),
        (wire_task(status=None), "tasks/get: status is null; it must be one of: cancelled, completed, "),
        (wire_task(status="WORKING"), "tasks/get: status is a string; it must be one of: "),
        (wire_task(status=["working"]), "tasks/get: status is an array; it must be one of: "),
        (wire_task(status="submitted"), "tasks/get: status is a string; it must be one of: "),
    ],
)
def test_what_a_program_relies_on(raw: Any, words: str) -> None:
    """Without the right id and a known status an answer is an error that says where, what, and what would be right."""
    with pytest.raises(TaskProtocolError) as caught:
        parse_status(raw, source="tasks/get", expected_id="t-1")
    assert caught.value.message.startswith(words)


def test_questions_are_a_mapping_of_their_own() -> None:
    """A status does not change when the message that it came in does."""
    raw = modern_task("input_required", inputRequests={"k": {"method": "elicitation/create"}})
    found = parse_status(raw, source="x")
    raw["inputRequests"]["other"] = {}
    assert list(found.input_requests) == ["k"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"code": -32000, "message": "boom", "data": [1]}, Failed(-32000, "boom", [1])),
        ({"code": -32000, "message": ""}, Failed(-32000, "fallback")),
        ({"code": "x", "message": 5}, Failed(-32603, "fallback")),
        ({"code": True, "message": "boom"}, Failed(-32603, "boom")),
        ({"code": 1.5}, Failed(-32603, "fallback")),
        ({}, Failed(-32603, "fallback")),
        (None, Failed(-32603, "fallback")),
        ("boom", Failed(-32603, "fallback")),
        ([-32000], Failed(-32603, "fallback")),
    ],
)
def test_errors(raw: Any, expected: Failed) -> None:
    """An error is read as far as it makes sense; the rest is an internal error in the words that there are."""
    assert parse_error(raw, fallback="fallback") == expected


@pytest.mark.parametrize("field", ["taskId", "status"])
@pytest.mark.parametrize("value", [10**5000, "SECRET" * 10_000, ["SECRET"], {"SECRET": "SECRET"}, True], ids=kind_of)
def test_values_stay_out_of_messages(field: str, value: Any) -> None:
    """A message says of what type a wrong value is, and never shows it; the error has what the server sent."""
    raw = wire_task(**{field: value})
    with pytest.raises(TaskProtocolError) as caught:
        parse_status(raw, source="x", expected_id="t-1")
    assert "SECRET" not in caught.value.message
    assert len(caught.value.message) < 200
    assert caught.value.raw_result is raw


task_objects = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, json_values)) | st.fixed_dictionaries(
    {"taskId": st.just("t-1"), "status": st.sampled_from(STATUSES)},
    optional={name: json_values for name in FIELDS if name not in ("taskId", "status")},
)


@pytest.mark.parametrize("dialect", [legacy, modern])
@given(raw=json_values | task_objects, origin=st.sampled_from(["created", "polled", "pushed"]))
def test_any_json(dialect: Any, raw: Any, origin: Any) -> None:
    """Whatever a server sends as a task: a status that makes sense, or `TaskProtocolError`; it is left as it was."""
    before = repr(raw)
    event: Seen | None = None
    try:
        event = dialect.seen(raw, origin)
    except TaskProtocolError as exc:
        refusal = exc.message
    else:
        refusal = ""
    if event is None:
        assert refusal.startswith(("the creating answer: ", "tools/call: ", "tasks/", "notifications/tasks"))
    else:
        status = event.status
        assert status.status in STATUSES
        assert isinstance(status.task_id, str)
        for duration in (status.ttl, status.poll_interval):
            assert duration is None or duration >= timedelta(0)
        for time in (status.created_at, status.last_updated_at):
            assert time is None or time.tzinfo is not None
    assert repr(raw) == before
