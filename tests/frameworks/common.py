"""What the tests of all frameworks share. They run in environments with one framework each, without other helpers."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import attrs

from mcptasks.testing import Complete, NeedInput, Options, ServerTask, TaskServer, elicit, serve_http

ROOT = Path(__file__).parents[2]
LIMIT = 240.0
"""Seconds that no step of a test takes unless something hangs. On a busy machine the import of a framework takes one
minute."""
ADDRESS = "https://example.com/mcp"
ERAS = ("modern", "legacy")


@contextmanager
def serving(era: Any) -> Generator[tuple[TaskServer, str]]:
    """A server with tools that take long, and its URL."""
    server = TaskServer(era=era, options=Options(poll_interval_ms=20))
    # Steered by hand.
    server.add_tool("work", description="Works.", input_schema=_schema(topic="string"))
    server.add_tool(
        "research", [Complete("they dance")], description="Finds out.", input_schema=_schema(topic="string")
    )
    form = elicit("Which seat?", {"seat": {"type": "string"}})
    server.add_tool(
        "book", [NeedInput({"seat": form}), Complete("booked")], description="Books.", input_schema=_schema()
    )
    with serve_http(server) as url:
        yield server, url


def _schema(**properties: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}}


async def next_task(server: TaskServer) -> ServerTask:
    """The next task that the server makes."""
    async with asyncio.timeout(LIMIT):
        return await server.next_task()


async def polled_task(server: TaskServer) -> ServerTask:
    """The next task that the server makes, as soon as the client has polled it: then the client has its id."""
    task = await next_task(server)
    async with asyncio.timeout(LIMIT):
        while not server.requests.count("tasks/get"):  # noqa: ASYNC110 - a poll is not announced
            await asyncio.sleep(0.01)
    return task


async def is_cancelled(task: ServerTask) -> bool:
    """Whether the server is asked to cancel a task, soon."""
    async with asyncio.timeout(LIMIT):
        await task.wait_for(lambda found: found.status == "cancelled")
    return True


async def timed_out(
    run: Coroutine[Any, Any, object],
    server: TaskServer,
    found_by: Callable[[TaskServer], Awaitable[ServerTask]] = next_task,
) -> ServerTask:
    """Run an agent whose time is up as soon as its task is found. The task."""
    found: list[ServerTask] = []

    async def expire(limit: asyncio.Timeout) -> None:
        found.append(await found_by(server))
        limit.reschedule(asyncio.get_running_loop().time())

    limit = asyncio.timeout(LIMIT)
    expiring = asyncio.create_task(expire(limit))
    try:
        async with limit:
            await run
    except TimeoutError:
        await expiring
    assert found, "the run has ended before its time was up"
    return found[0]


async def timed_out_by_itself(run: Callable[[float], Awaitable[object]], server: TaskServer) -> ServerTask:
    """Run an agent that has a time limit of its framework's. The next run has a longer one if none has made a task
    within its time, which happens on a slow machine. The task."""
    for limit in (1.0, 5.0, 25.0, 125.0):
        await run(limit)
        if server.tasks:
            return await next_task(server)
    raise AssertionError("no run has made a task within its time")


@attrs.frozen
class Example:
    """An example of docs/frameworks.md that this environment runs."""

    line: int
    source: str


def examples(package: str, page: str = "frameworks.md") -> list[Example]:
    """The examples of the page that say that they run with a package."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    pattern = rf"<!-- compile-only: runs with {re.escape(package)} [^>]*-->\n```python\n(.*?)```"
    return [Example(text[: found.start()].count("\n") + 1, found[1]) for found in re.finditer(pattern, text, re.DOTALL)]


async def run_example(example: Example, url: str, **given: Any) -> dict[str, Any]:
    """Run an example as it is printed, with these names given; what it has defined."""
    source = example.source.replace(ADDRESS, url)
    code: CodeType = compile(source, f"example in line {example.line}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, Any] = {"__name__": "example", **given}
    outcome = eval(code, names)
    if inspect.isawaitable(outcome):
        async with asyncio.timeout(LIMIT):
            await outcome
    return names
