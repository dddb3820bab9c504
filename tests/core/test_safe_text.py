"""The plain form of values: one line, bounded and legible, whatever is in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from mcp_types import TextContent

from mcptasks import ToolResult
from mcptasks._core.html import result_html
from mcptasks._core.safe_text import cut, outline, short
from tests.helpers.hostile import HOSTILE, hostile, nested
from tests.helpers.samples import json_values, status_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_ordinary_text_stays() -> None:
    """Lines, tabs, other scripts and joined emoji are left as they are."""
    text = "one\n\ttwo äöü 日本語 שלום \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f"
    assert cut(text) == text
    assert cut("one\r\ntwo") == "one\ntwo"


@pytest.mark.parametrize("name", HOSTILE)
def test_reprs_are_bounded(name: str) -> None:
    """The plain form of a value with anything in it is one short line."""
    value = HOSTILE[name]
    word = value if isinstance(value, str) else "word"
    content: Any = [value]
    result = ToolResult(content=content, structured_content=value, data=value, meta={word: value})
    for text in (repr(status_of(message=word, input_requests={word: value})), repr(result), short(value)):
        assert text.isprintable()
        assert len(text) < 25_000


@given(json_values | hostile)
def test_reprs_are_one_line(value: Any) -> None:
    """The plain form is one line that can be printed anywhere."""
    for text in (short(value), repr(ToolResult(content=[], data=value)), repr(status_of(message=str(value)))):
        assert text.isprintable()


def test_what_is_left_out_is_said() -> None:
    """Cut text and cut containers say how much more there was."""
    assert cut("a" * 12, 10) == "a" * 10 + "… (2 more characters)"
    assert cut("a" * 11, 10) == "a" * 10 + "… (1 more character)"
    assert "… (1,970 more entries)" in outline([0] * 2000)
    assert "(1 more entry)" in short(nested(8))
    assert "more bytes)" in short(b"x" * 2000)
    source = result_html(ToolResult(content=[TextContent(type="text", text="a" * 12_345)]))
    assert "… (2,345 more characters)" in source


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True], "b": ()}, "{'a': [1, None, True], 'b': ()}"),
        ((1,), "(1,)"),
        ([], "[]"),
        ("it's", '"it\'s"'),
        (NOON, repr(NOON)),
        ({}, "{}"),
        (b"\x00", "b'\\x00'"),
    ],
)
def test_plain_values_look_as_ever(value: Any, text: str) -> None:
    """What is small looks just as `repr` has it."""
    assert short(value) == text == repr(value)


def test_containers_are_laid_out() -> None:
    """On a page, each entry of a container has its line."""
    assert outline({"a": [1, 2], "b": {}}) == "{\n  'a': [\n    1,\n    2\n  ],\n  'b': {}\n}"
