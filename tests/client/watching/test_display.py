"""What a notebook shows of a task follows it by itself. The notebook here keeps what IPython would be given; real
kernels are tested in tests/notebooks."""

from __future__ import annotations

import logging
import subprocess
import sys
from contextvars import ContextVar
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks import Task, ToolError
from mcptasks._engine.notebook.display import html_of
from mcptasks._engine.notebook.task_list import TaskList
from mcptasks.testing import RawResult, TaskServer
from mcptasks.testing._bell import Bell
from tests.helpers.support import (
    LONG_INTERVAL,
    POLLED,
    PUSH_ONLY,
    Era,
    asked,
    begin,
    connected,
    make_server,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import async_only, both_worlds

pytestmark = pytest.mark.anyio

CELL: ContextVar[str] = ContextVar("CELL", default="whichever runs")
"""Which cell an output belongs to, as ipykernel has it."""


class Output:
    """One display: what it showed, one after the other."""

    def __init__(self, first: dict[str, str], *, broken: bool = False) -> None:
        self.htmls = [first["text/html"]]
        self.texts = [first["text/plain"]]
        self.times: list[float] = []
        self.cells: list[str] = []
        self.tries = 0
        self._broken = broken
        self._bell = Bell()

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        """Show something else."""
        self.tries += 1
        if self._broken:
            raise OSError("the notebook is gone")
        assert raw
        self.htmls.append(bundle["text/html"])
        self.texts.append(bundle["text/plain"])
        self.times.append(anyio.current_time())
        self.cells.append(CELL.get())
        self._bell.ring()

    @property
    def html(self) -> str:
        """What it shows now."""
        return self.htmls[-1]

    async def until(self, words: str) -> None:
        """Wait until it shows that."""
        await self._bell.until(lambda: words in self.html or None)


class Notebook:
    """Takes the place of IPython."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs: list[Output] = []
        self.updatable: list[bool] = []
        self.broken = False
        self.shell = SimpleNamespace(kernel=object())
        package, module = ModuleType("IPython"), ModuleType("IPython.display")
        for holder, name, value in (
            (package, "get_ipython", lambda: self.shell),
            (package, "display", module),
            (module, "display", self._display),
        ):
            setattr(holder, name, value)
        monkeypatch.setitem(sys.modules, "IPython", package)
        monkeypatch.setitem(sys.modules, "IPython.display", module)

    def show(self, task: Task[Any]) -> Output:
        """What IPython does for `display(task)` and for a cell's last expression."""
        task._ipython_display_()
        return self.outputs[-1]

    def _display(self, bundle: dict[str, str], *, raw: bool, display_id: bool = False) -> Output | None:
        assert raw
        self.outputs.append(Output(bundle, broken=self.broken))
        self.updatable.append(display_id)
        return self.outputs[-1] if display_id else None


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook whose cells run in this process."""
    return Notebook(monkeypatch)


@both_worlds
async def test_follows_in_place(server: TaskServer, notebook: Notebook) -> None:
    """A display follows its task to the end while nobody waits for anything, in the place where it is."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        shown = notebook.show(task)
        assert "working" in shown.html
        work.set_working("half <b>way</b>")
        await shown.until("half &lt;b&gt;way&lt;/b&gt;")
        work.complete("done")
        await shown.until("completed")
        assert shown.texts[-1] == repr(task)
    assert len(notebook.outputs) == 1
    assert "closed" not in shown.html


@both_worlds
@pytest.mark.parametrize("way", ["result", "wait", "updates"])
async def test_the_end_is_shown_before_the_wait_is_over(server: TaskServer, notebook: Notebook, way: str) -> None:
    """When a wait for the end returns, the display has the final state: a cell that waits ends with it."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        shown = notebook.show(task)
        async with anyio.create_task_group() as tg:
            tg.start_soon(_wait, task, way, shown)
            await settle()
            work.set_working("half way")
            work.complete("done")


async def _wait(task: Task[Any], way: str, shown: Output) -> None:
    if way == "updates":
        async for _ in task.updates():
            pass
    else:
        await (task.result() if way == "result" else task.wait())
    assert "completed" in shown.html


@both_worlds
async def test_every_display_follows(server: TaskServer, notebook: Notebook) -> None:
    """All displays of a task follow, also one that is made later; of very many, the latest."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        shown = [notebook.show(task) for _ in range(40)]
        work.set_working("half way")
        await shown[-1].until("half way")
        shown.append(notebook.show(task))
        work.complete()
        await task.wait()
        assert ["completed" in each.html for each in shown] == [False] * 9 + [True] * 32


@both_worlds
async def test_a_closed_client_is_said(server: TaskServer, notebook: Notebook) -> None:
    """When the client closes, the display keeps the last known state and says that it is followed no more."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        shown = notebook.show(task)
        work.set_working("half way")
        await shown.until("half way")
    await shown.until("the client is closed")
    assert "half way" in shown.html
    updates = len(shown.htmls)
    work.complete()
    await settle()
    assert len(shown.htmls) == updates
    again = notebook.show(task)
    assert "the client is closed" in again.html
    assert notebook.updatable == [True, False]


@both_worlds
async def test_trouble_with_the_notebook_stays_there(
    server: TaskServer, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    """A display that cannot be updated keeps neither the task nor other displays from going on, and nobody is told."""
    caplog.set_level(logging.INFO)
    async with connected(server) as client:
        task, work = await begin(client, server)
        notebook.broken = True
        broken = notebook.show(task)
        notebook.broken = False
        shown = notebook.show(task)
        work.set_working("half way")
        await shown.until("half way")
        work.complete("done")
        assert (await task).data == "done"
        assert "completed" in shown.html
        assert broken.tries >= 2
    assert not [record for record in caplog.records if record.name == "mcptasks"]


@both_worlds
async def test_a_task_that_is_over(server: TaskServer, notebook: Notebook) -> None:
    """What is over is shown once; there is nothing to follow."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        work.fail("no luck")
        await task.wait()
        shown = notebook.show(task)
        assert "no luck" in shown.html
    assert notebook.updatable == [False]
    assert shown.tries == 0


@both_worlds
@pytest.mark.parametrize("early", [True, False], ids=["shown-before", "shown-after"])
async def test_completed_with_an_error(notebook: Notebook, early: bool) -> None:
    """What a server of 2025-11-25 calls completed is shown as failed when its result is fetched and reports an error,
    before the cell that fetched it ends."""
    server = make_server("legacy")
    async with connected(server) as client:
        task, work = await begin(client, server)
        shown = notebook.show(task) if early else None
        # Not a boolean, so that the server does not take it for an error.
        work.complete(RawResult({"content": [{"type": "text", "text": "no such city"}], "isError": "true"}))
        assert (await task.wait()).status == "completed"
        shown = shown or notebook.show(task)
        assert "<strong>completed</strong>" in shown.html
        with pytest.raises(ToolError):
            await task.result()
        assert "<strong>failed</strong>" in shown.html
        assert "the server calls it completed, but the tool reports an error: no such city" in shown.html
        assert shown.texts[-1] == repr(task)
    assert notebook.updatable == [True]


@both_worlds
async def test_words_that_come_with_the_result(notebook: Notebook) -> None:
    """A tool's words that a server of 2025-11-25 does not put into its status are shown when the result is fetched."""
    server = make_server("legacy")
    async with connected(server) as client:
        task, work = await begin(client, server)
        work.complete(RawResult({"content": [{"type": "text", "text": "no such city"}], "isError": True}))
        await task.wait()
        assert "no such city" not in notebook.show(task).html
        with pytest.raises(ToolError):
            await task.result()
        assert "no such city" in notebook.show(task).html


@both_worlds
async def test_without_a_kernel(server: TaskServer, notebook: Notebook) -> None:
    """In a terminal, where each update would be one more line, a task is shown once."""
    notebook.shell = SimpleNamespace()
    async with connected(server) as client:
        task, work = await begin(client, server)
        shown = notebook.show(task)
        work.complete()
        await task.wait()
    assert notebook.updatable == [False]
    assert shown.tries == 0


@both_worlds
async def test_a_task_that_the_server_does_not_know(era: Era, notebook: Notebook) -> None:
    """A display is enough to learn how a task stands, also that there is none."""
    server = make_server(era)
    async with connected(server) as client:
        shown = notebook.show(client.task("nobody-knows"))
        assert "not known yet" in shown.html
        await shown.until("the server does not know the task")


@both_worlds
async def test_updates_belong_to_no_earlier_cell(server: TaskServer, notebook: Notebook) -> None:
    """Updates are not published in the name of the cell that opened the client or showed the task."""
    CELL.set("an earlier one")
    async with connected(server) as client:
        task, work = await begin(client, server)
        shown = notebook.show(task)
        work.set_working("half way")
        await shown.until("half way")
        work.complete()
        await task.wait()
    assert set(shown.cells) == {"whichever runs"}
    assert len(shown.cells) >= 2


# --- for one world only: its clock, its loop, its parts ---


@virtual_clock()
async def test_at_most_twice_a_second(era: Era, notebook: Notebook) -> None:
    """However often a task changes, its displays change at most twice a second; only the end does not wait."""
    server = make_server(era, poll_interval_ms=50, **POLLED)
    async with connected(server, limit=1000) as client:
        task, work = await begin(client, server)
        shown = notebook.show(task)
        for n in range(100):
            work.set_working(f"step {n}")
            await anyio.sleep(0.1)
        await shown.until("step 99")
        steps = len(shown.times)
        work.set_working("nearly")
        await shown.until("nearly")
        over = anyio.current_time()
        work.complete()
        await task.wait()
        assert shown.times[-1] - over < 0.1
    assert min(third - first for first, third in zip(shown.times, shown.times[2:], strict=False)) >= 0.999
    assert 8 <= steps <= 12
    assert len(shown.htmls) == len(set(shown.htmls))


@virtual_clock()
async def test_a_quiet_task_is_followed_at_once(era: Era, notebook: Notebook) -> None:
    """A change after a pause is shown when it is seen, not at the next second."""
    server = make_server(era, poll_interval_ms=40, **POLLED)
    async with connected(server, limit=1000) as client:
        task, work = await begin(client, server)
        shown = notebook.show(task)
        for n in range(3):
            await anyio.sleep(2)
            before = anyio.current_time()
            work.set_working(f"step {n}")
            await shown.until(f"step {n}")
            assert anyio.current_time() - before < 0.1


@virtual_clock()
async def test_what_changed_while_it_was_shown(era: Era) -> None:
    """A display that was outdated before it could be followed is brought up to date at once, not with the next news."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    old = {"text/plain": "old", "text/html": "old"}
    first, second, third = Output(old), Output(old), Output(old)
    async with connected(server, limit=100_000, polling=PUSH_ONLY) as client:
        task, work = await begin(client, server)
        task._page.follow(task, first, old)
        await first.until("working")
        await anyio.sleep(60)
        before = anyio.current_time()
        task._page.follow(task, second, old)
        await second.until("working")
        assert anyio.current_time() == pytest.approx(before, abs=0.1)
        work.complete()
        await task.wait()
        task._page.follow(task, third, old)
        assert "completed" in third.html


@async_only("one event loop")
async def test_from_another_thread(server: TaskServer, notebook: Notebook) -> None:
    """Shown on a thread that is not its client's, a task is shown as it stands, and nothing else happens."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        shown = await anyio.to_thread.run_sync(notebook.show, task)
        other = await anyio.to_thread.run_sync(lambda: anyio.run(_show, notebook, task))
        work.complete()
        await task
        assert [shown.tries, other.tries] == [0, 0]


async def _show(notebook: Notebook, task: Task[Any]) -> Output:
    return notebook.show(task)


@async_only("one event loop")
async def test_nothing_is_left_of_a_display(server: TaskServer, notebook: Notebook) -> None:
    """When a task is over, its display has let go of it."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        notebook.show(task)
        await settle()
        assert (len(task._watch._observers or ()), task._watch.polling.interest) == (1, 1)
        work.complete()
        await task
        await settle()
        assert (len(task._watch._observers or ()), task._watch.polling.interest) == (0, 0)
        assert task._page._follower is None


@async_only("one event loop")
async def test_shown_by_others(server: TaskServer) -> None:
    """What shows a task without IPython's display, on any thread, gets the same page, and nothing is asked for it."""
    async with connected(server) as client:
        task, _ = await begin(client, server)
        before = asked(server)
        page = await anyio.to_thread.run_sync(html_of, task)
        while page != task._repr_html_():  # How long the task has run is another second by now.
            page = await anyio.to_thread.run_sync(html_of, task)
        assert "working" in page
        assert "client.resume(" in page
        assert asked(server) == before
    assert "the client is closed" in html_of(task)


@async_only("one event loop")
async def test_a_list_of_tasks(server: TaskServer) -> None:
    """The tasks that a client lists are shown as a table, with their names and states."""
    async with connected(server) as client:
        await begin(client, server)
        task, work = await begin(client, server)
        work.complete()
        await task
        tasks = await client.list_tasks()
        assert isinstance(tasks, TaskList)
        shown = tasks._repr_html_()
        assert all(words in shown for words in ("2 tasks", "working", "completed", "work", task.task_id))


@async_only("one event loop")
async def test_a_call_without_a_task_at_the_server(notebook: Notebook) -> None:
    """A handle without a task at the server says so in place of an expression that could not work."""
    server = make_server("modern", tasks=False)
    server.add_tool("plain", result=5)
    async with connected(server) as client:
        task: Task[Any] = await client.call_tool("plain", task=True)
        assert task.returned_immediately
        shown = notebook.show(task)
        assert "plain call" in shown.html
        assert "client.resume" not in shown.html
        assert "working" in shown.html
        await task
        await settle()
        assert "completed" in shown.html


def test_ipython_is_not_needed() -> None:
    """Nothing imports IPython before IPython asks for a display."""
    check = "import sys, mcptasks.sync; sys.exit('IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False, timeout=300).returncode == 0
