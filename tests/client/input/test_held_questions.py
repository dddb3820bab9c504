"""2025-11-25: questions that came as requests are held until somebody answers, also over a lost connection."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import MCPError

from mcptasks import InputContext, TaskStateError
from mcptasks.testing import ToolContext, elicit
from tests.helpers.people import ADA
from tests.helpers.support import Signal, begin, connected, make_server, settle
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]


async def test_the_connection_is_lost_while_somebody_answers() -> None:
    """A server that is reached again and asks again gets the answer of whoever was asked before; nobody is asked
    twice."""
    server = make_server("legacy", push="off")
    asked, go_on = Signal(), Signal()
    times: list[str] = []

    async def handler(context: InputContext[Any], params: Any) -> Any:
        times.append(params.message)
        asked.set()
        await go_on.wait()
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=handler) as client, anyio.create_task_group() as waiters:
        task, steered = await begin(client, server)
        waiters.start_soon(task.result)
        steered.need_input({"k": elicit("Who?")})
        await asked.wait()
        server.restart()
        await server.requests.wait_for("initialize", 2)
        go_on.set()
        await steered.wait_for(lambda task: task.answers and task.status == "working")
        assert list(steered.answers.values()) == [ADA]
        steered.complete("done")
        await task.wait()
    assert times == ["Who?"]


async def test_the_connection_is_lost_and_the_question_with_it() -> None:
    """A task that goes on after the connection was lost asks no more, whatever was open."""
    server = make_server("legacy", push="off")
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.need_input({"k": elicit("Who?")})
        (key,) = (await task.wait(state="input_required")).input_requests
        server.restart()
        steered.set_working("without you")
        await task.wait(state="working")
        assert task.input_requests == {}
        with pytest.raises(TaskStateError, match=f"does not ask '{key}'"):
            await task.answer(key, {"value": "Ada"})


async def test_a_question_is_taken_back() -> None:
    """A request that the server withdraws is open no more; a handler that is at it ends."""
    server = make_server("legacy", input_mode="push-related")
    asked, ended = Signal(), Signal()

    async def handler(context: Any, params: Any) -> None:
        asked.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with connected(server, elicitation_handler=handler) as client, anyio.create_task_group() as waiters:
        task, steered = await begin(client, server)
        steered.need_input({"k": elicit("Who?")})
        (key,) = (await task.wait(state="input_required")).input_requests
        waiters.start_soon(task.result)
        await asked.wait()
        steered.withdraw("k")
        await ended.wait()
        await settle()
        with pytest.raises(TaskStateError, match=f"does not ask '{key}'"):
            await task.answer(key, {"value": "Ada"})
        steered.complete("done")


async def test_questions_of_tasks_that_are_over() -> None:
    """A server may leave its question open when the task is over. Then it is told so, and is not kept waiting."""
    server = make_server("legacy", input_mode="push-related")
    told: list[str] = []
    async with connected(server) as client, anyio.create_task_group() as calls:
        task, steered = await begin(client, server)

        @server.tool("asker", support="none")
        async def asker(ctx: ToolContext) -> str:
            question = elicit("Who?")
            related = {"io.modelcontextprotocol/related-task": {"taskId": task.task_id}}
            try:
                await ctx.request(question["method"], {**question["params"], "_meta": related})
            except MCPError as exc:
                told.append(exc.error.message)
            return "over"

        calls.start_soon(client.call_tool, "asker")
        await task.wait(state="input_required")
        steered.complete("done")
        assert (await task.wait()).status == "completed"
    assert told == ["the task is over"]
