"""`TaskMCPServer` with the real OpenAI Agents SDK; its model is a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import Agent, ModelResponse, Runner, Usage, set_tracing_disabled
from agents.models.interface import Model
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from mcptasks import Client, TaskConnectionError
from mcptasks.contrib.background import BackgroundWork
from mcptasks.contrib.openai_agents import TaskMCPServer
from mcptasks.store import Store
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

set_tracing_disabled(True)
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]


@pytest.fixture
def anyio_backend() -> str:
    """The framework runs on asyncio."""
    return "asyncio"


class Script(Model):
    """A model that calls one tool, and repeats what the tool has answered."""

    def __init__(self, tool: str, arguments: str = '{"topic": "bees"}') -> None:
        self.tool, self.arguments = tool, arguments
        self.offered: list[str] = []

    async def get_response(
        self,
        system_instructions: Any,
        input: Any,  # noqa: A002 - the framework's name
        model_settings: Any,
        tools: Any,
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        """Answer."""
        self.offered = [tool.name for tool in tools]
        answers = [item for item in input if isinstance(item, dict) and item.get("type") == "function_call_output"]
        if not answers:
            call = ResponseFunctionToolCall(call_id="1", name=self.tool, arguments=self.arguments, type="function_call")
            return ModelResponse(output=[call], usage=Usage(), response_id=None)
        text = ResponseOutputText(text=str(answers[-1]["output"]), type="output_text", annotations=[])
        message = ResponseOutputMessage(id="1", content=[text], role="assistant", status="completed", type="message")
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    async def stream_response(
        self,
        system_instructions: Any,
        input: Any,  # noqa: A002 - the framework's name
        model_settings: Any,
        tools: Any,
        *_: Any,
        **__: Any,
    ) -> AsyncIterator[Any]:
        """Answer in one piece."""
        answer = await self.get_response(system_instructions, input, model_settings, tools)
        response = Response(
            id="1",
            created_at=0,
            model="script",
            object="response",
            output=answer.output,
            parallel_tool_calls=False,
            tool_choice="none",
            tools=[],
        )
        yield ResponseCompletedEvent(type="response.completed", sequence_number=0, response=response)


async def test_a_task_is_driven_to_its_end(era: str) -> None:
    """A tool call of an agent becomes a task, and its result reaches the model."""
    with serving(era) as (server, url):
        async with TaskMCPServer(url) as tools:
            model = Script("research")
            result = await Runner.run(Agent(name="a", model=model, mcp_servers=[tools]), "bees?")
        assert "they dance" in result.final_output
        assert set(model.offered) == {"work", "research", "book"}
        assert len(server.tasks) == 1


async def test_input_requests(era: str) -> None:
    """The client's handler answers what a task asks."""
    with serving(era) as (_, url):
        options = {"elicitation_handler": lambda _, __: {"seat": "3A"}}
        async with TaskMCPServer(url, client=options) as tools:
            result = await Runner.run(Agent(name="a", model=Script("book", "{}"), mcp_servers=[tools]), "book")
        assert "booked" in result.final_output


async def test_a_cancelled_run_leaves_no_task(era: str) -> None:
    """A cancelled run asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with TaskMCPServer(url) as tools:
            run = asyncio.create_task(Runner.run(Agent(name="a", model=Script("work"), mcp_servers=[tools]), "go"))
            task = await next_task(server)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert await is_cancelled(task)


async def test_a_cancelled_stream_leaves_no_task(era: str) -> None:
    """A run that is cancelled by the framework's own method asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with TaskMCPServer(url) as tools:
            run = Runner.run_streamed(Agent(name="a", model=Script("work"), mcp_servers=[tools]), "go")
            task = await next_task(server)
            run.cancel()
            assert await is_cancelled(task)


async def test_a_timeout_leaves_no_task(era: str) -> None:
    """A run that times out asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with TaskMCPServer(url) as tools:
            agent = Agent(name="a", model=Script("work"), mcp_servers=[tools])
            assert await is_cancelled(await timed_out(Runner.run(agent, "go"), server))


async def test_cleanup_leaves_no_task(era: str) -> None:
    """A server that is cleaned up during a run asks the server to cancel the task, and connects again."""
    with serving(era) as (server, url):
        tools = TaskMCPServer(url)
        await tools.connect()
        run = asyncio.create_task(Runner.run(Agent(name="a", model=Script("work"), mcp_servers=[tools]), "go"))
        task = await next_task(server)
        await tools.cleanup()
        assert await is_cancelled(task)
        with pytest.raises(TaskConnectionError, match="not connected"):
            await run
        async with tools:
            assert len(await tools.list_tools()) == 3


PROGRAM = """
from agents import Agent, Runner
from mcptasks.contrib.openai_agents import TaskMCPServer
from tests.frameworks.in_openai_agents import Script
async def main():
    async with TaskMCPServer({url!r}) as tools:
        await Runner.run(Agent(name="a", model=Script("work"), mcp_servers=[tools]), "go")
"""


@each_ending
async def test_a_stopped_program_leaves_no_task(era: str, forks: Forks, ending: int) -> None:
    """A program that is stopped in mid-run asks the server to cancel the task on its way out."""
    with serving(era) as (server, url):
        task = await asyncio.to_thread(forks.stopped, PROGRAM.format(url=url), server, ending)
        assert await is_cancelled(task)


async def test_an_open_client_is_left_open(era: str) -> None:
    """An open client of the program is used, and is open afterwards; options beside a client are refused."""
    with serving(era) as (_, url):
        async with Client(url) as client:
            async with TaskMCPServer(client) as tools:
                assert len(await tools.list_tools()) == 3
            with pytest.raises(TaskConnectionError, match="not connected"):
                await tools.list_tools()
            assert len(await client.list_tools()) == 3
            with pytest.raises(ValueError, match="client="):
                TaskMCPServer(client, client={"timeout": 1})
            with pytest.raises(ValueError, match="timeout"):
                TaskMCPServer(url, client={"timeout": -1})
            assert url in TaskMCPServer(url).name


@pytest.mark.parametrize("example", examples("openai-agents"), ids=lambda example: f"line-{example.line}")
async def test_page(era: str, example: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of the page run as they are printed."""
    monkeypatch.chdir(tmp_path)
    with serving(era) as (_, url):
        tool, arguments = (
            ("start_work", '{"tool": "research", "arguments": {"topic": "bees"}}')
            if ("BackgroundWork" in example.source)
            else ("research", '{"topic": "bees"}')
        )
        await run_example(example, url, model=Script(tool, arguments), Store=Store, BackgroundWork=BackgroundWork)
