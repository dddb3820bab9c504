"""A client's session in the real LlamaIndex; its model is its own mock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.tools.mcp import McpToolSpec

from mcptasks import Client
from tests.frameworks.common import (
    ERAS,
    examples,
    is_cancelled,
    next_task,
    run_example,
    serving,
    timed_out_by_itself,
)
from tests.frameworks.programs import Forks, each_ending

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]


@pytest.fixture
def anyio_backend() -> str:
    """The framework runs on asyncio."""
    return "asyncio"


def script(tool: str, arguments: dict[str, Any] | None = None) -> MockFunctionCallingLLM:
    """A model that calls one tool, and repeats what the tool has answered."""

    def answer(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
        answers = [message for message in messages if message.role == MessageRole.TOOL]
        if answers:
            return ChatMessage(role="assistant", blocks=[TextBlock(text=str(answers[-1].content))])
        sent = {"topic": "bees"} if arguments is None else arguments
        call = ToolCallBlock(tool_call_id="1", tool_name=tool, tool_kwargs=sent)
        return ChatMessage(role="assistant", blocks=[call])

    return MockFunctionCallingLLM(response_generator=answer)


async def agent_of(client: Client, model: MockFunctionCallingLLM, **options: Any) -> FunctionAgent:
    """An agent with the tools of a client."""
    tools = await McpToolSpec(client.as_session()).to_tool_list_async()
    return FunctionAgent(tools=tools, llm=model, streaming=False, **options)


async def test_a_task_is_driven_to_its_end(era: str) -> None:
    """A tool call of an agent becomes a task, and its result reaches the model."""
    with serving(era) as (server, url):
        async with Client(url) as client:
            assert "they dance" in str(await (await agent_of(client, script("research"))).run("bees?"))
        assert len(server.tasks) == 1


async def test_input_requests(era: str) -> None:
    """The client's handler answers what a task asks."""
    with serving(era) as (_, url):
        async with Client(url, elicitation_handler=lambda _, __: {"seat": "3A"}) as client:
            assert "booked" in str(await (await agent_of(client, script("book", {}))).run("book"))


async def test_resources(era: str) -> None:
    """Resources become tools too."""
    with serving(era) as (server, url):
        server.add_resource("memo://1", result="text")
        async with Client(url) as client:
            tools = await McpToolSpec(client.as_session(), include_resources=True).to_tool_list_async()
            assert "text" in str(await tools[-1].acall())


async def test_a_cancelled_run_leaves_no_task(era: str) -> None:
    """A run that is cancelled by the framework's own method asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with Client(url) as client:
            run = (await agent_of(client, script("work"))).run("go")
            task = await next_task(server)
            await run.cancel_run()
            assert await is_cancelled(task)


async def test_a_timeout_leaves_no_task(era: str) -> None:
    """A run that times out by the framework's own limit asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with Client(url) as client:

            async def run(limit: float) -> None:
                agent = await agent_of(client, script("work"), timeout=limit)
                with pytest.raises(Exception, match=r"(?i)timed out"):
                    await agent.run("go")

            assert await is_cancelled(await timed_out_by_itself(run, server))


PROGRAM = """
from mcptasks import Client
from tests.frameworks.in_llama_index import agent_of, script
async def main():
    async with Client({url!r}) as client:
        await (await agent_of(client, script("work"))).run("go")
"""


@each_ending
async def test_a_stopped_program_leaves_no_task(era: str, forks: Forks, ending: int) -> None:
    """A program that is stopped in mid-run asks the server to cancel the task on its way out."""
    with serving(era) as (server, url):
        task = await asyncio.to_thread(forks.stopped, PROGRAM.format(url=url), server, ending)
        assert await is_cancelled(task)


@pytest.mark.parametrize("example", examples("llama-index"), ids=lambda example: f"line-{example.line}")
async def test_page(era: str, example: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of the page run as they are printed."""
    monkeypatch.chdir(tmp_path)
    call = ("start_work", {"tool": "research", "arguments": {"topic": "bees"}})
    with serving(era) as (_, url):
        model = script(*call) if "BackgroundWork" in example.source else script("research")
        await run_example(example, url, model=model)
