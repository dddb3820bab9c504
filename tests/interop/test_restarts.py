"""Real servers that go away in mid-task and come back: with their tasks, without them, or not at all."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from mcp import StdioServerParameters

from mcptasks import Client, PollingPolicy, Task, TaskConnectionError, TaskNotFoundError, ToolResult
from tests.interop.processes import HttpServer
from tests.interop.targets import LONG, START, new_key, over_stdio
from tests.interop.warm_servers import WarmServers

pytestmark = pytest.mark.anyio

StartServer = Callable[[int], HttpServer]

# fastmcp 2 ties each task to the session, and a session does not outlive its server.
keeps_tasks = pytest.mark.parametrize("number", [3, 4], ids=["fastmcp3", "fastmcp4"])
every_generation = pytest.mark.parametrize("number", [2, 3, 4], ids=["fastmcp2", "fastmcp3", "fastmcp4"])


async def _twenty(client: Client) -> tuple[list[Task[ToolResult]], list[str]]:
    key = new_key("gate")
    keys = [f"{key}-{number}" for number in range(20)]
    return [await client.call_tool("gated", {"key": gate}, task=True) for gate in keys], keys


async def _expect(task: Task[ToolResult], text: str) -> None:
    assert (await task.result()).data == text


@keeps_tasks
async def test_server_that_keeps_its_tasks(restartable: StartServer, number: int, anyio_backend: object) -> None:
    """Twenty waiters survive a server that drops every connection and session and listens again a little later."""
    server = await anyio.to_thread.run_sync(restartable, number)
    async with Client(server.url, reconnect_timeout=START) as client:
        tasks, keys = await _twenty(client)
        with anyio.fail_after(START + LONG):
            async with anyio.create_task_group() as waiters:
                for task, gate in zip(tasks, keys, strict=True):
                    waiters.start_soon(_expect, task, f"through {gate}")
                await anyio.to_thread.run_sync(server.interrupt)
                await anyio.to_thread.run_sync(server.listen_again)
                async with Client(server.url) as other:
                    await other.call_tool("open_gates", {"keys": keys})
        assert (await client.call_tool("add", {"a": 2, "b": 3})).data == 5


@keeps_tasks
async def test_callbacks_go_on_after_a_restart(restartable: StartServer, number: int, anyio_backend: object) -> None:
    """A status callback that nobody waits beside hears of what happens after the restart."""
    server = await anyio.to_thread.run_sync(restartable, number)
    async with Client(server.url, reconnect_timeout=START) as client:
        key = new_key("gate")
        task = await client.call_tool("gated", {"key": key}, task=True)
        over = anyio.Event()
        task.on_status_change(lambda status: over.set() if status.status == "completed" else None)
        await anyio.to_thread.run_sync(server.interrupt)
        await anyio.to_thread.run_sync(server.listen_again)
        async with Client(server.url) as other:
            await other.call_tool("open_gate", {"key": key})
        with anyio.fail_after(LONG):
            await over.wait()


@every_generation
async def test_server_that_forgot_its_tasks(restartable: StartServer, number: int, anyio_backend: object) -> None:
    """When the server comes back without its tasks every waiter learns it, and new calls work."""
    server = await anyio.to_thread.run_sync(restartable, number)
    async with Client(server.url, reconnect_timeout=START) as client:
        tasks, _ = await _twenty(client)
        with anyio.fail_after(START + LONG):
            async with anyio.create_task_group() as waiters:
                for task in tasks:
                    waiters.start_soon(_expect_forgotten, task)
                await anyio.to_thread.run_sync(server.kill)
                await anyio.to_thread.run_sync(server.start)
        assert (await (await client.call_tool("add", {"a": 2, "b": 3}, task=True)).result(LONG)).data == 5


@every_generation
async def test_server_that_does_not_come_back(restartable: StartServer, number: int, anyio_backend: object) -> None:
    """When the time for reconnecting is over the waiter gets `TaskConnectionError` with the reference."""
    server = await anyio.to_thread.run_sync(restartable, number)
    async with Client(server.url, reconnect_timeout=3.0) as client:
        task = await client.call_tool("endless", task=True)
        await anyio.to_thread.run_sync(server.kill)
        with anyio.fail_after(LONG), pytest.raises(TaskConnectionError) as caught:
            await task.result()
        assert caught.value.reference == task.reference


@every_generation
async def test_stdio_server_that_dies(warm_servers: WarmServers, number: int, anyio_backend: object) -> None:
    """A subprocess that dies takes its tasks along: waiters learn it, and the next call starts another one."""
    parameters = await anyio.to_thread.run_sync(warm_servers.over_stdio, number)
    async with Client(parameters, reconnect_timeout=START) as client:
        task = await client.call_tool("endless", task=True)
        with anyio.fail_after(START + LONG):
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(_expect_forgotten, task)
                with pytest.raises(TaskConnectionError):
                    await client.call_tool("die")
        assert (await (await client.call_tool("add", {"a": 2, "b": 3}, task=True)).result(LONG)).data == 5


@every_generation
async def test_who_only_waits_learns_that_a_stdio_server_died(
    warm_servers: WarmServers, number: int, anyio_backend_name: str, tmp_path: Path
) -> None:
    """The end of a subprocess wakes a wait though nothing else is asked and no look is due for an hour.

    Once the subprocess is the Python that imports fastmcp, as in a user's program. What the generations differ in is
    what the next subprocess says of the task."""
    fresh = (number, anyio_backend_name) == (4, "asyncio")
    parameters = over_stdio(number).target if fresh else await anyio.to_thread.run_sync(warm_servers.over_stdio, number)
    assert isinstance(parameters, StdioServerParameters)
    pid = tmp_path / "pid"
    script = f'echo $$ > "{pid}"; exec "$0" "$@"'
    server = parameters.model_copy(
        update={"command": "sh", "args": ["-c", script, parameters.command, *parameters.args]}
    )
    polling = PollingPolicy(early=False, ceiling=3600, push_interval=3600)
    async with Client(server, polling=polling, reconnect_timeout=START) as client:
        task = await client.call_tool("endless", task=True)
        with anyio.fail_after(START + LONG):
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(_expect_forgotten, task)
                await task.status()
                os.kill(int(pid.read_text()), signal.SIGKILL)


async def _expect_forgotten(task: Task[ToolResult]) -> None:
    with pytest.raises(TaskNotFoundError) as caught:
        await task.result()
    assert caught.value.reference == task.reference
