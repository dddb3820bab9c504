"""Calls that may create a task: what is sent, and what comes back, whatever the server supports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

from mcptasks import TaskConnectionError, TaskError, TaskFailedError, TaskTimeoutError, TtlIgnoredWarning
from mcptasks.testing import (
    Complete,
    Drop,
    Fault,
    Garbage,
    HttpBody,
    HttpStatus,
    RpcError,
    TaskServer,
)
from tests.helpers.support import (
    Era,
    Recorder,
    begin,
    call_tool,
    connected,
    http,
    legacy_only,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

KINDS: dict[str, tuple[str, str]] = {
    "tool": ("tools/call", "work"),
    "resource": ("resources/read", "file:///x"),
    "prompt": ("prompts/get", "ask"),
}
each_kind = pytest.mark.parametrize("kind", KINDS)
task_or_not = pytest.mark.parametrize("task", [True, False], ids=["task", "plain"])


@pytest.fixture
def full(server: TaskServer) -> TaskServer:
    """A server with a tool, a resource and a prompt; all wait to be steered."""
    server.add_resource("file:///x")
    server.add_prompt("ask")
    return server


async def call(client: Any, kind: str, **options: Any) -> Any:
    """Call the one of that kind."""
    method = {"tool": "call_tool", "resource": "read_resource", "prompt": "get_prompt"}[kind]
    return await getattr(client, method)(KINDS[kind][1], **options)


def text_of(kind: str, value: Any) -> str:
    """What the server was told to complete with."""
    match kind:
        case "tool":
            text = value.data
        case "resource":
            text = value[0].text
        case _:
            text = value.messages[0].content.text
    assert isinstance(text, str)
    return text


# --- what is sent, and who makes a task of it ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("era", "kind"), [("modern", "tool"), ("legacy", "tool"), ("legacy", "resource"), ("legacy", "prompt")]
)
async def test_in_the_background(full: TaskServer, kind: str) -> None:
    """`task=True` gives a handle at once where the server makes a task, and the value through it."""
    async with connected(full) as client:
        task = await call(client, kind, task=True)
        steered = await full.next_task()
        assert (task.kind, task.name, task.returned_immediately) == (kind, KINDS[kind][1], False)
        steered.complete("the value")
        assert text_of(kind, await task) == "the value"
        assert full.requests.count(KINDS[kind][0]) == 1


async def value_of(answer: Any, task: bool) -> Any:
    """The value, of a handle too."""
    return await answer if task else answer


@each_kind
@task_or_not
async def test_a_server_without_tasks(era: Era, kind: str, task: bool) -> None:
    """On a server without tasks everything works all the same; a handle says that there is no task there."""
    server = make_server(era, tasks=False)
    server.add_tool("work", result="the value")
    server.add_resource("file:///x", result="the value")
    server.add_prompt("ask", result="the value")
    async with connected(server) as client:
        with pytest.warns(TtlIgnoredWarning, match="the server has no tasks"):
            answer = await call(client, kind, task=task, ttl=60)
        assert text_of(kind, await value_of(answer, task)) == "the value"
        sent = server.requests.of(KINDS[kind][0])
        assert [("task" in request.params) for request in sent] == [False]
        if not task:
            return
        assert answer.returned_immediately
        assert answer.done
        assert (
            answer.last_status.status == (await answer.status()).status == (await answer.wait()).status == "completed"
        )
        await answer.cancel()
        assert [status.status async for status in answer.updates()] == ["completed"]
        told = Recorder()
        answer.on_status_change(told)
        async with answer:
            assert text_of(kind, await answer.result(timeout=0)) == "the value"
        await told.until_over()
        await settle()
        assert [status.status for status in told.statuses] == ["completed"]
        assert not [request for request in server.requests if request.method.startswith("tasks/")]
        assert client.task_support.tools is False


@legacy_only
@task_or_not
@pytest.mark.parametrize(
    ("support", "sent_with_task"),
    [("required", {True, False}), ("optional", {True}), ("forbidden", set[bool]()), ("none", set[bool]())],
)
async def test_what_a_tool_allows(server: TaskServer, support: Any, task: bool, sent_with_task: set[bool]) -> None:
    """The `task` field is sent where the tool allows and the program wants it, or the tool demands it."""
    server.add_tool("tool", [Complete("the value")], support=support)
    async with connected(server) as client:
        answer = await call_tool(client, "tool", task=task)
        if task:
            assert answer.returned_immediately is (support in ("forbidden", "none"))
        assert (await value_of(answer, task)).data == "the value"
        (sent,) = server.requests.of("tools/call")
        assert ("task" in sent.params) is (task in sent_with_task)
        assert not any(key.startswith("mcptasks") for key in sent.params.get("_meta", {}))


async def test_required_is_driven_unseen(server: TaskServer) -> None:
    """A tool that has to be a task is driven to its end by a plain call, in either era."""
    server.add_tool("must", support="required")
    async with connected(server) as client, anyio.create_task_group() as calls:
        values: list[object] = []
        over = anyio.Event()

        async def plainly() -> None:
            values.append((await client.call_tool("must")).data)
            over.set()

        calls.start_soon(plainly)
        steered = await server.next_task()
        steered.set_working("half")
        steered.complete([1, 2])
        await over.wait()
        assert values == [[1, 2]]


@modern_only
@task_or_not
async def test_the_server_decides(server: TaskServer, task: bool) -> None:
    """On 2026-07-28 nothing is asked for: the request says that this client knows tasks, and the server decides."""
    server.add_tool("tool", [Complete("the value", after=0.02)])
    async with connected(server) as client:
        answer = await call_tool(client, "tool", task=task)
        (sent,) = server.requests.of("tools/call")
        assert "task" not in sent.params
        capabilities = sent.params["_meta"]["io.modelcontextprotocol/clientCapabilities"]
        assert "io.modelcontextprotocol/tasks" in capabilities["extensions"]
        assert (await value_of(answer, task)).data == "the value"
        assert server.requests.count("tools/list") == 0


@modern_only
@pytest.mark.parametrize("kind", ["resource", "prompt"])
@task_or_not
async def test_tasks_for_other_kinds_are_nonsense(full: TaskServer, kind: str, task: bool) -> None:
    """A task in answer to a resource or a prompt is an invalid answer on 2026-07-28."""
    created = {"resultType": "task", "taskId": "t", "status": "working", "ttlMs": None}
    full.add_resource("file:///x", result="x")
    full.add_prompt("ask", result="x")
    full.faults.add(KINDS[kind][0], Garbage(replace=created))
    async with connected(full) as client:
        with pytest.raises(TaskError, match=r"(?i)sense|answer|task"):
            await value_of(await call(client, kind, task=task), task)
        assert full.requests.count(KINDS[kind][0]) == 1


@pytest.mark.parametrize("ttl", [90, 90.0, timedelta(seconds=90)])
@legacy_only
async def test_ttl(server: TaskServer, ttl: Any) -> None:
    """`ttl` is seconds or a timedelta, and milliseconds on the wire; the reference knows the time."""
    async with connected(server) as client:
        task, _ = await begin(client, server, ttl=ttl)
        (sent,) = server.requests.of("tools/call")
        assert sent.params["task"] == {"ttl": 90_000}
        assert task.last_status is not None
        assert task.last_status.ttl == timedelta(seconds=90)
        assert task.reference.expires_at is not None
        plain, _ = await begin(client, server)
        assert server.requests.of("tools/call")[1].params["task"] == {}
        assert plain.reference.expires_at is None


@each_kind
@task_or_not
async def test_meta(era: Era, kind: str, task: bool) -> None:
    """`meta` reaches the server with the request, beside what the protocol puts there, and is not changed."""
    server = make_server(era)
    server.add_tool("work", result="x")
    server.add_resource("file:///x", result="x")
    server.add_prompt("ask", result="x")
    meta = {"example.com/trace": {"id": 7}}
    async with connected(server) as client:
        await value_of(await call(client, kind, task=task, meta=meta), task)
        (sent,) = server.requests.of(KINDS[kind][0])
        assert sent.params["_meta"]["example.com/trace"] == {"id": 7}
        assert ("task" in sent.params) is (task and era == "legacy")
    assert meta == {"example.com/trace": {"id": 7}}


async def test_arguments(server: TaskServer) -> None:
    """Arguments arrive as they were given, and the caller's mapping is not changed."""
    arguments: dict[str, Any] = {"a": [1, {"b": None}], "task": "mine", "_meta": 1}
    async with connected(server) as client:
        _, steered = await begin(client, server, arguments=arguments)
        assert steered.arguments == arguments == {"a": [1, {"b": None}], "task": "mine", "_meta": 1}


@legacy_only
async def test_immediate_response(server: TaskServer, era: Era) -> None:
    """The server's hint for a model is on the handle, and None where there is none."""
    server.add_tool("hint", immediate_response="I have begun.")
    async with connected(server) as client:
        assert (await client.call_tool("hint", task=True)).immediate_response == "I have begun."
        assert (await begin(client, server))[0].immediate_response is None


@legacy_only
@each_kind
async def test_creating_answers_of_fastmcp_2(era: Era, kind: str) -> None:
    """The form that fastmcp 2.14 gives its creating answers works like the standard one."""
    server = make_server(era, creation="fastmcp2", result_mode="refuse")
    server.add_resource("file:///x")
    server.add_prompt("ask")
    async with connected(server) as client:
        task = await call(client, kind, task=True)
        steered = await server.next_task()
        assert (task.task_id, task.returned_immediately) == (steered.task_id, False)
        steered.complete("the value")
        assert text_of(kind, await task) == "the value"
        if kind == "tool":
            server.add_tool("never", result="at once", support="forbidden")
            assert (await (await client.call_tool("never", task=True))).data == "at once"


# --- errors and limits --------------------------------------------------------------------------------------------


@each_kind
@task_or_not
async def test_unknown_names(full: TaskServer, kind: str, task: bool) -> None:
    """What the server does not have is its own error, with its code, from the call or from its handle."""
    async with connected(full) as client:
        method = {"tool": "call_tool", "resource": "read_resource", "prompt": "get_prompt"}[kind]
        with pytest.raises(TaskFailedError, match=f"Unknown {kind}") as caught:
            await value_of(await getattr(client, method)("nowhere:x", task=task), task)
        assert caught.value.code == -32602
        assert full.requests.count(KINDS[kind][0]) == 1


@virtual_clock()
async def test_the_timeout_of_a_creating_call(server: TaskServer) -> None:
    """With `task=True` the timeout bounds the creating call, which is not repeated."""
    server.faults.add("tools/call", Drop(), times=None)
    async with connected(server) as client:
        for task in (True, False):
            server.requests.clear()
            with pytest.raises(TaskTimeoutError):
                await call_tool(client, "work", task=task, timeout=0.5)
            assert server.requests.count("tools/call") == 1


@virtual_clock()
async def test_the_client_timeout_is_for_requests_only(server: TaskServer) -> None:
    """`Client(timeout=...)` bounds each request, never the work."""
    async with connected(server, limit=100, timeout=1.0) as client:
        task, steered = await begin(client, server)
        with anyio.move_on_after(1.5):
            await task
        steered.complete("long after")
        assert (await task).data == "long after"
        server.faults.add("tools/call", Drop())
        with pytest.raises((TaskTimeoutError, TaskConnectionError), match="may"):
            await client.call_tool("work", task=True)


HTML = HttpBody("<html>maintenance</html>", "text/html")


@legacy_only
@pytest.mark.parametrize("fault", [HTML, HttpStatus(400), HttpStatus(403)], ids=["html", "400", "403"])
async def test_a_tool_list_that_fails_makes_no_plain_call(era: Era, fault: Fault) -> None:
    """Where the tool list cannot be had the creating call fails unsent or is made as a task, never as a plain call."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url) as client:
            rule = server.faults.add("tools/list", fault)
            try:
                task = await client.call_tool("work", task=True)
            except TaskError:
                assert server.requests.count("tools/call") == 0
            else:
                assert not task.returned_immediately
            assert rule.fired == 1


@modern_only
@pytest.mark.parametrize("fault", [RpcError(), HttpStatus(503)], ids=["rpc", "503"])
async def test_a_plain_result_is_not_lost_to_the_tool_list(era: Era, fault: Fault) -> None:
    """The result of a plain call is delivered though the tool list fails that the SDK asks for after it."""
    server = make_server(era)
    server.add_tool("plain", support="none", result={"n": 1})
    with http(server) as url:
        async with connected(url) as client:
            server.faults.add("tools/list", fault)
            assert (await client.call_tool("plain")).data == {"n": 1}
    assert server.requests.count("tools/call") == 1
