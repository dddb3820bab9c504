"""Checks of what programs pass in: what is taken, as what, and how the rest is refused."""

from __future__ import annotations

import math
from collections import UserDict
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from mcptasks import _arguments
from mcptasks._json import as_list, as_number, as_object
from mcptasks._models import STATUSES


@pytest.mark.parametrize(("value", "expected"), [(None, None), (0, 0.0), (3, 3.0), (0.25, 0.25), (1e9, 1e9)])
def test_seconds(value: Any, expected: float | None) -> None:
    """Durations are numbers of seconds; None is none."""
    found = _arguments.seconds(value, "timeout")
    assert found == expected
    assert found is None or type(found) is float


@pytest.mark.parametrize("value", ["3", True, False, timedelta(seconds=3), Decimal(3), [3], b"3", 3j])
def test_seconds_must_be_a_number(value: Any) -> None:
    """Anything but a number is a `TypeError` that names the argument and the value; a truth value is no number."""
    with pytest.raises(TypeError) as caught:
        _arguments.seconds(value, "timeout")
    assert str(caught.value) == f"timeout must be a number of seconds or None, got {value!r}"


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf], ids=repr)
@pytest.mark.parametrize("zero", [True, False])
def test_seconds_must_be_sensible(value: float, zero: bool) -> None:
    """Negative and endless durations are a `ValueError` that names the argument and the value."""
    with pytest.raises(ValueError, match=r"timeout must be a finite number of seconds, .*; got") as caught:
        _arguments.seconds(value, "timeout", zero=zero)
    assert str(caught.value).endswith(f"got {value!r}")


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["huge", "hugely negative"])
def test_seconds_beyond_any_float(value: int) -> None:
    """A number that no float can hold is a `ValueError` too, and the message stays short."""
    with pytest.raises(ValueError, match="timeout must be a finite number of seconds") as caught:
        _arguments.seconds(value, "timeout")
    assert len(str(caught.value)) < 200


def test_zero_seconds() -> None:
    """Zero is refused only where it has no meaning."""
    assert _arguments.seconds(0, "timeout") == 0.0
    with pytest.raises(ValueError, match="more than 0; got 0"):
        _arguments.seconds(0, "timeout", zero=False)


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
    ],
)
def test_time_to_live(value: Any, expected: int | None) -> None:
    """A time to live becomes whole milliseconds, at least one."""
    found = _arguments.time_to_live(value)
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
        _arguments.time_to_live(value)


def test_text() -> None:
    """A name is a non-empty string."""
    assert _arguments.text("add", "name") == "add"
    with pytest.raises(ValueError, match="name must not be empty"):
        _arguments.text("", "name")
    for value in (None, 3, b"add", ["add"]):
        with pytest.raises(TypeError) as caught:
            _arguments.text(value, "name")
        assert str(caught.value) == f"name must be a string, got {value!r}"


@pytest.mark.parametrize("value", [{}, {"a": 1}, MappingProxyType({"a": 1}), UserDict({"a": 1})])
def test_mapping(value: Mapping[str, Any]) -> None:
    """Any mapping will do; what comes back is a copy, so that the caller's own is never changed."""
    found = _arguments.mapping(value, "arguments")
    assert found == dict(value)
    assert type(found) is dict
    assert found is not value
    assert _arguments.mapping(None, "arguments") is None


@pytest.mark.parametrize("value", [[], [("a", 1)], "a", 1, {1: 2}, {"a": 1, None: 2}, {b"a": 1}])
def test_mapping_refused(value: Any) -> None:
    """What is no mapping with string keys is a `TypeError` that names the value."""
    with pytest.raises(TypeError) as caught:
        _arguments.mapping(value, "arguments")
    assert str(caught.value) == f"arguments must be a mapping with string keys or None, got {value!r}"


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
    assert _arguments.states(value) == expected


@pytest.mark.parametrize("value", ["done", "", ["working", "done"], [], (), ["working", 3], {"Working"}])
def test_unknown_states(value: Any) -> None:
    """A state that cannot come is refused at once, with those that can."""
    with pytest.raises(ValueError, match="the states are working, input_required, completed, failed, cancelled"):
        _arguments.states(value)


@pytest.mark.parametrize("value", [3, 1.5, object(), True])
def test_states_of_a_wrong_type(value: Any) -> None:
    """What is no status and no collection is a `TypeError`."""
    with pytest.raises(TypeError, match="state must be a status or several, got"):
        _arguments.states(value)


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
