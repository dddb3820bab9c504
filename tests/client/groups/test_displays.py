"""`progress(...)` and `map(progress=True)`: what stands on a terminal's screen, and in a pipe, while tasks run."""

from __future__ import annotations

import importlib.util
import io
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import anyio
import pytest

import mcptasks
from mcptasks._engine.waiting import live_writers
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit
from mcptasks.testing._script import Script
from tests.helpers import worlds
from tests.helpers.pairs import pairwise
from tests.helpers.support import LIMIT, Signal, begin, connected, legacy_only, settle
from tests.helpers.terminals import Terminal, terminal
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[10A\x9b31m\u202egnp.exe\r\nnew line"
HARMFUL = (b"\x1b]", b"\x1b[2J", b"\x1b[10A", b"\x07", b"\xc2\x9b", "\u202e".encode())
SIZES = [(40, 24), (80, 24), (132, 5), (20, 3)]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a display waits for the last frame, however long a busy machine takes to import rich."""
    monkeypatch.setattr(live_writers, "_CLOSE_SECONDS", LIMIT)


@pytest.fixture(params=["rich", "plain"])
def looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether rich is installed."""
    monkeypatch.setenv("TERM", "xterm-256color")
    if request.param == "plain":
        real = importlib.util.find_spec

        def find(name: str, package: str | None = None) -> Any:
            return None if name == "rich" else real(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", find)
    look: str = request.param
    return look


async def until(true: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    while not true():
        await settle()
        await anyio.sleep(0.005)


async def until_still(screen: Terminal) -> None:
    """Wait until nothing more is drawn. A display that goes on draws several times a second, so that this does not end
    before the test's limit."""
    before = -1
    while len(screen.raw) != before:
        before = len(screen.raw)
        await anyio.sleep(0.6)


def double(arguments: Mapping[str, Any]) -> Script:
    """The script of a tool."""
    return [Complete(2 * arguments["n"])]


async def show(*tasks: Any, file: TextIO) -> None:
    """`progress` of the present world."""
    await worlds.present.progress(*tasks, file=file)


@legacy_only
async def test_a_task_from_beginning_to_end(server: TaskServer, looks: str) -> None:
    """The screen follows a task: its progress, its message, its end; the display ends with it and leaves its last
    words, in the place of all that came before."""
    with terminal() as screen:
        async with connected(server, limit=100) as client, anyio.create_task_group() as group:
            task, work = await begin(client, server, label="2026-11")
            group.start_soon(lambda: show(task, file=screen.file))
            await until(lambda: "working" in screen.text)
            work.progress(45, 100, "step 3")
            await until(lambda: "45 %" in screen.text and "step 3" in screen.text)
            assert ("━━━━━━━━━───────────" in screen.text) == (looks == "rich")
            work.complete("done")
    (line,) = screen.lines
    assert line.startswith("work '2026-11'  completed")


async def test_how_tasks_end(server: TaskServer, looks: str) -> None:
    """Failed and cancelled tasks are named with their words, and nothing is raised."""
    with terminal(100) as screen:
        async with connected(server, limit=100) as client:
            bad, failing = await begin(client, server)
            gone, cancelled = await begin(client, server)
            failing.fail("no such city")
            cancelled.cancelled("no time")
            await show(bad, gone, bad, file=screen.file)
            assert (bad.outcome, gone.outcome) == ("failed", "cancelled")
    assert "failed: no such city" in screen.text
    assert len(screen.lines) == 2


# The size and whether rich is there decide how a line is cut; the protocol and the event loop do not.
@pairwise
@pytest.mark.parametrize(("columns", "lines"), SIZES)
async def test_sizes(server: TaskServer, looks: str, columns: int, lines: int) -> None:
    """Whatever the terminal's size, no line wraps, and what was drawn before is not left behind."""
    with terminal(columns, lines) as screen:
        async with connected(server, limit=100) as client, anyio.create_task_group() as group:
            made = [await begin(client, server, label=f"number {n}") for n in range(12)]
            group.start_soon(lambda: show(*(task for task, _ in made), file=screen.file))
            await until(lambda: screen.lines)
            for _, work in made[:6]:
                work.set_working("words " * 50)
            await until(lambda: "of 12" in screen.text)
            for _, work in made:
                work.complete()
    assert len([line for line in screen.lines if line]) == 1
    assert screen.text.count("12 of 12") == 1
    assert all(len(line) < columns for line in screen.lines)


@pytest.mark.parametrize("columns", [60, 200])
async def test_hostile_words(server: TaskServer, looks: str, columns: int) -> None:
    """A server's words move no cursor, clear no screen, set no title and no colour."""
    with terminal(columns) as screen:
        async with connected(server, limit=100) as client, anyio.create_task_group() as group:
            task, work = await begin(client, server, label=HOSTILE)
            group.start_soon(lambda: show(task, file=screen.file))
            work.set_working(HOSTILE)
            await until(lambda: "\\x1b]0;owned" in screen.text)
            work.fail(HOSTILE)
    assert screen.shown_title == "untouched"
    assert len(screen.lines) == 1
    assert not [bad for bad in HARMFUL if bad in screen.raw]


async def test_questions_are_answered(server: TaskServer, looks: str) -> None:
    """The handlers answer while the display waits; it leaves the terminal to them and goes on below their words."""
    server.add_tool("ask", [NeedInput({"k": elicit("Which size?")}), Complete("large", after=0.01)])
    with terminal() as screen:
        asked, answered = Signal(), Signal()

        async def handler(_context: Any, _params: Any) -> Any:
            asked.set()
            await answered.wait()
            return {"value": "large"}

        async with (
            connected(server, limit=100, elicitation_handler=handler) as client,
            anyio.create_task_group() as group,
        ):
            task = await client.call_tool("ask", task=True)
            group.start_soon(lambda: show(task, file=screen.file))
            await asked.wait()
            await until_still(screen)
            answered.set()
    assert "completed" in screen.text


async def test_questions_that_nobody_answers(server: TaskServer, looks: str) -> None:
    """A task that waits for input that no handler gives is shown with its question, and not waited for for ever."""
    server.add_tool("ask", [NeedInput({"k": elicit("Which size?")}), Complete("large")])
    with terminal() as screen:
        async with connected(server, limit=100) as client:
            task = await client.call_tool("ask", task=True)
            await show(task, file=screen.file)
            assert not task.done
    assert "waits for input" in screen.text or "given up" in screen.text
    assert "Which size?" in screen.text


@async_only("one event loop")
async def test_a_terminal_that_is_stopped(server: TaskServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that takes nothing holds up neither the tasks nor the end of the program's block."""
    monkeypatch.setattr(live_writers, "_CLOSE_SECONDS", 1.0)
    stopped = Stopped()
    async with connected(server, limit=100) as client, anyio.create_task_group() as group:
        task, work = await begin(client, server)
        group.start_soon(lambda: show(task, file=stopped))
        await until(lambda: stopped.tried)
        work.complete("done")
        assert (await task).data == "done"
    stopped.go_on.set()


class Stopped(io.StringIO):
    """A terminal that takes nothing until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = False
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        """Wait for ever."""
        self.tried = True
        self.go_on.wait()
        return len(text)


@pytest.mark.parametrize("how", ["closed", "broken"])
async def test_a_file_that_is_gone(server: TaskServer, how: str) -> None:
    """A file that is closed, or whose writing fails, ends the display and nothing else."""
    file = io.StringIO()
    if how == "closed":
        file.close()
    else:
        file = Broken()
    async with connected(server, limit=100) as client:
        task, work = await begin(client, server)
        work.complete("done")
        await show(task, file=file)
        assert (await task).data == "done"


class Broken(io.StringIO):
    """A pipe that nobody reads."""

    def write(self, text: str) -> int:
        """Fail."""
        raise BrokenPipeError


async def test_a_pipe(server: TaskServer) -> None:
    """A pipe gets a line at once, and one at the end, in ASCII; changes between come at most each ten seconds."""
    file = io.StringIO()
    begun = anyio.current_time()
    async with connected(server, limit=100) as client, anyio.create_task_group() as group:
        task, work = await begin(client, server)
        other, failing = await begin(client, server)
        group.start_soon(lambda: show(task, other, file=file))
        await until(file.getvalue)
        for n in range(5):
            work.set_working(f"step {n} ünï")
            await anyio.sleep(0.3)
        work.complete()
        failing.fail("nö city")
    ended = anyio.current_time()
    first, *between, last, failed = file.getvalue().splitlines()
    assert len(between) <= (ended - begun) // 10
    assert first.startswith("0 of 2 over")
    assert last.startswith("2 of 2 over  1 failed")
    assert failed.startswith(r"work  failed: n\xf6 city")


async def test_nothing_and_what_is_no_task(server: TaskServer) -> None:
    """Nothing to show writes nothing; what is no task is refused, and lists are told to be passed one by one."""
    file = io.StringIO()
    async with connected(server, limit=100) as client:
        task, work = await begin(client, server)
        work.complete()
        wrong: Any = [task]
        with pytest.raises(TypeError, match=r"progress\(\) takes tasks, got .*pass tasks one by one: progress"):
            await mcptasks.progress(wrong)
        await mcptasks.progress(file=file)
    assert file.getvalue() == ""


# --- map --------------------------------------------------------------------------------------------------------------


def errors(monkeypatch: pytest.MonkeyPatch, screen: Terminal) -> None:
    """Have the terminal be where errors go."""
    monkeypatch.setattr(sys, "stderr", screen.file)


async def test_a_map(server: TaskServer, looks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`map(progress=True)` shows how many calls are over, failed or under way, and ends with the iteration."""
    server.add_tool("double", double)
    with terminal() as screen:
        errors(monkeypatch, screen)
        async with connected(server, limit=100) as client:
            results = client.map("double", [{"n": n} for n in range(20)], progress=True, limit=5)
            assert [result.data async for result in results] == [2 * n for n in range(20)]
            await until(lambda: "20 of 20 over" in screen.text)
        monkeypatch.undo()
    assert len(screen.lines) == 1


async def test_a_map_that_ends_early(server: TaskServer, looks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An iteration that is closed ends its display; without `progress` nothing is shown."""
    server.add_tool("double", double)
    with terminal() as screen:
        errors(monkeypatch, screen)
        async with connected(server, limit=100) as client:
            quiet = client.map("double", [{"n": 1}])
            assert (await anext(quiet)).data == 2
            assert screen.raw == b""
            results = client.map("double", ({"n": n} for n in range(100)), progress=True, limit=2)
            assert (await anext(results)).data == 0
            await until(lambda: "over" in screen.text)
            await results.aclose()
            await until_still(screen)
        monkeypatch.undo()
