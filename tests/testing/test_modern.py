"""The test server on 2026-07-28: the tasks extension, over streams and over HTTP."""

from __future__ import annotations

from typing import Any

import anyio
import mcp
import pytest
from attrs import evolve

from mcptasks.testing import (
    ABSENT,
    Complete,
    NeedInput,
    Options,
    ProtocolFailure,
    RawResult,
    TaskServer,
    ToolFailure,
    Working,
    elicit,
)
from tests.testing.wire import (
    EXTENSION,
    HALF_READ,
    SUBSCRIPTION_ID,
    connect,
    connected,
    in_process,
    listening,
    refused,
)

pytestmark = [pytest.mark.anyio, HALF_READ, pytest.mark.parametrize("how", ["process", "http"])]

ACK = "notifications/subscriptions/acknowledged"
PUSH = "notifications/tasks"


def modern_server(**options: Any) -> TaskServer:
    """A server of the modern era with one tool that waits to be steered."""
    server = TaskServer(era="modern", options=Options(**options))
    server.add_tool("work")
    return server


async def test_discover_declares_the_extension(how: str) -> None:
    """`server/discover` names the version and the extension, and only with tasks the extension."""
    server = modern_server()
    async with connected(server, "modern", how) as client:
        found = await client.request("server/discover")
        assert found["supportedVersions"] == ["2026-07-28"]
        assert found["capabilities"] == {"tools": {}, "extensions": {EXTENSION: {}}}
        server.options = evolve(server.options, tasks=False)
        assert "extensions" not in (await client.request("server/discover"))["capabilities"]


async def test_initialize_is_refused(how: str) -> None:
    """A modern server names its versions to a client that shakes hands."""
    server = modern_server()
    async with connected(server, "modern", how) as client:
        client.era = "legacy"
        error = await refused(client.handshake())
        assert error.error.code == -32022
        assert error.error.data["supported"] == ["2026-07-28"]


async def test_a_task_from_creation_to_result(how: str) -> None:
    """A call becomes a flat task; `tasks/get` follows its state and carries the result at the end."""
    server = modern_server(poll_interval_ms=7)
    async with connected(server, "modern", how) as client:
        created = await client.start("work", x=1)
        assert created["resultType"] == "task"
        assert (created["status"], created["ttlMs"], created["pollIntervalMs"]) == ("working", None, 7)
        task = await server.next_task()
        assert (task.task_id, task.arguments) == (created["taskId"], {"x": 1})
        task.set_working("half way")
        got = await client.get(task.task_id)
        assert (got["resultType"], got["status"], got["statusMessage"]) == ("complete", "working", "half way")
        task.complete({"n": 3})
        got = await client.get(task.task_id)
        assert (got["resultType"], got["status"]) == ("complete", "completed")
        assert got["result"]["structuredContent"] == {"n": 3}


@pytest.mark.parametrize(
    ("step", "status", "key", "value"),
    [
        (
            ToolFailure("no luck"),
            "completed",
            "result",
            {"content": [{"type": "text", "text": "no luck"}], "isError": True},
        ),
        (
            ProtocolFailure(-32050, "broken", {"a": 1}),
            "failed",
            "error",
            {"code": -32050, "message": "broken", "data": {"a": 1}},
        ),
        (Complete(RawResult({"any": "thing"})), "completed", "result", {"any": "thing"}),
    ],
)
async def test_ends(how: str, step: Any, status: str, key: str, value: Any) -> None:
    """A tool's own error is a completed task, a JSON-RPC error a failed one; raw results pass as they are."""
    server = modern_server()
    server.add_tool("scripted", [Working("on it"), step])
    async with connected(server, "modern", how) as client:
        task = await client.poll((await client.start("scripted"))["taskId"])
        assert (task["status"], task[key]) == (status, value)


async def test_plain_values_are_wrapped_and_marked(how: str) -> None:
    """A value that is no object comes as `{"result": value}`, with fastmcp's mark unless that is turned off."""
    server = modern_server()
    server.add_tool("marked", result=3)
    server.add_tool("unmarked", result=[1], wrap_result=False)
    async with connected(server, "modern", how) as client:
        marked = (await client.poll((await client.start("marked"))["taskId"]))["result"]
        assert (marked["structuredContent"], marked["_meta"]) == ({"result": 3}, {"fastmcp": {"wrap_result": True}})
        unmarked = (await client.poll((await client.start("unmarked"))["taskId"]))["result"]
        assert unmarked["structuredContent"] == {"result": [1]}
        assert "_meta" not in unmarked


@pytest.mark.parametrize("interval", [ABSENT, None, 0, -5, 10**12, "soon", 0.5])
async def test_odd_poll_intervals(how: str, interval: Any) -> None:
    """A poll interval goes out as it was given, or not at all."""
    server = modern_server()
    server.add_tool("odd", poll_interval_ms=interval)
    async with connected(server, "modern", how) as client:
        created = await client.start("odd")
        assert created.get("pollIntervalMs", ABSENT) == interval
        server.tasks[created["taskId"]].set_poll_interval(50)
        assert (await client.get(created["taskId"]))["pollIntervalMs"] == 50


async def test_who_did_not_declare_gets_no_task(how: str) -> None:
    """Without the extension: an optional tool answers plainly, all else about tasks is -32021."""
    server = modern_server()
    server.add_tool("optional", result="done")
    server.add_tool("required", result="done", support="required")
    async with connected(server, "modern", how) as client:
        created = await client.start("optional")
        client.extension = False
        answer = await client.request("tools/call", name="optional")
        assert (answer["resultType"], answer["structuredContent"]) == ("complete", {"result": "done"})
        calls = [
            client.request("tools/call", name="required"),
            client.get(created["taskId"]),
            client.request("tasks/cancel", taskId=created["taskId"]),
            client.request("tasks/update", taskId=created["taskId"], inputResponses={}),
            client.request("subscriptions/listen", notifications={"taskIds": [created["taskId"]]}),
        ]
        for call in calls:
            error = await refused(call)
            assert error.error.code == -32021
            assert error.error.data == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


async def test_only_tools_become_tasks(how: str) -> None:
    """Resources, prompts, and tools without task support are answered at once."""
    server = modern_server()
    server.add_tool("plain", result=1, support="none")
    server.add_resource("x://r", result="text")
    server.add_prompt("p", result="say")
    async with connected(server, "modern", how) as client:
        assert (await client.request("tools/call", name="plain"))["structuredContent"] == {"result": 1}
        read = await client.request("resources/read", uri="x://r")
        assert read["contents"] == [{"uri": "x://r", "mimeType": "text/plain", "text": "text"}]
        prompt = await client.request("prompts/get", name="p")
        assert prompt["messages"] == [{"role": "user", "content": {"type": "text", "text": "say"}}]
        assert len(server.tasks) == 0


async def test_unknown_things(how: str) -> None:
    """Unknown tools and tasks are -32602, unknown methods -32601."""
    server = modern_server()
    async with connected(server, "modern", how) as client:
        for call, code in [
            (client.request("tools/call", name="nope"), -32602),
            (client.get("nope"), -32602),
            (client.request("tasks/update", taskId="nope", inputResponses={}), -32602),
            (client.request("tasks/cancel", taskId="nope"), -32602),
            (client.request("tasks/result", taskId="nope"), -32601),
            (client.request("tasks/list"), -32601),
        ]:
            assert (await refused(call)).error.code == code


async def test_cancel(how: str) -> None:
    """`tasks/cancel` is an empty acknowledgement; it may be without effect, or not served."""
    server = modern_server()
    server.add_tool("stubborn", cancel="ignored")
    async with connected(server, "modern", how) as client:
        first, second = [(await client.start(name))["taskId"] for name in ("work", "stubborn")]
        ack = await client.request("tasks/cancel", taskId=first)
        assert {key for key in ack if key != "_meta"} == {"resultType"}
        assert (await client.get(first))["status"] == "cancelled"
        await client.request("tasks/cancel", taskId=first)
        await client.request("tasks/cancel", taskId=second)
        await server.tasks[second].wait_cancel_requested()
        server.tasks[second].complete("anyway")
        assert (await client.get(second))["status"] == "completed"
        server.options = evolve(server.options, cancel="unsupported")
        assert (await refused(client.request("tasks/cancel", taskId=first))).error.code == -32601


async def test_input_with_partial_answers(how: str) -> None:
    """Input requests stand in `tasks/get` until answered, some at a time; foreign keys are ignored."""
    server = modern_server()
    asked = {"a": elicit("A?"), "b": elicit("B?")}
    server.add_tool("asks", [NeedInput(asked, "asking"), Complete("thanks")])
    async with connected(server, "modern", how) as client:
        task_id = (await client.start("asks"))["taskId"]
        task = server.tasks[task_id]
        await task.wait_for(lambda task: task.status == "input_required")
        assert (await client.get(task_id))["inputRequests"] == asked
        answer = {"action": "accept", "content": {"value": "1"}}
        await client.request("tasks/update", taskId=task_id, inputResponses={"a": answer, "zzz": answer})
        assert list((await client.get(task_id))["inputRequests"]) == ["b"]
        await client.request("tasks/update", taskId=task_id, inputResponses={"b": {"action": "decline"}})
        await client.poll(task_id)
        assert task.answers == {"a": answer, "b": {"action": "decline"}}


async def test_born_input_required(how: str) -> None:
    """A task can need input from its first moment; its script begins once it has that."""
    server = modern_server()
    server.add_tool("born", [Complete("ready")], born_input_required={"k": elicit("?")})
    async with connected(server, "modern", how) as client:
        created = await client.start("born")
        assert created["status"] == "input_required"
        assert list((await client.get(created["taskId"]))["inputRequests"]) == ["k"]
        await client.request("tasks/update", taskId=created["taskId"], inputResponses={"k": {"action": "cancel"}})
        assert (await client.poll(created["taskId"]))["status"] == "completed"


async def test_listen_pushes_states(how: str) -> None:
    """A listen stream acknowledges the known ids, then carries every change, tagged, with the result inside."""
    server = modern_server()
    async with connected(server, "modern", how) as client:
        task_id = (await client.start("work"))["taskId"]
        other = (await client.start("work"))["taskId"]
        async with anyio.create_task_group() as group:
            group.start_soon(listening, client, "sub", task_id, "unknown")
            (ack,) = await client.wait_notified(ACK)
            assert ack == {"_meta": {SUBSCRIPTION_ID: "sub"}, "notifications": {"taskIds": [task_id]}}
            server.tasks[other].complete()
            server.tasks[task_id].set_working("first")
            server.tasks[task_id].complete("done")
            # Over streams the SDK's dispatcher starts a task for each, in any order.
            last, first = sorted(await client.wait_notified(PUSH, 2), key=lambda pushed: str(pushed["status"]))
            assert (first["statusMessage"], first["_meta"]) == ("first", {SUBSCRIPTION_ID: "sub"})
            assert (last["status"], last["result"]["structuredContent"]) == ("completed", {"result": "done"})
            group.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("push", "seen"),
    [("twice", ["1", "1", "2", "2", None, None]), ("late", ["2", "1", None]), ("on", ["1", "2", None])],
)
async def test_pushes_in_disorder(how: str, push: Any, seen: list[str | None]) -> None:
    """Pushes can come twice, or each after the one that follows it."""
    server = modern_server(push=push)
    async with connected(server, "modern", how) as client:
        task_id = (await client.start("work"))["taskId"]
        async with anyio.create_task_group() as group:
            group.start_soon(listening, client, "sub", task_id)
            await client.wait_notified(ACK)
            for message in ("1", "2"):
                server.tasks[task_id].set_working(message)
            server.tasks[task_id].complete()
            pushed = await client.wait_notified(PUSH, len(seen))
            assert sorted(str(p.get("statusMessage")) for p in pushed) == sorted(map(str, seen))
            if how == "http":
                # Over streams the SDK's dispatcher starts a task for each, in any order.
                assert [p.get("statusMessage") for p in pushed] == seen
            group.cancel_scope.cancel()


async def test_listen_refused_or_without_ids(how: str) -> None:
    """Listening can be unsupported, or acknowledged without a promise for any task."""
    server = modern_server(listen="unsupported")
    async with connected(server, "modern", how) as client:
        task_id = (await client.start("work"))["taskId"]
        assert (await refused(listening(client, "a", task_id))).error.code == -32601
        server.options = evolve(server.options, listen="no-ids")
        async with anyio.create_task_group() as group:
            group.start_soon(listening, client, "b", task_id)
            (ack,) = await client.wait_notified(ACK)
            assert ack["notifications"] == {}
            server.tasks[task_id].complete()
            await client.get(task_id)
            assert client.notifications(PUSH) == []
            group.cancel_scope.cancel()


async def test_listen_stream_drops(how: str) -> None:
    """A listen stream can end after so many notifications, without the result that ends one properly."""
    server = modern_server(listen_drop_after=1)
    async with connected(server, "modern", how) as client:
        task_id = (await client.start("work"))["taskId"]
        ended: list[int] = []

        async def listen() -> None:
            ended.append((await refused(listening(client, "sub", task_id))).error.code)

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await client.wait_notified(ACK)
            server.tasks[task_id].set_working("one")
            server.tasks[task_id].set_working("two")
        assert len(ended) == 1
        # The SDK's dispatcher starts a task for each notification, which may come after the end of the request.
        assert len(await client.wait_notified(PUSH)) == 1
        assert (await client.get(task_id))["statusMessage"] == "two"


async def test_ttl(how: str) -> None:
    """A task is forgotten when its ttl is over, and at a test's word."""
    server = modern_server()
    server.add_tool("brief", ttl_ms=1)
    async with connected(server, "modern", how) as client:
        brief = await client.start("brief")
        assert brief["ttlMs"] == 1
        await anyio.sleep(0.01)
        assert (await refused(client.get(brief["taskId"]))).error.code == -32602
        task_id = (await client.start("work"))["taskId"]
        server.tasks[task_id].forget()
        assert (await refused(client.get(task_id))).error.code == -32602


@pytest.mark.parametrize("ttl", [10**400, True, "1"], ids=["huge", "true", "text"])
async def test_odd_ttls(how: str, ttl: Any) -> None:
    """A ttl may be any JSON value, of any size; a task whose ttl is no number is kept for ever."""
    server = modern_server()
    server.add_tool("odd", ttl_ms=ttl)
    async with connected(server, "modern", how) as client:
        odd = await client.start("odd")
        await anyio.sleep(0.01)
        assert (await client.get(odd["taskId"]))["status"] == "working"


async def test_the_sdk_client_settles_on_this_era(how: str) -> None:
    """`mcp.Client` discovers a modern server by itself, in process without streams as well."""
    server = modern_server()
    server.add_tool("plain", result=5, support="none")
    async with mcp.Client(server) as client:
        assert client.protocol_version == "2026-07-28"
        assert [tool.name for tool in (await client.list_tools()).tools] == ["work", "plain"]
        assert (await client.call_tool("plain", {})).structured_content == {"result": 5}
    async with connect(in_process(server), "modern") as bare:
        assert (await bare.request("tools/list"))["resultType"] == "complete"
