"""Whether a result reports an error, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import CallToolResult, GetPromptResult, ReadResourceResult, TextContent

from mcptasks._core.verdicts import error_words, judged, reports_error
from tests.helpers.samples import status_of


def text(*words: str) -> list[dict[str, str]]:
    """Text blocks."""
    return [{"type": "text", "text": each} for each in words]


SDK_ERROR = CallToolResult(content=[TextContent(type="text", text="no such city")], is_error=True)


@pytest.mark.parametrize(
    ("result", "is_error"),
    [
        ({"isError": True}, True),
        ({"isError": 1}, True),
        ({"isError": "true"}, True),
        ({"isError": "True"}, True),
        ({"isError": False}, False),
        ({"isError": None}, False),
        ({"isError": "no"}, False),
        ({"isError": [True]}, False),
        ({}, False),
        ([], False),
        (None, False),
        ("isError", False),
        (SDK_ERROR, True),
        (CallToolResult(content=[]), False),
        (GetPromptResult(messages=[]), False),
        (ReadResourceResult(contents=[]), False),
    ],
)
def test_reports_error(result: Any, is_error: bool) -> None:
    """The flag counts, also as servers write it that have no booleans; whatever else stands there is no error."""
    assert reports_error(result) is is_error


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (SDK_ERROR, "no such city"),
        ({"content": text("a", "b")}, "a\nb"),
        ({"content": [{"text": "untyped"}, {"type": "image", "data": ""}, 7, None]}, "untyped"),
        ({"content": {"type": "text", "text": "no list"}}, "no list"),
        ({"content": text("")}, None),
        ({"content": []}, None),
        ({"content": "words"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_error_words(result: Any, words: str | None) -> None:
    """All text blocks, as `ToolError` has them; None where there are none."""
    assert error_words(result) == words


def test_error_words_are_legible_and_bounded() -> None:
    """What a terminal would act on is spelled out, and a flood is cut."""
    assert error_words({"content": text("\x1b[2J\u202e")}) == "\\x1b[2J\\u202e"
    assert len(error_words({"content": text("x" * 1_000_000)}) or "") < 2100
    assert (error_words({"content": text("\n" * 1000)}) or "").count("\n") < 60


@pytest.mark.parametrize("status", ["working", "input_required", "cancelled"])
def test_only_an_end_is_judged(status: Any) -> None:
    """A result changes nothing of a status that has none."""
    assert judged(status_of(status, "words"), {"isError": True}) == status_of(status, "words")


def test_success_is_left_alone() -> None:
    """A completed task is completed, in the server's words."""
    done = status_of("completed", "all well")
    assert judged(done, {"content": text("x"), "isError": False}) is done
