"""What programs hand in, on the wire: it arrives exactly, or it is refused before anything is sent; and nobody else's
call notices."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp_types import ErrorData

from mcptasks import (
    CreateMessageResult,
    ElicitResult,
    Task,
    TaskNotFoundError,
    TaskReference,
    ToolResult,
)
from mcptasks._core.sendable import sendable
from mcptasks.testing import TaskServer, elicit, sample
from tests.helpers import blocking as portal
from tests.helpers.command_line import stand_ins, warm
from tests.helpers.samples import json_values
from tests.helpers.stand_ins import StandIns
from tests.helpers.support import ERAS, LIMIT, Era, asked, begin, connected, http, legacy_only, make_server
from tests.helpers.worlds import async_only, both_worlds

__all__ = ["stand_ins", "warm"]

pytestmark = both_worlds

HALF = "\ud83d"
Way = Literal["object", "http", "stdio"]


class Level(IntEnum):
    """Whole numbers by name."""

    HIGH = 3


class Scalar:
    """Like a number of numpy's."""

    shape: tuple[int, ...] = ()

    def item(self) -> float:
        """The value."""
        return 1.5


SCRIPT = """
    import sys
    from typing import Any
    import anyio
    from mcptasks.testing import TaskServer, ToolContext, serve_stdio

    server = TaskServer(era=sys.argv[1])
    worked = []

    @server.tool(support="none")
    async def hold(ctx: ToolContext) -> str:
        while not worked:
            await anyio.sleep(0.01)
        return "held"

    @server.tool(support="none")
    async def work(ctx: ToolContext, value: Any) -> Any:
        worked.append(value)
        return {"value": value}

    serve_stdio(server)
"""


def holding_server(era: Era) -> TaskServer:
    """A server with a plain tool that answers at once, and one that waits to be steered."""
    server = TaskServer(era=era)
    server.add_tool("work", result=1, support="none")
    server.add_tool("hold", [], support="none")
    return server


@asynccontextmanager
async def innocent(client: Any, server: TaskServer | None) -> AsyncGenerator[None]:
    """A plain call of somebody else's is under way all the time, and gets its result after all."""
    results: list[ToolResult] = []

    async def hold() -> None:
        results.append(await client.call_tool("hold"))

    async with anyio.create_task_group() as calls:
        calls.start_soon(hold)
        steered = None if server is None else await server.next_call()
        yield
        if steered is not None:
            steered.complete("held")
    assert [result.data for result in results] == ["held"]


# --- arguments ----------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "surrogate": ({"q": [f"secret{HALF}"]}, ValueError, r'^arguments\["q"\]\[0\] holds a lone surrogate'),
    "key": ({"q": {HALF: 1}}, ValueError, r'^arguments\["q"\] has a key with a lone surrogate'),
    "nan": ({"x": {"y": math.nan}}, ValueError, r'^arguments\["x"\]\["y"\] must be a finite number'),
    "digits": ({"x": 10**5000}, ValueError, r'^arguments\["x"\] has more digits'),
    "odd key": ({"x": {1: 2}}, TypeError, r'^arguments\["x"\] has a key of type int'),
    "bytes": ({"x": b"secret"}, TypeError, r'^arguments\["x"\] is of type bytes'),
    "generator": ({"x": (n for n in [1])}, TypeError, r'^arguments\["x"\] is of type generator'),
}
ODD: dict[str, Any] = {
    "big": [2**70, -(10**300), 1e308, 5e-324, -0.0],
    "odd\0": "\0\x1b\r\n\u2028\x85\ufeff\U0010ffff",
    "": None,
    "kinds": (Level.HIGH, date(2026, 1, 2), Scalar(), Path("/x"), {"a": [None, {}]}),
}
ODD_SENT: dict[str, Any] = {
    **{key: ODD[key] for key in ("big", "odd\0", "")},
    "kinds": [3, "2026-01-02", 1.5, "/x", {"a": [None, {}]}],
}


async def try_arguments(client: Any, server: TaskServer | None, got: Callable[[ToolResult], Any]) -> None:
    """Send what can be sent and what cannot, beside an innocent call."""
    async with innocent(client, server):
        for arguments, error, words in REFUSED.values():
            before = 0 if server is None else server.requests.count("tools/call")
            with pytest.raises(error, match=words) as caught:
                await client.call_tool("work", arguments)
            assert "secret" not in str(caught.value)
            assert server is None or server.requests.count("tools/call") == before
        assert got(await client.call_tool("work", {"value": ODD})) == {"value": ODD_SENT}


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["object", "http"])
async def test_arguments(era: Era, way: Way) -> None:
    """Arguments arrive exactly or are refused by place, and a call under way at the same time is not disturbed."""
    server = holding_server(era)

    def got(_result: ToolResult) -> Any:
        return server.requests.of("tools/call")[-1].params["arguments"]

    with http(server) as url:
        async with connected(url if way == "http" else server) as client:
            await try_arguments(client, server, got)


@pytest.mark.anyio
@pytest.mark.slow
async def test_arguments_over_stdio(era: Era, tmp_path: Path, stand_ins: StandIns) -> None:
    """The same over stdio; the process stays the same."""
    script = stand_ins.script(tmp_path / "server.py", SCRIPT)
    async with connected([*script, era], limit=180, reconnect_timeout=60.0) as client:
        await try_arguments(client, None, lambda result: result.structured_content)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("backend", portal.BACKENDS)
@async_only("one event loop")
def test_any_arguments(era: Era, backend: portal.Backend) -> None:
    """Over HTTP any JSON arrives as it is, and any value arrives as what is sent for it, or is refused by place; in all
    that time a call that is under way is not disturbed. With the blocking client, whose connection lasts meanwhile."""
    server = holding_server(era)
    odd = st.sampled_from([math.nan, HALF, b"x", {1: 2}, Level.HIGH, date(2026, 1, 2), Scalar(), object()])
    values = st.recursive(json_values | odd, lambda inner: st.lists(inner, max_size=3), max_leaves=4)

    with http(server) as url, portal.connected(url, backend) as client:
        held = portal.Aside(lambda: client.call_tool("hold"))
        steered = server.next_call_blocking(LIMIT)

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.dictionaries(st.text(st.characters(), max_size=5), values, max_size=3))
        def try_one(arguments: dict[str, Any]) -> None:
            count = server.requests.count("tools/call")
            try:
                expected: Any = sendable(arguments, "arguments")
            except (TypeError, ValueError) as refusal:
                with pytest.raises(type(refusal), match=r"^arguments"):
                    client.call_tool("work", arguments)
                assert server.requests.count("tools/call") == count
            else:
                client.call_tool("work", arguments)
                sent = server.requests.of("tools/call")[-1].params["arguments"]
                assert sent == expected
                assert repr(sent) == repr(expected)

        try_one()
        steered.complete("held")
        assert held.value().data == "held"


@pytest.mark.anyio
async def test_a_snapshot(server: TaskServer) -> None:
    """What a program changes in its arguments and metadata after the call has begun changes nothing that is sent."""
    async with connected(server) as client, anyio.create_task_group() as calls:
        arguments: dict[str, Any] = {"a": [{"b": 1}]}
        meta: dict[str, Any] = {"m": [1]}
        # The first call of a connection asks for the tools beforehand (2025-11-25), which gives time for changes.
        calls.start_soon(lambda: client.call_tool("work", arguments, task=True, meta=meta))
        await anyio.lowlevel.checkpoint()
        while not server.requests.count("tools/list") and not server.requests.count("tools/call"):
            await anyio.lowlevel.checkpoint()
        arguments["a"][0]["b"] = 2
        arguments["c"] = 3
        meta["m"].append(2)
        await server.next_task()
        (sent,) = server.requests.of("tools/call")
        assert sent.params["arguments"] == {"a": [{"b": 1}]}
        assert sent.params["_meta"]["m"] == [1]


# --- map ----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_map(era: Era) -> None:
    """An item of a map that cannot be sent is an error in its turn that names the item; it is not sent."""
    server = make_server(era)
    server.add_tool("quick", result=1, support="none")
    async with connected(server) as client:
        results = client.map("quick", [{"n": 1}, {"n": [HALF]}], limit=1)
        assert (await anext(results)).data == 1
        with pytest.raises(ValueError, match=r'^arguments\[1\]\["n"\]\[0\] holds a lone surrogate'):
            await anext(results)
        assert server.requests.count("tools/call") == 1


@pytest.mark.anyio
async def test_map_takes_items_as_they_are(era: Era) -> None:
    """An input may use one mapping for all its items: each call gets what the item held when it was taken."""
    server = make_server(era)
    server.add_tool("quick", result=1, support="none")

    def items() -> Any:
        item: dict[str, Any] = {"n": [0]}
        for n in range(5):
            item["n"][0] = n
            yield item

    async with connected(server) as client:
        assert len([result async for result in client.map("quick", items())]) == 5
        sent = [request.params["arguments"]["n"][0] for request in server.requests.of("tools/call")]
        assert sorted(sent) == [0, 1, 2, 3, 4]


# --- names, URIs, metadata, prompts -------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_names_and_metadata(server: TaskServer) -> None:
    """Names, URIs, ids, keys and metadata that cannot be sent are refused by name before anything is sent."""
    async with connected(server) as client:
        task, _ = await begin(client, server)
        before = asked(server)
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "name": lambda: client.call_tool(HALF),
            "uri": lambda: client.read_resource(f"file:///{HALF}"),
            'meta["a"]': lambda: client.call_tool("work", meta={"a": HALF}),
            "meta": lambda: client.get_prompt("ask", meta={HALF: 1}),
            'arguments["q"]': lambda: client.get_prompt("ask", {"q": HALF}),
            "key": lambda: task.answer(HALF, {}),
        }
        for name, call in calls.items():
            with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words differ
                await call()
            assert str(caught.value).startswith(f"{name} ")
            assert "lone surrogate" in str(caught.value)
        loose: Any = client
        with pytest.raises(TypeError, match=r'^arguments\["n"\] must be a string, not int'):
            await loose.get_prompt("ask", {"n": 5})
        with pytest.raises(ValueError, match=r"^name holds a lone surrogate"):
            client.map(HALF, [])
        with pytest.raises(ValueError, match=r'^meta\["a"\] holds a lone surrogate'):
            client.map("work", [], meta={"a": HALF})
        with pytest.raises(ValueError, match=r'^meta\["progressToken"\] is written by the client itself'):
            await client.call_tool("work", meta={"progressToken": 1})
        assert asked(server) == before


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["object", "http"])
async def test_odd_names_arrive(era: Era, way: Way) -> None:
    """Names and ids outside ASCII and with controls arrive, in HTTP headers too; the server says that it knows none."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url if way == "http" else server) as client:
            for odd in ("naïve 😀", "a\r\nb\0", "=?base64?eA==?=", " ", '{"a": 1}'):
                with pytest.raises(TaskNotFoundError):
                    await client.task(odd).status()
                assert server.requests.of("tasks/get")[-1].task_id == odd


# --- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("request_", "answer", "error", "words"),
    [
        (elicit("Who?"), {"value": HALF}, ValueError, r'^answer\["value"\] holds a lone surrogate'),
        (elicit("Who?"), {"value": b"x"}, TypeError, r'^answer\["value"\] is of type bytes'),
        (
            elicit("Who?"),
            ElicitResult(action="accept", content={"value": 10**5000}),
            ValueError,
            r'^answer\["value"\] has more digits',
        ),
        (sample("?"), HALF, ValueError, r'^answer\["content"\]\["text"\] holds a lone surrogate'),
        (
            sample("?"),
            CreateMessageResult.model_validate(
                {
                    "role": "assistant",
                    "model": "m",
                    "content": {"type": "text", "text": "yes"},
                    "_meta": {"a": [math.nan]},
                }
            ),
            ValueError,
            r'^answer\["_meta"\]\["a"\]\[0\] must be a finite number',
        ),
    ],
    ids=["text", "bytes", "digits", "sampling", "meta"],
)
async def test_answers(request_: Any, answer: Any, error: type[Exception], words: str) -> None:
    """An answer by hand, and one of a handler, that cannot be sent is refused by place. The question stays open, and
    the right answer arrives."""
    server = make_server("modern")
    right = {"value": "Ada"} if "requestedSchema" in request_["params"] else "Ada"

    def handler(_context: Any, _params: Any) -> Any:
        return answer

    both: dict[str, Any] = {"elicitation_handler": handler, "sampling_handler": handler}
    async with connected(server, **both) as client, connected(server) as by_hand:
        task, steered = await begin(client, server)
        steered.need_input({"k": request_})
        with pytest.raises(error, match=words):
            await task.result()
        other = by_hand.resume(task.reference)
        with pytest.raises(error, match=words):
            await other.answer("k", answer)
        assert server.requests.count("tasks/update") == 0
        await other.answer("k", right)
        steered.complete("done")
        assert (await other.result()).data == "done"


@pytest.mark.anyio
@legacy_only
async def test_refusals_of_handlers(era: Era) -> None:
    """An error that a handler gives to the server is checked too: what cannot be sent in it fails the handler, and not
    the connection."""
    server = make_server(era)

    def handler(_context: Any, _params: Any) -> Any:
        return ErrorData(code=-1, message="no", data={"a": HALF})

    async with connected(server, elicitation_handler=handler) as client:
        task, steered = await begin(client, server)
        steered.need_input({"k": elicit("Who?")})
        with pytest.raises(ValueError, match=r'^answer\["data"\]\["a"\] holds a lone surrogate'):
            await task.result()


# --- references ---------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_servers_id_that_looks_like_ours(era: Era) -> None:
    """A server may begin its tasks' ids as this package begins those of answers at once: they are resumed all the same,
    by id and by reference. An answer at once is `TaskNotFoundError`, in another process too."""
    server = make_server(era)
    server.add_tool("quick", support="none", result=1)
    task_id = "immediate:5f8b3c0d9e7a4b2c8d1e6f0a3b5c7d9e"
    async with connected(server) as client:
        quick: Task[ToolResult] = await client.call_tool("quick", task=True)
        assert quick.task_id.startswith("immediate:")
        await quick.wait()
        text, before = quick.reference.to_json(), asked(server)
        for reference in (quick.reference, text, quick.reference.to_dict(), {"task_id": quick.task_id}):
            with pytest.raises(TaskNotFoundError, match="at once") as caught:
                client.resume(reference)
            assert caught.value.reference is not None
        assert asked(server) == before
        mine = TaskReference(task_id=task_id, kind="tool", name="work")
        for handle in (client.task(task_id), client.resume(mine), client.resume(mine.to_json())):
            with pytest.raises(TaskNotFoundError):
                await handle.status()
        assert {request.task_id for request in server.requests.of("tasks/get")} == {task_id}


@pytest.mark.anyio
async def test_id_or_reference(server: TaskServer) -> None:
    """An id in place of a reference, and the reverse, is refused with a word on what takes it."""
    async with connected(server) as client:
        task, _ = await begin(client, server)
        loose: Any = client
        with pytest.raises(ValueError, match=r"use resume\(reference\)"):
            client.task(task.reference.to_json())
        for wrong in (task.reference, task.reference.to_dict()):
            with pytest.raises(TypeError, match=r"use resume\(reference\)"):
                loose.task(wrong)
        with pytest.raises(ValueError, match=r"for an id alone `task\(task_id\)`"):
            client.resume(task.task_id)
        with pytest.raises(ValueError, match=r"a handle has its reference as task\.reference"):
            loose.resume(task)
        with pytest.raises(ValueError, match=r"^not a task reference: task_id holds a lone surrogate"):
            client.resume(TaskReference(task_id=HALF))
        with pytest.raises(ValueError, match=r"^task_id holds a lone surrogate"):
            client.task(HALF)
