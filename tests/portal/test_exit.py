"""However a program ends that leaves its clients open: at once, in silence, and its stdio servers end with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from mcptasks.testing import TaskServer
from tests.helpers.blocking import BACKENDS, Backend
from tests.helpers.support import http, make_server
from tests.helpers.threads import eventually, has_ended
from tests.helpers.warm import Warm
from tests.portal.programs import Program

pytestmark = pytest.mark.slow

SOON = 4.0
"""Within how many seconds a program ends whose servers end when they are asked to."""
STUBBORN = 9.0
"""The same with a server that the SDK has to terminate after 2 s."""
CHANCES = 5
"""How often programs are run until they end in time. Only a slow machine needs more than one."""
PATIENCE = 120.0
"""Seconds after which there are no further chances: a test that takes ten minutes ends the run."""


class Way:
    """How a program ends, and what is seen of it."""

    def __init__(self, code: int, errors: str | None = None, more: Callable[[Program, TaskServer], None] | None = None):
        self.code = code
        self.last_line = errors
        """The last line on stderr, after a traceback of the program's own lines; None for silence."""
        self._more = more

    def play(self, program: Program, server: TaskServer) -> None:
        """What happens before the end."""
        if self._more is not None:
            self._more(program, server)


def work(program: Program, server: TaskServer) -> None:
    """Have the callbacks called, of which one never returns."""
    program.expect("working")
    server.next_task_blocking().set_working("on the way")


def ordinary(program: Program, server: TaskServer) -> None:
    """The same, to the last line of the program."""
    work(program, server)
    program.expect("end")


def interrupted(program: Program, server: TaskServer) -> None:
    """The same, then Ctrl-C from a terminal, which the server gets too."""
    work(program, server)
    program.expect("waiting")
    program.interrupt(group=True)


def interrupted_in_a_block(program: Program, server: TaskServer) -> None:
    """Ctrl-C in a `with` block."""
    program.expect("waiting")
    program.interrupt(group=True)


def alone(program: Program, server: TaskServer) -> None:
    """A thread that is no daemon is let finish its work after the end of the main thread."""
    program.expect("end")
    program.expect("alone")
    server.next_task_blocking().complete("done")
    assert program.expect("result") == ["done"]


def in_exit_handler(program: Program, server: TaskServer) -> None:
    """An exit handler that was registered later than the client was opened finds it open, and may close it."""
    program.expect("end")
    assert program.expect("tools") == ["1"]
    program.expect("closed")


def after_exit_handler(program: Program, server: TaskServer) -> None:
    """An exit handler that comes last finds the client closed."""
    ordinary(program, server)
    program.expect("error")


WAYS: dict[str, Way] = {
    "end": Way(0, None, ordinary),
    "exit": Way(3, None, work),
    "exception": Way(1, "ValueError: mine", work),
    "interrupt": Way(-2, "KeyboardInterrupt", interrupted),
    "block": Way(-2, "KeyboardInterrupt", interrupted_in_a_block),
    "thread": Way(0, None, alone),
    "atexit": Way(0, None, in_exit_handler),
    "atexit-before": Way(0, None, after_exit_handler),
    "daemon": Way(0, None, ordinary),
    "closed": Way(0, None, ordinary),
}
SLOW = ("exit", "block", "atexit-before", "daemon", "closed")
FRESH = ("atexit-before",)
"""Whose programs start in a fresh Python."""


def assert_ends(name: str, folder: Path, manner: str, limit: float, warm: Warm | None) -> None:
    """Programs on both backends, side by side, end in time and in the way that they should, with no more on stderr than
    they should. If the machine is slow for a while, they get further chances."""
    took, begun = list[float](), time.monotonic()
    while len(took) < CHANCES and min(took, default=limit) >= limit:
        assert not took or time.monotonic() - begun < PATIENCE, took
        took.append(ended(name, folder, manner, warm))
    assert min(took) < limit, f"it took {min(took):.1f} s"


def ended(name: str, folder: Path, manner: str, warm: Warm | None) -> float:
    """Run the programs, check how they end, and return the seconds that the slower one took to end."""
    longest = 0.0
    with ExitStack() as running:
        started: list[tuple[TaskServer, Program, Path]] = []
        for backend in BACKENDS:
            server, file = make_server("modern"), folder / backend
            url = running.enter_context(http(server))
            program = running.enter_context(Program("leave.py", url, backend, name, file, manner, warm=warm))
            started.append((server, program, file))
        for server, program, file in started:
            WAYS[name].play(program, server)
            begun = time.monotonic()
            code = program.ends()
            longest = max(longest, time.monotonic() - begun)
            assert_last_words(program, WAYS[name], code)
            pid = int(file.read_text(encoding="utf-8"))
            # The kernel is done with a process a moment after it was told to end.
            eventually(partial(has_ended, pid), "the server outlives the program")
    return longest


def assert_last_words(program: Program, way: Way, code: int) -> None:
    """The exit code, and what is on stderr."""
    assert code == way.code, program.errors
    if way.last_line is None:
        assert program.errors == ""
        return
    lines = program.errors.splitlines()
    assert lines[0] == "Traceback (most recent call last):", program.errors
    assert lines[-1] == way.last_line, program.errors
    assert sum(line.startswith("Traceback") for line in lines) == 1, program.errors
    assert "_portal" not in program.errors, program.errors


@pytest.mark.parametrize("name", [pytest.param(way, marks=pytest.mark.slow) if way in SLOW else way for way in WAYS])
def test_ends(warm: Warm, name: str, tmp_path: Path) -> None:
    """A program that leaves its clients open ends at once, in each way to end: silently but for the traceback that was
    asked for, whatever its callbacks, futures and threads are at."""
    # What is imported when is a matter of a fresh Python.
    assert_ends(name, tmp_path, "gentle", SOON, None if name in FRESH else warm)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["end", "exception", "block", "thread"])
def test_servers_that_do_not_go(warm: Warm, name: str, tmp_path: Path) -> None:
    """A stdio server that ignores the end of its input does not outlive the program either."""
    assert_ends(name, tmp_path, "stubborn", STUBBORN, warm)


@pytest.mark.parametrize("manner", ["gentle", "stubborn"])
def test_interrupted_while_it_ends(
    warm: Warm, server: TaskServer, backend: Backend, manner: str, tmp_path: Path
) -> None:
    """Ctrl-C while a program ends is heard when its clients are closed: a stdio server does not outlive it."""
    file = tmp_path / "pid"

    def heard() -> bool:
        """Whether a program has heard of the interrupt. On a slow machine it may have ended before."""
        with http(server) as url, Program("leave.py", url, backend, "hurried", file, manner, warm=warm) as program:
            work(program, server)
            program.expect("end")
            if manner == "stubborn":
                program.expect("ending")
                program.interrupt(group=True)
            program.ends()
            eventually(partial(has_ended, int(file.read_text(encoding="utf-8"))), "the server outlives the program")
            return "KeyboardInterrupt" in program.errors

    if manner == "stubborn":
        assert any(heard() for _ in range(CHANCES))
    else:
        assert not heard()


def test_dropped_at_the_end(warm: Warm, server: TaskServer, backend: Backend, tmp_path: Path) -> None:
    """Clients that are dropped without being closed right before the end are closed, with a warning each."""
    words = (backend, "dropped", tmp_path / "pid", "gentle")
    with http(server) as url, Program("leave.py", url, *words, warm=warm) as program:
        program.expect("end")
        assert program.ends() == 0
        assert program.errors.count("ResourceWarning: unclosed") == 2
        assert "Traceback" not in program.errors
        pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
        eventually(partial(has_ended, pid), "the server outlives the program")
