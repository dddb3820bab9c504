"""Checks of what programs pass in: what is taken, as what, and how the rest is refused."""

from __future__ import annotations

import math
from collections import UserDict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest

from mcptasks import TaskReference
from mcptasks._core import argument_checks
from mcptasks._core.json import as_list, as_number, as_object
from mcptasks._core.models import STATUSES


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((None, None), (0, 0.0), (3, 3.0), (0.25, 0.25), (1e9, 1e9)),
        *((timedelta(minutes=2), 120.0), (timedelta(), 0.0), (timedelta.max, timedelta.max.total_seconds())),
    ],
)
def test_seconds(value: Any, expected: float | None) -> None:
    """Durations are numbers of seconds or a `timedelta`; None is none."""
    found = argument_checks.seconds(value, "timeout")
    assert found == expected
    assert found is None or type(found) is float


@pytest.mark.parametrize("value", ["3", True, False, date(2026, 11, 1), Decimal(3), [3], b"3", 3j])
def test_seconds_must_be_a_number(value: Any) -> None:
    """Anything but a number is a `TypeError` that names the argument and the value; a truth value is no number."""
    with pytest.raises(TypeError) as caught:
        argument_checks.seconds(value, "timeout")
    assert str(caught.value) == f"timeout must be a number of seconds, a timedelta or None; got {value!r}"


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf, timedelta(seconds=-1)], ids=repr)
@pytest.mark.parametrize("zero", [True, False])
def test_seconds_must_be_sensible(value: Any, zero: bool) -> None:
    """Negative and endless durations are a `ValueError` that names the argument and the value."""
    with pytest.raises(ValueError, match=r"timeout must be a finite number of seconds, .*; got") as caught:
        argument_checks.seconds(value, "timeout", zero=zero)
    assert str(caught.value).endswith(f"got {value!r}")


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["huge", "hugely negative"])
def test_seconds_beyond_any_float(value: int) -> None:
    """A number that no float can hold is a `ValueError` too, and the message stays short."""
    with pytest.raises(ValueError, match="timeout must be a finite number of seconds") as caught:
        argument_checks.seconds(value, "timeout")
    assert len(str(caught.value)) < 200


def test_zero_seconds() -> None:
    """Zero is refused only where it has no meaning."""
    assert argument_checks.seconds(0, "timeout") == 0.0
    with pytest.raises(ValueError, match="more than 0; got 0"):
        argument_checks.seconds(0, "timeout", zero=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (60, 60000),
        (0.0004, 1),
        (1.5, 1500),
        (1.0006, 1001),
        (timedelta(minutes=5), 300_000),
        (timedelta(microseconds=1), 1),
        (timedelta.max, 86_400_000_000_000_000),
        (timedelta.max.total_seconds(), 86_400_000_000_000_000),
    ],
)
def test_time_to_live(value: Any, expected: int | None) -> None:
    """A time to live becomes whole milliseconds, at least one."""
    found = argument_checks.time_to_live(value)
    assert type(found) is type(expected)
    assert found is None or found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0, ValueError),
        (timedelta(0), ValueError),
        (timedelta(-1), ValueError),
        (math.inf, ValueError),
        ("1", TypeError),
    ],
)
def test_time_to_live_refused(value: Any, error: type[Exception]) -> None:
    """A time to live is positive and finite."""
    with pytest.raises(error, match=r"^ttl must be a"):
        argument_checks.time_to_live(value)


def test_text() -> None:
    """A name is a non-empty string; the message names the type of anything else, and never the value."""
    assert argument_checks.text("add", "name") == "add"
    with pytest.raises(ValueError, match="name must not be empty"):
        argument_checks.text("", "name")
    for value in (None, 3, b"add", ["add"]):
        with pytest.raises(TypeError) as caught:
            argument_checks.text(value, "name")
        assert str(caught.value) == f"name must be a string, not {type(value).__name__}"
    with pytest.raises(ValueError, match="name holds a lone surrogate"):
        argument_checks.text("a\ud83d", "name")


class Choice(StrEnum):
    """Names that a program keeps in an enumeration."""

    ADD = "add"


def test_text_of_a_type_of_its_own() -> None:
    """A subclass of `str` is sent as the text that it is, in Python's own type."""
    found = argument_checks.text(Choice.ADD, "name")
    assert (found, type(found)) == ("add", str)


@pytest.mark.parametrize("value", [{}, {"a": 1}, MappingProxyType({"a": 1}), UserDict({"a": 1})])
def test_mapping(value: Mapping[str, Any]) -> None:
    """Any mapping will do; what comes back is a copy, so that the caller's own is never changed."""
    found = argument_checks.mapping(value, "arguments")
    assert found == dict(value)
    assert type(found) is dict
    assert found is not value
    assert argument_checks.mapping(None, "arguments") is None


@pytest.mark.parametrize("value", [[], [("a", 1)], "a", 1])
def test_mapping_refused(value: Any) -> None:
    """What is no mapping is a `TypeError` that names its type, and not the value."""
    with pytest.raises(TypeError) as caught:
        argument_checks.mapping(value, "arguments")
    kind = type(value).__name__
    assert str(caught.value) == f"arguments must be a mapping with string keys or None, not {kind}"


@pytest.mark.parametrize("value", [{1: 2}, {"a": 1, None: 2}, {b"a": 1}])
def test_mapping_with_other_keys(value: Any) -> None:
    """A key that is no string is a `TypeError` that names its type."""
    with pytest.raises(
        TypeError, match=r"^arguments has a key of type (int|NoneType|bytes); the keys of a JSON object"
    ):
        argument_checks.mapping(value, "arguments")


def test_prompt() -> None:
    """The arguments of a prompt are texts; the message names the entry and the type of another value."""
    assert argument_checks.prompt(None, "arguments") is None
    assert argument_checks.prompt({"a": "b", "day": date(2026, 1, 2)}, "arguments") == {"a": "b", "day": "2026-01-02"}
    with pytest.raises(
        TypeError, match=r'^arguments\["n"\] must be a string, not int: the arguments of prompts are strings'
    ):
        argument_checks.prompt({"a": "b", "n": 5}, "arguments")


@pytest.mark.parametrize(
    "key",
    [
        "progressToken",
        "progress_token",
        "mcptasks/task",
        "mcptasks/keep",
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/clientCapabilities",
    ],
)
def test_meta_that_the_client_writes(key: str) -> None:
    """What the client writes into `_meta` itself is refused from a program, since it would be written over."""
    with pytest.raises(ValueError, match=rf'^meta\["{key}"\] is written by the client itself; leave it out'):
        argument_checks.meta({"other": 1, key: "x"})


def test_meta() -> None:
    """All else is taken but None, which the SDK would leave out; further inside it is sent."""
    assert argument_checks.meta(None) is None
    assert argument_checks.meta({"a": {"b": None}, "io.modelcontextprotocol/related-task": 1}) == {
        "a": {"b": None},
        "io.modelcontextprotocol/related-task": 1,
    }
    with pytest.raises(ValueError, match=r'^meta\["a"\] must not be None'):
        argument_checks.meta({"a": None})


def test_task_ids() -> None:
    """An id is any text that can be sent; a reference in its place is refused with a word on what takes one."""
    for found in ("t-1", "immediate:x", "{", '{"a": 1}', "\0\x1b é"):
        assert argument_checks.task_id(found) == found
    reference = TaskReference(task_id="t-1")
    for wrong in (reference, reference.to_dict()):
        with pytest.raises(
            TypeError, match=r"^task_id must be a string, not .*: for a reference use resume\(reference\)$"
        ):
            argument_checks.task_id(wrong)
    with pytest.raises(ValueError, match=r"^task_id must be an id, not the JSON text of a reference: use resume"):
        argument_checks.task_id(reference.to_json())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("working", {"working"}),
        (["working", "completed"], {"working", "completed"}),
        ({"failed"}, {"failed"}),
        ((state for state in STATUSES), set(STATUSES)),
    ],
)
def test_states(value: Any, expected: set[str] | None) -> None:
    """One status or several; None stands for the terminal ones."""
    assert argument_checks.states(value) == expected


@pytest.mark.parametrize("value", ["done", "", ["working", "done"], [], (), ["working", 3], {"Working"}])
def test_unknown_states(value: Any) -> None:
    """A state that cannot come is refused at once, with those that can."""
    with pytest.raises(ValueError, match="the states are working, input_required, completed, failed, cancelled"):
        argument_checks.states(value)


@pytest.mark.parametrize("value", [3, 1.5, object(), True, b"working", bytearray(b"working")])
def test_states_of_a_wrong_type(value: Any) -> None:
    """What is no status and no collection is a `TypeError`."""
    with pytest.raises(TypeError, match=r"state must be one string or several out of working, .*; got"):
        argument_checks.states(value)


@pytest.mark.parametrize("value", [None, 0, 1.5, "x", b"x", True, [], (), {}, {"a": 1}, [1], object()])
def test_json_shapes(value: Any) -> None:
    """A value is seen as an object or an array only if it is one, and stays the same object."""
    assert as_object(value) is (value if isinstance(value, dict) else None)
    assert as_list(value) is (value if isinstance(value, list) else None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (-3, -3.0),
        (1.5, 1.5),
        (10**300, 1e300),
        (10**400, None),
        (-(10**400), None),
        (math.inf, None),
        (-math.inf, None),
        (math.nan, None),
        (True, None),
        ("1", None),
        (None, None),
        ([], None),
        ({}, None),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_json_numbers(value: Any, expected: float | None) -> None:
    """A number is one only if it is finite and a float can hold it; a truth value is none."""
    found = as_number(value)
    assert found == expected
    assert found is None or type(found) is float
