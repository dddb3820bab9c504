"""`TasksExtension`: a plain `mcp.Client` finishes task answers by itself, in process and over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Literal

import anyio
import mcp
import mcp_types as types
import pytest
from attrs import evolve
from mcp.client import ClientRequestContext
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CallToolResult, TextContent

from mcptasks import (
    TaskCancelledError,
    TaskConnectionError,
    TaskError,
    TaskFailedError,
    TaskInputRequiredError,
    TaskNotFoundError,
    TaskProtocolError,
    TasksExtension,
)
from mcptasks.testing import (
    Cancelled,
    Complete,
    Drop,
    Fault,
    ForgetTask,
    Garbage,
    HttpBody,
    HttpStatus,
    NeedInput,
    ProtocolFailure,
    RawResult,
    RpcError,
    ServerTask,
    TaskServer,
    ToolFailure,
    elicit,
)
from tests.helpers.support import LIMIT, POLLED, QUICK, http, legacy_only, make_server, virtual_clock
from tests.helpers.worlds import sdk_http

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

EXTENSION = "io.modelcontextprotocol/tasks"
Way = Literal["in-process", "http"]

FAULTS: dict[str, Fault] = {
    "503": HttpStatus(503),
    "429": HttpStatus(429, retry_after="0"),
    "bad-json": HttpBody(),
}
"""Faults that the SDK's HTTP transport reports; by a reset it is ended altogether."""


OVER: dict[str, tuple[Complete | ToolFailure | ProtocolFailure | Cancelled, str]] = {
    "completed": (Complete({"n": 1}), "completed"),
    "tool-error": (ToolFailure("out of paper"), "completed"),
    "failed": (ProtocolFailure(-32011, "no such file", {"path": "/x"}), "failed"),
    "cancelled": (Cancelled("not today"), "cancelled"),
}


@pytest.fixture
def server() -> TaskServer:
    """A server of 2026-07-28 with the tool `work`, which waits to be steered. It does not push, so that polls matter;
    test_extension_engine.py has pushes."""
    return make_server("modern", **POLLED)


@pytest.fixture(params=["in-process", "http"])
def way(request: pytest.FixtureRequest) -> Way:
    """How the server is reached."""
    chosen: Way = request.param
    return chosen


@asynccontextmanager
async def connected(
    server: TaskServer, way: Way, *extensions: TasksExtension, limit: float = LIMIT, **options: Any
) -> AsyncGenerator[mcp.Client]:
    """The SDK's own client, with the extension."""
    with ExitStack() as serving, anyio.fail_after(limit):
        target: Any = serving.enter_context(http(server)) if way == "http" else server
        async with mcp.Client(target, extensions=list(extensions or [TasksExtension(QUICK)]), **options) as client:
            yield client


async def finish(
    client: mcp.Client, server: TaskServer, steer: Callable[[ServerTask], object], **options: Any
) -> tuple[CallToolResult, ServerTask]:
    """A call of `work` whose task a test steers once it was looked at: the call's result, and the server's handle."""
    results: list[CallToolResult] = []
    failures: list[TaskError | mcp.MCPError] = []
    steered: list[ServerTask] = []

    async def control() -> None:
        steered.append(await server.next_task())
        await server.requests.wait_for("tasks/get")
        steer(steered[0])

    async with anyio.create_task_group() as group:
        group.start_soon(control)
        try:
            results.append(await client.call_tool("work", **options))
        except (TaskError, mcp.MCPError) as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return results[0], steered[0]


def texts(result: CallToolResult) -> list[str]:
    """The texts in a result."""
    return [block.text for block in result.content if isinstance(block, TextContent)]


# --- how a task ends ----------------------------------------------------------------------------------------------


async def test_result(server: TaskServer, way: Way) -> None:
    """`call_tool` returns what the task came to, as the tool's own result, and calls the tool once."""
    async with connected(server, way) as client:
        result, steered = await finish(
            client, server, lambda steered: steered.complete({"n": 1}), arguments={"x": [1, "two"]}
        )
    assert type(result) is CallToolResult
    assert not result.is_error
    assert result.structured_content == {"n": 1}
    assert steered.arguments == {"x": [1, "two"]}
    assert server.requests.count("tools/call") == 1
    assert all(asked.params["taskId"] == steered.task_id for asked in server.requests.of("tasks/get"))


async def test_result_after_changes(server: TaskServer, way: Way) -> None:
    """A task that is long at work is looked at until it is over."""
    results: list[CallToolResult] = []

    async def control() -> None:
        steered = await server.next_task()
        for n in range(1, 4):
            steered.set_working(f"step {n}")
            await server.requests.wait_for("tasks/get", 2 * n)
            assert not results
        steered.complete("done")

    async with connected(server, way) as client, anyio.create_task_group() as group:
        group.start_soon(control)
        results.append(await client.call_tool("work"))
    assert texts(results[0]) == ["done"]


async def test_a_task_that_is_born_done(server: TaskServer, way: Way) -> None:
    """A task that is over when it is first looked at gives its result like any other."""
    server.add_tool("quick", [Complete({"n": 2})])
    async with connected(server, way) as client:
        assert (await client.call_tool("quick")).structured_content == {"n": 2}


async def test_tool_error(server: TaskServer, way: Way) -> None:
    """A tool that reports an error is a result with `is_error`, as `mcp.Client` has it for plain calls."""
    async with connected(server, way) as client:
        result, _ = await finish(client, server, lambda steered: steered.fail("out of paper"))
    assert result.is_error
    assert texts(result) == ["out of paper"]


async def test_failed(server: TaskServer, way: Way) -> None:
    """A task whose request failed is a `TaskFailedError` with the server's code, words and data."""
    async with connected(server, way) as client:
        with pytest.raises(TaskFailedError, match=r"^no such file$") as caught:
            await finish(client, server, lambda steered: steered.fail("no such file", code=-32011, data={"path": "/x"}))
    assert (caught.value.code, caught.value.data) == (-32011, {"path": "/x"})
    assert_named(caught.value, server)


async def test_cancelled(server: TaskServer, way: Way) -> None:
    """A task that was cancelled is a `TaskCancelledError`."""
    async with connected(server, way) as client:
        with pytest.raises(TaskCancelledError) as caught:
            await finish(client, server, lambda steered: steered.cancelled("not today"))
    assert_named(caught.value, server)


async def test_input_required(server: TaskServer, way: Way) -> None:
    """A task that asks is a `TaskInputRequiredError` with the open requests; the task stays as it is."""
    asked = {"name": elicit("Who are you?"), "age": elicit("How old?")}
    async with connected(server, way) as client:
        with pytest.raises(TaskInputRequiredError, match="age") as caught:
            await finish(client, server, lambda steered: steered.need_input(asked))
        assert set(caught.value.input_requests) == {"name", "age"}
        assert caught.value.input_requests["name"]["params"]["message"] == "Who are you?"
        assert_named(caught.value, server)
        (task_id,) = server.tasks
        assert server.tasks[task_id].status == "input_required"
        assert server.requests.count("tasks/cancel") == 0


async def test_input_that_the_callbacks_give(server: TaskServer, way: Way) -> None:
    """What a task asks is put to the client's own callbacks, once, in several rounds; the answers reach the task."""
    asked: list[str] = []

    async def elicitation(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"value": context.request_id})

    server.options = evolve(server.options, answers_shown_again=2)
    first, second = NeedInput({"a": elicit("One?"), "b": elicit("Two?")}), NeedInput({"c": elicit("Three?")})
    server.add_tool("work", [first, second, Complete("done")])
    async with connected(server, way, elicitation_callback=elicitation) as client:
        result = await client.call_tool("work")
    ((_, steered),) = server.tasks.items()
    assert not result.is_error
    assert sorted(asked) == ["One?", "Three?", "Two?"]
    assert sorted(map(sorted, steered.received)) == [["a"], ["b"], ["c"]]
    assert steered.answers["a"] == {"action": "accept", "content": {"value": "a"}}


async def test_input_that_breaks_its_form(server: TaskServer, way: Way) -> None:
    """An answer of a callback gets the form's defaults; one that breaks the form is an error before it is sent."""

    async def elicitation(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={} if params.message == "Age?" else {"value": 7})

    age = elicit("Age?", {"value": {"type": "integer", "default": 7}})
    server.add_tool("work", [NeedInput({"age": age}), NeedInput({"name": elicit("Name?")})])
    async with connected(server, way, elicitation_callback=elicitation) as client:
        with pytest.raises(ValueError, match="'value' of the answer must be a text"):
            await client.call_tool("work")
    ((_, steered),) = server.tasks.items()
    assert steered.answers == {"age": {"action": "accept", "content": {"value": 7}}}


async def test_a_result_that_is_none(server: TaskServer, way: Way) -> None:
    """A task that ends with something that is no tool result is a `TaskProtocolError` that names the task."""
    async with connected(server, way) as client:
        with pytest.raises(TaskProtocolError, match="tools/call") as caught:
            await finish(client, server, lambda steered: steered.complete(RawResult({"content": 7})))
    assert_named(caught.value, server)


def assert_named(error: TaskError, server: TaskServer) -> None:
    """The error's reference names the server's one task."""
    assert error.reference is not None
    assert [error.reference.task_id] == list(server.tasks)
    assert (error.reference.kind, error.reference.name, error.reference.era) == ("tool", "work", "2026-07-28")


@pytest.mark.parametrize("end", OVER)
async def test_a_task_that_is_born_over(server: TaskServer, way: Way, end: str) -> None:
    """A task that the creating answer calls over already ends as it ended: a result is no cancellation."""
    step, status = OVER[end]
    server.add_tool("work", [step])
    server.faults.add("tools/call", Garbage(change={"status": status}))
    outcome: str
    async with connected(server, way) as client:
        try:
            result = await client.call_tool("work")
        except TaskError as error:
            outcome = type(error).__name__
            assert_named(error, server)
        else:
            outcome = "tool-error" if result.is_error else "completed"
    assert outcome == {"failed": "TaskFailedError", "cancelled": "TaskCancelledError"}.get(end, end)


async def test_a_task_that_is_born_asking(server: TaskServer, way: Way) -> None:
    """A task that asks from the start is a `TaskInputRequiredError` with the open requests, which are asked for."""
    asked = {"name": elicit("Who are you?"), "age": elicit("How old?")}
    server.add_tool("work", born_input_required=asked)
    async with connected(server, way) as client:
        with pytest.raises(TaskInputRequiredError, match="age") as caught:
            await client.call_tool("work")
    assert set(caught.value.input_requests) == {"name", "age"}
    assert_named(caught.value, server)


# --- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_on_a_look(server: TaskServer, fault: str) -> None:
    """One fault on a look at the task costs nothing: it is looked at again, and the tool called once."""
    async with connected(server, "http") as client:
        rule = server.faults.add("tasks/get", FAULTS[fault])
        result, _ = await finish(client, server, lambda steered: steered.complete({"n": 1}))
    assert result.structured_content == {"n": 1}
    assert rule.fired == 1
    assert server.requests.count("tools/call") == 1


async def test_retry_after_an_error_of_the_server(server: TaskServer, way: Way) -> None:
    """An internal error of the server in answer to a look is got over as well, in process too."""
    async with connected(server, way) as client:
        rule = server.faults.add("tasks/get", RpcError(), times=2)
        result, _ = await finish(client, server, lambda steered: steered.complete({"n": 1}))
    assert result.structured_content == {"n": 1}
    assert rule.fired == 2


@virtual_clock()
async def test_a_fault_for_ever(server: TaskServer) -> None:
    """Looks that fail for ever end in an error with the server's words that names the task, after few of them."""
    async with connected(server, "in-process", limit=600) as client:
        server.faults.add("tasks/get", RpcError(message="out of order"), times=None)
        with pytest.raises(TaskConnectionError, match="out of order") as caught:
            await finish(client, server, lambda steered: steered.complete())
    assert_named(caught.value, server)
    assert server.requests.count("tasks/get") <= 20


async def test_a_task_that_is_forgotten(server: TaskServer, way: Way) -> None:
    """A task that the server forgot is a `TaskNotFoundError` that names it, after few looks."""
    async with connected(server, way) as client:
        server.faults.add("tasks/get", ForgetTask())
        with pytest.raises(TaskNotFoundError) as caught:
            await finish(client, server, lambda steered: steered.set_working())
    asked = server.requests.of("tasks/get")
    assert len(asked) <= 5
    assert caught.value.reference is not None
    assert {caught.value.reference.task_id} == {each.params["taskId"] for each in asked}


async def test_an_abandoned_call(server: TaskServer, way: Way) -> None:
    """A call that is cancelled asks the server to cancel the task."""
    async with connected(server, way) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "work")
            await server.requests.wait_for("tasks/get")
            group.cancel_scope.cancel()
        assert [task.status for task in server.tasks.values()] == ["cancelled"]


@pytest.mark.parametrize("spoiled", [Garbage(drop=("status",)), Garbage(change={"taskId": "another"})], ids=str)
async def test_nonsense_once(server: TaskServer, way: Way, spoiled: Garbage) -> None:
    """One look that is answered with nonsense is repeated."""
    async with connected(server, way) as client:
        rule = server.faults.add("tasks/get", spoiled)
        result, _ = await finish(client, server, lambda steered: steered.complete({"n": 1}))
    assert result.structured_content == {"n": 1}
    assert rule.fired == 1


async def test_nonsense_for_ever(server: TaskServer, way: Way) -> None:
    """Nonsense for ever is a `TaskProtocolError` that names the task, after few looks, and never a result."""
    async with connected(server, way) as client:
        server.faults.add("tasks/get", Garbage(drop=("status",)), times=None)
        with pytest.raises(TaskProtocolError) as caught:
            await finish(client, server, lambda steered: steered.set_working())
    assert_named(caught.value, server)
    assert server.requests.count("tasks/get") <= 5


@virtual_clock()
async def test_a_look_that_is_never_answered(server: TaskServer) -> None:
    """A look that is never answered is given up and repeated; the call does not hang."""
    async with connected(server, "in-process", limit=120) as client:
        rule = server.faults.add("tasks/get", Drop())
        result, _ = await finish(client, server, lambda steered: steered.complete({"n": 1}))
    assert result.structured_content == {"n": 1}
    assert rule.fired == 1


@virtual_clock()
async def test_a_calls_timeout_holds_for_looks(server: TaskServer) -> None:
    """The call's own limit for a request holds for each look."""
    async with connected(server, "in-process", limit=20) as client:
        server.faults.add("tasks/get", Drop())
        result, _ = await finish(client, server, lambda steered: steered.complete({"n": 1}), read_timeout_seconds=1.0)
    assert result.structured_content == {"n": 1}


# --- what else ----------------------------------------------------------------------------------------------------


async def test_a_plain_tool(server: TaskServer, way: Way) -> None:
    """A tool that is no task is not touched: its result, and no request about tasks."""
    server.add_tool("plain", support="none", result={"n": 3})
    async with connected(server, way) as client:
        assert (await client.call_tool("plain")).structured_content == {"n": 3}
        with pytest.raises(mcp.MCPError, match="Unknown tool"):
            await client.call_tool("nothing")
    assert not server.tasks
    assert server.requests.count("tasks/get") == 0


async def test_it_is_advertised(server: TaskServer, way: Way) -> None:
    """Each request says that the client knows tasks, which servers go by; without the extension none does."""
    server.add_tool("quick", [Complete()])
    async with connected(server, way) as client:
        await client.call_tool("quick")
    for method in ("tools/call", "tasks/get"):
        declared = server.requests.of(method)[0].params["_meta"][CLIENT_CAPABILITIES_META_KEY]
        assert declared["extensions"] == {EXTENSION: {}}
    assert TasksExtension.identifier == EXTENSION

    bare = make_server("modern")
    bare.add_tool("quick", [Complete({"n": 1})])
    async with mcp.Client(bare) as plain:
        assert (await plain.call_tool("quick")).structured_content == {"n": 1}
    assert not bare.tasks


@sdk_http
@legacy_only
async def test_other_connections(era: Literal["legacy"], way: Way) -> None:
    """On a connection of 2025-11-25 the extension does nothing: tools that may be tasks are called plainly."""
    server = make_server(era)
    server.add_tool("quick", [Complete({"n": 1})])
    async with connected(server, "http") if way == "http" else legacy_in_process(server) as client:
        assert client.protocol_version == "2025-11-25"
        assert (await client.call_tool("quick")).structured_content == {"n": 1}
    assert not server.tasks


@asynccontextmanager
async def legacy_in_process(server: TaskServer) -> AsyncGenerator[mcp.Client]:
    """The same over the streams of the older protocol."""
    with anyio.fail_after(LIMIT):
        async with mcp.Client(server, mode="legacy", extensions=[TasksExtension(QUICK)]) as client:
            yield client


async def test_many_calls_on_one_client(server: TaskServer, way: Way) -> None:
    """Calls at the same time on one client, and one extension for two clients, each get their own result."""
    extension = TasksExtension(QUICK)
    server.add_tool("echo", lambda arguments: [Complete(dict(arguments), after=0.01)])
    results: dict[tuple[int, int], Any] = {}

    async def call(client: mcp.Client, place: tuple[int, int]) -> None:
        results[place] = (await client.call_tool("echo", {"at": list(place)})).structured_content

    async with (
        connected(server, way, extension) as one,
        connected(server, way, extension) as two,
        anyio.create_task_group() as group,
    ):
        for n in range(10):
            group.start_soon(call, one, (1, n))
            group.start_soon(call, two, (2, n))
    assert results == {(k, n): {"at": [k, n]} for k in (1, 2) for n in range(10)}
