"""From a raw result to the value a program asked for, in the dialects of real servers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import mcp_types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import GetPromptResult, TextResourceContents
from pydantic import BaseModel

from mcptasks import (
    TaskCancelledError,
    TaskError,
    TaskFailedError,
    TaskProtocolError,
    ToolError,
    ToolResult,
)
from mcptasks._models import Kind
from mcptasks._outcome import Decoding, decode
from mcptasks._state import Cancelled, Failed, Finished
from tests.unit.samples import REFERENCE, json_values

MARK = {"fastmcp": {"wrap_result": True}}
RELATED = {"io.modelcontextprotocol/related-task": {"taskId": "t-1"}}


def answer(text: str | None = None, structured: Any = None, **more: Any) -> dict[str, Any]:
    """A tool's answer as it stands on the wire."""
    content = [] if text is None else [{"type": "text", "text": text}]
    return {"content": content, **({} if structured is None else {"structuredContent": structured}), **more}


def tool(raw: Any, **how: Any) -> ToolResult:
    """The tool result in a raw answer."""
    found = decode(Finished(raw), Decoding(kind="tool", **how), REFERENCE)
    assert isinstance(found, ToolResult)
    return found


@pytest.mark.parametrize(
    ("raw", "wrapped", "data"),
    [
        # fastmcp 2.14: only the tool's listed schema says that a value is wrapped.
        (answer("5", {"result": 5}), True, 5),
        (answer("5", {"result": 5}, _meta=RELATED), True, 5),
        # fastmcp 3: the result says so too; fastmcp 4: only there, with the type of result.
        (answer("5", {"result": 5}, _meta=MARK), True, 5),
        (answer("5", {"result": 5}, _meta=MARK), False, 5),
        (answer("5", {"result": 5}, _meta=MARK, isError=False, resultType="complete"), False, 5),
        (answer("null", {"result": None}, _meta=MARK), False, None),
        (answer("[]", {"result": []}, _meta=MARK), False, []),
        # A tool whose own answer has a field "result": nothing to undo.
        (answer("x", {"result": 5}), False, {"result": 5}),
        (answer("x", {"result": 5, "unit": "km"}), True, {"result": 5, "unit": "km"}),
        (answer("x", {"result": 5, "unit": "km"}, _meta=MARK), False, {"result": 5, "unit": "km"}),
        (answer("x", {"value": 5}), True, {"value": 5}),
        (answer("x", {"result": 5}, _meta={"fastmcp": {"wrap_result": "yes"}}), False, {"result": 5}),
        (answer("x", {"result": 5}, _meta={"fastmcp": [1]}), False, {"result": 5}),
        (answer("x", {"result": 5}, _meta={"wrap_result": True}), False, {"result": 5}),
        (answer("x", {}), True, {}),
        # 2026-07-28 admits any JSON value as structured content.
        (answer("x", [1, 2]), False, [1, 2]),
        (answer("x", 0), False, 0),
        (answer("x", False), True, False),
        # Without structured content the text is the value.
        (answer("hello"), False, "hello"),
        (answer('{"a": 1}'), False, '{"a": 1}'),
        (answer(""), False, ""),
        (answer('"quoted"'), False, '"quoted"'),
        (answer(), False, None),
    ],
)
def test_data(raw: dict[str, Any], wrapped: bool, data: Any) -> None:
    """`data` is the tool's value: a wrapped one is unwrapped where a server says so, and nothing else is touched."""
    found = tool(raw, wrapped=wrapped)
    assert found.data == data
    assert type(found.data) is type(data)
    assert found.structured_content == raw.get("structuredContent")
    assert found.meta == raw.get("_meta", {})
    assert not found.is_error


@dataclass
class Point:
    """A value of a program."""

    x: int
    y: int


class Weather(BaseModel):
    """A value of a program."""

    city: str
    day: date


@pytest.mark.parametrize(
    ("raw", "as_type", "data"),
    [
        (answer("5", {"result": 5}, _meta=MARK), int, 5),
        (answer("5", {"result": "5"}, _meta=MARK), float, 5.0),
        (answer("5"), int, 5),
        (answer("[1, 2]"), tuple[int, int], (1, 2)),
        (answer("[1, 1]"), set[int], {1}),
        (answer('{"x": 1, "y": 2}'), Point, Point(1, 2)),
        (answer("...", {"x": 1, "y": 2}), Point, Point(1, 2)),
        (answer("...", {"result": {"x": 1, "y": 2}}, _meta=MARK), Point, Point(1, 2)),
        (answer("...", {"city": "Oslo", "day": "2026-11-22"}), Weather, Weather(city="Oslo", day=date(2026, 11, 22))),
        (answer("2026-11-22"), date, date(2026, 11, 22)),
        (answer("hello"), str, "hello"),
        (answer("{not json"), str, "{not json"),
        # A text is itself, also one that happens to be JSON.
        (answer('"quoted"'), str, '"quoted"'),
        (answer("5"), str, "5"),
        (answer(""), str, ""),
        (answer('"quoted"'), str | None, "quoted"),
        (answer("..."), Any, "..."),
        (answer("null"), None.__class__, None),
        (answer("...", {"result": 5}), dict[str, int], {"result": 5}),
        # The SDK's own server wraps plain values and does not say so.
        (answer("5", {"result": 5}), int, 5),
        (answer(), int | None, None),
    ],
)
def test_as_type(raw: dict[str, Any], as_type: Any, data: Any) -> None:
    """`data` is of the type that a program asked for, from structured content or from text, as JSON or as it is."""
    found = tool(raw, as_type=as_type)
    assert found.data == data
    assert type(found.data) is type(data)


@pytest.mark.parametrize(
    ("raw", "as_type", "words"),
    [
        (answer("x", {"result": "five"}, _meta=MARK), int, "the tool's value is not a int: the value: "),
        (answer("five"), int, "the tool's value is not a int: the value: "),
        (answer("x", {"x": 1}), Point, "the tool's value is not a Point: y: "),
        (answer("x", {"items": [1, "z"]}), dict[str, list[int]], "items.1: "),
        (answer(), int, "the tool's value is not a int: the value: "),
    ],
)
def test_value_of_another_type(raw: dict[str, Any], as_type: Any, words: str) -> None:
    """A value that is not of the type is an error that says where, in a line, with the reference."""
    with pytest.raises(TaskProtocolError) as caught:
        tool(raw, as_type=as_type)
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.reference is REFERENCE


def test_values_stay_out_of_messages() -> None:
    """What does not fit is named by its place; the value itself may be a secret."""
    with pytest.raises(TaskProtocolError) as caught:
        tool(answer("x", {"x": "hunter2"}), as_type=Point)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (answer("no such city", isError=True), "no such city"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "isError": True}, "a\nb"),
        (answer(None, isError=True), "the tool reports an error without words"),
        (answer("bad", {"code": 7}, isError=True), "bad"),
    ],
)
def test_tool_errors(raw: dict[str, Any], words: str) -> None:
    """A tool's own error is raised with its words, result and reference; if asked for it is returned, unvalidated."""
    with pytest.raises(ToolError) as caught:
        tool(raw, as_type=int)
    result = caught.value.result
    assert (caught.value.message, caught.value.reference) == (words, REFERENCE)
    assert result is not None
    assert result.is_error
    found = tool(raw, raise_on_error=False, as_type=int)
    assert (found.is_error, found.structured_content) == (True, raw.get("structuredContent"))
    assert found.data == (found.text or None)


def test_outcomes_without_a_result() -> None:
    """A failure is raised with the server's code, message and data, a cancellation with its words."""
    how = Decoding(kind="tool", raise_on_error=False)
    with pytest.raises(TaskFailedError) as failed:
        decode(Failed(-32000, "boom", {"x": 1}), how, REFERENCE)
    assert (failed.value.code, failed.value.message, failed.value.data) == (-32000, "boom", {"x": 1})
    assert failed.value.reference is REFERENCE
    for message, words in ((None, "the task was cancelled"), ("too slow", "the task was cancelled: too slow")):
        with pytest.raises(TaskCancelledError) as cancelled:
            decode(Cancelled(message), how, REFERENCE)
        assert (cancelled.value.message, cancelled.value.reference) == (words, REFERENCE)


RESOURCE = {"contents": [{"uri": "report://a", "text": "hello", "mimeType": "text/plain"}]}
PROMPT = {"description": "d", "messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}]}


@pytest.mark.parametrize("kind", ["resource", None])
def test_resource(kind: Kind | None) -> None:
    """A resource's value is the list of its contents; a task known by its id alone is told by the shape."""
    found = decode(Finished(RESOURCE), Decoding(kind=kind), None)
    assert isinstance(found, list)
    assert [(type(part), part.uri) for part in found] == [(TextResourceContents, "report://a")]


@pytest.mark.parametrize("kind", ["prompt", None])
def test_prompt(kind: Kind | None) -> None:
    """A prompt's value is the SDK's own; a task known by its id alone is told by the shape."""
    found = decode(Finished(PROMPT), Decoding(kind=kind), None)
    assert isinstance(found, GetPromptResult)
    assert found.description == "d"


def test_tool_is_told_by_its_shape() -> None:
    """What is neither a resource nor a prompt is a tool's answer."""
    assert isinstance(decode(Finished(answer("x")), Decoding(), None), ToolResult)


@pytest.mark.parametrize(("kind", "raw"), [("resource", RESOURCE), ("prompt", PROMPT), ("tool", answer("5"))])
def test_parsed_already(kind: Kind, raw: dict[str, Any]) -> None:
    """What the SDK has parsed is taken as it is."""
    models: dict[Kind, Any] = {
        "resource": mcp_types.ReadResourceResult,
        "prompt": GetPromptResult,
        "tool": mcp_types.CallToolResult,
    }
    parsed = models[kind].model_validate(raw, by_name=False)
    how = Decoding(kind=kind)
    assert decode(Finished(parsed), how, None) == decode(Finished(raw), how, None)


@pytest.mark.parametrize("kind", ["resource", "prompt"])
@pytest.mark.parametrize(("text", "words"), [("no such report", "no such report"), (None, "the request failed")])
def test_failed_resource_in_the_form_of_a_tool(kind: Kind, text: str | None, words: str) -> None:
    """fastmcp 2.14 and 3 answer for a failed resource or prompt as for a tool; that is a failure, not nonsense."""
    with pytest.raises(TaskFailedError) as caught:
        decode(Finished(answer(text, isError=True)), Decoding(kind=kind), REFERENCE)
    assert (caught.value.message, caught.value.reference) == (words, REFERENCE)


@pytest.mark.parametrize(
    ("kind", "raw", "words"),
    [
        ("tool", {}, "tools/call: content: "),
        ("tool", {"content": "x"}, "tools/call: content: "),
        ("tool", {"content": [{"type": "smell"}]}, "tools/call: content.0"),
        ("tool", RESOURCE, "tools/call: content: "),
        ("resource", {}, "resources/read: contents: "),
        ("resource", answer("x"), "resources/read: contents: "),
        ("resource", {"contents": [{"text": "x"}]}, "resources/read: contents.0"),
        ("prompt", {}, "prompts/get: messages: "),
        ("prompt", {"messages": [{"role": "ghost"}]}, "prompts/get: messages.0"),
        (None, {}, "tools/call: content: "),
    ],
)
def test_malformed(kind: Kind | None, raw: Any, words: str) -> None:
    """A result that the request cannot be answered with is named: the method, the place and what is wrong."""
    with pytest.raises(TaskProtocolError) as caught:
        decode(Finished(raw), Decoding(kind=kind), REFERENCE)
    assert caught.value.message.startswith(f"the server's result is not one of {words}")
    assert "\n" not in caught.value.message
    assert caught.value.reference is REFERENCE


keys = st.sampled_from(["content", "contents", "messages", "structuredContent", "isError", "_meta", "resultType"])


@given(st.dictionaries(keys, json_values), st.sampled_from(["tool", "resource", "prompt", None]), st.booleans())
def test_any_object(raw: dict[str, Any], kind: Kind | None, wrapped: bool) -> None:
    """Whatever object a server sends as a result: a value, or one of our errors; the object is left as it was."""
    before, refused = repr(raw), None
    try:
        decode(Finished(raw), Decoding(kind=kind, wrapped=wrapped), REFERENCE)
    except TaskError as exc:
        refused = exc
    assert refused is None or refused.reference is REFERENCE
    assert repr(raw) == before
