"""The values that programs see: frozen, readable under both names, and portable."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from attrs import asdict, evolve, fields
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import ContentBlock, ImageContent, TextContent

from mcptasks import TaskReference, TaskStatus, ToolResult
from mcptasks._core.models import ERAS, KINDS, STATUSES, Era, Kind, Status, checked
from tests.helpers.hostile import Broken, circle, nested
from tests.helpers.samples import REFERENCE, json_values, status_of

BARE = TaskReference(task_id="t-1")


def test_constants_name_every_value() -> None:
    """The tuples for checks and the literals for type checkers say the same."""
    assert (get_args(Status), get_args(Kind), get_args(Era)) == (STATUSES, KINDS, ERAS)


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("taskId", "task_id"),
        ("status", "status"),
        ("statusMessage", "status_message"),
        ("createdAt", "created_at"),
        ("lastUpdatedAt", "last_updated_at"),
        ("ttl", "ttl"),
        ("pollInterval", "poll_interval"),
    ],
)
def test_wire_names(wire: str, name: str) -> None:
    """A status is readable under the names of the protocol too."""
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    status = status_of(
        "failed",
        "boom",
        created_at=noon,
        last_updated_at=noon + timedelta(1),
        ttl=timedelta(seconds=60),
        poll_interval=timedelta(seconds=5),
    )
    assert getattr(status, wire) is getattr(status, name)
    assert getattr(status, wire) is not None


@pytest.mark.parametrize("status", STATUSES)
def test_status_is_a_plain_string(status: Status) -> None:
    """Statuses compare equal to the plain strings, and three of them are the end."""
    assert status_of(status).status == status
    assert status_of(status).is_terminal is (status in {"completed", "failed", "cancelled"})


def test_values_are_frozen() -> None:
    """What a program was given never changes under its hands."""
    for value, name in ((status_of(), "status"), (REFERENCE, "task_id"), (ToolResult(content=()), "data")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, "other")


def test_statuses_compare_by_what_they_say() -> None:
    """Two sightings of the same state are equal, whatever else the server's message held; repr leaves it out."""
    one, other = status_of(raw={"a": 1}), status_of(raw={"b": "secret"})
    assert one == other
    assert one != status_of("completed")
    assert "secret" not in repr(other)


def test_statuses_can_be_hashed() -> None:
    """Statuses go into sets; equal ones are one member, and open questions tell two apart."""
    asked = status_of("input_required", input_requests={"k": {"method": "elicitation/create"}})
    same = status_of("input_required", input_requests={"k": {"method": "elicitation/create"}}, raw={"x": [1]})
    assert hash(asked) == hash(same)
    assert {asked, same, status_of("input_required"), status_of()} == {asked, status_of("input_required"), status_of()}


def test_defaults_are_not_shared() -> None:
    """Each value has mappings of its own."""
    assert status_of().input_requests is not status_of().input_requests
    assert ToolResult(content=()).meta is not ToolResult(content=()).meta


def test_tool_result_text() -> None:
    """`text` joins the text blocks and passes over others."""
    image = ImageContent(type="image", data="", mime_type="image/png")
    blocks: list[ContentBlock] = [TextContent(type="text", text="one"), image, TextContent(type="text", text="two")]
    assert ToolResult(content=blocks).text == "one\ntwo"
    assert (ToolResult(content=[image]).text, ToolResult(content=[]).text) == ("", "")


@pytest.mark.parametrize("value", [status_of("failed", "x", input_requests={"k": {}}), REFERENCE, BARE])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_values_pickle(value: object, protocol: int) -> None:
    """Values go to other processes and can be copied."""
    assert pickle.loads(pickle.dumps(value, protocol)) == value
    assert copy.deepcopy(value) == value


# --- references -----------------------------------------------------------------------------------------------------

references = st.builds(
    TaskReference,
    task_id=st.text(min_size=1) | st.just("immediate:1") | st.uuids().map(lambda found: f"immediate:{found.hex}"),
    kind=st.none() | st.sampled_from(KINDS),
    name=st.none() | st.text(),
    endpoint=st.none() | st.text(),
    era=st.none() | st.sampled_from(ERAS),
    expires_at=st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3))])),
    returned_immediately=st.booleans(),
    label=st.none() | st.text(),
)


@given(references)
def test_round_trips(reference: TaskReference) -> None:
    """A reference comes back equal from JSON text, from bytes, from a mapping and from a pickle."""
    text = reference.to_json()
    assert TaskReference.from_json(text) == reference
    assert TaskReference.from_json(text.encode()) == reference
    assert TaskReference.from_json(json.loads(text)) == reference
    assert TaskReference.from_json(reference.to_dict()) == reference
    assert pickle.loads(pickle.dumps(reference)) == reference
    assert hash(TaskReference.from_json(text)) == hash(reference)


def test_forms() -> None:
    """JSON leaves out what is not known; the mapping has every field, in plain values."""
    assert json.loads(BARE.to_json()) == {"task_id": "t-1"}
    assert BARE.to_dict() == asdict(BARE)
    assert REFERENCE.to_dict() == {**asdict(REFERENCE), "expires_at": "2026-11-22T12:00:00.000250+00:00"}
    labelled = TaskReference(task_id="t-1", label="2026-11")
    assert json.loads(labelled.to_json()) == {"task_id": "t-1", "label": "2026-11"}
    assert list(REFERENCE.to_dict()) == [field.name for field in fields(TaskReference)]


def test_a_later_version_may_say_more() -> None:
    """Fields that this version does not know are passed over."""
    assert TaskReference.from_json('{"task_id": "t-1", "new": {"x": 1}}') == BARE


EARLY = "immediate:5f8b3c0d9e7a4b2c8d1e6f0a3b5c7d9e"
"""The id of an answer at once, as version 0.1.0 wrote it into references."""


@pytest.mark.parametrize(
    ("task_id", "immediate"), [(EARLY, True), ("immediate:x", False), (EARLY.upper(), False), ("t-1", False)]
)
def test_references_of_version_0_1_0(task_id: str, immediate: bool) -> None:
    """References that do not say whether the server answered at once are read by their ids, as JSON and as pickles: the
    ids that this package made stand for that, and no others."""
    state = {"task_id": task_id, "kind": "tool", "name": "add", "endpoint": None, "era": None, "expires_at": None}
    pickled = TaskReference.__new__(TaskReference)
    pickled.__setstate__(state)
    for found in (TaskReference.from_json(state), TaskReference.from_json(json.dumps(state)), pickled):
        expected = TaskReference(task_id=task_id, kind="tool", name="add", returned_immediately=immediate)
        assert found == expected
        assert pickle.loads(pickle.dumps(found)) == expected


def test_no_server_writes_the_mark() -> None:
    """Whatever a server calls its task, the reference of it says in JSON that there is one."""
    assert json.loads(TaskReference(task_id=EARLY).to_json()) == {"task_id": EARLY, "returned_immediately": False}
    assert TaskReference.from_json(TaskReference(task_id=EARLY).to_json()).returned_immediately is False
    assert "returned_immediately" not in TaskReference(task_id="t-1").to_json()


@pytest.mark.parametrize("values", [{"task_id": 7}, {"task_id": "\ud83d"}, {"task_id": "t", "kind": "job"}])
def test_references_made_by_hand(values: Any) -> None:
    """A reference that a program made by hand is checked like one that it read."""
    with pytest.raises(ValueError, match=r"^not a task reference: (task_id|kind)"):
        checked(TaskReference(**values))
    assert checked(REFERENCE) == REFERENCE


def test_time_without_zone_is_utc() -> None:
    """A time without a zone is taken for UTC, so that it can be compared."""
    found = TaskReference.from_json({"task_id": "t-1", "expires_at": "2026-11-22T12:00:00"})
    assert found.expires_at == datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "is not JSON"),
        ("t-1", "'t-1' is not JSON"),
        (b"\xff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        (b'{"task_id": ' * 100_000, "is not JSON"),
        ("null", "expected a JSON object, got None"),
        ('"t-1"', "expected a JSON object, got 't-1'"),
        ("[]", r"expected a JSON object, got \[\]"),
        (None, "expected a JSON object, got None"),
        (7, "expected a JSON object, got 7"),
        ({}, "task_id must be a non-empty string; got None"),
        ({"task_id": ""}, "task_id must be a non-empty string; got ''"),
        ({"task_id": 7}, "task_id must be a non-empty string; got 7"),
        ({"task_id": "t", "kind": "job"}, "kind must be one of tool, resource, prompt; got 'job'"),
        ({"task_id": "t", "kind": ["tool"]}, r"kind must be one of .* got \['tool'\]"),
        ({"task_id": "t", "era": "2024-11-05"}, "era must be one of 2025-11-25, 2026-07-28; got '2024-11-05'"),
        ({"task_id": "t", "name": 1}, "name must be a string or null; got 1"),
        ({"task_id": "t", "endpoint": {}}, r"endpoint must be a string or null; got \{\}"),
        ({"task_id": "t", "expires_at": 1.5}, "expires_at must be a string or null; got 1.5"),
        ({"task_id": "t", "returned_immediately": "yes"}, "returned_immediately must be true or false; got 'yes'"),
        ({"task_id": "t", "returned_immediately": 0}, "returned_immediately must be true or false; got 0"),
        ({"task_id": "\ud83d"}, r"task_id holds a lone surrogate, U\+D83D at index 0"),
        ('{"task_id": "a\\ud83d"}', r"task_id holds a lone surrogate, U\+D83D at index 1"),
        ({"task_id": "t", "name": "\udc00"}, "name holds a lone surrogate"),
        ({"task_id": "t", "endpoint": "\udc00"}, "endpoint holds a lone surrogate"),
        ({"task_id": "t", "expires_at": "soon"}, "expires_at must be a time in ISO 8601; got 'soon'"),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_bad_references(source: Any, words: str) -> None:
    """What is no reference is a `ValueError` that names the field, what it may be, and what it was, in short."""
    with pytest.raises(ValueError, match=f"^not a task reference: .*{words}") as caught:
        TaskReference.from_json(source)
    assert len(str(caught.value)) < 300
    assert caught.value.__cause__ is None


def test_hostile_references() -> None:
    """The same holds for values that are huge, deep, go round in a circle, or cannot even be shown."""
    hostile: list[tuple[Any, str]] = [
        ({"task_id": nested(100_000)}, "task_id must be a non-empty string; got"),
        ({"task_id": "t", "era": circle()}, "era must be one of"),
        ({"task_id": "t", "kind": Broken()}, "kind must be one of .* <Broken that cannot be shown"),
        (nested(100_000), "expected a JSON object"),
        ("x" * 10_000_000, "is not JSON"),
    ]
    for source, words in hostile:
        with pytest.raises(ValueError, match=f"^not a task reference: .*{words}") as caught:
            TaskReference.from_json(source)
        assert len(str(caught.value)) < 300


@given(json_values | st.dictionaries(st.sampled_from([field.name for field in fields(TaskReference)]), json_values))
def test_any_json_is_a_reference_or_refused(value: Any) -> None:
    """Whatever a file holds: a reference, or `ValueError`."""
    try:
        found = TaskReference.from_json(value)
    except ValueError:
        return
    assert isinstance(found.task_id, str)
    assert evolve(found) == found


def test_status_is_built_by_name_only() -> None:
    """Values take their fields by name."""
    with pytest.raises(TypeError):
        TaskStatus("t-1", "working")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
