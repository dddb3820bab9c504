"""The test server on 2025-11-25: the handshake, `task` fields and `tasks/*`, over streams and over HTTP."""

from __future__ import annotations

from typing import Any

import anyio
import mcp
import pytest
from attrs import evolve

from mcptasks.testing import (
    Complete,
    NeedInput,
    Options,
    Progress,
    ProtocolFailure,
    TaskServer,
    ToolFailure,
    Working,
    elicit,
)
from tests.testing.wire import HALF_READ, JSON, RELATED_TASK, TERMINAL, WireClient, connected, refused

pytestmark = [pytest.mark.anyio, HALF_READ, pytest.mark.parametrize("how", ["process", "http"])]

PUSH = "notifications/tasks/status"


def legacy_server(**options: Any) -> TaskServer:
    """A server of the old era with one tool that waits to be steered."""
    server = TaskServer(era="legacy", options=Options(**options))
    server.add_tool("work")
    return server


async def accept(_method: str, _params: JSON) -> JSON:
    """Answer every form with the same text."""
    return {"action": "accept", "content": {"value": "yes"}}


async def test_handshake_declares_tasks(how: str) -> None:
    """`initialize` declares what `tasks/*` the server has; `server/discover` is refused."""
    server = legacy_server(list_tasks=False)
    server.add_resource("x://r")
    async with connected(server, "legacy", how) as client:
        answer = await client.handshake() if how == "process" else server.requests
        if isinstance(answer, dict):
            assert answer["protocolVersion"] == "2025-11-25"
            tasks: JSON = {"cancel": {}, "requests": {"tools": {"call": {}}}}
            assert answer["capabilities"] == {"tools": {}, "resources": {}, "tasks": tasks}
            assert answer["serverInfo"]["name"] == "task-server"
        assert (await refused(client.request("server/discover"))).error.code == -32601
        assert (await refused(client.request("tasks/list"))).error.code == -32601


async def test_tools_say_how_they_stand_to_tasks(how: str) -> None:
    """`tools/list` carries `execution.taskSupport`, except for tools that say nothing of tasks."""
    server = legacy_server()
    for support in ("required", "forbidden", "none"):
        server.add_tool(support, support=support, result=1)
    async with connected(server, "legacy", how) as client:
        tools = {tool["name"]: tool for tool in (await client.request("tools/list"))["tools"]}
        assert {name: tool.get("execution") for name, tool in tools.items()} == {
            "work": {"taskSupport": "optional"},
            "required": {"taskSupport": "required"},
            "forbidden": {"taskSupport": "forbidden"},
            "none": None,
        }


async def test_required_and_forbidden(how: str) -> None:
    """A required tool without `task`, and a forbidden one with it, are -32601; others ignore or obey the field."""
    server = legacy_server()
    for support in ("required", "forbidden", "none"):
        server.add_tool(support, support=support, result=1)
    async with connected(server, "legacy", how) as client:
        assert (await refused(client.request("tools/call", name="required"))).error.code == -32601
        assert (await refused(client.request("tools/call", name="forbidden", task={}))).error.code == -32601
        calls: list[tuple[str, JSON]] = [("forbidden", {}), ("none", {"task": {}})]
        for name, fields in calls:
            plain = await client.request("tools/call", name=name, **fields)
            assert plain["structuredContent"] == {"result": 1}
        assert (await client.start("required"))["status"] == "working"
        server.options = evolve(server.options, tasks=False)
        assert (await client.request("tools/call", name="none", task={}))["isError"] is False


async def test_a_task_from_creation_to_result(how: str) -> None:
    """A call with `task` becomes a task with the asked-for ttl; `tasks/result` waits and names the task."""
    server = legacy_server(poll_interval_ms=9)
    server.add_tool("hinting", immediate_response="It has begun.")
    async with connected(server, "legacy", how) as client:
        created = await client.start("work", task={"ttl": 60000}, x=1)
        assert (created["status"], created["ttl"], created["pollInterval"]) == ("working", 60000, 9)
        hint = (await client.request("tools/call", name="hinting", task={}))["_meta"]
        assert hint == {"io.modelcontextprotocol/model-immediate-response": "It has begun."}
        task = await server.next_task()
        results: list[JSON] = []

        async def wait() -> None:
            results.append(await client.request("tasks/result", taskId=task.task_id))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await server.requests.wait_for("tasks/result")
            assert results == []
            assert (await client.get(task.task_id))["status"] == "working"
            task.complete({"n": 3})
        (result,) = results
        assert (result["structuredContent"], result["_meta"]) == ({"n": 3}, {RELATED_TASK: {"taskId": task.task_id}})


async def test_ends(how: str) -> None:
    """A tool's own error makes a failed task with a result; a JSON-RPC error comes out of `tasks/result` as such."""
    server = legacy_server()
    server.add_tool("tool-error", [ToolFailure("no luck")])
    server.add_tool("rpc-error", [ProtocolFailure(-32050, "broken", {"a": 1})])
    async with connected(server, "legacy", how) as client:
        first = await client.poll((await client.start("tool-error"))["taskId"])
        assert (first["status"], first["statusMessage"]) == ("failed", "no luck")
        assert (await client.request("tasks/result", taskId=first["taskId"]))["isError"] is True
        second = await client.poll((await client.start("rpc-error"))["taskId"])
        assert second["status"] == "failed"
        error = await refused(client.request("tasks/result", taskId=second["taskId"]))
        assert (error.error.code, error.error.message, error.error.data) == (-32050, "broken", {"a": 1})


async def test_resources_and_prompts_as_tasks(how: str) -> None:
    """`resources/read` and `prompts/get` with `task` become tasks too, with results of their kind."""
    server = legacy_server()
    server.add_resource("x://r", [Complete("text")])
    server.add_prompt("p", [Complete("say")])
    async with connected(server, "legacy", how) as client:
        for method, fields, key in [
            ("resources/read", {"uri": "x://r"}, "contents"),
            ("prompts/get", {"name": "p"}, "messages"),
        ]:
            created = (await client.request(method, task={}, **fields))["task"]
            assert len((await client.request("tasks/result", taskId=created["taskId"]))[key]) == 1
            assert len((await client.request(method, **fields))[key]) == 1


async def test_fastmcp2_form(how: str) -> None:
    """The creating answer can be an ordinary, empty result with the task in `_meta`, as fastmcp 2 has it."""
    server = legacy_server(creation="fastmcp2")
    server.add_tool("forbidden", support="forbidden", result=1)
    server.add_resource("x://r", [Complete("text")])
    async with connected(server, "legacy", how) as client:
        answer = await client.request("tools/call", name="work", task={})
        (task_id,) = server.tasks
        assert answer == {
            "content": [],
            "_meta": {"modelcontextprotocol.io/task": {"taskId": task_id, "status": "working"}},
        }
        assert (await client.request("resources/read", uri="x://r", task={}))["contents"] == []
        plain = await client.request("tools/call", name="forbidden", task={})
        assert (plain["isError"], plain["_meta"]) == (
            True,
            {"modelcontextprotocol.io/task": {"returned_immediately": True}},
        )
        server.tasks[task_id].complete()
        result = await client.request("tasks/result", taskId=task_id)
        assert result["_meta"] == {"modelcontextprotocol.io/related-task": {"taskId": task_id}}


async def test_result_refused_before_the_end(how: str) -> None:
    """`tasks/result` can be refused while the task runs, and on a cancelled one."""
    server = legacy_server(result_mode="refuse")
    async with connected(server, "legacy", how) as client:
        task_id = (await client.start("work"))["taskId"]
        assert (await refused(client.request("tasks/result", taskId=task_id))).error.code == -32602
        await client.request("tasks/cancel", taskId=task_id)
        assert (await refused(client.request("tasks/result", taskId=task_id))).error.code == -32602
        other = (await client.start("work"))["taskId"]
        server.tasks[other].complete(1)
        assert (await client.request("tasks/result", taskId=other))["structuredContent"] == {"result": 1}


async def test_list_in_pages(how: str) -> None:
    """`tasks/list` gives every task once, in pages; a made-up cursor is -32602."""
    server = legacy_server(page_size=2)
    async with connected(server, "legacy", how) as client:
        made = [(await client.start("work"))["taskId"] for _ in range(5)]
        listed: list[str] = []
        cursor: JSON = {}
        while True:
            page = await client.request("tasks/list", **cursor)
            assert len(page["tasks"]) <= 2
            listed += [task["taskId"] for task in page["tasks"]]
            if "nextCursor" not in page:
                break
            cursor = {"cursor": page["nextCursor"]}
        assert listed == made
        assert (await refused(client.request("tasks/list", cursor="made-up"))).error.code == -32602


async def test_cancel(how: str) -> None:
    """`tasks/cancel` returns the cancelled task; at the end it is -32602; it may be ignored or not served."""
    server = legacy_server()
    server.add_tool("stubborn", cancel="ignored")
    async with connected(server, "legacy", how) as client:
        first, second = [(await client.start(name))["taskId"] for name in ("work", "stubborn")]
        assert (await client.request("tasks/cancel", taskId=first))["status"] == "cancelled"
        assert (await refused(client.request("tasks/cancel", taskId=first))).error.code == -32602
        assert (await refused(client.request("tasks/result", taskId=first))).error.code == -32603
        assert (await client.request("tasks/cancel", taskId=second))["status"] == "working"
        assert server.tasks[second].cancel_requested
        server.options = evolve(server.options, cancel="unsupported")
        assert (await refused(client.request("tasks/cancel", taskId=second))).error.code == -32601


async def seen_push(client: WireClient, server: TaskServer, task_id: str) -> None:
    """Push until one arrives: over HTTP, the stream for it may not be open yet."""
    while not client.notifications(PUSH):
        server.tasks[task_id].push()
        await anyio.sleep(0.01)


async def test_status_pushes(how: str) -> None:
    """Every change is pushed with the full task, unless pushes are off."""
    server = legacy_server()
    async with connected(server, "legacy", how) as client:
        task_id = (await client.start("work"))["taskId"]
        await seen_push(client, server, task_id)
        client.notified.clear()
        server.tasks[task_id].set_working("one")
        server.tasks[task_id].complete()
        while {"one", None} - {
            p.get("statusMessage") for p in client.notifications(PUSH) if p["status"] in ("working", *TERMINAL)
        }:
            await client.wait_notified(PUSH, len(client.notified) + 1)
        server.options = evolve(server.options, push="off")
        other = (await client.start("work"))["taskId"]
        server.tasks[other].complete()
        await client.get(other)
        assert other not in {params["taskId"] for params in client.notifications(PUSH)}


async def test_progress_lasts_for_the_task(how: str) -> None:
    """Progress goes to the creating request's token after that request was answered; without a token, nowhere."""
    server = legacy_server()
    async with connected(server, "legacy", how) as client:
        answer = await client.request("tools/call", name="work", task={}, _meta={"progressToken": "tok"})
        task_id = answer["task"]["taskId"]
        await seen_push(client, server, task_id)
        quiet = server.tasks[(await client.start("work"))["taskId"]]
        quiet.apply(Progress(9))
        server.tasks[task_id].progress(1, 2, "half")
        (params,) = await client.wait_notified("notifications/progress")
        assert {**params, "_meta": None} == {
            "progressToken": "tok",
            "progress": 1,
            "total": 2,
            "message": "half",
            "_meta": None,
        }


async def test_input_on_the_result_stream(how: str) -> None:
    """Input requests go out while `tasks/result` is open, each once and named after the task."""
    server = legacy_server()
    server.add_tool("asks", [Working(), NeedInput({"a": elicit("A?"), "b": elicit("B?")}), Complete("thanks")])
    async with connected(server, "legacy", how, accept) as client:
        task_id = (await client.start("asks"))["taskId"]
        await server.tasks[task_id].wait_for(lambda task: task.status == "input_required")
        assert (await client.get(task_id))["status"] == "input_required"
        assert client.asked == []
        result = await client.request("tasks/result", taskId=task_id)
        assert result["structuredContent"] == {"result": "thanks"}
        assert sorted(params["message"] for _, params in client.asked) == ["A?", "B?"]
        assert all(params["_meta"][RELATED_TASK] == {"taskId": task_id} for _, params in client.asked)
        assert server.tasks[task_id].answers["b"] == {"action": "accept", "content": {"value": "yes"}}


async def test_input_that_the_client_refuses(how: str) -> None:
    """A client that cannot give input ends the task with an error."""
    server = legacy_server()
    server.add_tool("asks", [NeedInput({"a": elicit("A?")}), Complete("thanks")])
    async with connected(server, "legacy", how) as client:
        task_id = (await client.start("asks"))["taskId"]
        assert (await client.request("tasks/result", taskId=task_id))["isError"] is True


async def test_input_pushed_unasked(how: str) -> None:
    """Input requests can come of themselves, without metadata, as fastmcp 3 sends them."""
    server = legacy_server(input_mode="push", push="off")
    async with connected(server, "legacy", how, accept) as client:
        task_id = (await client.start("work"))["taskId"]
        server.options = evolve(server.options, push="on")
        await seen_push(client, server, task_id)
        server.tasks[task_id].need_input({"a": elicit("A?")})
        await server.tasks[task_id].wait_for(lambda task: task.status == "working")
        ((_, params),) = client.asked
        assert "_meta" not in params


async def test_the_sdk_client_settles_on_this_era(how: str) -> None:
    """`mcp.Client` falls back to the handshake, with streams and without; a dual server gets the new era."""
    server = legacy_server()
    server.add_tool("plain", result=5, support="none")
    for mode in ("auto", "legacy"):
        async with mcp.Client(server, mode=mode) as client:
            assert client.protocol_version == "2025-11-25"
            assert [tool.name for tool in (await client.list_tools()).tools] == ["work", "plain"]
            assert (await client.call_tool("plain", {})).structured_content == {"result": 5}
    dual = TaskServer(era="dual")
    for mode, version in (("auto", "2026-07-28"), ("legacy", "2025-11-25")):
        async with mcp.Client(dual, mode=mode) as client:
            assert client.protocol_version == version
