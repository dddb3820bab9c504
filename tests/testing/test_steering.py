"""What a test holds in its hands: task handles, the log of requests, scripts, functions and the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio
import pytest
import trio.testing

from mcptasks.testing import (
    Complete,
    Forgotten,
    Progress,
    ServerTask,
    TaskServer,
    ToolContext,
    ToolFailure,
    Working,
    demo_server,
    elicit,
)
from tests.helpers.virtual_time import on_frozen_clocks
from tests.testing.wire import HALF_READ, JSON, Era, WireClient, connect, connected, in_process, refused

ERAS: list[Era] = ["modern", "legacy"]
both_eras = pytest.mark.parametrize("era", ERAS)


@pytest.mark.anyio
async def test_next_task_gives_each_once() -> None:
    """`next_task` waits for tasks and returns them in the order of their making."""
    server = TaskServer()
    server.add_tool("work")
    async with connected(server, "modern") as client:
        seen: list[ServerTask] = []

        async def take_two() -> None:
            seen.append(await server.next_task())
            seen.append(await server.next_task())

        async with anyio.create_task_group() as group:
            group.start_soon(take_two)
            for n in (1, 2):
                await client.start("work", n=n)
        assert [task.arguments["n"] for task in seen] == [1, 2]
        assert list(server.tasks.values()) == seen
        with pytest.raises(TimeoutError):
            server.next_task_blocking(timeout=0)


@pytest.mark.anyio
async def test_an_ended_task_cannot_be_steered() -> None:
    """A task that has ended refuses every further change; being forgotten is always possible."""
    server = TaskServer()
    server.add_tool("work")
    async with connected(server, "modern") as client:
        task = server.tasks[(await client.start("work"))["taskId"]]
        task.fail("no")
        for steer in (task.complete, task.set_working, task.cancelled, partial(task.fail, "again")):
            with pytest.raises(RuntimeError, match="has ended"):
                steer()
        assert task.status == "completed"
        task.forget()
        assert (task.known, len(server.tasks)) == (False, 0)


@pytest.mark.anyio
async def test_input_keys_are_unique_for_life() -> None:
    """The handle refuses to ask under a key that the task has used before."""
    server = TaskServer()
    server.add_tool("work")
    async with connected(server, "modern") as client:
        task = server.tasks[(await client.start("work"))["taskId"]]
        task.need_input({"k": elicit("?")})
        await client.request("tasks/update", taskId=task.task_id, inputResponses={"k": {"action": "accept"}})
        assert task.status == "working"
        with pytest.raises(ValueError, match="unique"):
            task.need_input({"k": elicit("?")})


@pytest.mark.anyio
async def test_plain_calls_are_steered_too() -> None:
    """A call without a task waits for `next_call`, and is no task."""
    server = TaskServer(era="legacy")
    server.add_tool("work")
    async with connected(server, "legacy") as client, anyio.create_task_group() as group:
        answers: list[object] = []

        async def call() -> None:
            answers.append((await client.request("tools/call", name="work"))["structuredContent"])

        group.start_soon(call)
        (await server.next_call()).complete(4)
        await server.requests.wait_for("tools/call")
        while not answers:
            await anyio.lowlevel.checkpoint()
        assert (answers, len(server.tasks)) == ([{"result": 4}], 0)


@pytest.mark.anyio
@both_eras
async def test_requests_are_counted(era: Era) -> None:
    """The log has every request with its params, counts them, and lets a test wait for the n-th."""
    server = TaskServer()
    server.add_tool("work")
    async with connected(server, era) as client:
        task_id = (await client.start("work"))["taskId"]
        async with anyio.create_task_group() as group:

            async def poll() -> None:
                for _ in range(3):
                    await client.get(task_id)

            group.start_soon(poll)
            third = await server.requests.wait_for("tasks/get", 3)
            assert (third.task_id, third.params["taskId"], third.headers) == (task_id, task_id, {})
        assert server.requests.count("tasks/get", task_id) == 3
        assert server.requests.count("tasks/get", "another") == 0
        assert len(server.requests.of("tools/call")) == 1
        assert server.requests[-1].method == "tasks/get"
        server.requests.clear()
        assert len(server.requests) == 0


@pytest.mark.anyio
@both_eras
async def test_tool_functions(era: Era) -> None:
    """A decorated function's schema, statuses, result and exceptions are the tool's."""
    server = TaskServer()

    @server.tool(description="Adds.")
    async def add(ctx: ToolContext, a: int, b: int = 2) -> int:
        await ctx.status("adding")
        await gate.wait()
        return a + b

    @server.tool("broken")
    async def _broken(ctx: ToolContext) -> None:
        """Break."""
        raise ValueError("it broke")

    gate = anyio.Event()
    async with connected(server, era) as client:
        tools = {tool["name"]: tool for tool in (await client.request("tools/list"))["tools"]}
        assert tools["add"]["description"] == "Adds."
        assert tools["broken"]["description"] == "Break."
        schema = tools["add"]["inputSchema"]
        assert (schema["required"], list(schema["properties"])) == (["a"], ["a", "b"])
        assert (await refused(client.start("add", a="x"))).error.code == -32602
        task = server.tasks[(await client.start("add", a=1))["taskId"]]
        await task.wait_for(lambda task: task.state.status_message == "adding")
        gate.set()
        await client.poll(task.task_id)
        assert task.state.result is not None
        assert task.state.result["structuredContent"] == {"result": 3}
        broken = server.tasks[(await client.start("broken"))["taskId"]]
        await client.poll(broken.task_id)
        assert broken.state.result == {"content": [{"type": "text", "text": "it broke"}], "isError": True}


@pytest.mark.anyio
async def test_a_function_asks_and_is_cancelled() -> None:
    """A function gets the answers it asks for; when its task is cancelled, so is the function."""
    server = TaskServer()
    cancelled = anyio.Event()

    @server.tool()
    async def ask(ctx: ToolContext) -> str:
        answers = await ctx.ask({"k": elicit("?")})
        await ctx.status(answers["k"]["action"])
        try:
            await anyio.sleep_forever()
            return "never"
        finally:
            cancelled.set()

    async with connected(server, "modern") as client:
        task_id = (await client.start("ask"))["taskId"]
        await server.tasks[task_id].wait_for(lambda task: task.status == "input_required")
        await client.request("tasks/update", taskId=task_id, inputResponses={"k": {"action": "decline"}})
        await server.tasks[task_id].wait_for(lambda task: task.state.status_message == "decline")
        await client.request("tasks/cancel", taskId=task_id)
        await cancelled.wait()
        assert (await client.get(task_id))["status"] == "cancelled"


@pytest.mark.anyio
async def test_a_script_may_depend_on_the_arguments() -> None:
    """A script can be made from the arguments of the call, and forget its task at the end."""
    server = TaskServer()

    def echo(arguments: Mapping[str, Any]) -> list[Complete | str]:
        return ["hello", Complete(arguments["value"])]

    server.add_tool("echo", echo)
    server.add_tool("vanishing", [Forgotten()])
    async with connected(server, "modern") as client:
        task = await client.poll((await client.start("echo", value="v"))["taskId"])
        assert task["result"]["structuredContent"] == {"result": "v"}
        vanished = await server.next_task(), await client.start("vanishing")
        await vanished[0].wait_for(lambda task: task.done)
        while len(server.tasks) > 1:
            await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
@on_frozen_clocks
async def test_work_outlives_connections() -> None:
    """A script goes on in the next connection; a function too where the server is kept running."""
    server = TaskServer()
    server.add_tool("script", [Working("late", after=0.02), Complete("end", after=0.02)])
    release = anyio.Event()

    @server.tool()
    async def function(ctx: ToolContext) -> str:
        await release.wait()
        return "end"

    async with connected(server, "modern") as client:
        script = server.tasks[(await client.start("script"))["taskId"]]
        lost = server.tasks[(await client.start("function"))["taskId"]]
    assert not script.done
    assert lost.status == "failed"
    async with server.running():
        async with connected(server, "modern") as client:
            assert (await client.poll(script.task_id))["status"] == "completed"
            kept = server.tasks[(await client.start("function"))["taskId"]]
        assert not kept.done
        release.set()
        await kept.wait_for(lambda task: task.done)
        assert kept.status == "completed"


@pytest.mark.anyio
@pytest.mark.parametrize("keep", [True, False])
async def test_restart_in_process(keep: bool) -> None:
    """A restart ends the connections; the tasks are there afterwards, or not."""
    server = TaskServer()
    server.add_tool("work")
    async with connected(server, "modern") as client:
        task_id = (await client.start("work"))["taskId"]
        server.restart(keep_tasks=keep)
        while (await refused(client.get(task_id))).error.code != -32000:
            await anyio.lowlevel.checkpoint()
    async with connected(server, "modern") as client:
        if keep:
            assert (await client.get(task_id))["status"] == "working"
        else:
            assert (await refused(client.get(task_id))).error.code == -32602


def test_time_can_be_virtual() -> None:
    """Under trio's MockClock an hour of script and a ttl pass in no time."""
    server = TaskServer(era="modern")
    hour: list[Working | Progress | Complete | ToolFailure | str] = [
        Working("half", after=1800),
        Complete("done", after=1800),
    ]
    server.add_tool("hour", hour)
    server.add_tool("brief", ttl_ms=60_000)

    async def main() -> None:
        async with connect(in_process(server), "modern") as client:
            task_id = (await client.start("hour"))["taskId"]
            brief = (await client.start("brief"))["taskId"]
            begin = anyio.current_time()
            await server.tasks[task_id].wait_for(lambda task: task.state.status_message == "half")
            assert anyio.current_time() - begin == pytest.approx(1800)
            await server.tasks[task_id].wait_for(lambda task: task.done)
            assert anyio.current_time() - begin == pytest.approx(3600)
            assert (await refused(client.get(brief))).error.code == -32602

    clock = trio.testing.MockClock(autojump_threshold=0)
    before = time.monotonic()
    anyio.run(main, backend="trio", backend_options={"clock": clock})
    assert time.monotonic() - before < 60


@pytest.mark.anyio
@on_frozen_clocks
@both_eras
async def test_the_demo_server(era: Era) -> None:
    """The demonstration server has a slow, a failing and an immediate tool, a resource and a prompt."""
    server = demo_server(era, steps=3)
    async with connected(server, era) as client:
        slow = server.tasks[(await client.start("slow_computation", duration=0.03))["taskId"]]
        await slow.wait_for(lambda task: task.state.status_message == "step 3 of 3")
        await client.poll(slow.task_id)
        assert slow.state.result is not None
        assert slow.state.result["structuredContent"] == {"result": "computed for 0.03 s"}
        failing = await client.poll((await client.start("failing_computation", duration=0))["taskId"])
        assert failing["status"] == ("completed" if era == "modern" else "failed")
        fields: JSON = {"task": {}} if era == "legacy" else {}
        plain = await client.request("tools/call", name="add", arguments={"a": 1, "b": 2}, **fields)
        assert plain["structuredContent"] == {"result": 3.0}
        assert len((await client.request("resources/list"))["resources"]) == 1
        assert len((await client.request("prompts/list"))["prompts"]) == 1


@pytest.mark.anyio
@HALF_READ
@both_eras
async def test_steering_from_another_thread(era: Era) -> None:
    """Handles, log and waiting work from a thread that has no event loop, while the server runs in another."""
    server = TaskServer()
    server.add_tool("work")

    def steer() -> None:
        task = server.next_task_blocking()
        server.requests.wait_for_blocking("tasks/get")
        task.set_working("from a thread")
        task.complete(threading.current_thread().name)

    async def follow(client: WireClient) -> None:
        task = await client.poll((await client.start("work"))["taskId"])
        assert task["status"] == "completed"

    async with connected(server, era, "http") as client, anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, steer)
        await follow(client)
