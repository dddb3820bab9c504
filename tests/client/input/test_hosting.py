"""Tasks that the client hosts for a 2025-11-25 server, through whole clients."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from mcptasks import Client, HostTasks, InputContext
from mcptasks._engine import engine
from mcptasks.testing import ServerTask, TaskServer, ToolContext, elicit, sample
from tests.helpers.support import LIMIT, Signal, begin, connected, http, legacy_only, make_server, modern_only
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

RELATED = "io.modelcontextprotocol/related-task"
YES = {"action": "accept", "content": {"value": "yes"}}


async def as_task(asking: ToolContext | ServerTask, question: Any) -> dict[str, Any]:
    """What a server gets for a question that it asks as a task, and polls for."""
    created = await asking.request(question["method"], {**question["params"], "task": {"ttl": 60_000}})
    task = created["task"]
    while task["status"] == "working":
        await anyio.sleep(task["pollInterval"] / 1000)
        task = await asking.request("tasks/get", {"taskId": task["taskId"]})
    return await asking.request("tasks/result", {"taskId": task["taskId"]})


async def create(asking: ServerTask) -> str:
    """Have the client begin a task; its id."""
    question = elicit("Sure?")
    created = await asking.request(question["method"], {**question["params"], "task": {}})
    task_id: str = created["task"]["taskId"]
    return task_id


@contextmanager
def reached(server: TaskServer, way: str) -> Generator[Any]:
    """A server in process, or over HTTP."""
    if way == "http":
        with http(server) as url:
            yield url
    else:
        yield server


def agree(context: InputContext[Any], params: Any) -> dict[str, str]:
    """Says yes to a question."""
    return {"value": f"yes to {params.message}"}


def shout(context: InputContext[Any], params: Any) -> str:
    """Says what the prompt says."""
    text: str = params.messages[0].content.text
    return text.upper()


class Verdict(BaseException):
    """What a test framework raises to end a test is no `Exception`."""


class Endless:
    """An async handler that never answers."""

    def __init__(self) -> None:
        self.asked = Signal()
        self.cancelled = Signal()

    async def __call__(self, context: InputContext[Any], params: Any) -> None:
        """Wait until it is cancelled."""
        self.asked.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.cancelled.set()


@pytest.mark.parametrize("way", ["object", "http"])
async def test_questions_as_tasks(way: str) -> None:
    """A tool that asks by tasks, both kinds at once, gets what the program's plain handlers say."""
    server = make_server("legacy")

    @server.tool(support="none")
    async def ask_both(ctx: ToolContext) -> list[Any]:
        first = await as_task(ctx, elicit("Sure?", {"value": {"type": "string"}}))
        second = await as_task(ctx, sample("Say hi"))
        return [first["content"]["value"], second["content"]["text"], RELATED in first["_meta"]]

    with reached(server, way) as target:
        async with connected(
            target,
            elicitation_handler=agree,
            sampling_handler=shout,
            host_tasks=HostTasks(poll_interval=0.01),
        ) as client:
            assert (await client.call_tool("ask_both")).data == ["yes to Sure?", "SAY HI", True]


@legacy_only
async def test_on_behalf_of_a_task(server: TaskServer) -> None:
    """A question that names one of the client's own tasks comes to the handler with that task."""
    contexts: list[InputContext[Any]] = []

    async def handler(context: InputContext[Any], params: Any) -> dict[str, str]:
        contexts.append(context)
        return {"value": "yes"}

    async with connected(server, elicitation_handler=handler, host_tasks=True) as client:
        task, steered = await begin(client, server)
        question = elicit("Sure?")
        meta = {RELATED: {"taskId": task.task_id}}
        created = await steered.request(question["method"], {**question["params"], "task": {}, "_meta": meta})
        hosted = created["task"]["taskId"]
        assert (await steered.request("tasks/result", {"taskId": hosted}))["content"] == {"value": "yes"}
        assert contexts[0].reference == task.reference


@legacy_only
@pytest.mark.parametrize("error", [KeyError("secret"), SystemExit(3), Verdict("secret")])
async def test_handlers_that_raise(server: TaskServer, error: BaseException) -> None:
    """A handler that raises, be it an `Exception` or not, fails its task and nothing else; the server learns the type
    of the error and no more."""

    async def handler(context: InputContext[Any], params: Any) -> None:
        raise error

    async with connected(server, elicitation_handler=handler, host_tasks=True) as client:
        task, steered = await begin(client, server)
        with pytest.raises(MCPError, match="handler failed: ") as caught:
            await as_task(steered, elicit("Sure?"))
        assert "secret" not in str(caught.value)
        steered.complete("done")
        assert (await task.result()).data == "done"


@legacy_only
async def test_the_server_cancels(server: TaskServer) -> None:
    """`tasks/cancel` ends the handler; the task is listed as cancelled."""
    handler = Endless()
    async with connected(server, elicitation_handler=handler, host_tasks=True) as client:
        _, steered = await begin(client, server)
        task_id = await create(steered)
        await handler.asked.wait()
        cancelled = await steered.request("tasks/cancel", {"taskId": task_id})
        assert cancelled["status"] == "cancelled"
        await handler.cancelled.wait()
        assert (await steered.request("tasks/list"))["tasks"] == [cancelled]
        with pytest.raises(MCPError, match="over already"):
            await steered.request("tasks/cancel", {"taskId": task_id})


@legacy_only
async def test_a_client_that_leaves(server: TaskServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving the client cancels its handlers and does not wait for anything."""
    monkeypatch.setattr(engine, "CLOSE_SECONDS", 2 * LIMIT)
    handler = Endless()
    with anyio.fail_after(LIMIT):
        async with connected(server, elicitation_handler=handler, host_tasks=True) as client:
            _, steered = await begin(client, server)
            for _ in range(3):
                await create(steered)
            await handler.asked.wait()
        await handler.cancelled.wait()


@legacy_only
async def test_tasks_end_with_their_connection(server: TaskServer) -> None:
    """When the connection is replaced, what was hosted on it is cancelled, and the new one knows nothing of it."""
    handler = Endless()
    with http(server) as url:
        async with connected(url, elicitation_handler=handler, host_tasks=True) as client:
            _, steered = await begin(client, server)
            task_id = await create(steered)
            await handler.asked.wait()
            server.restart()
            _, again = await begin(client, server)
            await handler.cancelled.wait()
            with pytest.raises(MCPError, match="no such task"):
                await again.request("tasks/get", {"taskId": task_id})
            assert await again.request("tasks/list") == {"tasks": []}
            assert await create(again) != task_id


@legacy_only
@pytest.mark.parametrize("host_tasks", [False, HostTasks(kinds=("sampling",))])
async def test_kinds_that_are_not_hosted(server: TaskServer, host_tasks: Any) -> None:
    """The wish for a task is ignored where tasks of that kind are not offered: the answer comes directly."""

    async def yes(context: Any, params: Any) -> dict[str, str]:
        return {"value": "yes"}

    async with connected(server, elicitation_handler=yes, sampling_handler=Endless(), host_tasks=host_tasks) as client:
        call = await client.call_tool("work", task=True)
        steered = await server.next_task()
        # Another task's, as far as the client can tell, and so not to be routed to this one.
        steered.complete("done")
        await call.result()
        question = elicit("Sure?")
        assert await steered.request(question["method"], {**question["params"], "task": {"ttl": 5}}) == YES


@modern_only
async def test_2026_has_no_hosting(server: TaskServer) -> None:
    """On a 2026-07-28 connection the options do nothing."""
    async with connected(server, elicitation_handler=Endless(), host_tasks=True) as client:
        task, steered = await begin(client, server)
        steered.complete("done")
        assert (await task.result()).data == "done"


def test_options_are_checked() -> None:
    """Hosting without anybody who answers, and nonsense, are refused where the client is made."""
    with pytest.raises(ValueError, match="elicitation_handler or sampling_handler"):
        Client("https://example.com/mcp", host_tasks=True)
    with pytest.raises(TypeError, match="HostTasks"):
        Client("https://example.com/mcp", host_tasks=7, sampling_handler=print)  # type: ignore[arg-type]
