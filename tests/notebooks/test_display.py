"""What a cell shows of a task: it stays up to date by itself, prints nothing, and says how to get the task back."""

from __future__ import annotations

import html
import re

import pytest

from mcptasks.testing import TaskServer
from tests.notebooks.kernel import shown
from tests.notebooks.styles import Notebook

pytestmark = pytest.mark.slow

OPEN = "client = await mcptasks.Client(url).open()"
STARTED = "task = await client.call_tool('work', task=True)"


@pytest.mark.parametrize("showing", ["task", "display(task)"])
def test_a_task_stays_up_to_date(notebook: Notebook, server: TaskServer, showing: str) -> None:
    """What a cell shows changes in place while no cell runs, until the task is over; nothing is printed anywhere."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    cell = notebook.run(showing)
    assert "working" in shown(cell)
    remote = server.next_task_blocking()
    remote.set_working("half <b>way</b>")
    notebook.kernel.until(lambda: "half" in shown(cell))
    assert "half &lt;b&gt;way&lt;/b&gt;" in shown(cell)
    assert "<script" not in shown(cell)
    remote.complete("done")
    notebook.kernel.until(lambda: "completed" in shown(cell))
    assert "working" not in shown(cell)
    assert notebook.run("(await task.result()).data").value == "'done'"
    notebook.run("await client.close()")
    assert notebook.kernel.strays == []


def test_it_is_up_to_date_when_the_wait_is_over(notebook: Notebook, server: TaskServer) -> None:
    """A cell that shows a task and waits for it ends with the final state in its output, also where outputs are read
    no longer than a cell runs, as nbclient does."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    server.next_task_blocking().complete("done")
    cell = notebook.run("display(task)\nvalue = (await task.result()).data")
    assert "completed" in shown(cell)
    notebook.run("await client.close()")


def test_every_display_follows(notebook: Notebook, server: TaskServer) -> None:
    """A task that is shown twice is up to date twice; one that is over is shown as it is."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    first, second = notebook.run("task"), notebook.run("display(task)")
    server.next_task_blocking().cancelled("no time")
    notebook.kernel.until(lambda: "cancelled" in shown(first) and "cancelled" in shown(second))
    assert "no time" in shown(notebook.run("task"))
    notebook.run("await client.close()")


def test_a_closed_client_is_said(notebook: Notebook, server: TaskServer) -> None:
    """When the client closes, what is shown says that it is followed no longer."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    cell = notebook.run("task")
    notebook.run("await client.close()")
    notebook.kernel.until(lambda: "closed" in shown(cell))
    server.next_task_blocking().complete()
    assert notebook.kernel.strays == []


def test_statuses_and_results(notebook: Notebook, server: TaskServer) -> None:
    """A status and a result are shown as HTML, and plainly elsewhere."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    remote = server.next_task_blocking()
    remote.set_working("half way")
    status = notebook.run("await task.status()")
    assert "half way" in status.html
    assert status.value.startswith("TaskStatus(")
    remote.complete("all of it")
    result = notebook.run("await task.result()")
    assert "all of it" in result.html
    assert result.value.startswith("ToolResult(")
    notebook.run("await client.close()")


def test_a_restarted_kernel_gets_the_task_back(notebook: Notebook, server: TaskServer, url: str) -> None:
    """A kernel ends by itself, with its client open, and leaves the remote work alone. The expression that the display
    shows is all that the next one needs."""
    notebook.run(OPEN)
    notebook.run(STARTED)
    cell = notebook.run("task")
    found = re.search(r"client\.resume\([^<]*\)", html.unescape(shown(cell)))
    assert found is not None
    remote = server.next_task_blocking()
    notebook.kernel.restart()
    assert (remote.status, remote.cancel_requested) == ("working", False)
    notebook.run(f"import mcptasks\nurl = {url!r}")
    notebook.run(OPEN)
    notebook.run(f"task = {found[0]}")
    assert notebook.run("(await task.status()).status").value == "'working'"
    remote.complete("done")
    assert notebook.run("(await task.result()).data").value == "'done'"
    notebook.run("await client.close()")
