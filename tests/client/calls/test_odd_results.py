"""One odd part in a result: what is known is kept, what is not is the server's own mapping, and where nothing fits the
error carries what came. However the result comes: at once, as a task, by a push."""

from __future__ import annotations

import pickle
from typing import Any, Literal

import pytest

from mcptasks import Client, GetPromptResult, TaskProtocolError, ToolError, ToolResult
from mcptasks.testing import Complete, Garbage, RawResult, TaskServer, serve_http
from tests.helpers.support import (
    LONG_INTERVAL,
    PUSH_ONLY,
    Era,
    call_tool,
    connected,
    legacy_only,
    make_server,
    modern_only,
    virtual_clock,
)
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

SECRET = "S3CRET"
TEXT = {"type": "text", "text": "hours of work"}
HOLOGRAM = {"type": "hologram", "frames": [1, 2]}
LINK = {"type": "resource_link", "uri": "file:///report"}
HOWS = ["task", "plain", "at-once"]
each_way = pytest.mark.parametrize("how", HOWS)


async def answer(client: Client, server: TaskServer, how: str, raw: dict[str, Any], **options: Any) -> ToolResult:
    """What a call comes to: as a task, by a plain call that becomes one, or from a tool that is never a task."""
    server.add_tool("tool", [Complete(RawResult(raw))], support="none" if how == "at-once" else "optional")
    came: Any = await call_tool(client, "tool", task=how == "task", **options)
    result: ToolResult = await came if how == "task" else came
    return result


@each_way
async def test_blocks_that_nobody_knows(server: TaskServer, how: str) -> None:
    """An unknown or malformed block is a mapping among blocks of the SDK's types; the value and the text are there."""
    async with connected(server) as client:
        result = await answer(client, server, how, {"content": [HOLOGRAM, TEXT, LINK]})
    assert [type(block).__name__ for block in result.content] == ["dict", "TextContent", "dict"]
    assert (result.content[0], result.content[2]) == (HOLOGRAM, LINK)
    assert (result.text, result.data, result.is_error) == ("hours of work", "hours of work", False)
    assert pickle.loads(pickle.dumps(result)) == result


@each_way
@pytest.mark.parametrize("resource_type", [None, 7, {}])
async def test_parts_that_make_no_sense(server: TaskServer, how: str, resource_type: Any) -> None:
    """Flags, `_meta` and the like that make no sense cost nothing else."""
    raw = {"content": [TEXT, None, SECRET], "isError": None, "resultType": resource_type, "more": [1]}
    async with connected(server) as client:
        result = await answer(client, server, how, raw)
    assert (result.text, result.is_error) == ("hours of work", False)


@each_way
async def test_structured_content_without_content(server: TaskServer, how: str) -> None:
    """Structured content is enough."""
    async with connected(server) as client:
        result = await answer(client, server, how, {"structuredContent": {"n": 1}})
        assert (result.data, result.content, result.text) == ({"n": 1}, (), "")
        typed = await answer(client, server, how, {"structuredContent": {"n": "1"}}, as_type=dict[str, int])
        assert typed.data == {"n": 1}


@each_way
async def test_an_error_with_odd_blocks(server: TaskServer, how: str) -> None:
    """A tool's own error stays one, with what it has to say."""
    async with connected(server) as client:
        with pytest.raises(ToolError, match="hours of work") as caught:
            await answer(client, server, how, {"content": [TEXT, HOLOGRAM], "isError": True})
    result = pickle.loads(pickle.dumps(caught.value)).result
    assert result.content[1] == HOLOGRAM


NOTHING: list[dict[str, Any]] = [
    {},
    {"content": SECRET},
    {"content": [SECRET, 7]},
    {"contents": [{"uri": SECRET, "text": SECRET}]},
]


@each_way
@pytest.mark.parametrize("raw", NOTHING)
async def test_nothing_fits(server: TaskServer, how: str, raw: dict[str, Any]) -> None:
    """Where nothing fits, the error carries what came; it pickles, and its words show nothing of it."""
    async with connected(server) as client:
        with pytest.raises(TaskProtocolError) as caught:
            await answer(client, server, how, raw)
    error = pickle.loads(pickle.dumps(caught.value))
    assert {key: value for key, value in error.raw_result.items() if key not in ("_meta", "resultType")} == raw
    assert str(error).startswith("the server's result is not one of tools/call: content")
    assert SECRET not in str(error)
    assert len(str(error).splitlines()) == 1
    assert error.reference is not None


@each_way
async def test_a_value_of_another_type(server: TaskServer, how: str) -> None:
    """A value that is not of the type that was asked for is in the error too: the work is not lost."""
    raw = {"content": [TEXT], "structuredContent": {"n": SECRET}}
    async with connected(server) as client:
        with pytest.raises(TaskProtocolError, match="n: Input should be a valid integer") as caught:
            await answer(client, server, how, raw, as_type=dict[str, int])
    assert caught.value.raw_result["structuredContent"] == {"n": SECRET}
    assert SECRET not in str(caught.value)


@async_only("one event loop")
async def test_a_pushed_result(era: Era) -> None:
    """A result that a push brings is read in the same way."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    with serve_http(server) as url:
        async with connected(url, polling=PUSH_ONLY) as client:
            task = await client.call_tool("work", task=True)
            steered = await server.next_task()
            steered.complete(RawResult({"content": [HOLOGRAM, TEXT]}))
            result = await task
    assert (result.content[0], result.text) == (HOLOGRAM, "hours of work")


Kind = Literal["resource", "prompt"]
each_kind = pytest.mark.parametrize("kind", ["resource", "prompt"])
each_call = pytest.mark.parametrize("task", [False, True])
PART = {"uri": "file:///x", "text": "hours of work"}
MESSAGE = {"role": "user", "content": TEXT}


async def other(client: Client, server: TaskServer, kind: Kind, task: bool, raw: dict[str, Any]) -> Any:
    """What reading a resource or getting a prompt comes to."""
    script = [Complete(RawResult(raw))]
    if kind == "resource":
        server.add_resource("file:///x", script)
        came: Any = await client.read_resource("file:///x", task=task)
    else:
        server.add_prompt("ask", script)
        came = await client.get_prompt("ask", task=task)
    return await came if task else came


@each_call
async def test_odd_parts_of_a_resource(server: TaskServer, task: bool) -> None:
    """A part of a resource that is neither text nor blob is the server's own mapping."""
    odd = {"text": "without a URI"}
    async with connected(server) as client:
        found = await other(client, server, "resource", task, {"contents": [PART, odd, None]})
    assert [type(part).__name__ for part in found] == ["TextResourceContents", "dict"]
    assert found[1] == odd


@each_call
async def test_odd_parts_of_a_prompt(server: TaskServer, task: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A message that the SDK does not know is left out and named in the log; the others are there."""
    odd = {"role": "user", "content": HOLOGRAM}
    async with connected(server) as client:
        found = await other(client, server, "prompt", task, {"messages": [odd, MESSAGE], "description": 5})
    assert isinstance(found, GetPromptResult)
    assert [message.content.type for message in found.messages] == ["text"]
    assert "messages.0: " in caplog.text


NOTHING_ELSE: list[dict[str, Any]] = [
    {},
    {"contents": SECRET, "messages": SECRET},
    {"contents": [7], "messages": [{}]},
]


@each_kind
@each_call
@pytest.mark.parametrize("raw", NOTHING_ELSE)
async def test_nothing_of_another_kind_fits(server: TaskServer, kind: Kind, task: bool, raw: dict[str, Any]) -> None:
    """Where nothing of a resource or a prompt fits, the error carries what came."""
    async with connected(server) as client:
        with pytest.raises(TaskProtocolError) as caught:
            await other(client, server, kind, task, raw)
    error = caught.value
    assert {key: value for key, value in error.raw_result.items() if key in ("contents", "messages")} == raw
    assert SECRET not in str(error)
    assert len(str(error).splitlines()) == 1


@modern_only
async def test_a_resource_without_cache_hints(server: TaskServer) -> None:
    """The hints for caches that 2026-07-28 wants beside a resource may be missing or odd."""
    async with connected(server) as client:
        for hints in ({}, {"ttlMs": None}, {"ttlMs": "x", "cacheScope": 5}):
            server.add_resource("file:///x", [Complete(RawResult({"contents": [PART], **hints}))])
            (part,) = await client.read_resource("file:///x")
            assert getattr(part, "text", None) == "hours of work"


@virtual_clock()
@modern_only
@pytest.mark.parametrize("result", [None, SECRET, [SECRET], 7])
async def test_an_inlined_result_that_is_no_object(server: TaskServer, result: Any) -> None:
    """The error for a completed task whose result is no object carries the state that the server sent."""
    server.add_tool("quick", result=1)
    server.faults.add("tasks/get", Garbage(change={"status": "completed", "result": result}), times=None)
    async with connected(server) as client:
        task = await client.call_tool("quick", task=True)
        with pytest.raises(TaskProtocolError, match="the task is completed, but its result is ") as caught:
            await task
    assert caught.value.raw_result["result"] == result
    assert SECRET not in str(caught.value)


@legacy_only
@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_an_odd_answer_to_tasks_result(server: TaskServer, status: str) -> None:
    """What `tasks/result` answers is read in the same way, whatever the task's status."""
    server.faults.add("tasks/result", Garbage(replace={"content": [HOLOGRAM, TEXT], "_meta": 5}), times=None)
    async with connected(server) as client:
        task = await client.call_tool("work", task=True)
        steered = await server.next_task()
        steered.complete(1) if status == "completed" else steered.fail("no")
        result = await task
    assert (result.content[0], result.text, result.meta) == (HOLOGRAM, "hours of work", {})
