"""What a notebook shows of many tasks and of calls that are mapped: one table that follows them by itself."""

from __future__ import annotations

import pytest

from mcptasks.testing import TaskServer
from tests.notebooks.kernel import Cell, shown
from tests.notebooks.styles import Notebook

pytestmark = pytest.mark.slow

OPEN = "client = await mcptasks.Client(url, mode='legacy').open()"
STARTED = "tasks = [await client.call_tool('work', task=True, label=f'number {n}') for n in range(3)]"


@pytest.mark.parametrize("showing", ["await mcptasks.progress(*tasks)", "await client.list_tasks()"])
def test_one_table_for_many_tasks(notebook: Notebook, server: TaskServer, showing: str) -> None:
    """The cell is over at once. Its table follows the tasks to their ends while no cell runs: with a bar, the message,
    and in red the words of a tool that reports an error; nothing is printed anywhere."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    one, two, three = (server.next_task_blocking() for _ in range(3))
    cell = notebook.run(showing)
    assert shown(cell).count("working") == 3
    one.progress(45, 100, "half <b>way</b>")
    notebook.kernel.until(lambda: "45 %" in shown(cell))
    two.set_working("half <b>way</b>")
    notebook.kernel.until(lambda: "half &lt;b&gt;way&lt;/b&gt;" in shown(cell))
    assert "ago" in shown(cell) or "just now" in shown(cell)
    one.complete("done")
    two.fail("no such city")
    three.cancelled("no time")
    last = ("completed", "failed", "cancelled", '<span style="color:#dc2626;">no such city</span>')
    notebook.kernel.until(lambda: all(word in shown(cell) for word in last) and "ago" not in shown(cell))
    assert "working" not in shown(cell)
    notebook.run("await client.close()")
    assert notebook.kernel.strays == []


def test_one_task_with_a_bar(notebook: Notebook, server: TaskServer) -> None:
    """The display of one task has a bar, and the line for another process is folded away."""
    notebook.run(OPEN)
    notebook.run("task = await client.call_tool('work', task=True)")
    work = server.next_task_blocking()
    cell = notebook.run("task")
    work.progress(3, 4)
    notebook.kernel.until(lambda: "75 %" in shown(cell))
    assert "(3 of 4)" in shown(cell)
    assert "<details>" in shown(cell)
    notebook.run("await client.close()")


@pytest.mark.parametrize("style", ["async"])  # A blocking `gather` has ended when it can be shown.
@pytest.mark.parametrize("given", ["*tasks", "*[client.call_tool('work', task=True) for _ in range(3)]"])
def test_a_gather(notebook: Notebook, server: TaskServer, given: str) -> None:
    """A `gather` that a cell ends in is one table of its tasks. The table follows them when the gather is awaited in a
    later cell, those of calls too, which begin then."""
    notebook.run(OPEN)
    if given == "*tasks":
        notebook.run(STARTED)
    cell = notebook.run(f"work = mcptasks.gather({given})\nwork")
    assert shown(cell).count("working") == (3 if given == "*tasks" else 0)
    assert ("calls are made when this is awaited" in shown(cell)) == (given != "*tasks")
    notebook.run("import asyncio; running = asyncio.ensure_future(work)")
    one, two, three = (server.next_task_blocking() for _ in range(3))
    notebook.kernel.until(lambda: shown(cell).count("working") == 3)
    assert "calls" not in shown(cell)
    one.complete("done")
    notebook.kernel.until(lambda: shown(cell).count("working") == 2 and "completed" in shown(cell))
    two.complete("done")
    three.complete("done")
    assert notebook.run("[each.data for each in await running]").value == "['done', 'done', 'done']"
    notebook.kernel.until(lambda: shown(cell).count("completed") == 3 and "ago" not in shown(cell))
    notebook.run("await client.close()")
    assert notebook.kernel.strays == []


@pytest.mark.parametrize("progress", [True, False])
def test_a_map(notebook: Notebook, server: TaskServer, progress: bool) -> None:
    """Mapped calls are one table: while they are iterated over with `progress=True`, or shown as a value before."""
    notebook.run(OPEN)
    notebook.run(f"results = client.map('work', [{{}}] * 3, progress={progress})")
    cell = Cell()
    if not progress:
        cell = notebook.run("results")
        assert "0 of 3 over" in shown(cell)
    for _ in range(3):
        server.add_tool("work", result="done")
    code = "found = [result.data async for result in results]"
    running = notebook.run(code)
    cell = running if progress else cell
    notebook.kernel.until(lambda: "3 of 3 over" in shown(cell))
    assert notebook.run("found").value == "['done', 'done', 'done']"
    notebook.run("await client.close()")
    assert notebook.kernel.strays == []


def test_a_display_of_a_closed_client(notebook: Notebook, server: TaskServer) -> None:
    """A table whose client closes stays as it is, with exact times."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    cell = notebook.run("await mcptasks.progress(*tasks)")
    notebook.run("await client.close()")
    notebook.kernel.until(lambda: "ago" not in shown(cell) and "just now" not in shown(cell))
    assert shown(cell).count("working") == 3
