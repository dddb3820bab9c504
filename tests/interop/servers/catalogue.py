"""What the real servers of the interop tests offer: the same tools, resources and prompts on every generation.

Runs inside the server's own environment. Differences between the generations stay in `fastmcp2_server.py`,
`fastmcp3_server.py` and `fastmcp4_server.py`, which call `add_tools` and `add_resources_and_prompts`.
"""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from fastmcp import Context
from fastmcp.dependencies import Progress
from fastmcp.exceptions import ToolError


@dataclass
class Measurement:
    """A result with fields, so that its structured content is an object of its own and not a wrapped value."""

    place: str
    degrees: float


def add_tools(server: Any, optional: Any, required: Any) -> None:
    """Add the tools. `optional` and `required` are this generation's ways to say that a tool may or must be a task."""
    gates: dict[str, asyncio.Event] = {}
    calls: Counter[str] = Counter()

    def gate(key: str) -> asyncio.Event:
        return gates.setdefault(key, asyncio.Event())

    @server.tool(task=optional)
    async def slow_computation(duration: float, progress: Progress = Progress()) -> str:
        """Work for `duration` seconds in four steps and say so at each."""
        await progress.set_total(4)
        for step in range(1, 5):
            await progress.set_message(f"step {step} of 4")
            await asyncio.sleep(duration / 4)
            await progress.increment()
        return f"computed for {duration} seconds"

    @server.tool(task=optional)
    async def add(a: int, b: int) -> int:
        """Return a plain number, which fastmcp wraps in its structured content."""
        return a + b

    @server.tool(task=optional)
    async def measure(place: str) -> Measurement:
        """Return an object with fields."""
        return Measurement(place=place, degrees=21.5)

    @server.tool(task=optional)
    async def gated(key: str, progress: Progress = Progress()) -> str:
        """Run until `open_gate` is called with the same key, so that a test decides when the work ends."""
        await progress.set_message("waiting at the gate")
        await gate(key).wait()
        return f"through {key}"

    @server.tool
    async def open_gate(key: str) -> str:
        """Let `gated` and `gated_failure` with this key end."""
        gate(key).set()
        return "open"

    @server.tool
    async def open_gates(keys: list[str]) -> str:
        """Open many gates at once."""
        for key in keys:
            gate(key).set()
        return "open"

    @server.tool(task=optional)
    async def gated_failure(key: str) -> str:
        """Report a tool error when the gate opens."""
        await gate(key).wait()
        raise ToolError(f"refused at {key}")

    @server.tool(task=optional)
    async def report_error(message: str) -> str:
        """Raise the error that tools are meant to raise."""
        raise ToolError(message)

    @server.tool(task=optional)
    async def crash(message: str) -> str:
        """Raise an error that nobody expected."""
        raise RuntimeError(message)

    @server.tool(task=optional)
    async def endless(progress: Progress = Progress()) -> str:
        """Work until cancelled."""
        await progress.set_message("still going")
        await asyncio.sleep(3600)
        return "never"

    @server.tool(task=True)
    async def rarely_polled(duration: float) -> str:
        """Work without a word, with the generation's own interval for looks: with push a client knows sooner."""
        await asyncio.sleep(duration)
        return "done"

    @server.tool(task=optional)
    async def report_progress(ctx: Context) -> str:
        """Report progress by the context, as tools do that know nothing of tasks."""
        for step in range(1, 4):
            await ctx.report_progress(step, 3, f"part {step}")
        return "reported"

    @server.tool(task=required)
    async def must_be_task(text: str) -> str:
        """Run as a task only."""
        return f"as a task: {text}"

    @server.tool
    async def never_a_task(text: str) -> str:
        """Run at once only."""
        return f"at once: {text}"

    @server.tool(task=optional)
    async def count_call(key: str) -> int:
        """Count the calls with this key: shows whether one was sent twice."""
        calls[key] += 1
        return calls[key]

    @server.tool
    async def die() -> str:
        """End the server's process at once, as a crash does."""
        os._exit(1)

    @server.tool
    async def calls_counted(key: str) -> int:
        """How often `count_call` ran with this key."""
        return calls[key]


def add_resources_and_prompts(server: Any, **as_task: Any) -> None:
    """Add resources and prompts. `as_task` is empty where the generation knows no tasks for them."""

    @server.resource("report://slow", **as_task)
    async def slow_report() -> str:
        """A resource that takes a moment to read."""
        await asyncio.sleep(0.05)
        return "the slow report"

    @server.resource("report://by-name/{name}", **as_task)
    async def named_report(name: str) -> str:
        """A resource template."""
        return f"the report on {name}"

    @server.resource("report://plain")
    async def plain_report() -> str:
        """A resource that is read at once only."""
        return "the plain report"

    @server.prompt(**as_task)
    async def slow_prompt(topic: str) -> str:
        """A prompt that takes a moment to make."""
        await asyncio.sleep(0.05)
        return f"Write slowly about {topic}."

    @server.prompt
    async def plain_prompt(topic: str) -> str:
        """A prompt that is made at once only."""
        return f"Write about {topic}."
