"""2025-11-25: which task a server's own request belongs to, and the stream that it may need."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import MCPError

from mcptasks import InputContext, TaskInputRequiredError
from mcptasks.testing import Complete, Delay, NeedInput, ServerTask, elicit
from tests.helpers.support import LONG_INTERVAL, PUSH_ONLY, begin, connected, make_server, virtual_clock
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

ADA = {"action": "accept", "content": {"value": "Ada"}}


class Oracle:
    """An async handler that keeps what it was told."""

    def __init__(self) -> None:
        self.contexts: dict[str, InputContext[Any]] = {}

    async def __call__(self, context: InputContext[Any], params: Any) -> Any:
        """Answer."""
        self.contexts[params.message] = context
        return {"value": "Ada"}

    def task_of(self, message: str) -> str | None:
        """The task that asked this, as far as the handler was told."""
        reference = self.contexts[message].reference
        return None if reference is None else reference.task_id


async def answered(*tasks: ServerTask) -> None:
    """Wait until each has all its answers, and complete it."""
    for steered in tasks:
        await steered.wait_for(lambda task: task.answers and task.status == "working")
        assert list(steered.answers.values()) == [ADA]
        steered.complete("done")


@pytest.mark.parametrize("key", ["io.modelcontextprotocol/related-task", "modelcontextprotocol.io/related-task"])
async def test_by_metadata(key: str) -> None:
    """A request that names its task, in either spelling, is put to whoever waits for that task."""
    server, oracle = make_server("legacy", input_mode="push-related", related_key=key, push="off"), Oracle()
    async with connected(server, elicitation_handler=oracle) as client, anyio.create_task_group() as waiters:
        one, first = await begin(client, server)
        two, second = await begin(client, server)
        first.need_input({"k": elicit("One?")})
        second.need_input({"k": elicit("Two?")})
        waiters.start_soon(one.result)
        await answered(first)
        assert set(oracle.contexts) == {"One?"}
        waiters.start_soon(two.result)
        await answered(second)
        assert [oracle.task_of("One?"), oracle.task_of("Two?")] == [one.task_id, two.task_id]


@pytest.mark.parametrize("push", ["on", "off"])
async def test_the_only_candidate(push: str) -> None:
    """A request without a name belongs to the one task of several that waits for input, pushed or found by a look."""
    server, oracle = make_server("legacy", input_mode="push", push=push), Oracle()
    async with connected(server, elicitation_handler=oracle) as client, anyio.create_task_group() as waiters:
        _, idle = await begin(client, server)
        task, steered = await begin(client, server)
        waiters.start_soon(task.result)
        steered.need_input({"k": elicit("Which?")})
        await answered(steered)
        idle.complete()
        assert oracle.task_of("Which?") == task.task_id
        assert not oracle.contexts["Which?"].candidates


async def test_told_by_the_message() -> None:
    """Where several wait, the one whose status message is the question is the one (fastmcp 3)."""
    server, oracle = make_server("legacy", input_mode="push"), Oracle()
    async with connected(server, elicitation_handler=oracle) as client, anyio.create_task_group() as waiters:
        tasks = [await begin(client, server) for _ in range(3)]
        for number, (task, steered) in enumerate(tasks):
            waiters.start_soon(task.result)
            steered.need_input({"k": elicit(f"Question {number}?")}, f"Question {number}?")
        await answered(*(steered for _, steered in tasks))
        assert [oracle.task_of(f"Question {n}?") for n in range(3)] == [task.task_id for task, _ in tasks]


async def test_known_late() -> None:
    """A task that asks while another waits, and of which nobody knows yet that it waits too, is found by a look."""
    server, oracle = make_server("legacy", input_mode="push", push="off"), Oracle()
    async with connected(server, elicitation_handler=oracle) as client, anyio.create_task_group() as waiters:
        one, first = await begin(client, server)
        two, second = await begin(client, server)
        first.need_input({"k": elicit("One?")}, "One?")
        await one.wait(state="input_required")
        second.need_input({"k": elicit("Two?")}, "Two?")
        waiters.start_soon(two.result)
        await answered(second)
        assert oracle.task_of("Two?") == two.task_id
        waiters.start_soon(one.result)
        await answered(first)


async def test_it_cannot_be_told() -> None:
    """Where nothing tells which of several tasks asks, the handler is told so, given the candidates, and asked once."""
    server, oracle = make_server("legacy", input_mode="push"), Oracle()
    async with connected(server, elicitation_handler=oracle) as client, anyio.create_task_group() as waiters:
        one, first = await begin(client, server)
        two, second = await begin(client, server)
        first.need_input({})
        second.need_input({})
        await one.status()
        await two.status()
        second.need_input({"k": elicit("Second?")})
        waiters.start_soon(one.result)
        waiters.start_soon(two.result)
        await answered(second)
        first.need_input({"k": elicit("First?")})
        await answered(first)
        context = oracle.contexts["Second?"]
        assert context.task is None
        assert {task.task_id for task in context.candidates} == {one.task_id, two.task_id}
        assert oracle.task_of("First?") == one.task_id


async def test_it_cannot_be_told_by_hand() -> None:
    """The same question is open in each task that may have asked it; answered through one it is answered in all."""
    server = make_server("legacy", input_mode="push")
    async with connected(server) as client:
        one, first = await begin(client, server)
        two, second = await begin(client, server)
        first.need_input({})
        second.need_input({})
        await one.status()
        await two.status()
        second.need_input({"k": elicit("Second?")})
        await two.wait(state="input_required")
        with pytest.raises(TaskInputRequiredError, match="does not say which of its tasks asks"):
            await two.result()
        ((key, _),) = two.input_requests.items()
        assert one.input_requests == two.input_requests
        await two.answer(key, {"value": "Ada"})
        assert one.input_requests == two.input_requests == {}
        await answered(second)
        first.need_input({"k": elicit("First?")})
        await one.wait(state="input_required")
        await one.answer(next(iter(one.input_requests)), {"value": "Ada"})
        await answered(first)


async def test_a_question_overtakes_the_creating_answer() -> None:
    """A task that asks before the answer that tells of it asks for itself, and not for a plain call."""
    server, oracle = make_server("legacy", input_mode="push"), Oracle()
    server.add_tool("hasty", [NeedInput({"k": elicit("Hasty?")}), Complete("done")])
    server.faults.add("tools/call", Delay(0.2), after=True)
    async with connected(server, elicitation_handler=oracle) as client:
        task = await client.call_tool("hasty", task=True)
        assert oracle.contexts == {}
        assert (await task.result()).data == "done"
        assert oracle.task_of("Hasty?") == task.task_id


async def test_a_plain_call_asks_beside_a_parked_task() -> None:
    """A plain call's question is its own while a task waits for an answer of which it is known what it asks."""
    server, oracle = make_server("legacy", input_mode="push"), Oracle()
    server.add_tool("plain", [NeedInput({"k": elicit("Plain?")}), Complete("done")], support="none")
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        steered.need_input({"k": elicit("Parked?")})
        await task.wait(state="input_required")
        assert (await client.call_tool("plain")).data == "done"
        assert oracle.contexts["Plain?"].task is None
        steered.complete()
        await task


async def test_a_plain_call_asks() -> None:
    """A plain call's request is no task's: it is put to the handler without one, while a task is under way."""
    server, oracle = make_server("legacy"), Oracle()
    server.add_tool("plain", [NeedInput({"k": elicit("Plain?")}), Complete("done")], support="none")
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        assert (await client.call_tool("plain")).data == "done"
        assert (oracle.contexts["Plain?"].task, oracle.contexts["Plain?"].candidates) == (None, ())
        steered.complete()
        await task


@async_only("one event loop")
async def test_a_call_through_the_client_underneath_asks() -> None:
    """A call that the program makes through `client.mcp` asks for itself, while an unrelated task works; when it was
    given up, a question that cannot be told is the task's again."""
    server, oracle = make_server("legacy", input_mode="push", push="off"), Oracle()
    server.add_tool("plain", [NeedInput({"k": elicit("Plain?")}), Complete("done")], support="none")
    server.add_tool("slow", support="none")
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        assert (await client.mcp.call_tool("plain")).content
        assert oracle.task_of("Plain?") is None
        async with anyio.create_task_group() as calls:
            calls.start_soon(client.mcp.call_tool, "slow")
            await server.requests.wait_for("tools/call", 3)
            calls.cancel_scope.cancel()
        steered.need_input({"k": elicit("Task?")})
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await answered(steered)
        assert oracle.task_of("Task?") == task.task_id


@pytest.mark.parametrize("result_mode", ["block", "refuse"])
async def test_the_stream(result_mode: str) -> None:
    """`tasks/result` is opened when a task waits for input, once, and not before; a server that refuses it early costs
    no more than that, and polling goes on beside it."""
    mode = "result" if result_mode == "block" else "push-related"
    server, oracle = make_server("legacy", input_mode=mode, result_mode=result_mode, push="off"), Oracle()
    async with connected(server, elicitation_handler=oracle) as client, anyio.create_task_group() as waiters:
        task, steered = await begin(client, server)
        await task.status()
        assert server.requests.count("tasks/result") == 0
        question = {"k": elicit("Who?")}
        # One that pushes says first that it waits, and then for what.
        steered.need_input(question if mode == "result" else {})
        waiters.start_soon(task.wait)
        await server.requests.wait_for("tasks/result")
        await server.requests.wait_for("tasks/get", server.requests.count("tasks/get") + 3)
        assert server.requests.count("tasks/result") == 1
        if mode != "result":
            steered.need_input(question)
        waiters.start_soon(task.result)
        await answered(steered)
        await task.wait()


async def test_the_stream_brings_the_end() -> None:
    """A blocked `tasks/result` brings the result at once, though the next look is far away and nothing is pushed."""
    server = make_server("legacy", push="off", poll_interval_ms=LONG_INTERVAL)
    async with connected(server, elicitation_handler=Oracle(), polling=PUSH_ONLY) as client:
        server.add_tool("ask", [NeedInput({"k": elicit("Who?")}), Complete("done")], born_input_required={})
        task, steered = await begin(client, server)
        steered.need_input({"k": elicit("Who?")})
        assert (await task.status()).status == "input_required"
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await answered(steered)


@virtual_clock()
async def test_nobody_said_what() -> None:
    """A task that waits for input and never says for what: without a handler `result()` says so, soon, and does not
    hang."""
    server = make_server("legacy", input_mode="push-related", push="off")
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.claim_input()
        steered.need_input({})
        with pytest.raises(TaskInputRequiredError, match="does not say what for"):
            await task.result()
        assert (await task.wait(state="input_required")).input_requests == {}


async def test_questions_of_tasks_that_are_no_more() -> None:
    """A request that names a task that is over, or one that is not known here, is refused: no handler is asked for it,
    as if a plain call asked."""
    server, oracle = make_server("legacy"), Oracle()
    async with connected(server, elicitation_handler=oracle) as client:
        over, steered = await begin(client, server)
        steered.complete("done")
        await over.result()
        for task_id in (over.task_id, "another"):
            question = elicit("Who?")
            related = {"io.modelcontextprotocol/related-task": {"taskId": task_id}}
            with pytest.raises(MCPError, match="no such task"):
                await steered.request(question["method"], {**question["params"], "_meta": related})
    assert oracle.contexts == {}
