"""`TasksExtension` with the real agent framework of Microsoft; its model is a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import mcp
import mcp_types
import pytest
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    MCPStreamableHTTPTool,
    Message,
)

import mcptasks
from tests.frameworks.common import (
    examples,
    is_cancelled,
    polled_task,
    run_example,
    serving,
    timed_out,
)
from tests.frameworks.programs import Forks, each_ending

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The framework runs on asyncio."""
    return "asyncio"


class Script(FunctionInvocationLayer[Any], BaseChatClient[Any]):
    """A model that calls one tool, and repeats what the tool has answered."""

    def __init__(self, tool: str, arguments: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.tool = tool
        self.arguments = {"topic": "bees"} if arguments is None else arguments

    async def _inner_get_response(self, *, messages: Sequence[Message], **_: Any) -> ChatResponse[Any]:
        """Answer."""
        answers = [content for message in messages for content in message.contents if content.type == "function_result"]
        if answers:
            content = Content.from_text(str(answers[-1].result))
        else:
            content = Content.from_function_call("1", self.tool, arguments=self.arguments)
        return ChatResponse(messages=[Message("assistant", [content])])


@asynccontextmanager
async def agent_of(url: str, model: Script, **options: Any) -> AsyncGenerator[Agent]:
    """An agent with the tools of a server."""
    extension = mcptasks.TasksExtension(target=url)
    async with (
        mcp.Client(url, extensions=[extension], **options) as client,
        MCPStreamableHTTPTool("tasks", mcp_client=client) as tools,
    ):
        yield Agent(model, tools=tools)


async def test_a_task_is_driven_to_its_end() -> None:
    """A tool call of an agent becomes a task, and its result reaches the model."""
    with serving("modern") as (server, url):
        async with agent_of(url, Script("research")) as agent:
            assert "they dance" in (await agent.run("bees?")).text
        assert len(server.tasks) == 1


async def test_input_requests() -> None:
    """The callback of the SDK's client answers what a task asks."""

    async def ask(*_: Any) -> mcp_types.ElicitResult:
        return mcp_types.ElicitResult(action="accept", content={"seat": "3A"})

    with serving("modern") as (_, url):
        async with agent_of(url, Script("book", {}), elicitation_callback=ask) as agent:
            assert "booked" in (await agent.run("book")).text


async def test_a_cancelled_run_leaves_no_task() -> None:
    """A cancelled run asks the server to cancel the task."""
    with serving("modern") as (server, url):
        async with agent_of(url, Script("work")) as agent:
            run = asyncio.ensure_future(agent.run("go"))
            task = await polled_task(server)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert await is_cancelled(task)


async def test_a_timeout_leaves_no_task() -> None:
    """A run that times out asks the server to cancel the task."""
    with serving("modern") as (server, url):
        async with agent_of(url, Script("work")) as agent:

            async def run() -> None:
                await agent.run("go")

            assert await is_cancelled(await timed_out(run(), server, polled_task))


PROGRAM = """
from tests.frameworks.in_agent_framework import Script, agent_of
async def main():
    async with agent_of({url!r}, Script("work")) as agent:
        await agent.run("go")
"""


@each_ending
async def test_a_stopped_program_leaves_no_task(forks: Forks, ending: int) -> None:
    """A program that is stopped in mid-run asks the server to cancel the task on its way out."""
    with serving("modern") as (server, url):
        task = await asyncio.to_thread(forks.stopped, PROGRAM.format(url=url), server, ending, polled=True)
        assert await is_cancelled(task)


async def test_a_legacy_server() -> None:
    """On 2025-11-25 the framework leaves out tools that may become tasks, as the page says."""
    with serving("legacy") as (server, url):
        server.add_tool("plain", support="none", description="Is no task.")
        async with agent_of(url, Script("plain")) as agent:
            (tools,) = agent.mcp_tools
            assert [function.name for function in tools.functions] == ["plain"]


@pytest.mark.parametrize("example", examples("agent-framework"), ids=lambda example: f"line-{example.line}")
async def test_page(example: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of the page run as they are printed."""
    monkeypatch.chdir(tmp_path)
    call = ("start_work", {"tool": "research", "arguments": {"topic": "bees"}})
    with serving("modern") as (_, url):
        model = Script(*call) if "BackgroundWork" in example.source else Script("research")
        await run_example(example, url, model=model)
