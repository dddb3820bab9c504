"""`Client.as_session()`: what takes a session of the SDK takes this one, and leaves no task running at the server."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import anyio
import mcp
import mcp.client.session as sdk_session
import mcp_types
import pytest

from mcptasks import Client, InputContext, TaskConnectionError, TaskFailedError, TaskTimeoutError
from mcptasks._engine.session.view import TaskSession
from mcptasks.testing import (
    Complete,
    Delay,
    Forgotten,
    NeedInput,
    ProtocolFailure,
    ServerTask,
    TaskServer,
    elicit,
)
from tests.helpers.support import Era, asked, connected, http, legacy_only, make_server, modern_only, virtual_clock

pytestmark = pytest.mark.anyio

INHERITED = {
    "complete",
    "send_ping",
    "send_progress_notification",
    "send_roots_list_changed",
    "set_logging_level",
    "subscribe_resource",
    "unsubscribe_resource",
}
"""The SDK's methods that do nothing but call `send_request` or `send_notification`."""


def text_of(result: mcp_types.CallToolResult) -> str:
    """The text of a result's only block."""
    (block,) = result.content
    assert isinstance(block, mcp_types.TextContent)
    return block.text


# --- the same names, signatures and types -------------------------------------------------------------------------


def own_names(kind: type[Any]) -> set[str]:
    """The public names that a class defines."""
    return {name for name in vars(kind) if not name.startswith("_")}


def test_every_method_is_there() -> None:
    """Each public member of the SDK's session is one of this session, or works through one."""
    ours = {name for kind in TaskSession.__mro__ if kind.__module__.startswith("mcptasks.") for name in own_names(kind)}
    assert own_names(mcp.ClientSession) == ours | INHERITED


@pytest.mark.parametrize("name", sorted(own_names(mcp.ClientSession) - INHERITED))
def test_signatures_are_the_same(name: str) -> None:
    """A method takes the parameters of the SDK's, with the same kinds and defaults. It is async if the SDK's is."""
    ours, theirs = inspect.getattr_static(TaskSession, name), inspect.getattr_static(mcp.ClientSession, name)
    assert isinstance(ours, property) == isinstance(theirs, property)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)
    if not isinstance(ours, property):
        one, other = inspect.signature(ours).parameters.values(), inspect.signature(theirs).parameters.values()
        assert [(p.name, p.kind, p.default) for p in one] == [(p.name, p.kind, p.default) for p in other]


def result_types(kind: type[Any], name: str) -> set[Any]:
    """The types that a method or a property may return, by its annotation."""
    member = inspect.getattr_static(kind, name)
    function = member.fget if isinstance(member, property) else member
    found = get_type_hints(function, {**vars(sdk_session), **vars(sys.modules[function.__module__])})["return"]
    return set(get_args(found)) if get_origin(found) in (Union, UnionType) else {found}


@pytest.mark.parametrize("name", sorted(own_names(mcp.ClientSession) - INHERITED - {"send_request"}))
def test_result_types_are_the_same(name: str) -> None:
    """A method returns a type that the SDK's may return: of a call, the finished result."""
    ours, theirs = result_types(TaskSession, name), result_types(mcp.ClientSession, name)
    assert ours <= theirs
    unfinished = {mcp_types.InputRequiredResult, mcp_types.Result, type(None)}
    assert theirs - ours <= unfinished


async def test_lists(era: Era) -> None:
    """The lists are the SDK's results, with every page of the server in one."""
    server = make_server(era)
    server.add_tool("other")
    server.add_resource("memo://1", result="text")
    server.add_prompt("hello", result="hello")
    async with connected(server) as client:
        session = client.as_session()
        assert isinstance(session, mcp.ClientSession)
        tools = await session.list_tools()
        assert isinstance(tools, mcp_types.ListToolsResult)
        assert ([tool.name for tool in tools.tools], tools.next_cursor) == (["work", "other"], None)
        assert [resource.uri for resource in (await session.list_resources()).resources] == ["memo://1"]
        assert [prompt.name for prompt in (await session.list_prompts()).prompts] == ["hello"]
        assert (await session.list_resource_templates()).resource_templates == []


async def test_a_page_that_is_asked_for(server: TaskServer) -> None:
    """A cursor gets the page of that cursor, as from the SDK's session."""
    async with connected(server) as client:
        session = client.as_session()
        page = mcp_types.PaginatedRequestParams(cursor="after-1")
        for fetch in (
            session.list_tools,
            session.list_resources,
            session.list_resource_templates,
            session.list_prompts,
        ):
            await fetch(params=page)
            # The notification that ends the handshake may come late.
            *_, last = (each for each in server.requests if not each.method.startswith("notifications/"))
            assert last.params["cursor"] == "after-1"


async def test_what_was_negotiated(server: TaskServer, era: Era) -> None:
    """`initialize` and the properties say what the client has negotiated; negotiating anew is refused."""
    async with connected(server) as client:
        session = client.as_session()
        told = await session.initialize()
        assert told.protocol_version == session.protocol_version == client.protocol_version
        assert told.server_info.name == "task-server"
        assert session.server_capabilities == client.server_capabilities
        assert (session.initialize_result is None) == (era == "modern")
        if era == "modern":
            assert (await session.discover()) is session.discover_result
        else:
            with pytest.raises(mcp.MCPError) as caught:
                await session.discover()
            assert caught.value.code == mcp_types.METHOD_NOT_FOUND
        with pytest.raises(Exception, match="the client has negotiated the protocol itself"):
            session.adopt(told)
        with pytest.raises(Exception, match="the client has done that"):
            await session.send_discover("2026-07-28")


async def test_other_requests(server: TaskServer, era: Era) -> None:
    """A request without a method of its own goes over the client's connection."""
    async with connected(server) as client:
        session = client.as_session()
        if era == "legacy":
            assert await session.send_ping() == mcp_types.EmptyResult()
        listed = await session.send_request(mcp_types.ListToolsRequest(), mcp_types.ListToolsResult)
        assert [tool.name for tool in listed.tools] == ["work"]


# --- calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("support", ["optional", "required"])
async def test_a_task_is_driven_to_its_end(era: Era, support: Any) -> None:
    """A call that becomes a task returns the finished result in the SDK's type."""
    server = make_server(era)
    server.add_tool("slow", [Complete({"n": 3})], support=support)
    async with connected(server) as client:
        result = await client.as_session().call_tool("slow", {"duration": 1})
        assert isinstance(result, mcp_types.CallToolResult)
        assert result.structured_content == {"n": 3}
        (task,) = server.tasks.values()
        assert task.arguments == {"duration": 1}


async def test_a_tool_without_tasks(era: Era) -> None:
    """A tool that cannot be a task is called plainly."""
    server = make_server(era)
    server.add_tool("quick", result="at once", support="none")
    async with connected(server) as client:
        assert text_of(await client.as_session().call_tool("quick")) == "at once"
        assert not list(server.tasks)


async def test_a_request_object(server: TaskServer) -> None:
    """`send_request` with a call drives its task as `call_tool` does."""
    server.add_tool("slow", [Complete("done")])
    async with connected(server) as client:
        request = mcp_types.CallToolRequest(params=mcp_types.CallToolRequestParams(name="slow", arguments={}))
        result = await client.as_session().send_request(request, mcp_types.CallToolResult)
        assert text_of(result) == "done"


async def test_resources_and_prompts(server: TaskServer) -> None:
    """A resource and a prompt come as the SDK's results."""
    server.add_resource("memo://1", result="text")
    server.add_prompt("hello", result="good day")
    async with connected(server) as client:
        session = client.as_session()
        read = await session.read_resource("memo://1")
        assert isinstance(read, mcp_types.ReadResourceResult)
        (part,) = read.contents
        assert isinstance(part, mcp_types.TextResourceContents)
        assert part.text == "text"
        prompt = await session.get_prompt("hello", {})
        assert isinstance(prompt, mcp_types.GetPromptResult)
        assert len(prompt.messages) == 1


@legacy_only
async def test_progress(server: TaskServer) -> None:
    """The callback gets numbers as the SDK's does. A 2026-07-28 server reports a task's progress in words only."""
    heard, told = list[Any](), anyio.Event()

    async def callback(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))
        told.set()

    async with connected(server) as client, anyio.create_task_group() as group:
        group.start_soon(client.as_session().call_tool, "work", None, None, callback)
        steered = await server.next_task()
        steered.progress(1, 2, "half")
        await told.wait()
        steered.complete("done")
    assert heard == [(1.0, 2.0, "half")]


def ada(_: InputContext, __: object) -> dict[str, str]:
    """An elicitation handler."""
    return {"name": "Ada"}


async def test_input_requests_are_answered(server: TaskServer) -> None:
    """The client's handlers answer what a task asks."""
    server.add_tool("ask", [NeedInput({"name": elicit("Name?", {"name": {"type": "string"}})}), Complete("thanks")])
    async with connected(server, elicitation_handler=ada) as client:
        assert text_of(await client.as_session().call_tool("ask")) == "thanks"
        (task,) = server.tasks.values()
        assert not task.cancel_requested


# --- errors -------------------------------------------------------------------------------------------------------


async def test_a_tools_error_is_a_result(server: TaskServer) -> None:
    """A tool's own error is a result with `is_error`, as in the SDK."""

    @server.tool()
    async def broken(_: Any) -> str:
        raise ValueError("no such thing")

    async with connected(server) as client, server.running():
        result = await client.as_session().call_tool("broken")
        assert result.is_error
        assert "no such thing" in text_of(result)


async def test_the_servers_error(server: TaskServer) -> None:
    """An error of the server is the SDK's error, with code and data; ours is its cause."""
    server.add_tool("refuse", [ProtocolFailure(-32050, "no", data={"why": 1})])
    async with connected(server) as client:
        with pytest.raises(mcp.MCPError) as caught:
            await client.as_session().call_tool("refuse")
        assert (caught.value.code, caught.value.message, caught.value.data) == (-32050, "no", {"why": 1})
        assert isinstance(caught.value.__cause__, TaskFailedError)


async def test_bad_input(server: TaskServer) -> None:
    """What cannot be sent, or would have no effect, is refused before anything is sent."""
    async with connected(server) as client:
        session = client.as_session()
        before = asked(server)
        with pytest.raises(ValueError, match="read_timeout_seconds must be"):
            await session.call_tool("work", read_timeout_seconds=-1)
        with pytest.raises(ValueError, match="input_responses must be None"):
            await session.call_tool("work", input_responses={})
        with pytest.raises(ValueError, match="request_state must be None"):
            await session.get_prompt("work", request_state="x")
        loose: Any = session
        with pytest.raises(TypeError, match="progress_callback must be callable, got an int"):
            await loose.call_tool("work", progress_callback=3)
        with pytest.raises(TypeError, match="meta must be a mapping"):
            await loose.call_tool("work", meta="x")
        with pytest.raises(TypeError, match="uri must be a string, not NoneType"):
            await loose.read_resource(None)
        assert asked(server) == before


async def test_a_closed_client(server: TaskServer) -> None:
    """A session of a client that is not open cannot be made, and one of a closed client says so."""
    with pytest.raises(TaskConnectionError, match="not open"):
        Client(server).as_session()
    async with connected(server) as client:
        session = client.as_session()
        assert repr(session) == "<session of in-process:task-server>"
    with pytest.raises(mcp.MCPError, match="the client is closed") as caught:
        await session.call_tool("work")
    assert caught.value.code == mcp_types.CONNECTION_CLOSED
    assert repr(session) == "<session of a client that is not open>"


async def test_a_closed_session(server: TaskServer) -> None:
    """A session whose block is over says so, also in its text; the client goes on."""
    async with connected(server) as client:
        async with client.as_session() as session:
            pass
        with pytest.raises(mcp.MCPError, match="the session is closed"):
            await session.list_tools()
        assert repr(session) == "<closed session of in-process:task-server>"
        assert (await client.as_session().list_tools()).tools


# --- nothing is left at the server --------------------------------------------------------------------------------


async def cancelled_scope(session: mcp.ClientSession, server: TaskServer) -> ServerTask:
    """The caller is cancelled."""
    found = list[ServerTask]()
    async with anyio.create_task_group() as group:
        group.start_soon(session.call_tool, "work")
        found.append(await server.next_task())
        group.cancel_scope.cancel()
    return found[0]


async def input_that_nobody_answers(session: mcp.ClientSession, server: TaskServer) -> ServerTask:
    """The task asks, and the client has no handler."""

    async def ask() -> None:
        steered = await server.next_task()
        steered.need_input({"list": {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}})
        found.append(steered)

    found = list[ServerTask]()
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        with pytest.raises(mcp.MCPError, match="waits for input") as caught:
            await session.call_tool("work")
        assert caught.value.code == mcp_types.INVALID_REQUEST
        assert str(caught.value).endswith("the client has no handler for it; the server is asked to cancel the task")
    return found[0]


async def left_session(session: mcp.ClientSession, server: TaskServer) -> ServerTask:
    """The program leaves the session."""

    async def call() -> None:
        with pytest.raises(mcp.MCPError, match="the session is closed"):
            await session.call_tool("work")

    found = list[ServerTask]()
    async with anyio.create_task_group() as group, session:
        group.start_soon(call)
        found.append(await server.next_task())
    with pytest.raises(mcp.MCPError, match="make another with as_session"):
        await session.call_tool("work")
    return found[0]


def is_cancelled(task: ServerTask) -> bool:
    """Whether the server has cancelled a task."""
    return task.status == "cancelled"


Exit = Callable[[mcp.ClientSession, TaskServer], Awaitable[ServerTask]]


@pytest.mark.parametrize("leave", [cancelled_scope, left_session])
@pytest.mark.parametrize("over_http", [False, True], ids=["object", "http"])
async def test_no_task_is_left(server: TaskServer, leave: Exit, over_http: bool) -> None:
    """Whichever way a call ends without a result, the server is asked to cancel its task."""
    with http(server) as url:
        async with connected(url if over_http else server) as client:
            steered = await leave(client.as_session(), server)
            await steered.wait_for(is_cancelled)


@virtual_clock()
@pytest.mark.parametrize("seconds", [0.0, 3.0])
async def test_a_late_answer_leaves_no_task(era: Era, seconds: float) -> None:
    """If the caller is cancelled, and the client closed, while the server takes some seconds to answer the call, the
    server is asked to cancel the task."""
    server = make_server(era)
    server.faults.add("tools/call", Delay(seconds))
    async with connected(server, limit=100) as client, anyio.create_task_group() as group:
        group.start_soon(client.as_session().call_tool, "work")
        await server.requests.wait_for("tools/call")
        group.cancel_scope.cancel()
    assert [task.status for task in server.tasks.values()] == ["cancelled"]


@modern_only
async def test_no_task_is_left_that_asks(era: Era) -> None:
    """A task that asks what nobody here can answer is cancelled, as nobody could answer it later. The error says so."""
    server = make_server(era)
    async with connected(server) as client:
        steered = await input_that_nobody_answers(client.as_session(), server)
        assert steered.status == "cancelled"


async def test_a_task_that_is_forgotten(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """The server is not asked to cancel a task that it does not know."""
    server.add_tool("lost", [Forgotten()])
    async with connected(server) as client:
        with pytest.raises(mcp.MCPError, match="not found"):
            await client.as_session().call_tool("lost")
        assert "tasks/cancel" not in [request.method for request in server.requests]
    assert "could not ask to cancel" not in caplog.text


@virtual_clock()
async def test_a_timeout_leaves_no_task(era: Era) -> None:
    """A timeout is the SDK's, ours is its cause, and the task is cancelled."""
    server = make_server(era)
    async with connected(server, limit=100) as client:
        with pytest.raises(mcp.MCPError) as caught:
            await client.as_session().call_tool("work", read_timeout_seconds=5)
        assert caught.value.code == mcp_types.REQUEST_TIMEOUT
        assert str(caught.value) == "the task is still working; the server is asked to cancel it"
        assert isinstance(caught.value.__cause__, TaskTimeoutError)
        (task,) = server.tasks.values()
        assert task.status == "cancelled"


async def test_the_clients_end_leaves_no_task(server: TaskServer) -> None:
    """A client that is closed while calls are under way cancels their tasks before it disconnects."""

    async def call(session: mcp.ClientSession) -> None:
        with pytest.raises(mcp.MCPError, match="closed") as caught:
            await session.call_tool("work")
        assert caught.value.code == mcp_types.CONNECTION_CLOSED

    steered = list[ServerTask]()
    async with anyio.create_task_group() as group, connected(server) as client:
        for _ in range(3):
            group.start_soon(call, client.as_session())
        steered += [await server.next_task() for _ in range(3)]
    assert [task.status for task in steered] == ["cancelled"] * 3


# --- connections that break ---------------------------------------------------------------------------------------


async def test_a_restart_loses_nothing(server: TaskServer) -> None:
    """The server restarts in the middle of a task: the session is the same, and the result comes."""
    found = list[mcp_types.CallToolResult]()

    async def call(session: mcp.ClientSession) -> None:
        found.append(await session.call_tool("work"))

    with http(server) as url:
        async with connected(url) as client, anyio.create_task_group() as group:
            group.start_soon(call, client.as_session())
            steered = await server.next_task()
            while not len(client._open().handles):  # noqa: ASYNC110 - nobody is told when the creating answer is there
                await anyio.sleep(0.01)
            server.restart()
            steered.complete("done")
        assert text_of(found[0]) == "done"
