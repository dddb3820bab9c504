"""Forms of servers: defaults, and answers that break them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from mcptasks._core.forms import check, filled_in
from tests.helpers.samples import json_values

TITLED = [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]
FIELDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "minLength": 2, "maxLength": 4},
    "email": {"type": "string", "format": "email"},
    "uri": {"type": "string", "format": "uri"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "date-time"},
    "odd": {"type": "string", "format": "nobody knows", "pattern": "(a+)+$"},
    "whole": {"type": "integer", "minimum": 1, "maximum": 9},
    "number": {"type": "number"},
    "truth": {"type": "boolean"},
    "choice": {"type": "string", "enum": ["a", "b"]},
    "legacy": {"type": "string", "enum": ["a"], "enumNames": ["The first"]},
    "titled": {"type": "string", "oneOf": TITLED},
    "several": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "enum": ["a", "b", "c"]}},
    "titles": {"type": "array", "items": {"anyOf": TITLED}},
    "unknown": {"type": "matrix"},
}


def form(*names: str, **more: Any) -> dict[str, Any]:
    """A form with these fields."""
    return {"type": "object", "properties": {name: FIELDS[name] for name in names}, **more}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "abc"),
        ("email", "ada@example.com"),
        ("uri", "urn:isbn:1"),
        ("date", "2026-11-22"),
        ("time", "2026-11-22T10:00:00Z"),
        ("odd", "a" * 60 + "!"),
        ("whole", 9),
        ("whole", 3.0),
        ("number", 1.5),
        ("number", 2),
        ("truth", False),
        ("choice", "b"),
        ("legacy", "a"),
        ("titled", "g"),
        ("several", ["a", "c"]),
        ("titles", ["r"]),
        ("unknown", object()),
    ],
)
def test_what_fits(name: str, value: object) -> None:
    """Every kind of field takes what the specification lets it hold; what a field says beyond that is passed over."""
    check(form(name, required=[name]), {name: value})


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("text", 5, "a text"),
        ("text", "a", "at least 2 characters"),
        ("text", "secret", "at most 4 characters"),
        ("email", "secret", "email"),
        ("uri", "no uri", "uri"),
        ("date", "20261122", "date"),
        ("time", "2026-11-22", "date-time"),
        ("whole", "5", "a whole number"),
        ("whole", True, "a whole number"),
        ("whole", 1.5, "a whole number"),
        ("whole", 0, "at least 1"),
        ("whole", 10, "at most 9"),
        ("number", float("nan"), "finite"),
        ("number", float("inf"), "finite"),
        ("truth", "secret", "true or false"),
        ("truth", 1, "true or false"),
        ("choice", "secret", "['a', 'b']"),
        ("titled", "Red", "['r', 'g']"),
        ("several", [], "at least 1 items"),
        ("several", ["a", "b", "c"], "at most 2 items"),
        ("several", ["secret"], "['a', 'b', 'c']"),
        ("several", "a", "a list"),
        ("titles", ["Red"], "['r', 'g']"),
    ],
)
def test_what_breaks_a_form(name: str, value: object, right: str) -> None:
    """The error names the field and what would be right, and never the value, which may be a secret."""
    with pytest.raises(ValueError, match="field") as caught:
        check(form(name), {name: value})
    assert repr(name) in str(caught.value)
    assert right in str(caught.value)
    assert "secret" not in str(caught.value)


def test_missing_and_strange_fields() -> None:
    """A required field must be there; one that the form does not have is an error only where the form is closed."""
    with pytest.raises(ValueError, match="lacks the field 'text'"):
        check(form("text", required=["text"]), {})
    check(form("text"), {"other": 1})
    with pytest.raises(ValueError, match="'other' of the answer is not in the form"):
        check(form("text", additionalProperties=False), {"other": 1})


def test_defaults() -> None:
    """Fields that an answer leaves out get their defaults, also empty ones; what it says is kept."""
    fields = {"a": {"type": "string", "default": ""}, "b": {"type": "integer", "default": 2}, "c": {"type": "string"}}
    assert filled_in({"properties": fields}, {"b": 3}) == {"a": "", "b": 3}


@given(json_values, json_values)
def test_hostile_forms(properties: Any, value: Any) -> None:
    """Whatever a server sends for a form, an answer is taken or refused with a `ValueError`."""
    for schema in (properties, {"properties": properties, "required": properties}, {"properties": {"a": properties}}):
        try:
            check(schema, filled_in(schema, {"a": value}))
        except ValueError:
            continue


@pytest.mark.parametrize("key", ["oneOf", "anyOf"])
def test_options_of_more_than_one_value(key: str) -> None:
    """Where an option is not one value, nothing that it may allow is refused; where all are, other values are."""
    options = [{"const": "r"}, {"pattern": "^#"}, {"enum": ["g", "b"]}]
    check({"properties": {"colour": {"type": "string", key: options}}}, {"colour": "g"})
    check({"properties": {"colours": {"type": "array", "items": {key: options}}}}, {"colours": ["r", "#fff"]})
    with pytest.raises(ValueError, match="must be one of"):
        check({"properties": {"colour": {"type": "string", key: options[:1]}}}, {"colour": "g"})
