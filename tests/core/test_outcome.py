"""From a raw result to the value a program asked for, in the dialects of real servers."""

from __future__ import annotations

import json
import pickle
import time
from contextlib import suppress
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
from mcptasks._core.events import Cancelled, Failed, Finished
from mcptasks._core.models import Kind
from mcptasks._core.outcome import Decoding, decode, sdk_result
from tests.helpers.logs import ours
from tests.helpers.samples import REFERENCE, json_values

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
    assert found == [TextResourceContents(uri="report://a", text="hello", mime_type="text/plain")]


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
        ("tool", {}, "tools/call: content: missing"),
        ("tool", {"content": "x"}, "tools/call: content: a string, not an array"),
        ("tool", {"content": None}, "tools/call: content: null, not an array"),
        ("tool", {"content": ["x", 7]}, "tools/call: content.0: a string, not an object"),
        ("tool", RESOURCE, "tools/call: content: missing"),
        ("tool", {"content": [], "resultType": "later"}, "tools/call: resultType: not known"),
        ("tool", [RESOURCE], "tools/call: it is an array, not an object"),
        ("resource", {}, "resources/read: contents: missing"),
        ("resource", answer("x"), "resources/read: contents: missing"),
        ("resource", {"contents": [None]}, "resources/read: contents.0: null, not an object"),
        ("prompt", {}, "prompts/get: messages: missing"),
        ("prompt", {"messages": [{"role": "ghost"}]}, "prompts/get: messages.0: role: "),
        (None, {}, "tools/call: content: missing"),
    ],
)
def test_nothing_fits(kind: Kind | None, raw: Any, words: str) -> None:
    """A result that the request cannot be answered with is named: the method, the place and what is wrong. It is in
    the error, which shows it nowhere and pickles."""
    with pytest.raises(TaskProtocolError) as caught:
        decode(Finished(raw), Decoding(kind=kind), REFERENCE)
    assert caught.value.message.startswith(f"the server's result is not one of {words}")
    assert "\n" not in caught.value.message
    assert caught.value.reference is REFERENCE
    assert caught.value.__cause__ is None
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.raw_result, again.message, again.reference) == (raw, caught.value.message, REFERENCE)


TEXT = {"type": "text", "text": "kept"}
ODD_BLOCKS: list[dict[str, Any]] = [
    {"type": "hologram", "frames": [1]},
    {"type": "resource_link", "uri": "file:///x"},
    {"type": "image", "data": 5, "mimeType": "image/png"},
    {"type": ["text"]},
    {"type": None},
    {},
]


@pytest.mark.parametrize("odd", ODD_BLOCKS)
def test_an_odd_block_costs_nothing(odd: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """A block that is not known, or is malformed, is the server's own mapping; the others are the SDK's types. Nothing
    is lost, so nothing is logged, and the result pickles."""
    found = tool({"content": [odd, TEXT, odd]})
    assert found.content[0] is odd
    assert [type(block).__name__ for block in found.content] == ["dict", "TextContent", "dict"]
    assert (found.text, found.data) == ("kept", "kept")
    assert pickle.loads(pickle.dumps(found)) == found
    assert "ToolResult" in repr(found)
    assert found._repr_html_()
    assert not ours(caplog)


def test_a_malformed_text_is_a_text() -> None:
    """The text of a block that is malformed beside it counts among the texts."""
    odd = {"type": "text", "text": "odd", "annotations": 7}
    found = tool({"content": [TEXT, odd, {"text": "without a type"}, {"type": "text", "text": 5}]})
    assert found.content[1] is odd
    assert (found.text, found.data) == ("kept\nodd\nwithout a type",) * 2


@pytest.mark.parametrize(
    ("odd", "left_out"),
    [
        ({"isError": None}, None),
        ({"isError": "no way"}, "isError: a string, not a boolean"),
        ({"isError": []}, "isError: an array, not a boolean"),
        ({"_meta": None}, None),
        ({"_meta": "SECRET"}, "_meta: a string, not an object"),
        ({"resultType": None}, None),
        ({"resultType": 7}, None),
        ({"extra": {"SECRET": 1}}, None),
        ({"content": [TEXT, "SECRET", None]}, "content.1: a string, not an object; content.2: null, not an object"),
        ({"content": TEXT}, None),
    ],
)
def test_an_odd_part_costs_only_itself(
    odd: dict[str, Any], left_out: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """What has no place in a result is left out and named in the log, without its value; the rest is kept."""
    found = tool({"content": [TEXT], "structuredContent": {"x": 1}, **odd})
    assert (found.text, found.data, found.is_error) == ("kept", {"x": 1}, False)
    assert [record.getMessage() for record in ours(caplog)] == (
        [] if left_out is None else [f"tools/call: left out what makes no sense: {left_out}"]
    )


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": "x"}, {"content": ["x"]}])
def test_structured_content_alone(content: dict[str, Any]) -> None:
    """Structured content is a result without any other."""
    found = tool({**content, "structuredContent": {"x": 1}})
    assert (found.content, found.data, found.text) == ((), {"x": 1}, "")


@pytest.mark.parametrize("flag", [True, 1, "true"])
def test_an_error_does_not_pass_for_a_success(flag: Any) -> None:
    """A tool's error is one also where it has no content, or the flag is written in another way."""
    with pytest.raises(ToolError, match="without words"):
        tool({"isError": flag})


def test_odd_parts_of_a_resource(caplog: pytest.LogCaptureFixture) -> None:
    """A part of a resource that is neither text nor blob is the server's own mapping."""
    odd = [{"uri": "report://b"}, {"text": "without a URI"}, {"uri": "report://c", "blob": 5}]
    found = decode(
        Finished({"contents": [*RESOURCE["contents"], *odd, "x"], "_meta": 5}), Decoding(kind="resource"), None
    )
    assert isinstance(found, list)
    assert isinstance(found[0], TextResourceContents)
    assert found[1:] == odd
    assert "contents.4: a string, not an object" in caplog.text


def test_odd_parts_of_a_prompt(caplog: pytest.LogCaptureFixture) -> None:
    """A prompt is the SDK's value, which has no place for what it does not know; that is left out and logged."""
    odd = [{"role": "ghost", "content": TEXT}, {"role": "user", "content": {"type": "hologram"}}, None]
    raw = {"messages": [*odd, *PROMPT["messages"]], "description": 5, "_meta": "x"}
    found = decode(Finished(raw), Decoding(kind="prompt"), None)
    assert isinstance(found, GetPromptResult)
    assert (len(found.messages), found.description, found.meta) == (1, None, None)
    (record,) = ours(caplog)
    assert all(f"messages.{index}: " in record.getMessage() for index in range(3))


def test_the_sdks_value_of_a_tool(caplog: pytest.LogCaptureFixture) -> None:
    """For `TasksExtension` a result is the SDK's value: what has no place in it is left out, unless nothing else is
    there."""
    raw = {"content": [*ODD_BLOCKS, TEXT], "structuredContent": {"x": 1}, "isError": None, "_meta": {"m": 1}}
    found = sdk_result(raw, REFERENCE)
    assert [block.type for block in found.content] == ["text"]
    assert (found.structured_content, found.is_error, found.meta) == ({"x": 1}, False, {"m": 1})
    assert f"content.{len(ODD_BLOCKS) - 1}: a block that is not known" in caplog.text
    assert sdk_result({"content": ODD_BLOCKS, "isError": True}, None).is_error
    for nothing in ({"content": ODD_BLOCKS}, {}, {"content": 5}):
        with pytest.raises(TaskProtocolError) as caught:
            sdk_result(nothing, REFERENCE)
        assert (caught.value.raw_result, caught.value.reference) == (nothing, REFERENCE)


@pytest.mark.parametrize("entry", [{}, {"role": "user", "content": {}}, {"type": "text"}, None, "x"])
@pytest.mark.parametrize(("kind", "name"), [("tool", "content"), ("resource", "contents"), ("prompt", "messages")])
def test_a_flood_of_odd_entries(kind: Kind, name: str, entry: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A megabyte of nonsense takes no more time than one of sense does, and the log and the error stay short."""
    raw = {name: [entry] * (1_000_000 // len(json.dumps([entry])))}
    begun = time.process_time()
    with suppress(TaskProtocolError):
        decode(Finished(raw), Decoding(kind=kind), None)
    assert time.process_time() - begun < 5  # It takes 0.1 to 0.7 s; whole models take a minute and gigabytes.
    assert sum(len(record.getMessage()) for record in ours(caplog)) < 5000


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
