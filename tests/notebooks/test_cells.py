"""Both styles in a real kernel, over several cells."""

from __future__ import annotations

import pytest

from mcptasks.testing import TaskServer
from tests.notebooks.styles import Notebook

pytestmark = pytest.mark.slow

OPEN = "client = await mcptasks.Client(url).open()"
CLOSE = "await client.close()"
STARTED = "task = await client.call_tool('work', task=True)"


def test_a_client_over_several_cells(notebook: Notebook, server: TaskServer) -> None:
    """A client that one cell opened works in the following ones, until one closes it."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    assert notebook.run("task.last_status.status").value == "'working'"
    server.next_task_blocking().complete("done")
    assert notebook.run("(await task.result()).data").value == "'done'"
    assert notebook.run("(await client.list_tools())[0].name").value == "'work'"
    notebook.run(CLOSE)
    cell = notebook.try_("await client.list_tools()")
    assert cell.error == "TaskConnectionError"
    assert notebook.kernel.strays == []


def test_a_client_within_a_cell(notebook: Notebook, server: TaskServer) -> None:
    """A block with a client of its own works within a cell, beside a client that is open."""
    server.add_tool("quick", result=42)
    notebook.run(OPEN)
    cell = notebook.run("async with mcptasks.Client(url) as other:\n    print((await other.call_tool('quick')).data)")
    assert cell.printed == "42"
    assert notebook.run("(await client.call_tool('quick')).data").value == "42"
    notebook.run(CLOSE)


def test_callbacks_between_cells(notebook: Notebook, server: TaskServer) -> None:
    """Statuses are told while no cell runs."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    notebook.run("seen = []\nremove = task.on_status_change(lambda status: seen.append(status.status_message))")
    task = server.next_task_blocking()
    task.set_working("half way")
    notebook.until("'half way' in seen")
    task.complete()
    notebook.until("task.done and len(seen) == 2")
    notebook.run(CLOSE)


def test_the_kernels_loop_is_left_as_it_was(notebook: Notebook) -> None:
    """Nobody made the kernel's event loop run inside itself, as nest_asyncio does."""
    notebook.run(OPEN)
    notebook.run(CLOSE)
    loop = notebook.run(
        "import asyncio, sys\n[name for name in sys.modules if name.startswith('nest_asyncio')],"
        "hasattr(asyncio, '_nest_patched'), asyncio.get_running_loop().__class__.__module__.split('.')[0]"
    )
    assert loop.value == "([], False, 'asyncio')"
