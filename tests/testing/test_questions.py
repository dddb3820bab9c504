"""What the test server asks for on 2026-07-28: input requests of tasks, and calls that take several round trips."""

from __future__ import annotations

from typing import Any

import anyio
import mcp
import mcp_types as types
import pytest
from attrs import evolve

from mcptasks.testing import (
    Complete,
    Drop,
    NeedInput,
    Options,
    RpcError,
    ServerTask,
    TaskServer,
    ToolContext,
    elicit,
    elicit_url,
    list_roots,
    sample,
)
from tests.testing.wire import HALF_READ, JSON, WireClient, connected, refused

pytestmark = [pytest.mark.anyio, HALF_READ]
both_ways = pytest.mark.parametrize("how", ["process", "http"])

YES = {"action": "accept", "content": {"value": "yes"}}
NO = {"action": "decline"}


def asking_server(**options: Any) -> TaskServer:
    """A modern server with one tool that waits to be steered."""
    server = TaskServer(era="modern", options=Options(**options))
    server.add_tool("work")
    return server


async def update(client: WireClient, task: ServerTask, **answers: JSON) -> JSON:
    """Answer some input requests."""
    return await client.request("tasks/update", taskId=task.task_id, inputResponses=answers)


async def steered(server: TaskServer, client: WireClient) -> ServerTask:
    """A fresh task."""
    return server.tasks[(await client.start("work"))["taskId"]]


# -- tasks -------------------------------------------------------------------------------------------------------------


async def test_all_that_was_received_is_kept() -> None:
    """Every accepted update is on record as it came: partial, repeated, with keys that nobody asks for, too late."""
    server = asking_server()
    async with connected(server, "modern") as client:
        task = await steered(server, client)
        task.need_input({"a": elicit("A?"), "b": sample("B?"), "c": list_roots(), "d": elicit_url("D?", "x://y")})
        await update(client, task, a=YES, zzz=NO)
        await update(client, task, a=NO)
        assert list((await client.get(task.task_id))["inputRequests"]) == ["b", "c", "d"]
        task.complete()
        await update(client, task, b=NO)
        assert task.received == [{"a": YES, "zzz": NO}, {"a": NO}, {"b": NO}]
        assert task.answers == {"a": YES}


async def test_answered_requests_are_shown_again() -> None:
    """An answered request can stand in so many later `tasks/get`, beside what is really open, even past the end."""
    server = asking_server(answers_shown_again=2)
    async with connected(server, "modern") as client:
        task = await steered(server, client)
        first, second = elicit("A?"), elicit("B?")
        task.need_input({"a": first, "b": second})
        await update(client, task, a=YES)
        assert (await client.get(task.task_id))["inputRequests"] == {"a": first, "b": second}
        await update(client, task, b=YES)
        assert task.status == "working"
        assert (await client.get(task.task_id))["inputRequests"] == {"a": first, "b": second}
        task.complete("end")
        got = await client.get(task.task_id)
        assert (got["status"], got["inputRequests"]) == ("input_required", {"b": second})
        assert (await client.get(task.task_id))["status"] == "completed"


@pytest.mark.parametrize("answered", [True, False])
async def test_a_key_is_reused_on_purpose(answered: bool) -> None:
    """`reuse=True` puts another request under a used key, answered or still open, and only the new answer counts."""
    server = asking_server()
    first, second = NeedInput({"k": elicit("First?")}), NeedInput({"k": elicit("Second?")}, reuse=True)
    server.add_tool("reusing", [first, second, Complete("thanks")])
    async with connected(server, "modern") as client:
        if answered:
            task = server.tasks[(await client.start("reusing"))["taskId"]]
            await task.wait_for(lambda task: task.status == "input_required")
            await update(client, task, k=NO)
        else:
            task = await steered(server, client)
            task.need_input({"k": elicit("First?")})
            task.need_input({"k": elicit("Second?")}, reuse=True)
        await task.wait_for(lambda task: "k" in task.state.input_requests)
        assert (await client.get(task.task_id))["inputRequests"]["k"]["params"]["message"] == "Second?"
        await update(client, task, k=YES)
        assert task.answers == {"k": YES}


async def test_a_request_may_stay_beside_new_ones() -> None:
    """What is open already is not asked anew by being named again; another request under its key is refused."""
    server = asking_server()
    async with connected(server, "modern") as client:
        task = await steered(server, client)
        task.need_input({"a": elicit("A?")})
        task.need_input({"a": elicit("A?"), "b": elicit("B?")})
        assert list((await client.get(task.task_id))["inputRequests"]) == ["a", "b"]
        with pytest.raises(ValueError, match="unique"):
            task.need_input({"a": elicit("Another?")})
        task.withdraw("a")
        assert list((await client.get(task.task_id))["inputRequests"]) == ["b"]
        task.withdraw()
        assert (await client.get(task.task_id))["status"] == "working"


@both_ways
async def test_updates_refused_and_acknowledgements_lost(how: str) -> None:
    """A refused update changes nothing; one whose acknowledgement is lost has been carried out."""
    server = asking_server()
    server.faults.add("tasks/update", RpcError(-32603, "not now"))
    lost = server.faults.add("tasks/update", Drop(), after=True)
    async with connected(server, "modern", how) as client:
        task = await steered(server, client)
        task.need_input({"a": elicit("A?")})
        assert (await refused(update(client, task, a=YES))).error.message == "not now"
        assert (task.received, task.status) == ([], "input_required")
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: update(client, task, a=YES))
            await server.faults.wait_fired(lost)
            await task.wait_for(lambda task: task.status == "working")
            group.cancel_scope.cancel()
        assert task.received == [{"a": YES}]
        assert server.requests.count("tasks/update") == 2


@both_ways
async def test_malformed_requests_pass_as_they_are(how: str) -> None:
    """An input request goes out however malformed, of a task and of a call."""
    server = asking_server()
    malformed: list[Any] = [7, None, "text", {}, {"method": "no/such"}, {"method": "elicitation/create"}, {"params": 1}]
    requests = {f"bad{n}": request for n, request in enumerate(malformed)}
    server.add_tool("plain", [NeedInput(requests)], support="none")
    async with connected(server, "modern", how) as client:
        task = await steered(server, client)
        task.need_input(requests)
        assert (await client.get(task.task_id))["inputRequests"] == requests
        answer = await client.request("tools/call", name="plain")
        assert (answer["resultType"], answer["inputRequests"]) == ("input_required", requests)


# -- calls that are no tasks -------------------------------------------------------------------------------------------


async def again(client: WireClient, name: str, answer: JSON, **answers: JSON) -> JSON:
    """Make a call again, with answers to what it asked for."""
    return await client.request("tools/call", name=name, inputResponses=answers, requestState=answer["requestState"])


@both_ways
async def test_a_call_in_several_round_trips(how: str) -> None:
    """A call asks by its answer and goes on, where it stopped, when it is made again; for missing answers it asks
    again. Each request state is good once, for the same call."""
    server = asking_server()
    begun: list[str] = []

    @server.tool()
    async def ask(ctx: ToolContext) -> list[Any]:
        begun.append("once")
        first = await ctx.ask({"a": elicit("A?"), "b": sample("B?")})
        second = await ctx.ask({"c": list_roots()})
        return [first, second]

    async with connected(server, "modern", how) as client:
        client.extension = False
        one = await client.request("tools/call", name="ask")
        assert one["resultType"] == "input_required"
        assert list(one["inputRequests"]) == ["a", "b"]
        two = await again(client, "ask", one, a=YES)
        assert list(two["inputRequests"]) == ["b"]
        assert (await refused(again(client, "ask", one, b=NO))).error.code == -32602
        assert (await refused(again(client, "work", two, b=NO))).error.code == -32602
        three = await again(client, "ask", two, b=NO)
        assert three["inputRequests"] == {"c": list_roots()}
        done = await again(client, "ask", three, c={"roots": []})
        assert done["structuredContent"] == {"result": [{"a": YES, "b": NO}, {"c": {"roots": []}}]}
        assert begun == ["once"]
        call = await server.next_call()
        assert call.received == [{"a": YES}, {"b": NO}, {"c": {"roots": []}}]


@both_ways
async def test_a_call_asks_before_it_becomes_a_task(how: str) -> None:
    """With `asks_first` a call asks by its answer, and becomes a task when all is answered; the tool has the answers,
    the task's own messages have neither questions nor request state, and nothing else of the call is left."""
    server = asking_server()

    @server.tool(support="required", asks_first={"a": elicit("A?"), "b": sample("B?")})
    async def report(ctx: ToolContext) -> JSON:
        return dict(ctx.task.answers)

    async with connected(server, "modern", how) as client:
        one = await client.request("tools/call", name="report")
        assert (one["resultType"], one["inputRequests"]) == ("input_required", {"a": elicit("A?"), "b": sample("B?")})
        assert "taskId" not in one
        assert list(server.tasks) == []
        two = await again(client, "report", one, a=YES)
        assert list(two["inputRequests"]) == ["b"]
        created = await again(client, "report", two, b=NO)
        assert created["resultType"] == "task"
        assert not {"inputRequests", "requestState"} & created.keys()
        task = await client.poll(created["taskId"])
        assert task["result"]["structuredContent"] == {"a": YES, "b": NO}
        assert list(server.tasks) == [created["taskId"]]
        # Without the extension there is no task, and nothing is asked first.
        client.extension = False
        assert (await refused(client.request("tools/call", name="report"))).error.code == -32021


async def test_the_sdk_client_takes_the_round_trips() -> None:
    """`mcp.Client` answers scripted calls of every kind with its callbacks."""
    server = asking_server()
    script: list[NeedInput | Complete] = [
        NeedInput({"a": elicit("A?")}),
        NeedInput({"b": elicit("B?")}),
        Complete("thanks"),
    ]
    server.add_tool("asks", script, support="none")
    server.add_resource("x://r", script)
    server.add_prompt("p", script)
    seen: list[str] = []

    async def callback(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        seen.append(params.message)
        return types.ElicitResult(action="accept", content={"value": "yes"})

    async with mcp.Client(server, elicitation_callback=callback) as client:
        assert (await client.call_tool("asks", {})).structured_content == {"result": "thanks"}
        assert len((await client.read_resource("x://r")).contents) == 1
        assert len((await client.get_prompt("p")).messages) == 1
    assert seen == ["A?", "B?"] * 3


async def test_steering_a_call_that_asks() -> None:
    """A call steered by hand can ask, and with nothing to ask for just wants to be made again; a restart that
    forgets the tasks forgets such calls too."""
    server = asking_server()
    server.options = evolve(server.options, tasks=False)
    async with connected(server, "modern") as client:
        answers: list[JSON] = []
        calls: list[ServerTask] = []

        async def make(**fields: Any) -> None:
            answers.append(await client.request("tools/call", name="work", **fields))

        async with anyio.create_task_group() as group:
            group.start_soon(make)
            calls.append(await server.next_call())
            calls[0].need_input({})
        assert answers[0]["inputRequests"] == {}
        call = calls[0]
        call_again = {"requestState": answers[0]["requestState"]}
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: make(**call_again))
            await call.wait_for(lambda call: call.status == "working")
            call.need_input({"a": elicit("A?")})
        assert answers[1]["inputRequests"] == {"a": elicit("A?")}
        server.restart(keep_tasks=False)
        await call.wait_for(lambda call: call.done)
