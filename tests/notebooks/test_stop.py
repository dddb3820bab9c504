"""The stop button: it ends the wait and nothing else, also where the kernel's event loop has nothing to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mcptasks.testing import ServerTask, TaskServer
from tests.helpers.threads import eventually
from tests.notebooks.kernel import LIMIT, Cell
from tests.notebooks.styles import Notebook

pytestmark = pytest.mark.slow

DETACHED = 0.5
"""Seconds after which the wait is over."""
HELD_UP = 15.0
"""What one stop may take if the machine is busy with something else. Without it the waits have no end."""
CHANCES = 6
"""How often a wait is stopped until it is over in time. Only a slow machine needs more than two."""
STOPPED = {"async": "CancelledError", "blocking": "KeyboardInterrupt"}


@pytest.fixture
def opened(notebook: Notebook, server: TaskServer) -> Iterator[Notebook]:
    """A notebook with an open client and a task that works until it is told otherwise."""
    notebook.run("client = await mcptasks.Client(url).open()")
    notebook.run("task = await client.call_tool('work', task=True)")
    yield notebook
    notebook.run("await client.close()")


def detached(cell: Cell, notebook: Notebook) -> float:
    """The cell ended by the stop, and soon: after so many seconds."""
    assert cell.error == STOPPED[notebook.style], f"{cell.error}: {cell.message}"
    waiting, over = cell.printed.split()
    assert waiting == "waiting"
    took = float(over) - cell.stopped_at
    assert 0 <= took < HELD_UP
    return took


@pytest.mark.parametrize("wait", ["await task.result()", "await task.wait()", "async for _ in task.updates(): pass"])
def test_stop_detaches(opened: Notebook, server: TaskServer, wait: str) -> None:
    """The wait ends within half a second, the remote task goes on, and the next cell has the same client and task."""
    remote = server.next_task_blocking()
    took: list[float] = []
    while len(took) < 2 or (min(took) >= DETACHED and len(took) < CHANCES):
        took.append(detached(opened.stop(wait), opened))
        assert (remote.status, remote.cancel_requested) == ("working", False)
        assert opened.run("(await task.status()).status").value == "'working'"
    assert min(took) < DETACHED
    remote.complete("done")
    assert opened.run("(await task.result()).data").value == "'done'"


def test_stop_of_a_plain_call(opened: Notebook, server: TaskServer) -> None:
    """A call that asked for no task is abandoned: the server is asked to cancel what it made of it."""
    server.next_task_blocking().complete("done")
    made: list[ServerTask] = []
    call = "await client.call_tool('work')"

    def known() -> None:
        """Wait until the client knows the task that the server made of the call, and asks about it."""
        made.append(server.next_task_blocking(LIMIT))
        eventually(lambda: any(made[0].task_id in str(each.params) for each in server.requests), "nobody asks", LIMIT)

    detached(opened.stop(call, after=known), opened)
    (remote,) = made
    # A blocking call waits for its clean-up for a moment only.
    remote.wait_for_blocking(lambda task: task.cancel_requested, LIMIT)
    assert opened.run("(await task.result()).data").value == "'done'"


def test_stop_while_connecting(notebook: Notebook) -> None:
    """Opening a client at an address that does not answer can be stopped, and leaves nothing behind."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT)
        client = f"mcptasks.Client('http://127.0.0.1:{silent.getsockname()[1]}/mcp')"
        notebook.run(f"client = {client}")
        connections: list[socket.socket] = []
        for opening in ("await client.open()", f"async with {client}: pass"):
            detached(notebook.stop(opening, after=lambda: connections.append(silent.accept()[0])), notebook)
        for connection in connections:
            connection.close()
    assert notebook.run("client").value.endswith(" closed>")
    assert notebook.run("1 + 1").value == "2"


def test_stop_within_a_block(notebook: Notebook, server: TaskServer) -> None:
    """A block with a client of its own is left by the stop; the remote task goes on."""
    block = "async with mcptasks.Client(url) as client:\n    task = await client.call_tool('work', task=True)\n"
    made: list[ServerTask] = []
    block += "    await task.result()"
    detached(notebook.stop(block, after=lambda: made.append(server.next_task_blocking(LIMIT))), notebook)
    (remote,) = made
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
    # Stopped when the blocking call is over. ipykernel hears of it when something happens on its event loop.
    after_a_call = "task.status()\nprint('waiting')\nwhile True:\n    await asyncio.sleep(0.1)"
    assert opened.kernel.stop(after_a_call).error == "CancelledError"
    remote.complete("done")
    assert opened.run("task.result().data").value == "'done'"
