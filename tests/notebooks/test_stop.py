"""The stop button: it ends the wait and nothing else, also where the kernel's event loop has nothing to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mcptasks.testing import TaskServer
from tests.notebooks.kernel import Cell
from tests.notebooks.styles import Notebook

pytestmark = pytest.mark.slow

DETACHED = 0.5
"""Seconds after which the wait is over."""
STOPPED = {"async": "CancelledError", "blocking": "KeyboardInterrupt"}


@pytest.fixture
def opened(notebook: Notebook, server: TaskServer) -> Iterator[Notebook]:
    """A notebook with an open client and a task that works until it is told otherwise."""
    notebook.run("client = await mcptasks.Client(url).open()")
    notebook.run("task = await client.call_tool('work', task=True)")
    yield notebook
    notebook.run("await client.close()")


def detached(cell: Cell, notebook: Notebook) -> None:
    """The cell ended by the stop, and soon."""
    assert cell.error == STOPPED[notebook.style], f"{cell.error}: {cell.message}"
    waiting, over = cell.printed.split()
    assert waiting == "waiting"
    assert 0 <= float(over) - cell.stopped_at < DETACHED


@pytest.mark.parametrize("wait", ["await task.result()", "await task.wait()", "async for _ in task.updates(): pass"])
def test_stop_detaches(opened: Notebook, server: TaskServer, wait: str) -> None:
    """The wait ends within half a second, the remote task goes on, and the next cell has the same client and task."""
    remote = server.next_task_blocking()
    for _ in range(2):
        detached(opened.stop(wait), opened)
        assert (remote.status, remote.cancel_requested) == ("working", False)
        assert opened.run("(await task.status()).status").value == "'working'"
    remote.complete("done")
    assert opened.run("(await task.result()).data").value == "'done'"


def test_stop_of_a_plain_call(opened: Notebook, server: TaskServer) -> None:
    """A call that asked for no task is abandoned: the server is asked to cancel what it made of it."""
    server.next_task_blocking().complete("done")
    detached(opened.stop("await client.call_tool('work')"), opened)
    remote = server.next_task_blocking()
    assert remote.cancel_requested
    assert opened.run("(await task.result()).data").value == "'done'"


def test_stop_while_connecting(notebook: Notebook) -> None:
    """Opening a client at an address that does not answer can be stopped, and leaves nothing behind."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        notebook.run(f"client = mcptasks.Client('http://127.0.0.1:{silent.getsockname()[1]}/mcp')")
        detached(notebook.stop("await client.open()"), notebook)
        detached(
            notebook.stop(f"async with mcptasks.Client('http://127.0.0.1:{silent.getsockname()[1]}/mcp'): pass"),
            notebook,
        )
    assert notebook.run("client").value.endswith(" closed>")
    assert notebook.run("1 + 1").value == "2"


def test_stop_within_a_block(notebook: Notebook, server: TaskServer) -> None:
    """A block with a client of its own is left by the stop; the remote task goes on."""
    block = "async with mcptasks.Client(url) as client:\n    task = await client.call_tool('work', task=True)\n"
    detached(notebook.stop(block + "    await task.result()"), notebook)
    remote = server.next_task_blocking()
    assert (remote.status, remote.cancel_requested) == ("working", False)
    remote.complete()


@pytest.mark.parametrize("style", ["blocking"])
def test_stop_beside_an_await(opened: Notebook, server: TaskServer) -> None:
    """A blocking wait in a cell that also has an `await` is stopped like any other; so is an `await` after it."""
    remote = server.next_task_blocking()
    opened.kernel.run("import asyncio, time")
    mixed = "print('waiting')\ntry:\n    await asyncio.sleep(0)\n    {}\nfinally:\n    print(time.time())"
    detached(opened.kernel.stop(mixed.format("task.result()")), opened)
    assert (remote.status, remote.cancel_requested) == ("working", False)
    cell = opened.kernel.stop(mixed.format("task.last_status; task.status(); await asyncio.sleep(5)"))
    assert cell.error == "CancelledError"
    remote.complete("done")
    assert opened.run("task.result().data").value == "'done'"
