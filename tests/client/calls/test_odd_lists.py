"""One bad entry in a list: it costs only itself, and the log names it."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from mcptasks import TaskProtocolError
from mcptasks.testing import ABSENT, Complete, Garbage, TaskServer
from tests.helpers.support import (
    Era,
    begin,
    call_tool,
    connected,
    http,
    legacy_only,
    make_server,
    modern_only,
    virtual_clock,
)
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

SECRET = "S3CRET"
GOOD: dict[str, Any] = {
    "tools": {"name": "good", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "optional"}},
    "resources": {"name": "good", "uri": "file:///good"},
    "resourceTemplates": {"name": "good", "uriTemplate": "file:///{x}"},
    "prompts": {"name": "good"},
}
METHODS = {
    "tools": "tools/list",
    "resources": "resources/list",
    "resourceTemplates": "resources/templates/list",
    "prompts": "prompts/list",
}
each_list = pytest.mark.parametrize("kind", METHODS)


def serve(server: TaskServer, kind: str, page: dict[str, Any]) -> None:
    """Have the server answer with this page from now on."""
    server.faults.clear()
    server.faults.add(METHODS[kind], Garbage(replace=page), times=None)


async def listed(client: Any, kind: str) -> list[Any]:
    """What the client's method for that list returns."""
    name = {"resourceTemplates": "list_resource_templates"}.get(kind, f"list_{kind}")
    found: list[Any] = await getattr(client, name)()
    return found


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the program's log was told by the client."""
    ours = [record for record in caplog.records if record.name.startswith("mcptasks")]
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


ODD_ENTRIES: list[tuple[Any, str]] = [
    ({"name": "bad", "title": {SECRET: SECRET}}, "'bad' (title: "),
    ({"title": SECRET}, "number 2 ("),
    ({"name": ["bad"], "title": SECRET}, "number 2 ("),
    ({}, "number 2 ("),
    (None, "number 2 (null, not an object)"),
    (SECRET, "number 2 (a string, not an object)"),
    ([SECRET], "number 2 (an array, not an object)"),
    ({"name": "\x1b[2J" + "x" * 10_000, "title": 5}, "'\\x1b[2Jxxx"),
]


@each_list
async def test_one_bad_entry(server: TaskServer, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A bad entry is left out, and named in one short warning without its values; the others are there."""
    async with connected(server) as client:
        for odd, named in ODD_ENTRIES:
            more: Any = {"inputSchema": {"type": "object"}}
            entry = cast("Any", {**more, **odd} if isinstance(odd, dict) and kind == "tools" else odd)
            serve(server, kind, {kind: [GOOD[kind], entry, {**GOOD[kind], "name": "also good"}]})
            assert [entry.name for entry in await listed(client, kind)] == ["good", "also good"]
            (words,) = warnings(caplog)
            assert words.startswith(f"{METHODS[kind]}: left out what makes no sense: ")
            assert named in words
            assert SECRET not in words
            assert "\x1b" not in words
            assert len(words) < 500
            caplog.clear()


@each_list
async def test_bad_entries_of_many_pages(server: TaskServer, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the pages are, a call of the list warns once, and names the first few."""
    for number in range(3):
        page = {kind: [GOOD[kind], *[{"name": f"bad-{number}-{entry}", "title": 5} for entry in range(4)]]}
        following = {"nextCursor": str(number)} if number < 2 else {}
        server.faults.add(METHODS[kind], Garbage(replace={**page, **following}))
    async with connected(server) as client:
        assert [entry.name for entry in await listed(client, kind)] == ["good"] * 3
    (words,) = warnings(caplog)
    assert "'bad-0-0'" in words
    assert words.endswith("; and 7 more")


ODD_FRAMES: list[dict[str, Any]] = [
    {"_meta": SECRET},
    {"_meta": {"mcptasks/odd": {"entries": [], "fault": SECRET}}},
    {"_meta": {"mcptasks/odd": SECRET}},
    {"nextCursor": None},
    {"ttlMs": SECRET},
    {"ttlMs": -5, "cacheScope": 5},
    {"ttlMs": 10**400},
    {"resultType": None},
    {"more": {SECRET: None}},
]


@each_list
async def test_odd_parts_beside_the_list(server: TaskServer, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """What stands beside a list and makes no sense costs nothing of it."""
    async with connected(server) as client:
        for frame in ODD_FRAMES:
            serve(server, kind, {kind: [GOOD[kind]], **frame})
            assert [entry.name for entry in await listed(client, kind)] == ["good"], frame
            assert not warnings(caplog)


@each_list
async def test_an_odd_cursor(server: TaskServer, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A cursor that is no string ends the list, and the log says that there may be more."""
    serve(server, kind, {kind: [GOOD[kind]], "nextCursor": 7})
    async with connected(server) as client:
        assert len(await listed(client, kind)) == 1
    (words,) = warnings(caplog)
    assert "what comes after this page" in words


NO_LISTS: list[tuple[Any, str]] = [
    (None, "null, not an array"),
    (SECRET, "a string, not an array"),
    ({SECRET: 1}, "an object, not an array"),
    ([5] * 2000, "more than 1000 entries do not fit"),
    (ABSENT, "missing"),
]


@virtual_clock()
@each_list
async def test_no_list(server: TaskServer, kind: str) -> None:
    """Without a list there is nothing to give: the error says what is wrong, in one line without values."""
    async with connected(server) as client:
        for value, words in NO_LISTS:
            serve(server, kind, {} if value is ABSENT else {kind: value})
            with pytest.raises(TaskProtocolError) as caught:
                await listed(client, kind)
            assert str(caught.value) == f"{METHODS[kind]}: {kind}: {words}"


@pytest.mark.parametrize("way", ["streams", "http"])
@pytest.mark.parametrize("task", [False, True])
async def test_a_bad_neighbour(server: TaskServer, way: str, task: bool) -> None:
    """A tool can be called, plainly or as a task, whatever nonsense its neighbours in the list are."""
    server.add_tool("good", result=1)
    serve(server, "tools", {"tools": [None, {"name": "neighbour", "inputSchema": {}}, GOOD["tools"], {"name": 5}]})
    if way == "streams":
        await calls(server, server, task)
        return
    with http(server) as url:
        await calls(url, server, task)


async def calls(target: Any, server: TaskServer, task: bool) -> None:
    """Call the tool "good", and look at how it was called."""
    async with connected(target) as client:
        came: Any = await call_tool(client, "good", task=task)
        assert (await came if task else came).data == 1
        assert not task or not came.returned_immediately
        (sent,) = server.requests.of("tools/call")
        assert ("task" in sent.params) == (task and server.era == "legacy")


@legacy_only
@pytest.mark.parametrize("support", ["optional", "required", "forbidden", "sometimes", None, 5])
async def test_the_called_tool_itself_is_malformed(server: TaskServer, support: Any) -> None:
    """Of a malformed entry it is still read whether the tool can be a task, and whether its value is wrapped."""
    schema = {"type": 5, "x-fastmcp-wrap-result": True}
    entry = {"name": "work", "inputSchema": {}, "outputSchema": schema, "execution": {"taskSupport": support}}
    serve(server, "tools", {"tools": [entry]})
    async with connected(server) as client:
        task = await client.call_tool("work", task=True) if support in ("optional", "required") else None
        if task is None:
            server.add_tool("work", [Complete([7])], wrap_result=False)
            assert (await client.call_tool("work")).data == [7]
        else:
            (await server.next_task()).complete([7])
            assert (await task).data == [7]
        (sent,) = server.requests.of("tools/call")
        assert ("task" in sent.params) == (support in ("optional", "required"))


@modern_only
async def test_parameters_in_headers(server: TaskServer) -> None:
    """A tool whose parameters go into HTTP headers too gets them, whatever its neighbours in the list are."""
    schema = {"type": "object", "properties": {"city": {"type": "string", "x-mcp-header": "City"}}}
    server.add_tool("good", result=1, input_schema=schema)
    serve(server, "tools", {"tools": [{"name": "bad"}, {"name": "good", "inputSchema": schema}]})
    with http(server) as url:
        async with connected(url) as client:
            assert len(await client.list_tools()) == 1
            assert (await client.call_tool("good", {"city": "Oslo"})).data == 1
    (sent,) = server.requests.of("tools/call")
    assert sent.headers["mcp-param-city"] == "Oslo"


@legacy_only
@pytest.mark.parametrize(
    ("odd", "named"),
    [
        ({"status": "paused"}, "(status is a string; it must be one of: "),
        ({"status": [SECRET]}, "(status is an array; "),
        ({"taskId": None}, "number 2 (taskId is null; "),
        (None, "number 2 (the task is null, not an object)"),
    ],
)
async def test_one_bad_task(era: Era, odd: Any, named: str, caplog: pytest.LogCaptureFixture) -> None:
    """A task with an unknown status, or without an id, is left out and named; the others are there."""
    server = make_server(era)
    async with connected(server) as client:
        first, steered = await begin(client, server)
        entry = {"taskId": first.task_id, "status": "working"}
        spoilt = {**entry, "taskId": "another"} | cast("Any", odd) if isinstance(odd, dict) else odd
        server.faults.add("tasks/list", Garbage(replace={"tasks": [entry, spoilt, SECRET]}))
        async with connected(server) as other:
            assert [task.task_id for task in await other.list_tasks()] == [first.task_id]
        (words,) = warnings(caplog)
        assert words.startswith("tasks/list: left out what makes no sense: ")
        assert named in words
        assert SECRET not in words
        steered.complete(1)
