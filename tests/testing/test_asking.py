"""What the test server asks of 2025-11-25 clients: input for tasks and calls, and any other request."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from mcptasks.testing import (
    Complete,
    NeedInput,
    Options,
    ServerTask,
    TaskServer,
    ToolContext,
    elicit,
    elicit_url,
    list_roots,
    sample,
)
from tests.testing.wire import HALF_READ, JSON, RELATED_TASK, Answerer, WireClient, connected, refuse

pytestmark = [pytest.mark.anyio, HALF_READ]
both_ways = pytest.mark.parametrize("how", ["process", "http"])

YES = {"action": "accept", "content": {"value": "yes"}}
ANSWERS: dict[str, JSON] = {
    "elicitation/create": YES,
    "sampling/createMessage": {"role": "assistant", "content": {"type": "text", "text": "B"}, "model": "m"},
    "roots/list": {"roots": []},
}


async def answer(method: str, _params: JSON) -> JSON:
    """Answer each kind of request."""
    return ANSWERS[method]


async def perhaps(_method: str, _params: JSON) -> JSON:
    """Answer what no form may be answered."""
    return {"action": "perhaps"}


class Parked:
    """An answerer that never answers, and knows which of its requests were withdrawn."""

    def __init__(self) -> None:
        self.asked = anyio.Event()
        self.withdrawn = anyio.Event()

    async def __call__(self, _method: str, _params: JSON) -> JSON:
        """Wait until the request is withdrawn."""
        self.asked.set()
        try:
            await anyio.sleep_forever()
            return {}
        finally:
            self.withdrawn.set()


def asking_server(**options: Any) -> TaskServer:
    """A server of the old era with one tool that waits to be steered."""
    server = TaskServer(era="legacy", options=Options(**options))
    server.add_tool("work")
    return server


async def steered(server: TaskServer, client: WireClient) -> ServerTask:
    """A fresh task."""
    return server.tasks[(await client.start("work"))["taskId"]]


# -- input -------------------------------------------------------------------------------------------------------------


@both_ways
async def test_calls_ask_on_their_own_stream(how: str) -> None:
    """A call without a task asks while it runs, by script or function, relating nothing to a task."""
    server = asking_server()
    questions = {"a": elicit("A?"), "b": sample("B?"), "c": list_roots(), "d": elicit_url("D?", "x://y", "id")}
    server.add_tool("script", [NeedInput(questions), Complete("thanks")])

    @server.tool(support="none")
    async def function(ctx: ToolContext) -> list[str]:
        first = await ctx.ask({"a": elicit("A?")})
        second = await ctx.ask({"c": list_roots()})
        return [*first, *second]

    async with connected(server, "legacy", how, answer) as client:
        result = await client.request("tools/call", name="script")
        assert result["structuredContent"] == {"result": "thanks"}
        call = await server.next_call()
        assert sorted(list(entry) for entry in call.received) == [["a"], ["b"], ["c"], ["d"]]
        assert sorted(method for method, _ in client.asked) == sorted(each["method"] for each in questions.values())
        result = await client.request("tools/call", name="function")
        assert result["structuredContent"] == {"result": ["a", "c"]}
        assert all(RELATED_TASK not in params.get("_meta", {}) for _, params in client.asked)
        assert len(server.tasks) == 0


@pytest.mark.parametrize("key", [RELATED_TASK, "modelcontextprotocol.io/related-task"])
@pytest.mark.parametrize("mode", ["result", "push-related"])
async def test_related_under_either_key(mode: Any, key: str) -> None:
    """Input requests are related to their task under the chosen key, on a stream and unasked."""
    server = asking_server(input_mode=mode, related_key=key)
    server.add_tool("asks", [NeedInput({"a": elicit("A?")}), Complete("thanks")])
    async with connected(server, "legacy", answerer=answer) as client:
        task_id = (await client.start("asks"))["taskId"]
        if mode == "push-related":
            await server.tasks[task_id].wait_for(lambda task: task.done)
        result = await client.request("tasks/result", taskId=task_id)
        assert result["_meta"][key] == {"taskId": task_id}
        ((_, params),) = client.asked
        assert params["_meta"] == {key: {"taskId": task_id}}


@pytest.mark.parametrize(
    ("answerer", "told"),
    [
        (refuse, {"error": {"code": -32601, "message": "no elicitation/create here"}}),
        (perhaps, {"action": "perhaps"}),
    ],
    ids=["error", "nonsense"],
)
async def test_errors_and_nonsense_are_kept(answerer: Answerer, told: JSON) -> None:
    """A client's error, and an answer against the schema, end the task and are on record."""
    server = asking_server(input_mode="push")
    async with connected(server, "legacy", answerer=answerer) as client:
        task = await steered(server, client)
        task.need_input({"a": elicit("A?")})
        await task.wait_for(lambda task: task.done)
        assert (task.received, task.answers) == ([{"a": told}], {})


async def test_new_questions_beside_open_ones() -> None:
    """What is asked already is not asked anew when another question comes up beside it."""
    server = asking_server(input_mode="push")
    parked = Parked()
    async with connected(server, "legacy", answerer=parked) as client:
        task = await steered(server, client)
        for questions in ({"a": elicit("A?")}, {"a": elicit("A?"), "b": elicit("B?")}):
            parked.asked = anyio.Event()
            task.need_input(questions)
            await parked.asked.wait()
        assert [params["message"] for _, params in client.asked] == ["A?", "B?"]
        assert not parked.withdrawn.is_set()


async def test_what_is_no_request_cannot_be_asked() -> None:
    """This era's input requests are messages of their own: what is none ends the task, the rest goes out as it is."""
    server = asking_server(input_mode="push")
    malformed: list[Any] = [7, {"params": {}}, {"method": "x/y", "params": 7}, {"method": "elicitation/create"}]
    async with connected(server, "legacy") as client:
        for request in malformed:
            task = await steered(server, client)
            task.need_input({"bad": request})
            await task.wait_for(lambda task: task.done)
        assert client.asked == [("elicitation/create", {})]


@both_ways
@pytest.mark.parametrize("mode", ["result", "push"])
@pytest.mark.parametrize("end", ["complete", "withdraw", "reuse"])
async def test_requests_are_withdrawn(how: str, mode: Any, end: str) -> None:
    """A request that the task asks no more is withdrawn from the client, which frees its key."""
    server = asking_server(input_mode=mode)
    parked = Parked()
    async with connected(server, "legacy", how, parked) as client:
        task = await steered(server, client)
        async with anyio.create_task_group() as group:
            if mode == "result":
                group.start_soon(partial(client.request, "tasks/result", taskId=task.task_id))
            else:
                while not client.notifications("notifications/tasks/status"):  # over HTTP, the stream may not be open
                    task.push()
                    await anyio.sleep(0.01)
            task.need_input({"a": elicit("A?")})
            await parked.asked.wait()
            match end:
                case "complete":
                    task.complete()
                case "withdraw":
                    task.withdraw("a")
                    assert task.status == "working"
                case _:
                    parked.asked = anyio.Event()
                    task.need_input({"a": elicit("B?")}, reuse=True)
                    await parked.asked.wait()
            await parked.withdrawn.wait()
            if not task.done:
                task.complete()
        assert [params["message"] for _, params in client.asked] == (["A?", "B?"] if end == "reuse" else ["A?"])
        assert task.received == []


# -- any request -------------------------------------------------------------------------------------------------------


def hosting(server: TaskServer) -> Answerer:
    """A client that hosts one task."""
    created = {"taskId": "t", "status": "working", "ttl": None, "createdAt": "now", "lastUpdatedAt": "now"}
    answers: dict[str, JSON] = {
        "elicitation/create": {"task": created},
        "tasks/get": created,
        "tasks/result": {**YES, "_meta": {RELATED_TASK: {"taskId": "t"}}},
        "tasks/list": {"tasks": [created]},
    }

    async def answer(method: str, params: JSON) -> JSON:
        if method not in answers:
            raise MCPError(code=-32602, message="terminal", data={"taskId": params["taskId"]})
        return answers[method]

    return answer


async def use_hosted(send: Any) -> list[Any]:
    """Make a task on the client, and send all requests about it; what came back."""
    found: list[Any] = [
        await send("elicitation/create", {**elicit("A?")["params"], "task": {"ttl": None}}),
        await send("tasks/get", {"taskId": "t"}),
        await send("tasks/result", {"taskId": "t"}),
        await send("tasks/list"),
    ]
    try:
        await send("tasks/cancel", {"taskId": "t"})
    except MCPError as error:
        found.append([error.error.code, error.error.message, error.error.data])
    return found


@both_ways
@pytest.mark.parametrize("place", ["call", "handle"])
async def test_any_request_to_the_client(how: str, place: str) -> None:
    """A function, and the handle of a task from any thread, send any request and get the raw answer or error; the
    client's notifications and capabilities are in the log."""
    server = asking_server()

    @server.tool(support="none")
    async def use(ctx: ToolContext) -> list[Any]:
        return await use_hosted(ctx.request)

    async with connected(server, "legacy", how, hosting(server)) as client:
        if place == "call":
            found = (await client.request("tools/call", name="use"))["structuredContent"]["result"]
        else:
            task = await steered(server, client)
            while not client.notifications("notifications/tasks/status"):
                task.push()
                await anyio.sleep(0.01)
            found = await use_hosted(task.request)
        assert found[0]["task"]["taskId"] == "t"
        assert found[1]["status"] == "working"
        assert found[2] == {**YES, "_meta": {RELATED_TASK: {"taskId": "t"}}}
        assert len(found[3]["tasks"]) == 1
        assert found[4] == [-32602, "terminal", {"taskId": "t"}]
        assert client.asked[0][1]["task"] == {"ttl": None}
        assert server.requests.of("initialize")[0].params["capabilities"] == {"elicitation": {}}
        await client.notify("notifications/tasks/status", {"taskId": "t", "status": "completed"})
        sent = await server.requests.wait_for("notifications/tasks/status")
        assert (sent.task_id, sent.params["status"]) == ("t", "completed")


@both_ways
async def test_giving_up_a_request_withdraws_it(how: str) -> None:
    """Who stops waiting for the client's answer withdraws the request."""
    server = asking_server()
    parked = Parked()
    async with connected(server, "legacy", how, parked) as client:
        task = await steered(server, client)
        while not client.notifications("notifications/tasks/status"):
            task.push()
            await anyio.sleep(0.01)
        async with anyio.create_task_group() as group:
            group.start_soon(task.request, "tasks/result", {"taskId": "t"})
            await parked.asked.wait()
            group.cancel_scope.cancel()
        await parked.withdrawn.wait()


async def test_no_requests_to_modern_clients() -> None:
    """2026-07-28 clients take no requests, and a task that no client has named has nobody to ask."""
    server = TaskServer(era="modern")
    server.add_tool("work")

    @server.tool(support="none")
    async def use(ctx: ToolContext) -> None:
        await ctx.request("ping")

    async with connected(server, "modern") as client:
        with pytest.raises(MCPError):
            await client.request("tools/call", name="use")
        with pytest.raises(RuntimeError, match="no client"):
            await (await steered(server, client)).request("ping")
