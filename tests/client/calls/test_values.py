"""What a tool's answer becomes: data, text, errors, and the types that a program asks for; and reports of progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from mcptasks import Client, TaskProtocolError, ToolError, ToolResult
from mcptasks.testing import Complete, RawResult, TaskServer, ToolFailure
from tests.helpers.support import Era, Signal, begin, call_tool, connected, legacy_only, modern_only, settle
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

HOWS = ["task", "plain", "at-once"]
each_way = pytest.mark.parametrize("how", HOWS)


async def answer(client: Client, server: TaskServer, how: str, step: Any, **options: Any) -> ToolResult:
    """What a call comes to: as a task, by a plain call, or from a tool that is never a task."""
    server.add_tool(
        "tool", [step], support="none" if how == "at-once" else "optional", wrap_result=options.pop("wrap", True)
    )
    came: Any = await call_tool(client, "tool", task=how == "task", **options)
    result: ToolResult = await came if how == "task" else came
    return result


@each_way
@pytest.mark.parametrize("value", [{"n": 1}, {"result": 1}, {"result": 1, "more": 2}, [1, 2], 7, "text", False, 1.5])
async def test_data_is_the_value(server: TaskServer, how: str, value: Any) -> None:
    """`data` is what the tool returned; fastmcp's wrapping of what is no object is undone, and only that."""
    async with connected(server) as client:
        result = await answer(client, server, how, Complete(value))
        assert result.data == value
        assert type(result.data) is type(value)
        assert result.is_error is False
        assert result.structured_content == (value if isinstance(value, dict) else {"result": value})


@each_way
async def test_nothing(server: TaskServer, how: str) -> None:
    """A tool that returns nothing has no data and no text."""
    async with connected(server) as client:
        result = await answer(client, server, how, Complete(None))
        assert (result.data, result.text, list(result.content), result.structured_content) == (None, "", [], None)


@legacy_only
@each_way
async def test_wrapping_that_only_the_tool_list_shows(server: TaskServer, how: str) -> None:
    """fastmcp 2 marks the tool's schema and not the value: the value is unwrapped all the same, elsewhere it is not."""
    async with connected(server) as client:
        bare = await answer(client, server, how, Complete([1]), wrap=False)
        assert bare.data == {"result": [1]}
    marked: Any = {"output_schema": {"type": "object", "x-fastmcp-wrap-result": True}}
    server.add_tool("marked", [Complete([1])], wrap_result=False, **marked)
    async with connected(server) as client:
        assert (await (await client.call_tool("marked", task=True))).data == [1]
        assert (await client.call_tool("marked")).data == [1]


@each_way
async def test_content_and_text(server: TaskServer, how: str) -> None:
    """All content blocks are there in order, `text` joins the text, and `_meta` is kept."""
    image = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    blocks = [{"type": "text", "text": "one"}, image, {"type": "text", "text": "two"}]
    async with connected(server) as client:
        raw = RawResult({"content": blocks, "isError": False, "_meta": {"example.com/x": 1}})
        result = await answer(client, server, how, Complete(raw))
        assert [getattr(block, "type", None) for block in result.content] == ["text", "image", "text"]
        assert (result.text, result.data) == ("one\ntwo", "one\ntwo")
        assert result.meta["example.com/x"] == 1


@each_way
async def test_errors_of_a_tool(server: TaskServer, how: str) -> None:
    """A tool's error is a `ToolError` with the tool's words; with `raise_on_error=False` it is the result."""
    async with connected(server) as client:
        with pytest.raises(ToolError, match="out of paper") as caught:
            await answer(client, server, how, ToolFailure("out of paper"))
        assert caught.value.result is not None
        assert caught.value.result.text == "out of paper"
        result = await answer(client, server, how, ToolFailure("out of paper"), raise_on_error=False)
        assert (result.is_error, result.data, result.text) == (True, "out of paper", "out of paper")


@each_way
async def test_an_error_without_words(server: TaskServer, how: str) -> None:
    """A tool's error without a text still says something."""
    async with connected(server) as client:
        with pytest.raises(ToolError, match="without words"):
            await answer(client, server, how, Complete(RawResult({"content": [], "isError": True})))


class Point(BaseModel):
    """What a tool may return."""

    x: int
    y: int = 0


@dataclass
class Pair:
    """The same as a dataclass."""

    x: int
    y: int


@each_way
@pytest.mark.parametrize(
    ("as_type", "value", "expected"),
    [
        (Point, {"x": 1, "y": 2}, Point(x=1, y=2)),
        (Pair, {"x": 1, "y": 2}, Pair(1, 2)),
        (list[Point], [{"x": 1}], [Point(x=1)]),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (int, 7, 7),
        (str, "7", "7"),
        (int | None, 7, 7),
    ],
)
async def test_as_type(server: TaskServer, how: str, as_type: Any, value: Any, expected: Any) -> None:
    """`as_type` validates the value itself."""
    async with connected(server) as client:
        result = await answer(client, server, how, Complete(value), as_type=as_type)
        assert result.data == expected
        assert type(result.data) is type(expected)


@each_way
async def test_as_type_of_text(server: TaskServer, how: str) -> None:
    """A tool without structured output sends JSON text, which is read as such."""
    raw = RawResult({"content": [{"type": "text", "text": '{"x": 3}'}]})
    async with connected(server) as client:
        assert (await answer(client, server, how, Complete(raw), as_type=Point)).data == Point(x=3)


@each_way
async def test_not_of_that_type(server: TaskServer, how: str) -> None:
    """A value of another type is an error that names both; a tool's error stays the tool's error."""
    async with connected(server) as client:
        with pytest.raises(TaskProtocolError, match=r"not a Point: x"):
            await answer(client, server, how, Complete({"z": 1}), as_type=Point)
        with pytest.raises(ToolError, match="out of paper"):
            await answer(client, server, how, ToolFailure("out of paper"), as_type=Point)


@each_way
async def test_a_result_that_is_none(server: TaskServer, how: str) -> None:
    """A result that no tool can have is a protocol error, not a crash."""
    async with connected(server) as client:
        with pytest.raises(TaskProtocolError, match="content"):
            await answer(client, server, how, Complete(RawResult({"content": "seven"})))


# --- progress -----------------------------------------------------------------------------------------------------

Reports = list[tuple[float, float | None, str | None]]


@legacy_only
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_progress_for_the_whole_life(server: TaskServer, asynchronous: bool) -> None:
    """On 2025-11-25 the handler gets the progress of the creating request until the task ends, in order."""
    reports: Reports = []
    last = Signal()

    def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))
        if progress == 3:
            last.set()

    async def report_later(progress: float, total: float | None, message: str | None) -> None:
        await anyio.lowlevel.checkpoint()
        report(progress, total, message)

    async with connected(server) as client:
        task, steered = await begin(client, server, progress_handler=report_later if asynchronous else report)
        for n in (1, 2, 3):
            steered.progress(n, 3, f"step {n}")
        await last.wait()
        assert reports == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]
        steered.complete("done")
        assert (await task).data == "done"


@legacy_only
async def test_progress_of_one_that_raises(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises is logged, and called again; nothing else notices."""
    calls: list[float] = []
    twice = Signal()

    def report(progress: float, total: float | None, message: str | None) -> None:
        calls.append(progress)
        if len(calls) == 2:
            twice.set()
        raise ValueError("mine")

    async with connected(server) as client:
        task, steered = await begin(client, server, progress_handler=report)
        steered.progress(1)
        steered.progress(2)
        await twice.wait()
        steered.complete("done")
        assert (await task).data == "done"
    assert caplog.text.count("ValueError: mine") == 2


@modern_only
async def test_progress_of_the_creating_request(server: TaskServer) -> None:
    """On 2026-07-28 tasks have no progress: a handler does no harm, and plain work reports to it."""
    reports: Reports = []

    def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    async with connected(server) as client:
        task, steered = await begin(client, server, progress_handler=report)
        steered.progress(1, 2)
        steered.complete("done")
        assert (await task).data == "done"
        await settle()
        assert reports == []


async def test_progress_handlers_are_checked(server: TaskServer, era: Era) -> None:
    """What cannot be called is refused before anything is sent."""
    async with connected(server) as client:
        wrong: Any = "not a function"
        with pytest.raises(TypeError, match="progress_handler must be callable, got 'not a function'"):
            await client.call_tool("work", progress_handler=wrong)
        assert server.requests.count("tools/call") == 0
