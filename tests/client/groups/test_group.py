"""`Group`: several servers as one. Down ones keep no other from working, and are used when they are back."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcptasks import (
    Group,
    InputContext,
    TaskConnectionError,
    TaskFailedError,
    TaskNotFoundError,
    TaskReference,
    TaskStateError,
)
from mcptasks.testing import Drop, Garbage, TaskServer, serve_http
from tests.helpers.grouping import free_port, grouped, make, named_server
from tests.helpers.support import LIMIT, Era, http, legacy_only, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


@pytest.fixture(params=["objects", "http"])
def way(request: pytest.FixtureRequest) -> str:
    """How the servers are reached."""
    return str(request.param)


@asynccontextmanager
async def two(era: Era, way: str, **options: Any) -> AsyncGenerator[tuple[Group, TaskServer, TaskServer]]:
    """A group of the servers `a` and `b`."""
    a, b = named_server(era, "a"), named_server(era, "b")
    with ExitStack() as serving:
        servers: dict[str, Any] = {"a": a, "b": b}
        if way == "http":
            urls = {name: serving.enter_context(http(server)) for name, server in servers.items()}
            servers = {"mcpServers": {name: {"url": url} for name, url in urls.items()}}
        async with grouped(servers, **options) as group:
            yield group, a, b


async def test_calls_go_to_the_server_that_is_named(era: Era, way: str) -> None:
    """Tools and prompts go by their prefix, resources by `server`; lists have the same names."""
    async with two(era, way) as (group, a, b):
        assert group.servers == ("a", "b")
        assert [tool.name for tool in await group.list_tools()] == [
            f"{name}_{tool}" for name in "ab" for tool in ("who", "work", "ask")
        ]
        assert [prompt.name for prompt in await group.list_prompts()] == ["a_who", "b_who"]
        assert {name: len(found) for name, found in (await group.list_resources()).items()} == {"a": 1, "b": 1}
        task = await group.call_tool("b_work", task=True)
        (await b.next_task()).complete(3)
        assert (await task.result()).data == 3
        assert task.task_id in [each.task_id for each in await group.list_tasks()]
        assert (await group.call_tool("a_who")).data == "a"
        assert (await group.call_tool("b_who")).data == "b"
        (part,) = await group.read_resource("demo://who", server="b")
        assert getattr(part, "text", None) == "b"
        assert (await group.get_prompt("a_who")).messages
        assert [each.data async for each in group.map("b_who", [{}, {}])] == ["b", "b"]
        assert not [request for request in a.requests if request.task_id == task.task_id]
        assert not group.down


async def test_resource_templates(era: Era) -> None:
    """Templates of all servers come by the servers' names, as resources do."""
    async with two(era, "objects") as (group, _, b):
        template = {"name": "log", "uriTemplate": "file:///{day}"}
        b.faults.add("resources/templates/list", Garbage(replace={"resourceTemplates": [template]}))
        found = await group.list_resource_templates()
        assert list(found) == ["a", "b"]
        assert [[each.uri_template for each in templates] for templates in found.values()] == [[], ["file:///{day}"]]


async def test_stats(era: Era) -> None:
    """Numbers come for each server whose client is open."""
    up = named_server(era, "up")
    with free_port() as port:
        async with grouped({"up": up, "down": f"http://127.0.0.1:{port}/mcp"}) as group:
            await group.call_tool("up_who")
            numbers = group.stats()
            assert {name: each.calls for name, each in numbers.items()} == {"up": 1}
    with pytest.raises(TaskConnectionError, match="closed"):
        group.stats()


async def test_handlers_and_contexts(era: Era) -> None:
    """The group's handlers answer for each of its servers."""
    seen: list[tuple[str, Any]] = []

    def answer(context: InputContext, params: Any) -> Any:
        seen.append((params.message, context.context))
        return {"value": "Ada"}

    async with two(era, "objects", elicitation_handler=answer) as (group, _, _):
        assert (await group.call_tool("a_ask", context=1)).data == "a"
        assert (await group.call_tool("b_ask", context=2)).data == "b"
    assert seen == [("a asks", 1), ("b asks", 2)]


async def test_resume_finds_the_server(era: Era, way: str) -> None:
    """By the reference's endpoint, in whatever form the reference comes."""
    async with two(era, way) as (group, _, b):
        task = await group.call_tool("b_work", task=True)
        handle = await b.next_task()
        for form in (task.reference, task.reference.to_json(), task.reference.to_dict()):
            resumed = await group.resume(form)
            assert resumed.task_id == task.task_id
        handle.complete("done")
        assert (await resumed.result()).data == "done"
        for endpoint in ("https://elsewhere.example/mcp", None):
            with pytest.raises(TaskNotFoundError, match=r"and the group has a \(.*\), b \(") as caught:
                await group.resume(TaskReference(task_id="x", endpoint=endpoint))
            assert caught.value.reference is not None
        with pytest.raises(ValueError, match="no server 'c' in the group; there are: a, b"):
            await group.resume(task.reference, server="c")


async def test_two_entries_of_one_server(era: Era) -> None:
    """An endpoint that two servers share does not say which of them is meant; `server` does."""
    server = named_server(era, "both")
    async with grouped({"a": server, "b": server}) as group:
        task = await group.call_tool("a_work", task=True)
        with pytest.raises(ValueError, match="a, b have the same endpoint; say with server="):
            await group.resume(task.reference)
        assert (await group.resume(task.reference, server="b")).task_id == task.task_id


async def test_a_server_that_is_down(era: Era) -> None:
    """The others work. What needs the server says its name, and it is used as soon as it is up."""
    up, late = named_server(era, "up"), named_server(era, "late")
    with http(up) as url, free_port() as port:
        servers = {"mcpServers": {"late": {"url": f"http://127.0.0.1:{port}/mcp"}, "up": {"url": url}}}
        async with grouped(servers) as group:
            assert list(group.down) == ["late"]
            assert "late (down)" in repr(group)
            assert (await group.call_tool("up_who")).data == "up"
            assert [tool.name for tool in await group.list_tools()] == ["up_who", "up_work", "up_ask"]
            with pytest.raises(TaskConnectionError, match=r"^server 'late': "):
                await group.call_tool("late_who")
            with pytest.raises(TaskConnectionError, match=r"^server 'late': "):
                [_ async for _ in group.map("late_who", [{}])]
            with serve_http(late, port=port):
                assert [each.data async for each in group.map("late_who", [{}])] == ["late"]
                assert (await group.call_tool("late_who")).data == "late"
                assert len(await group.list_tools()) == 6
                assert not group.down


async def test_a_server_that_goes(era: Era) -> None:
    """A server that was open and is lost is left out of lists, and comes back."""
    up, gone = named_server(era, "up"), named_server(era, "gone")
    with ExitStack() as serving:
        url = serving.enter_context(http(up))
        port = serving.enter_context(free_port())
        running = ExitStack()
        running.enter_context(serve_http(gone, port=port))
        servers = {"up": url, "gone": f"http://127.0.0.1:{port}/mcp"}
        async with grouped(servers, reconnect_timeout=6.0) as group:
            assert len(await group.list_tools()) == 6
            running.close()
            assert [tool.name for tool in await group.list_tools()] == ["up_who", "up_work", "up_ask"]
            assert "server 'gone': " in str(group.down["gone"])
            with serve_http(gone, port=port):
                while len(await group.list_tools()) < 6:  # Noticing that takes a moment, by the client's own pauses.
                    assert list(group.down) == ["gone"]
                assert not group.down


async def test_all_servers_down(era: Era) -> None:
    """Opening says of each server why it is down."""
    with ExitStack() as ports:
        servers = {name: f"http://127.0.0.1:{ports.enter_context(free_port())}/mcp" for name in "ab"}
        group = make(servers)
        with pytest.raises(
            TaskConnectionError, match=r"no server of the group can be reached: server 'a': .*; server 'b': "
        ):
            await group.open()
    with pytest.raises(TaskConnectionError, match="closed"):
        await group.list_tools()


async def test_errors_of_a_server_name_it(era: Era) -> None:
    """An error of the server's own keeps its class, and has a note; in lists the message names the server."""
    async with two(era, "objects") as (group, a, b):
        with pytest.raises(TaskFailedError) as caught:
            await group.call_tool("b_missing")
        assert caught.value.__notes__ == ["at the server 'b' of the group"]
        with pytest.raises(ValueError, match=r"has the tool 'c_who'; names are: a_\.\.\., b_\.\.\."):
            await group.call_tool("c_who")
        with pytest.raises(ValueError, match="no server of the group has the prompt 'who'"):
            await group.get_prompt("who")
        assert a.requests.count("tools/call") == 0
        assert b.requests.count("tools/call") <= 1


async def test_recover(era: Era, tmp_path: Path) -> None:
    """The tasks that an earlier group has left in the store come back, each at its server."""
    a, b = named_server(era, "a"), named_server(era, "b")
    store = tmp_path / "tasks.db"
    with http(a) as one, http(b) as other:
        servers = {"a": one, "b": other}
        async with grouped(servers, store=store) as group:
            first = await group.call_tool("a_work", task=True)
            second = await group.call_tool("b_work", task=True)
        for server in (a, b):
            (await server.next_task()).complete(server.name)
        async with grouped(servers, store=store) as group:
            found = await group.recover()
            assert {task.task_id for task in found.tasks} == {first.task_id, second.task_id}
            assert {(await task.result()).data for task in found.tasks} == {"a", "b"}


async def test_life_of_a_group(era: Era) -> None:
    """A group is opened once, used while it is open, and closed as often as one likes."""
    server = named_server(era, "a")
    with anyio.fail_after(LIMIT):
        group = make({"a": server})
        assert repr(group) == "<Group of a new>"
        with pytest.raises(TaskConnectionError, match="not open"):
            await group.call_tool("a_who")
        await group.open()
        assert repr(group) == "<Group of a open>"
        with pytest.raises(TaskStateError, match="opened once"):
            await group.open()
        assert (await group.call_tool("a_who")).data == "a"
        await group.close()
        await group.close()
        with pytest.raises(TaskConnectionError, match="closed"):
            await group.call_tool("a_who")
        assert repr(group) == "<Group of a closed>"


@pytest.mark.parametrize(
    ("servers", "options", "error", "words"),
    [
        ({}, {}, ValueError, "a group needs at least one server"),
        ({"mcpServers": {}}, {}, ValueError, "'mcpServers' with at least one entry"),
        (
            "https://example.com/mcp?token=hunter2",
            {},
            TypeError,
            "got a string that does not",
        ),
        (3, {}, TypeError, "a group takes a mapping .*; got an int"),
        ("missing.json", {}, FileNotFoundError, "no such file: 'missing.json'"),
        ({"a": 3}, {}, TypeError, "server 'a': cannot connect to an int"),
        (
            {"mcpServers": {"a": {"url": "x", "command": "y"}}},
            {},
            ValueError,
            "server 'a': expected 'url'",
        ),
        (
            {"git": "https://a.b", "git_hub": "https://b.c"},
            {},
            ValueError,
            "'git_' may belong to server 'git'",
        ),
        ({"a": "https://a.example"}, {"separator": ""}, ValueError, "separator"),
        ({"a": "https://a.example"}, {"open_timeout": 0}, ValueError, "open_timeout"),
        ({"a": "https://a.example"}, {"timeout": -1}, ValueError, "server 'a': timeout"),
    ],
)
async def test_bad_input(servers: Any, options: Any, error: type[Exception], words: str) -> None:
    """What cannot be right is said before anything is opened, by the server's name and without secrets."""
    with pytest.raises(error, match=words) as caught:
        make(servers, **options)
    assert "hunter2" not in str(caught.value)


async def test_another_separator(era: Era, tmp_path: Path) -> None:
    """With another separator one name may begin with another. The configuration may be a file."""
    git, hub = named_server(era, "git"), named_server(era, "hub")
    with http(git) as one, http(hub) as other:
        config = tmp_path / "mcp.json"
        text = json.dumps({"mcpServers": {"git": {"url": one}, "git_hub": {"url": other}}})
        await anyio.Path(config).write_text(text)
        async with grouped(config, separator=".") as group:
            assert (await group.call_tool("git.who")).data == "git"
            assert (await group.call_tool("git_hub.who")).data == "hub"


@legacy_only
@virtual_clock()
async def test_a_server_that_does_not_answer(era: Era) -> None:
    """A server that says nothing counts as down after `open_timeout`, however long the client itself would try."""
    up, silent = named_server(era, "up"), named_server(era, "silent")
    silent.faults.add("initialize", Drop(), times=None)
    with anyio.fail_after(3600):
        async with make({"silent": silent, "up": up}, mode="legacy", reconnect_timeout=None) as group:
            assert (await group.call_tool("up_who")).data == "up"
            assert "server 'silent': in-process:silent has not answered within 30" in str(group.down["silent"])
