"""What tasks ask, in words, and what a person types for it."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks._cli.questions import FieldError, fields, host, kind_of, summary, value_of
from mcptasks.testing import elicit, elicit_url, list_roots, sample


def field_of(schema: dict[str, Any]) -> Any:
    """The one field of a form."""
    (found,) = fields({"properties": {"f": schema}, "required": ["f"]})
    return found


TITLED = [{"const": "a", "title": "Apple"}, {"const": "b", "title": "Berry"}]


@pytest.mark.parametrize(
    ("schema", "typed", "value"),
    [
        ({"type": "string"}, "x", "x"),
        ({"type": "integer"}, "3", 3),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "n", False),
        ({"type": "string", "enum": ["a", "b"]}, "2", "b"),
        ({"type": "string", "enum": ["a", "b"]}, "a", "a"),
        ({"type": "string", "enum": ["a", "b"], "enumNames": ["Apple", "Berry"]}, "Berry", "b"),
        ({"type": "string", "oneOf": TITLED}, "1", "a"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "2, 1", ["b", "a"]),
        ({"type": "array", "items": {"anyOf": TITLED}}, "Apple", ["a"]),
        ({"type": "array", "items": {"type": "string"}}, "x, y", ["x", "y"]),
        ({}, "x", "x"),
    ],
)
def test_values(schema: dict[str, Any], typed: str, value: Any) -> None:
    """What is typed becomes a value of the field's type; choices are taken by number, value or title."""
    assert value_of(field_of(schema), typed) == value


@pytest.mark.parametrize(
    ("schema", "typed", "said"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 12}, "x", "write a whole number, 1 to 12"),
        ({"type": "boolean"}, "maybe", "write yes or no"),
        ({"enum": ["a", "b"]}, "3", "write a number from 1 to 2"),
        ({"enum": ["a", "b"]}, "0", "write a number from 1 to 2"),
    ],
)
def test_refused(schema: dict[str, Any], typed: str, said: str) -> None:
    """What cannot be right is refused with what would be."""
    with pytest.raises(FieldError, match=said):
        value_of(field_of(schema), typed)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "format": "email"}, "email"),
        ({"type": "string", "minLength": 2}, "text, at least 2 characters"),
        ({"type": "number", "maximum": 1.5}, "number, at most 1.5"),
        ({"type": ["x"], "minimum": "y"}, "text"),
    ],
)
def test_kinds(schema: dict[str, Any], words: str) -> None:
    """A field says what may be answered."""
    assert kind_of(field_of(schema)) == words


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (elicit("Really?"), "Really? (fields: value)"),
        (elicit_url("Sign in", "https://a/b"), "Sign in (at https://a/b)"),
        (list_roots(), "which folders it may use"),
        (elicit("\x1b[2J\n"), "\\x1b[2J\\n (fields: value)"),
        ({"method": 3, "params": []}, "something, without words"),
        (None, "something, without words"),
    ],
)
def test_summaries(request_: Any, words: str) -> None:
    """Each kind of question has words on one line, legible, also one that makes no sense."""
    assert summary(request_) == words


def test_sampling_in_words() -> None:
    """A request to a model shows what the model would be asked."""
    assert "Tell me" in summary(sample("Tell me"))


@pytest.mark.parametrize("form", [None, [], {"properties": 3}, {"properties": {"a": 3}}, {"required": [1]}])
def test_forms_that_make_no_sense(form: Any) -> None:
    """A form that makes no sense has no fields that could be asked for, or fields that take text."""
    assert all(kind_of(each) == "text" for each in fields(form))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://login.example/x", "login.example"),
        ("https://u@evil.example:1/login.example", "evil.example"),
        ("https://\u0430pple.example/", "xn--pple-43d.example (written \u0430pple.example)"),
        ("https://[/", "a host that makes no sense"),
    ],
)
def test_hosts(url: str, shown: str) -> None:
    """The host of a page is shown as it is looked up, so that a letter of another script shows."""
    assert host(url) == shown
