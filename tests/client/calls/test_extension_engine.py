"""`TasksExtension` has what a `Client` has: pushes, questions at once, handles, learned polls, a store, repairs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import mcp
import mcp_types as types
import pytest
from mcp.client import ClientRequestContext

from mcptasks import (
    Expectation,
    Patience,
    StoreError,
    Task,
    TaskCancelledError,
    TaskConnectionError,
    TasksExtension,
    TaskStalledError,
)
from mcptasks.store import Store
from mcptasks.testing import Complete, Disconnect, NeedInput, elicit, serve_http
from tests.helpers.pushing import over, push_until_seen, target_of
from tests.helpers.support import LIMIT, LONG_INTERVAL, PUSH_ONLY, QUICK, Recorder, http, make_server, virtual_clock

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@asynccontextmanager
async def connected(
    target: Any, extension: TasksExtension, *, limit: float = LIMIT, **options: Any
) -> AsyncGenerator[mcp.Client]:
    """The SDK's own client, with the extension."""
    with anyio.fail_after(limit):
        async with mcp.Client(target, extensions=[extension], **options) as client:
            yield client


async def call(client: mcp.Client, results: list[Any], arguments: dict[str, Any] | None = None) -> None:
    """Call `work`, and keep the value."""
    results.append((await client.call_tool("work", arguments)).structured_content)


# --- pushes -------------------------------------------------------------------------------------------------------


@over
@pytest.mark.parametrize("clients", [1, 2], ids=["one-client", "shared"])
async def test_pushes(over: str, clients: int) -> None:
    """A change is learned from a push, at once. If several clients share the extension, a push is not believed, since
    it may be of another server: the task is polled."""
    told, results = Recorder(), list[Any]()

    def on_task(task: Task[Any], _arguments: object) -> None:
        task.on_status_change(told)

    extension = TasksExtension(PUSH_ONLY, on_task=on_task)
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    async with target_of(server, over) as target, connected(target, extension) as client:
        for _ in range(1, clients):
            mcp.Client(server, extensions=[extension])
        async with anyio.create_task_group() as group:
            group.start_soon(call, client, results)
            steered = await server.next_task()
            if clients == 1:
                await push_until_seen(steered, told, "pushed")
            else:
                # `push` announces a state that the task is not in, and the task is polled all the same.
                asked = server.requests.count("tasks/get")
                while server.requests.count("tasks/get") == asked:
                    steered.push("working", "pushed")
                    await anyio.sleep(0.01)
            steered.complete({"n": 1})
    assert results == [{"n": 1}]
    assert ("pushed" in told.messages) == (clients == 1)
    assert not extension._lending.engines()


async def test_a_server_without_pushes() -> None:
    """Subscriptions that the server does not have, or does not grant, do no harm."""
    for options in ({"listen": "unsupported"}, {"listen": "no-ids"}):
        server = make_server("modern", push="off", **options)
        server.add_tool("work", [Complete({"n": 1}, after=0.1)])
        async with connected(server, TasksExtension(QUICK)) as client:
            assert (await client.call_tool("work")).structured_content == {"n": 1}


# --- questions ----------------------------------------------------------------------------------------------------


@over
async def test_questions_at_once(over: str) -> None:
    """Questions that a task asks together are put to the client's callbacks together, and so are those of two calls."""
    asked, every = set[str](), anyio.Event()

    async def elicitation(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.add(f"{params.message} {context.request_id}")
        if len(asked) == 3:
            every.set()
        await every.wait()
        return types.ElicitResult(action="accept", content={"value": params.message})

    server = make_server("modern")
    server.add_tool("two", [NeedInput({"a": elicit("One?"), "b": elicit("Two?")}), Complete({"n": 2})])
    server.add_tool("one", [NeedInput({"a": elicit("Three?")}), Complete({"n": 1})])
    async with (
        target_of(server, over) as target,
        connected(target, TasksExtension(QUICK), elicitation_callback=elicitation) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(client.call_tool, "two")
        group.start_soon(client.call_tool, "one")
    assert asked == {"One? a", "Two? b", "Three? a"}
    assert {answer["content"]["value"] for task in server.tasks.values() for answer in task.answers.values()} == {
        "One?",
        "Two?",
        "Three?",
    }


async def test_samples_and_roots() -> None:
    """A task's sampling request and its request for roots go to the client's callbacks, too; one that raises ends the
    call with its exception."""

    async def sampling(context: ClientRequestContext, params: types.CreateMessageRequestParams) -> Any:
        if params.max_tokens > 5:
            raise RuntimeError("no model")
        content = types.TextContent(type="text", text="a poem")
        return types.CreateMessageResult(role="assistant", content=content, model="m")

    async def roots(context: ClientRequestContext) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root.model_validate({"uri": "file:///data"})])

    def sample(tokens: int) -> dict[str, Any]:
        return {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": tokens}}

    server = make_server("modern")
    server.add_tool("good", [NeedInput({"a": sample(5), "b": {"method": "roots/list"}}), Complete("done")])
    server.add_tool("bad", [NeedInput({"a": sample(6)})])
    options: dict[str, Any] = {"sampling_callback": sampling, "list_roots_callback": roots}
    async with connected(server, TasksExtension(QUICK), **options) as client:
        await client.call_tool("good")
        (task,) = server.tasks.values()
        assert task.answers["a"]["content"]["text"] == "a poem"
        assert task.answers["b"] == {"roots": [{"uri": "file:///data"}]}
        with pytest.raises(RuntimeError, match="no model"):
            await client.call_tool("bad")


# --- handles ------------------------------------------------------------------------------------------------------


@over
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_on_task(over: str, is_async: bool) -> None:
    """`on_task` gets a handle that works, and the arguments of its own call, while the call is under way."""
    told = dict[int, tuple[Task[Any], Mapping[str, Any] | None]]()
    both = anyio.Event()

    def on_task(task: Task[Any], arguments: Mapping[str, Any] | None) -> None:
        assert arguments is not None
        told[arguments["n"]] = task, arguments
        if len(told) == 2:
            both.set()

    async def on_task_later(task: Task[Any], arguments: Mapping[str, Any] | None) -> None:
        await anyio.lowlevel.checkpoint()
        on_task(task, arguments)

    server, results = make_server("modern"), list[Any]()
    extension = TasksExtension(QUICK, on_task=on_task_later if is_async else on_task)
    async with (
        target_of(server, over) as target,
        connected(target, extension) as client,
        anyio.create_task_group() as group,
    ):
        for n in (1, 2):
            group.start_soon(call, client, results, {"n": n, "deep": [n]})
        await both.wait()
        for n, (task, arguments) in told.items():
            steered = server.tasks[task.task_id]
            assert arguments == steered.arguments == task.arguments == {"n": n, "deep": [n]}
            assert (task.name, task.reference.endpoint) == ("work", None)
            assert (await task.status()).status == "working"
            steered.complete({"n": n})
            assert (await task.result()).structured_content == {"n": n}
    assert sorted(result["n"] for result in results) == [1, 2]


async def test_a_task_that_its_handle_cancels(caplog: pytest.LogCaptureFixture) -> None:
    """The program may cancel the task by its handle: the call raises `TaskCancelledError`. What `on_task` raises is
    logged, and does no harm."""
    handles: list[Task[Any]] = []

    async def on_task(task: Task[Any], _arguments: object) -> None:
        handles.append(task)
        await task.cancel()
        raise ValueError("of the program's own")

    async with connected(make_server("modern"), TasksExtension(QUICK, on_task=on_task)) as client:
        with pytest.raises(TaskCancelledError):
            await client.call_tool("work")
    assert handles[0].done
    assert "on_task raised" in caplog.text


# --- learned polls ------------------------------------------------------------------------------------------------


@virtual_clock()
async def test_polls_are_learned() -> None:
    """How long a tool takes is remembered from call to call, so later polls come close to its end."""
    expected, took = list[Expectation | None](), list[float]()
    server = make_server("modern", push="off", listen="unsupported", poll_interval_ms=5000)
    server.add_tool("work", [Complete({"n": 1}, after=8.0)])
    extension = TasksExtension(on_task=lambda task, _: expected.append(task.expected))
    async with connected(server, extension, limit=600) as client:
        for _ in range(6):
            begun = anyio.current_time()
            await client.call_tool("work")
            took.append(anyio.current_time() - begun)
    assert expected[0] is None
    assert expected[-1] is not None
    assert 7 < expected[-1].latest.total_seconds() < 11
    assert took[-1] < 9.5


# --- the store ----------------------------------------------------------------------------------------------------


async def test_store(tmp_path: Path) -> None:
    """A task is in the store while its call waits, and then its end is. A `Client` of the same server and store finds
    the tasks that a program has left."""
    server, results = make_server("modern"), list[Any]()
    place = tmp_path / "tasks.db"
    with http(server) as url:
        extension = TasksExtension(QUICK, target=url, store=place)
        store = Store(place)
        async with connected(url, extension) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(call, client, results, {"x": 1})
                steered = await server.next_task()
                await server.requests.wait_for("tasks/get")
                (record,) = await store.tasks()
                assert (record.phase, record.name, record.endpoint) == ("created", "work", url)
                assert record.reference is not None
                assert record.reference.task_id == steered.task_id
                steered.complete({"n": 1})
            (record,) = await store.tasks()
            assert record.phase == "over"
    assert results == [{"n": 1}]


async def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    """If the store is away the call raises `StoreError`, and the task, which nobody would look after, is cancelled."""
    server = make_server("modern")
    (tmp_path / "file").touch()
    with http(server) as url:
        extension = TasksExtension(QUICK, target=url, store=tmp_path / "file" / "tasks.db")
        async with connected(url, extension) as client:
            with pytest.raises(StoreError):
                await client.call_tool("work")
    assert [task.status for task in server.tasks.values()] == ["cancelled"]


# --- repairs ------------------------------------------------------------------------------------------------------


async def test_a_server_that_restarts() -> None:
    """With `target=`, a call outlives a server that is down for a moment, and polls that are cut off."""
    server, results = make_server("modern", push="off", listen="unsupported"), list[Any]()
    serving = serve_http(server)
    rule = server.faults.add("tasks/get", Disconnect())
    with serving as url:
        told: list[Task[Any]] = []
        extension = TasksExtension(QUICK, target=url, on_task=lambda task, _: told.append(task))
        async with connected(url, extension) as client, anyio.create_task_group() as group:
            group.start_soon(call, client, results)
            steered = await server.next_task()
            await server.requests.wait_for("tasks/get", 2)
            await anyio.to_thread.run_sync(serving.stop)
            await anyio.to_thread.run_sync(serving.start)
            steered.complete({"n": 1})
        assert told[0].reference.endpoint == url
    assert results == [{"n": 1}]
    assert rule.fired == 1
    assert server.requests.count("tools/call") == 1


async def test_a_session_that_ends() -> None:
    """Without `target=`, the end of the client's session ends the call soon, with an error that says what to do."""
    server, failures = make_server("modern"), list[TaskConnectionError]()

    async def wait(client: mcp.Client) -> None:
        try:
            await client.call_tool("work")
        except TaskConnectionError as error:
            failures.append(error)

    async with anyio.create_task_group() as group, connected(server, TasksExtension(QUICK)) as client:
        group.start_soon(wait, client)
        await server.requests.wait_for("tasks/get")
    assert "has no target= to go on with" in str(failures[0])
    assert failures[0].reference is not None
    assert failures[0].reference.task_id in server.tasks


# --- bad input ----------------------------------------------------------------------------------------------------


SEVERAL = {"mcpServers": {name: {"url": f"http://{name}.example/mcp"} for name in "ab"}}


def _named(value: dict[str, Any] | type[Exception] | str) -> str:
    """The name of the wrong option, for the id of a test."""
    return next(iter(value)) if isinstance(value, dict) else ""


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"polling": 5}, TypeError, "polling must be a PollingPolicy"),
        ({"store": "tasks.db"}, ValueError, "store= needs target="),
        ({"headers": {"a": "b"}}, ValueError, "headers= has no meaning for TasksExtension without target="),
        ({"auth": "token"}, ValueError, "auth= has no meaning"),
        ({"server": "a"}, ValueError, "server= has no meaning"),
        ({"target": SEVERAL}, ValueError, r"several servers \(a, b\); pick one with server="),
        ({"target": ["python", "server.py"]}, ValueError, "target= must lead to a URL"),
        ({"target": "nonsense"}, TypeError, "cannot connect to a string that is no URL"),
        ({"on_task": 5}, TypeError, "on_task must be callable, got an int"),
        ({"patience": 5}, TypeError, "patience must be a Patience"),
        ({"reconnect_timeout": -1}, ValueError, "reconnect_timeout"),
        ({"telemetry": 5}, TypeError, "telemetry must be"),
    ],
    ids=_named,
)
def test_bad_input(options: dict[str, Any], error: type[Exception], words: str) -> None:
    """An argument that makes no sense is refused when the extension is made."""
    with pytest.raises(error, match=words):
        TasksExtension(**options)


def test_one_of_several_servers() -> None:
    """`server=` picks an entry, as the error for several entries says."""
    extension = TasksExtension(target=SEVERAL, server="b")
    assert extension._own is not None
    assert extension._own.endpoint == "http://b.example/mcp"


@virtual_clock()
async def test_patience() -> None:
    """With `patience=`, a call whose task stalls is given up."""
    extension = TasksExtension(patience=Patience(stalled_after=10, raises=True))
    async with connected(make_server("modern", poll_interval_ms=2000), extension) as client:
        with pytest.raises(TaskStalledError):
            await client.call_tool("work")
