"""The real `fastmcp.Client` with `TaskTransport` on both protocols, and the real `fastmcp.Client` and `mcp.Client` with
`TasksExtension` on 2026-07-28: whoever lets go of a call leaves no task running at the server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import fastmcp
import mcp
import pytest

import mcptasks
from mcptasks.contrib.fastmcp import TaskTransport
from mcptasks.testing import ServerTask, TaskServer
from tests.frameworks.common import LIMIT, is_cancelled, next_task, polled_task, serving, timed_out
from tests.frameworks.programs import Forks, each_ending

pytestmark = pytest.mark.anyio
TRANSPORT = [("modern", "transport"), ("legacy", "transport")]
EXTENSION = [("modern", "fastmcp"), ("modern", "fastmcp-target"), ("modern", "mcp"), ("modern", "mcp-target")]
"""In a client of fastmcp's or of the SDK's; over its session, or over a connection of the extension's own."""
each_way = pytest.mark.parametrize(("era", "way"), [*TRANSPORT, *EXTENSION])
ARGUMENTS = {"topic": "bees"}


def found_by(way: str) -> Callable[[TaskServer], Awaitable[ServerTask]]:
    """When a call is let go of: with the extension not before the task's id has come, since the SDK drops a late
    answer."""
    return next_task if way == "transport" else polled_task


@pytest.fixture
def anyio_backend() -> str:
    """The framework runs on asyncio."""
    return "asyncio"


def client_of(url: str, way: str) -> Any:
    """A client of fastmcp's or of the SDK's whose tasks are finished in one of the ways."""
    if way == "transport":
        return fastmcp.Client(TaskTransport(url))
    which, _, target = way.partition("-")
    extension = mcptasks.TasksExtension(target=url if target else None)
    return (fastmcp if which == "fastmcp" else mcp).Client(url, extensions=[extension])


@each_way
async def test_a_task_is_driven_to_its_end(era: str, way: str) -> None:
    """A tool call becomes a task, and its result is the call's."""
    with serving(era) as (server, url):
        async with client_of(url, way) as client:
            assert "they dance" in str((await client.call_tool("research", ARGUMENTS)).content)
        assert len(server.tasks) == 1


@each_way
async def test_a_cancelled_call_leaves_no_task(era: str, way: str) -> None:
    """A cancelled call asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with client_of(url, way) as client:
            call = asyncio.create_task(client.call_tool("work", ARGUMENTS))
            task = await found_by(way)(server)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await is_cancelled(task)


@each_way
async def test_a_timeout_leaves_no_task(era: str, way: str) -> None:
    """A call whose time is up asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with client_of(url, way) as client:
            assert await is_cancelled(await timed_out(client.call_tool("work", ARGUMENTS), server, found_by(way)))


@pytest.mark.parametrize(("era", "way"), [*TRANSPORT, ("modern", "fastmcp-target")])
async def test_a_closed_client_leaves_no_task(era: str, way: str) -> None:
    """A client that is closed during a call asks the server to cancel the task, and the call ends. The extension
    needs a connection of its own for that: the session is over by then."""
    ending = {"transport": (mcp.MCPError, "the session is closed"), "fastmcp-target": (RuntimeError, "Session task")}
    error, words = ending[way]
    with serving(era) as (server, url):
        client = client_of(url, way)
        await client.__aenter__()
        call = asyncio.create_task(client.call_tool("work", ARGUMENTS))
        task = await found_by(way)(server)
        await client.close()
        assert await is_cancelled(task)
        with pytest.raises(error, match=words):
            async with asyncio.timeout(LIMIT):
                await call


PROGRAM = """
from tests.frameworks.in_fastmcp import ARGUMENTS, client_of
async def main():
    async with client_of({url!r}, {way!r}) as client:
        await client.call_tool("work", ARGUMENTS)
"""


@each_way
@each_ending
async def test_a_stopped_program_leaves_no_task(era: str, way: str, forks: Forks, ending: int) -> None:
    """A program that is stopped in mid-run asks the server to cancel the task on its way out."""
    with serving(era) as (server, url):
        program = PROGRAM.format(url=url, way=way)
        task = await asyncio.to_thread(forks.stopped, program, server, ending, polled=way != "transport")
        assert await is_cancelled(task)


KILLED = """
import fastmcp
from mcptasks.contrib.fastmcp import TaskTransport
async def main():
    async with fastmcp.Client(TaskTransport({url!r}, store={path!r})) as client:
        await client.call_tool("work", {{"topic": "bees"}})
"""


async def test_a_killed_program_leaves_its_task_in_the_store(forks: Forks, tmp_path: Path) -> None:
    """A program that is killed asks nothing, and its task goes on. The next program finds the task in the store."""
    path = str(tmp_path / "tasks.db")
    with serving("modern") as (server, url):
        program = KILLED.format(url=url, path=path)
        task = await asyncio.to_thread(forks.stopped, program, server, signal.SIGKILL, polled=True)
        assert task.status == "working"
        async with mcptasks.Client(url, store=path) as client:
            (found,) = (await client.recover()).tasks
            assert found.task_id == task.task_id
            await found.cancel()
        assert await is_cancelled(task)
        assert server.requests.count("tools/call") == 1
