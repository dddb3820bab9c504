"""`TaskTransport` and `TasksExtension` with the real pydantic-ai; its model is its own `FunctionModel`."""

from __future__ import annotations

import asyncio
from typing import Any

import fastmcp
import pytest
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import mcptasks
from mcptasks import Client
from mcptasks.contrib.fastmcp import TaskTransport
from tests.frameworks.common import (
    ERAS,
    examples,
    is_cancelled,
    next_task,
    run_example,
    serving,
    timed_out,
)
from tests.frameworks.programs import Forks, each_ending

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]


@pytest.fixture
def anyio_backend() -> str:
    """The framework runs on asyncio."""
    return "asyncio"


def script(tool: str, arguments: dict[str, Any] | None = None) -> FunctionModel:
    """A model that calls one tool, and repeats what the tool has answered."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        answers = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
        if answers:
            return ModelResponse(parts=[TextPart(str(answers[-1].content))])
        return ModelResponse(parts=[ToolCallPart(tool, {"topic": "bees"} if arguments is None else arguments)])

    return FunctionModel(answer)


async def test_a_task_is_driven_to_its_end(era: str) -> None:
    """A tool call of an agent becomes a task, and its result reaches the model."""
    with serving(era) as (server, url):
        agent = Agent(script("research"), toolsets=[MCPToolset(TaskTransport(url))])
        assert "they dance" in (await agent.run("bees?")).output
        assert len(server.tasks) == 1


async def test_input_requests(era: str) -> None:
    """The handler of the toolset answers what a task asks, on both protocols."""

    async def ask(*_: Any) -> dict[str, str]:
        return {"seat": "3A"}

    with serving(era) as (_, url):
        client = fastmcp.Client(TaskTransport(url), elicitation_handler=ask)
        agent = Agent(script("book", {}), toolsets=[MCPToolset(client)])
        assert "booked" in (await agent.run("book")).output


async def test_an_open_client(era: str) -> None:
    """An open client of the program is used with its own handlers, and left open; options beside it are refused."""
    with serving(era) as (_, url):
        async with Client(url, elicitation_handler=lambda _, __: {"seat": "3A"}) as client:
            agent = Agent(script("book", {}), toolsets=[MCPToolset(TaskTransport(client))])
            for _ in range(2):
                assert "booked" in (await agent.run("book")).output
            assert len(await client.list_tools()) == 3
            with pytest.raises(ValueError, match="timeout="):
                TaskTransport(client, timeout=1)


async def test_the_extension(era: str) -> None:
    """The extension in a client of fastmcp finishes tasks of 2026-07-28; on 2025-11-25 there are plain calls."""
    with serving(era) as (server, url):
        client = fastmcp.Client(url, extensions=[mcptasks.TasksExtension()])
        agent = Agent(script("research"), toolsets=[MCPToolset(client)])
        assert "they dance" in (await agent.run("bees?")).output
        assert len(server.tasks) == (1 if era == "modern" else 0)


async def test_two_adapters_for_tasks(era: str) -> None:
    """A second adapter that would finish the same tasks is refused in one sentence, before anything is sent."""
    with serving(era) as (server, url):
        client = fastmcp.Client(TaskTransport(url), extensions=[mcptasks.TasksExtension()])
        with pytest.raises(Exception, match=r"TaskTransport finishes tasks by itself; .* leave the extension out"):
            async with client:
                pass
        assert not server.requests


async def test_a_cancelled_run_leaves_no_task(era: str) -> None:
    """A cancelled run asks the server to cancel the task."""
    with serving(era) as (server, url):
        agent = Agent(script("work"), toolsets=[MCPToolset(TaskTransport(url))])
        async with agent:
            run = asyncio.create_task(agent.run("go"))
            task = await next_task(server)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert await is_cancelled(task)


async def test_a_timeout_leaves_no_task(era: str) -> None:
    """A run that times out asks the server to cancel the task, also if it has the connection to itself."""
    with serving(era) as (server, url):
        agent = Agent(script("work"), toolsets=[MCPToolset(TaskTransport(url))])
        assert await is_cancelled(await timed_out(agent.run("go"), server))


PROGRAM = """
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from mcptasks.contrib.fastmcp import TaskTransport
from tests.frameworks.in_pydantic_ai import script
async def main():
    await Agent(script("work"), toolsets=[MCPToolset(TaskTransport({url!r}))]).run("go")
"""


@each_ending
async def test_a_stopped_program_leaves_no_task(era: str, forks: Forks, ending: int) -> None:
    """A program that is stopped in mid-run asks the server to cancel the task on its way out."""
    with serving(era) as (server, url):
        task = await asyncio.to_thread(forks.stopped, PROGRAM.format(url=url), server, ending)
        assert await is_cancelled(task)


@pytest.mark.parametrize("example", examples("pydantic-ai"), ids=lambda example: f"line-{example.line}")
async def test_page(era: str, example: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of the page run as they are printed."""
    monkeypatch.chdir(tmp_path)
    call = ("start_work", {"tool": "research", "arguments": {"topic": "bees"}})
    with serving(era) as (_, url):
        model = script(*call) if "BackgroundWork" in example.source else script("research")
        await run_example(example, url, model=model)
