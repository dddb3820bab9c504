"""The server under test: a `TaskServer` of `mcptasks.testing` with the tools that the suite's `tasks-*` scenarios call.

    python -m tests.conformance.server

The program prints its URL on a line of its own, and serves until its standard input ends.
"""

from __future__ import annotations

import sys

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from mcptasks.testing import Options, TaskServer, ToolContext, elicit, serve_http

SURE = {"confirm": {"type": "boolean"}}
NAME = {"name": {"type": "string"}}


def tools() -> TaskServer:
    """The server. The suite's scenarios give the tools their names and say what each tool does."""
    server = TaskServer("mcptasks-conformance", era="modern", options=Options(asks="declared"))

    @server.tool(support="none")
    async def greet(ctx: ToolContext, name: str) -> str:
        """Greet somebody, at once."""
        await ctx.status("greeting")
        return f"Hello, {name}!"

    @server.tool(ttl_ms=60_000)
    async def slow_compute(ctx: ToolContext, seconds: float, label: str = "") -> str:
        """Compute for some seconds."""
        await ctx.status(f"computing {label}".strip())
        await anyio.sleep(seconds)
        return f"computed for {seconds:g} s"

    @server.tool(support="required")
    async def failing_job(ctx: ToolContext) -> str:
        """Report an error of the tool, after a moment."""
        await ctx.status("about to fail")
        await anyio.sleep(0.5)
        raise ValueError("the job failed")

    @server.tool()
    async def protocol_error_job(ctx: ToolContext) -> str:
        """Fail with a JSON-RPC error."""
        await ctx.status("about to break")
        raise MCPError(code=INTERNAL_ERROR, message="the job broke")

    @server.tool()
    async def confirm_delete(ctx: ToolContext, filename: str) -> str:
        """Ask once, and delete nothing."""
        answers = await ctx.ask({"sure": elicit(f"Delete {filename}?", SURE)})
        return f"{filename}: {answers['sure']['action']}"

    @server.tool()
    async def multi_input(ctx: ToolContext) -> str:
        """Ask two questions at once."""
        answers = await ctx.ask({"first": elicit("The first name?", NAME), "second": elicit("The second?", NAME)})
        return " and ".join(answer["content"]["name"] for answer in answers.values())

    @server.tool(support="required", asks_first={"user_name": elicit("Your name?", NAME)})
    async def test_tool_with_task(ctx: ToolContext) -> str:
        """Ask in answer to the call, and then become a task."""
        await ctx.status("greeting")
        return f"Hello, {ctx.task.answers['user_name']['content']['name']}!"

    return server


def main() -> None:
    """Serve until the standard input ends."""
    with serve_http(tools()) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
