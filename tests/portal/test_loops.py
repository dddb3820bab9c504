"""Blocking calls and event loops: refused on the portal's own, at home on a thread that runs another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio

from mcptasks import TaskStatus
from mcptasks.sync import Client, Task
from mcptasks.testing import TaskServer
from tests.helpers.asking import own_server
from tests.helpers.blocking import Aside, Backend, begin, connected, make_client
from tests.helpers.threads import LIMIT


def blocking_calls(client: Client, task: Task[Any], other: Client) -> dict[str, Callable[[], object]]:
    """Every way to block."""
    return {
        "list_tools": client.list_tools,
        "list_tasks": client.list_tasks,
        "call_tool": lambda: client.call_tool("log"),
        "create": lambda: client.call_tool("log", task=True),
        "read_resource": lambda: client.read_resource("x://y"),
        "get_prompt": lambda: client.get_prompt("p"),
        "status": task.status,
        "result": task.result,
        "timed": lambda: task.result(timeout=1),
        "wait": task.wait,
        "updates": lambda: next(iter(task.updates())),
        "cancel": task.cancel,
        "close": client.close,
        "open": other.open,
        "with": other.__enter__,
    }


def test_on_the_portals_own_thread(backend: Backend) -> None:
    """A blocking call in an async handler, which runs on the background thread, is a `RuntimeError` at once, for each
    method that would block; the client is none the worse for it."""
    server = own_server("modern")
    server.add_tool("quick", support="none", result=1)
    refused: dict[str, str] = {}

    async def handler(context: Any, params: Any) -> dict[str, str]:
        for name, call in blocking_calls(client, task, make_client(server, backend)).items():
            try:
                call()
            except RuntimeError as exc:
                refused[name] = str(exc)
        return {"name": "Ada"}

    with connected(server, backend, elicitation_handler=handler) as client:
        task: Task[Any] = client.call_tool("quick", task=True)
        server.add_tool("later")
        task = client.call_tool("later", task=True)
        answer = Aside(lambda: client.call_tool("elicit").data).value()
        assert answer == {"action": "accept", "content": {"name": "Ada"}}
        assert set(refused) == set(blocking_calls(client, task, client))
        (words,) = set(refused.values())
        assert "thread" in words
        assert client.list_tools()
        server.next_task_blocking().complete("done")
        assert task.result(LIMIT).data == "done"


def test_in_an_async_callback(server: TaskServer, backend: Backend) -> None:
    """The same in an async status callback; what needs no event loop can be read there."""
    found: list[Any] = []
    over = threading.Event()

    with connected(server, backend) as client:
        task, steered = begin(client, server)

        async def callback(status: TaskStatus) -> None:
            try:
                task.status()
            except RuntimeError as exc:
                found.append(type(exc))
            found.extend([task.task_id, task.done, task.last_status == status, client.protocol_version])
            over.set()

        task.on_status_change(callback)
        steered.complete("done")
        assert over.wait(LIMIT)
        assert found == [RuntimeError, task.task_id, True, True, "2026-07-28"]


def use(server: TaskServer, backend: Backend) -> str:
    """A bit of everything, blocking."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        steered.complete("done")
        assert [status.status for status in task.updates()][-1] == "completed"
        data: str = task.result(LIMIT).data
        assert task.future().result(LIMIT).data == data
        return data


@pytest.mark.parametrize("own", ["asyncio", "trio", "anyio-asyncio", "anyio-trio"])
def test_beside_a_loop_of_its_own(server: TaskServer, backend: Backend, own: str) -> None:
    """A thread that runs an event loop of its own may block in calls (it blocks that loop, as any blocking call)."""

    async def main() -> str:
        return use(server, backend)

    async def in_a_worker() -> str:
        return await anyio.to_thread.run_sync(use, server, backend)

    run: dict[str, Callable[[], str]] = {
        "asyncio": lambda: asyncio.run(main()),
        "trio": lambda: trio.run(main),
        "anyio-asyncio": lambda: anyio.run(in_a_worker, backend="asyncio"),
        "anyio-trio": lambda: anyio.run(in_a_worker, backend="trio"),
    }
    assert Aside(run[own]).value() == "done"


def test_handlers_beside_a_loop_of_its_own(backend: Backend) -> None:
    """Handlers run on the waiting thread there too."""
    threads: list[int] = []

    def handler(context: Any, params: Any) -> dict[str, str]:
        threads.append(threading.get_ident())
        return {"name": "Ada"}

    async def main() -> Any:
        with connected(own_server("legacy"), backend, elicitation_handler=handler) as client:
            return client.call_tool("elicit").data

    aside = Aside(lambda: asyncio.run(main()))
    assert aside.value() == {"action": "accept", "content": {"name": "Ada"}}
    assert threads == [aside.ident]
