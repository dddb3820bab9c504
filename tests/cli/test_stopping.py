"""How a command is stopped: Ctrl-C, SIGTERM, SIGHUP, a reader that goes away, streams that are closed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mcptasks.testing import Delay, Drop, TaskServer
from tests.helpers.command_line import COMMAND, LIMIT, Home

pytestmark = pytest.mark.slow
one_protocol = pytest.mark.parametrize("era", ["modern"])
"""For tests about the process that need a fresh Python for each command."""


def stopped(home: Home, number: signal.Signals, at: str, *words: str) -> tuple[int, str]:
    """Run a command, send a signal when it says something on standard error, and return its code and the rest."""
    # A test run under nohup ignores SIGHUP, and the command would inherit that.
    before = signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    try:
        started = home.start(*words)
    finally:
        signal.signal(number, before)
    with started as run:
        limit = threading.Timer(LIMIT, run.kill)
        limit.start()
        try:
            assert run.stderr is not None
            said = next((line for line in run.stderr if at in line), None)
            assert said is not None, "the command has ended"
            run.send_signal(number)
            _, err = run.communicate(timeout=LIMIT)
        finally:
            limit.cancel()
            run.kill()
    return run.wait(), err


def into(home: Home, out: int, words: list[str]) -> tuple[int, str]:
    """Run a command that prints into this descriptor; its code, and what it says on standard error.

    `--help`, which imports little, runs in a fresh Python, so that its whole life is tested.
    """
    with (home.folder / "err").open("w+b") as err, Path(os.devnull).open("rb") as nothing:
        if words == ["--help"]:
            environ = home.variables()
            fresh = subprocess.run(
                [*COMMAND, *words], stdout=out, stderr=err, stdin=nothing, env=environ, timeout=LIMIT, check=False
            )
            code = fresh.returncode
        else:
            assert home.warm is not None
            streams = nothing.fileno(), out, err.fileno()
            code = home.warm.start(words, home.variables(), home.folder, streams).wait(LIMIT)
        err.seek(0)
        return code, err.read().decode()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_task(home: Home, server: TaskServer, url: str, number: signal.Signals, code: int) -> None:
    """A signal lets go of a task: it goes on, and both commands that are printed work."""
    done, err = stopped(home, number, "on its way", "call", url, "long")
    assert done == code
    first, watch, cancel = err.splitlines()[-3:]
    assert first == f"stopped; long is still running at {url}"
    (task,) = server.tasks.values()
    assert not task.done
    assert watch.startswith("watch it:   mcptasks watch ")
    words = cancel.removeprefix("cancel it:  mcptasks ").split()
    assert home.run(*words).code == 0
    assert task.status == "cancelled"


def test_ctrl_c_at_a_terminal(home: Home, server: TaskServer, url: str) -> None:
    """Ctrl-C at a terminal does the same while the live display moves, and leaves the terminal in order."""
    with home.terminal("call", url, "long") as terminal:
        terminal.until("on its way")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert f"stopped; long is still running at {url}" in terminal.text
        assert terminal.raw.count(b"\x1b[?25l") == terminal.raw.count(b"\x1b[?25h")


def test_ctrl_c_at_a_question(home: Home, server: TaskServer, url: str) -> None:
    """Ctrl-C while somebody is asked ends the command at once; the question stays open."""
    with home.terminal("call", url, "ask") as terminal:
        terminal.until("Month (whole number")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "watch it:   mcptasks watch " in terminal.text
    (task,) = server.tasks.values()
    assert task.status == "input_required"


def test_cancel_on_interrupt(home: Home, server: TaskServer, url: str) -> None:
    """With `--cancel-on-interrupt`, Ctrl-C cancels the task before the command ends."""
    code, err = stopped(home, signal.SIGINT, "on its way", "call", url, "long", "--cancel-on-interrupt")
    assert code == 130
    assert "stopped; the server is asked to cancel the task" in err
    (task,) = server.tasks.values()
    assert task.status == "cancelled"


def test_while_connecting(home: Home) -> None:
    """Before anything was sent, a signal says so."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.settimeout(LIMIT)
        with home.start("call", f"http://127.0.0.1:{silent.getsockname()[1]}/mcp", "x") as run:
            connection, _ = silent.accept()
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=LIMIT)
            connection.close()
    assert (run.returncode, err) == (130, "stopped; nothing was sent\n")


def test_between_intent_and_answer(home: Home, server: TaskServer, url: str) -> None:
    """Between sending the call and its answer, a signal says that the call may exist; `recover` then lists it (9)."""
    server.faults.add("tools/call", Delay(LIMIT))
    with home.start("call", url, "long") as run:
        server.requests.wait_for_blocking("tools/call", timeout=LIMIT)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=LIMIT)
    assert run.returncode == 130
    first, look = err.splitlines()
    assert first == f"stopped; the call of long may exist: {url} had not answered yet"
    assert look == "look:       mcptasks recover"
    found = home.run("recover")
    assert (found.code, "may exist" in found.out) == (9, True)
    known = found.out.splitlines()[1].split()[0]
    assert home.run("watch", known).code == 9
    assert home.run("settle", known, "--none").code == 0
    assert home.run("recover").code == 0


def test_candidates(home: Home, server: TaskServer, url: str) -> None:
    """If the server lists tasks, `recover` names those that an uncertain call may have created, each by a line that
    settles the call. A task of another call is not among them."""
    other = home.run("call", "-d", url, "long").out.strip()
    server.faults.add("tools/call", Drop(), after=True)
    with home.start("call", url, "long", "--key", "k") as run:
        server.next_task_blocking(LIMIT)
        lost = server.next_task_blocking(LIMIT)
        run.kill()
    found = home.run("recover")
    assert found.code == 9
    lines = [line for line in found.err.splitlines() if line.startswith("  mcptasks settle ")]
    listed = home.run("recover", "--json").json["candidates"]
    if server.era == "modern":
        assert (lines, listed) == ([], {})
        return
    (line,) = lines
    assert [each["task_id"] for tasks in listed.values() for each in tasks] == [lost.task_id]
    assert home.run(*line.split()[1:4]).code == 0
    lost.complete("found")
    assert home.run("result", "key:k").out == "found\n"
    assert home.run("recover", "-q").out.split() == [other]


def test_killed(home: Home, server: TaskServer, url: str) -> None:
    """At once after a crash (SIGKILL), `recover` lists the task that nobody looks after and the call that may exist: it
    does not wait for the end of a lease."""
    with home.start("call", url, "long") as run:
        assert run.stderr is not None
        assert next(line for line in run.stderr if "on its way" in line)
        run.kill()
    server.faults.add("tools/call", Delay(LIMIT))
    with home.start("call", url, "short") as run:
        server.requests.wait_for_blocking("tools/call", 2, timeout=LIMIT)
        run.kill()
    found = home.run("recover")
    rows = {line.split()[1]: line for line in found.out.splitlines()[1:]}
    assert found.code == 9
    assert "working" in rows["long"]
    assert "may exist" in rows["short"]


def test_stdio(home: Home) -> None:
    """A server that the command has started ends with it, which is said."""
    words = ["call", "slow_computation", "duration=60", "--", sys.executable, "-m", "mcptasks.testing"]
    code, err = stopped(home, signal.SIGINT, "step ", *words)
    assert code == 130
    assert "was started by this command and ends with it, and so may the work there" in err


@pytest.mark.parametrize(
    "words", [["--help"], ["list", "-a"], ["tools", "{url}"], ["call", "{url}", "typed", "n=1"], ["demo"], ["servers"]]
)
def test_reader_that_goes_away(home: Home, url: str, words: list[str]) -> None:
    """A reader that goes away ends a command with 141, in silence."""
    home.run("call", url, "add")
    reads, writes = os.pipe()
    os.close(reads)  # Before the command begins, so that no command writes sooner.
    code, err = into(home, writes, [word.format(url=url) for word in words])
    os.close(writes)
    if words == ["servers"]:
        assert code == 0  # Nothing is configured, so nothing is written.
        return
    assert code == 141, err
    assert "Broken" not in err
    assert "Traceback" not in err


def test_full_disk(home: Home, url: str) -> None:
    """Output that cannot be written is an error."""
    for words in (["--help"], ["call", url, "add"]):
        with Path("/dev/full").open("wb") as full:
            code, err = into(home, full.fileno(), words)
        assert (code, "No space left" in err, "Traceback" in err) == (1, True, False)


@one_protocol
def test_closed_streams(home: Home, url: str) -> None:
    """With its standard streams closed a command does its work, and no file gets their numbers."""
    script = '"$@" <&- >&- 2>&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, "call", url, "short"], env=home.variables(), check=False, cwd=home.folder
    )
    assert done.returncode == 0
    assert home.run("list", "-a", "-q").out != ""


@one_protocol
def test_plain_locale(home: Home, server: TaskServer, url: str) -> None:
    """In the locale C, and where standard output has no UTF-8, text comes through, spelled out if need be."""
    server.add_tool("text", result="grüße 日本")
    for env, out in (
        ({"LC_ALL": "C"}, "grüße 日本\n"),
        ({"PYTHONIOENCODING": "ascii"}, "gr\\xfc\\xdfe \\u65e5\\u672c\n"),
    ):
        done = home.run("call", url, "text", env=env)
        assert (done.code, done.out) == (0, out)


@one_protocol
def test_ignored_signals(home: Home, server: TaskServer, url: str) -> None:
    """Under `nohup`, SIGHUP stays ignored: the command goes on to the result."""
    run = subprocess.Popen(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *COMMAND, "call", url, "long"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=home.variables(),
    )
    assert run.stderr is not None
    assert next(line for line in run.stderr if "on its way" in line)
    run.send_signal(signal.SIGHUP)
    server.next_task_blocking(10).complete("done")
    out, _ = run.communicate(timeout=LIMIT)
    assert (run.returncode, out) == (0, "done\n")
