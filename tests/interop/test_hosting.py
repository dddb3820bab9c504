"""Tasks that the client hosts, for a real server that asks by tasks: the server side of mcp 1.x, which polls them."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from mcp import StdioServerParameters

import mcptasks.sync
from mcptasks import Client, HostTasks, InputContext
from tests.interop.environments import server_python
from tests.interop.processes import SERVERS
from tests.interop.targets import LONG, START

SERVER = str(SERVERS / "hosting3_server.py")
HOSTING = HostTasks(ttl=600, poll_interval=0.02)


def over_stdio() -> StdioServerParameters:
    """The server as a process of the client's."""
    return StdioServerParameters(command=str(server_python(3)), args=[SERVER])


async def said(client: Client, tool: str, **arguments: Any) -> Any:
    """What a tool returns; this server wraps it and does not say so."""
    return (await client.call_tool(tool, arguments)).structured_content["result"]


def shout(context: InputContext[Any], params: Any) -> str:
    """A plain handler, which has a thread to itself."""
    text: str = params.messages[0].content.text
    return text.upper()


@contextmanager
def over_http() -> Generator[str]:
    """The server in a process that listens."""
    with subprocess.Popen([server_python(3), SERVER, "--http"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def drive(target: Any) -> None:
    """Have the server ask in every way."""
    asked, cancelled = list[str](), list[str]()

    async def choose(context: InputContext[Any], params: Any) -> dict[str, str]:
        asked.append(params.message)
        if len(asked) == 2:
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.append(params.message)
        return {"account": "savings"}

    options: dict[str, Any] = {"elicitation_handler": choose, "sampling_handler": shout, "host_tasks": HOSTING}
    async with Client(target, reconnect_timeout=START, **options) as client:
        with anyio.fail_after(LONG):
            assert client.protocol_version == "2025-11-25"
            assert await said(client, "choose") == "accept: {'account': 'savings'}"
            prompts = [f"prompt {number}" for number in range(10)]
            assert await said(client, "complete", prompts=prompts) == [prompt.upper() for prompt in prompts]
            # The server sees eleven tasks that are done, and one that it cancelled, cut down to the longest life.
            ends = ["cancelled" if number == 11 else "completed" for number in range(12)]
            seen = await said(client, "give_up")
            assert seen == ["working", "cancelled", *ends, "600000", "the task was cancelled; there is no result"]
            assert (asked, cancelled) == (["Which account?"] * 2, ["Which account?"])


@pytest.mark.anyio
async def test_a_server_that_asks_by_tasks() -> None:
    """The real server's tools get their answers by tasks, many at once; one that it cancels ends the handler."""
    await drive(over_stdio())


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_over_http() -> None:
    """The same over HTTP."""
    with over_http() as url:
        await drive(url)


def test_blocking() -> None:
    """In the blocking client plain handlers serve these tasks on the thread that waits for the tool."""

    def choose(context: InputContext[Any], params: Any) -> dict[str, str]:
        return {"account": "savings"}

    options: dict[str, Any] = {"elicitation_handler": choose, "host_tasks": HOSTING}
    with mcptasks.sync.Client(over_stdio(), reconnect_timeout=START, **options) as client:
        assert client.call_tool("choose", timeout=LONG).text == "accept: {'account': 'savings'}"
