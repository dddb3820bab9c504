"""Calls in groups in the place of their tasks: they start together, and nothing of them is left behind."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

import mcptasks
from mcptasks import Client, Task, TaskFailedError, TaskTimeoutError, ToolError, ToolResult
from mcptasks.testing import Complete, Drop, NeedInput, ServerTask, TaskServer, elicit
from tests.helpers.pushing import until
from tests.helpers.support import (
    LIMIT,
    POLLED,
    Era,
    Signal,
    begin,
    cancelled_from_within,
    connected,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.virtual_time import on_frozen_clocks

pytestmark = pytest.mark.anyio


def call(client: Client, name: str = "work", **options: Any) -> Awaitable[Task[ToolResult]]:
    """A call that is not begun yet."""
    loose: Any = client
    made: Awaitable[Task[ToolResult]] = loose.call_tool(name, task=True, **options)
    return made


def decided() -> TaskServer:
    """A server that decides by itself and makes no task of "slow", which takes 2 s, and of "slower", which takes 3."""
    server = make_server("modern", **POLLED)
    server.add_tool("slow", [Complete("slow", after=2)], support="none")
    server.add_tool("slower", [Complete("slower", after=3)], support="none")
    return server


async def over(steered: ServerTask) -> str:
    """How a task or call has ended at the server."""
    await steered.wait_for(lambda task: task.done)
    return steered.status


# --- they start together ------------------------------------------------------------------------------------------


@virtual_clock()
@modern_only
async def test_gather_starts_them_together(era: Era) -> None:
    """Three calls of 2 s whose creating calls wait for the answer take 2 s; the results keep the order, and a call
    that stands there twice is made once."""
    del era
    server = decided()
    async with connected(server) as client:
        started = anyio.current_time()
        twice = call(client, "slow")
        found = await mcptasks.gather(call(client, "slower"), twice, call(client, "slow"), twice)
        assert [result.data for result in found] == ["slower", "slow", "slow", "slow"]
        assert 3 <= anyio.current_time() - started < 3.2
        assert server.requests.count("tools/call") == 3


@virtual_clock()
@modern_only
async def test_as_completed_hands_out_each_when_it_is_over(era: Era) -> None:
    """The quick one is there while the creating call of another one still waits."""
    del era
    server = decided()
    async with connected(server) as client:
        started = anyio.current_time()
        seen = [
            (task.name, round(anyio.current_time() - started))
            async for task in mcptasks.as_completed([call(client, "slower"), call(client, "slow")])
        ]
        assert seen == [("slow", 2), ("slower", 3)]


@virtual_clock()
@modern_only
async def test_wait_has_a_handle_for_each(era: Era) -> None:
    """`wait` returns the tasks of all calls, and makes them at the same time."""
    del era
    server = decided()
    async with connected(server) as client:
        started = anyio.current_time()
        done, pending = await mcptasks.wait([call(client, "slow"), call(client), call(client, "slower")], timeout=10)
        assert {task.name for task in done} == {"slow", "slower"}
        assert [task.name for task in pending] == ["work"]
        assert round(anyio.current_time() - started) == 10


async def test_tasks_and_calls_of_any_server(server: TaskServer, era: Era) -> None:
    """Tasks and calls, of several clients and of servers with tasks and without, stand in one group."""
    other = make_server(era, tasks=False)
    found: list[Any] = []
    async with connected(server) as client, connected(other) as second, anyio.create_task_group() as group:
        task, steered = await begin(client, server)

        async def gather() -> None:
            found.extend(await mcptasks.gather(call(second), task, call(client)))

        group.start_soon(gather)
        (await other.next_call()).complete("without a task")
        (await server.next_task()).complete("a call")
        steered.complete("a task")
    assert [result.data for result in found] == ["without a task", "a task", "a call"]


async def test_questions_are_answered(server: TaskServer) -> None:
    """What the task of a call asks is answered while another creating call waits."""
    server.add_tool("asks", [NeedInput({"k": elicit("sure?")}), Complete("asked")])
    server.add_tool("quick", result=1)
    asked = Signal()

    def handler(_context: Any, _params: Any) -> Any:
        asked.set()
        return {"value": "yes"}

    async with connected(server, elicitation_handler=handler) as client:

        async def slow_to_answer() -> Task[ToolResult]:
            await asked.wait()
            return await client.call_tool("quick", task=True)

        found = await mcptasks.gather(call(client, "asks"), slow_to_answer())
    assert [result.data for result in found] == ["asked", 1]


# --- how they fail ------------------------------------------------------------------------------------------------


async def test_errors_in_the_list(server: TaskServer) -> None:
    """With `return_exceptions` a call that makes no task is an error in its place, and the others are waited for."""
    found: list[Any] = []
    async with connected(server) as client, anyio.create_task_group() as group:

        async def gather() -> None:
            found.extend(await mcptasks.gather(fail(), call(client), call(client), return_exceptions=True))

        group.start_soon(gather)
        (await server.next_task()).complete("well")
        (await server.next_task()).fail("no luck")
    assert isinstance(found[0], TaskFailedError)
    assert sorted(type(one).__name__ for one in found[1:]) == ["ToolError", "ToolResult"]


async def fail() -> Task[ToolResult]:
    """A call that fails."""
    await anyio.lowlevel.checkpoint()
    raise TaskFailedError("refused")


@pytest.mark.parametrize("how", ["error", "cancelled"])
async def test_what_gather_leaves(server: TaskServer, how: str) -> None:
    """Where gather raises or is cancelled, what calls have made is cancelled, for nobody has a handle on it, and a call
    without an answer is given up. A task that was passed in goes on."""
    async with connected(server) as client:
        task, going_on = await begin(client, server)
        silent = server.faults.add("tools/call", Drop(), skip=1)
        made: list[ServerTask] = []
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def gather() -> None:
                    with pytest.raises(ToolError):
                        await mcptasks.gather(call(client), call(client), task)

                group.start_soon(gather)
                steered = await server.next_task()
                made.append(steered)
                await server.faults.wait_fired(silent)
                await server.requests.wait_for("tasks/get", task_id=steered.task_id)
                if how == "cancelled":
                    scope.cancel()
                else:
                    going_on.fail("no luck")
        assert await over(made[0]) == "cancelled"
        if how == "cancelled":
            assert not going_on.done


async def test_what_wait_leaves(server: TaskServer) -> None:
    """`wait` that is cancelled, or has a call that fails, has cancelled what was made."""
    async with connected(server) as client:
        with pytest.raises(TaskFailedError, match="refused"):
            await mcptasks.wait([call(client), late_failure(server)])
        assert await over(await server.next_task()) == "cancelled"
        cancelled: Any = cancelled_from_within()
        with pytest.raises(RuntimeError, match=r"cancelled (by somebody else|from within)"):
            await mcptasks.wait([cancelled])
        made: list[ServerTask] = []
        async with anyio.create_task_group() as group:
            group.start_soon(mcptasks.wait, [call(client)])
            made.append(await server.next_task())
            await server.requests.wait_for("tasks/get", task_id=made[0].task_id)
            group.cancel_scope.cancel()
        assert await over(made[0]) == "cancelled"


@on_frozen_clocks
async def test_what_wait_leaves_at_its_deadline(server: TaskServer) -> None:
    """`wait` has cancelled what was made where a call is not answered in time; a task that was made in time goes on."""
    async with connected(server) as client:
        server.faults.add("tools/call", Drop(), skip=1)
        with pytest.raises(TaskTimeoutError, match="1 of 2 calls"):
            await mcptasks.wait([call(client), call(client)], timeout=2)
        assert await over(await server.next_task()) == "cancelled"
        done, pending = await mcptasks.wait([call(client)], timeout=2)
        (steered,) = [await server.next_task()]
        assert (done, {task.task_id for task in pending}, steered.done) == (set(), {steered.task_id}, False)


async def late_failure(server: TaskServer) -> Task[ToolResult]:
    """A call that fails when another one has made its task."""
    await until(lambda: bool(server.tasks))
    await settle()
    raise TaskFailedError("refused")


async def test_what_as_completed_leaves(server: TaskServer) -> None:
    """A dropped iterator has cancelled what was not handed out; what was goes on."""
    async with connected(server) as client:
        task, going_on = await begin(client, server)
        given: list[Task[ToolResult] | Awaitable[Task[ToolResult]]] = [call(client), call(client), task]
        iterator = mcptasks.as_completed(given)
        handed_out: list[Task[ToolResult]] = []
        async with anyio.create_task_group() as group:
            group.start_soon(complete_one, server)
            handed_out.append(await anext(iterator))
        (left,) = [steered for steered in server.tasks.values() if not steered.done and steered is not going_on]
        del iterator
        gc.collect()
        assert await over(left) == "cancelled"
        assert (await handed_out[0]).data == "first"
        assert not going_on.done


async def complete_one(server: TaskServer) -> None:
    """Let two tasks come, and complete one."""
    steered = await server.next_task()
    await server.next_task()
    steered.complete("first")


async def test_as_completed_with_a_call_that_fails(server: TaskServer) -> None:
    """What a call raises is raised by its step; the next step goes on with the others."""
    server.add_tool("quick", [Complete("well", after=0.05)])
    async with connected(server) as client:
        iterator = mcptasks.as_completed([call(client, "quick"), fail()])
        with pytest.raises(TaskFailedError, match="refused"):
            await anext(iterator)
        assert (await (await anext(iterator))).data == "well"
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)


@on_frozen_clocks
async def test_as_completed_in_time(server: TaskServer) -> None:
    """At the deadline, a call without an answer counts as not finished and is given up; what was made goes on."""
    server.faults.add("tools/call", Drop(), skip=1)
    async with connected(server) as client:
        with pytest.raises(TaskTimeoutError, match="2 of 2 tasks") as caught:
            await anext(mcptasks.as_completed([call(client), call(client)], 1))
        steered = await server.next_task()
        assert caught.value.reference is not None
        assert caught.value.reference.task_id == steered.task_id
        gc.collect()
        await settle()
        assert not steered.done


@modern_only
@on_frozen_clocks
async def test_as_completed_gives_up_at_its_deadline(server: TaskServer) -> None:
    """A call that the server has not answered by the deadline is cancelled there, while the iterator is kept."""
    server.add_tool("slow", [Complete("slow", after=60)], support="none")
    async with connected(server) as client:
        iterator = mcptasks.as_completed([call(client, "slow")], 0.3)
        with pytest.raises(TaskTimeoutError, match="1 of 1 tasks"):
            await anext(iterator)
        assert await over(await server.next_call()) == "cancelled"
        del iterator


async def test_what_was_handed_out_is_the_programs(server: TaskServer) -> None:
    """A task that was handed out with an error while it is still alive is not cancelled with the iterator."""
    server.add_tool("asks", [NeedInput({"k": elicit("sure?")}), Complete("asked")])
    async with connected(server) as client:
        iterator = mcptasks.as_completed([call(client, "asks"), call(client)])
        task = await anext(iterator)
        steered = server.tasks[task.task_id]
        other = next(each for each in server.tasks.values() if each is not steered)
        del iterator
        gc.collect()
        assert await over(other) == "cancelled"
        assert (task.name, steered.done) == ("asks", False)


async def test_calls_that_make_no_task(server: TaskServer) -> None:
    """A call without `task=True` is a `TypeError` that says what to do; so is what is neither a task nor a call. Calls
    beside that are not begun, and Python does not warn of them."""
    server.add_tool("quick", result=1)
    async with connected(server) as client:
        plain: Any = client.call_tool("quick")
        with pytest.raises(TypeError, match="a call returned ToolResult: make it with task=True"):
            await mcptasks.gather(plain)
        sent = server.requests.count("tools/call")
        wrong: Any = 5
        functions: list[Callable[[list[Any]], Any]] = [mcptasks.wait, mcptasks.as_completed]
        with pytest.raises(TypeError, match="takes tasks, got 5"):
            await mcptasks.gather(call(client), wrong)
        for function in functions:
            with pytest.raises(TypeError, match="takes tasks, got 5"):
                await unwrapped(function([call(client), wrong]))
        with pytest.raises(ValueError, match="polls tasks that exist"):
            await mcptasks.wait([call(client)], timeout=0)
        with pytest.raises(ValueError, match="polls tasks that exist"):
            mcptasks.as_completed([call(client)], timeout=0)
        gc.collect()
        assert server.requests.count("tools/call") == sent


async def unwrapped(awaitable: Awaitable[Any]) -> Any:
    """Its value."""
    return await awaitable


async def test_the_end_of_the_client(server: TaskServer) -> None:
    """A client that is closed ends the calls that are under way with the usual error; no task of theirs outlives it."""
    silent = server.faults.add("tools/call", Drop(), times=None)
    errors: list[Any] = []

    async def gather(client: Client) -> None:
        found: list[Any] = await mcptasks.gather(call(client), call(client), return_exceptions=True)
        errors.extend(found)

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group, connected(server) as client:
            group.start_soon(gather, client)
            await server.faults.wait_fired(silent, 2)
    assert [type(error).__name__ for error in errors] == ["TaskConnectionError"] * 2
