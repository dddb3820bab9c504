"""A ready-made server with one of everything, for demonstrations and first steps."""

from __future__ import annotations

import anyio

from mcptasks.testing._engine import Era, Options
from mcptasks.testing._jobs import ToolContext
from mcptasks.testing._script import Complete
from mcptasks.testing._server import TaskServer


def demo_server(era: Era = "dual", options: Options | None = None, *, steps: int = 5) -> TaskServer:
    """A `TaskServer` with tasks: the tools `slow_computation` and `failing_computation`, a resource and a prompt.

    The tool `add` answers at once. On 2026-07-28 connections only tools can be tasks.
    """
    server = TaskServer(
        "mcptasks-demo",
        era=era,
        options=options,
        instructions="A demonstration of long-running tools.",
    )

    @server.tool(immediate_response="The computation has started.")
    async def slow_computation(ctx: ToolContext, duration: float = 5.0) -> str:
        """Compute something for `duration` seconds, with a report after each step."""
        for step in range(1, steps + 1):
            await ctx.status(f"step {step} of {steps}")
            await ctx.progress(step, steps, f"step {step} of {steps}")
            await anyio.sleep(duration / steps)
        return f"computed for {duration:g} s"

    @server.tool()
    async def failing_computation(ctx: ToolContext, duration: float = 1.0) -> str:
        """Compute something for `duration` seconds, and fail."""
        await ctx.status("about to fail")
        await anyio.sleep(duration)
        raise ValueError("the computation failed")

    @server.tool(support="none")
    async def add(ctx: ToolContext, a: float, b: float) -> float:
        """Add two numbers, at once."""
        await ctx.status("adding")
        return a + b

    server.add_resource(
        "demo://report",
        ["writing the report", Complete("All is well.", after=0.5)],
        description="A report that takes a moment.",
    )
    server.add_prompt("summary", result="Summarise the report.", description="A prompt about the report.")
    return server
