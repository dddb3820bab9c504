"""A second Ctrl-C, and one that comes after the work: the command ends at once, and says nothing that is not true.

Each program closes, or ends, more slowly than any test waits, and says where it is; a test then presses Ctrl-C.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.helpers.command_line import LIMIT, Home

pytestmark = pytest.mark.slow

COMMAND = """
import atexit, signal, sys, time
import anyio
from mcptasks._cli import app, running, stopping
from mcptasks._cli.exits import Exit
signal.signal(signal.SIGINT, signal.default_int_handler)
stopping.GOODBYE = 600
kept = []

def say(text):
    print(text, file=sys.stderr, flush=True)

async def hang():
    with anyio.CancelScope(shield=True):
        say("closing")
        await anyio.sleep(600)

async def work():
    try:
        say("begun")
        await anyio.sleep_forever()
    finally:
        await hang()

async def over():
    async def steps():
        try:
            yield
        finally:
            await hang()  # While the event loop ends.
    kept.append(steps())
    await anext(kept[0])
    return Exit.OK

async def brief():
    def end():
        say("closing")
        time.sleep(600)
    atexit.register(end)
    return Exit.OK

def instead(body, **leaving):
    run = running.run
    running.run = lambda setting, *_: run(setting, body, running.Leaving(**leaving))
    sys.exit(app.main())
"""
DEMO = """
import signal, sys
import anyio
from mcptasks._cli.demo import Demo, say
signal.signal(signal.SIGINT, signal.default_int_handler)

class Slow(Demo):
    async def _demo(self):
        try:
            say("begun", sys.stderr)
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                say("closing", sys.stderr)
                await anyio.sleep(600)

sys.exit(Slow("", None, None, backend=%r, mode="auto").run())
"""


def pressed(home: Home, program: str, *at: str, first: signal.Signals = signal.SIGINT) -> tuple[int, list[str]]:
    """Run a program, press Ctrl-C whenever it says one of these words, in turn, and return its code and all it says.

    Args:
        home: Where to run it.
        program: The program.
        at: The words.
        first: The first signal, in place of Ctrl-C.
    """
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, "list"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=home.variables(),
        cwd=Path(home.folder),
        start_new_session=True,
    ) as run:
        limit = threading.Timer(LIMIT, run.kill)
        limit.start()
        left, said = list(at), list[str]()
        try:
            assert run.stderr is not None
            for line in run.stderr:
                said.append(line.rstrip())
                if left and said[-1] == left[0]:
                    run.send_signal(first if len(left) == len(at) else signal.SIGINT)
                    left.pop(0)
            run.wait(LIMIT)
        finally:
            limit.cancel()
            run.kill()
    return run.returncode, said


def test_while_closing(home: Home) -> None:
    """The second Ctrl-C does not wait for connections to close."""
    code, said = pressed(home, f"{COMMAND}\ninstead(work)", "begun", "closing")
    assert (code, said) == (130, ["begun", "stopped", "closing"])


def test_during_the_last_act(home: Home) -> None:
    """Nor for the last act, such as a request to cancel."""
    code, said = pressed(home, f"{COMMAND}\ninstead(work, last_act=hang)", "begun", "closing")
    assert (code, said) == (130, ["begun", "stopped", "closing"])


def test_after_the_work(home: Home) -> None:
    """Ctrl-C while the event loop ends does not say that nothing was sent: the work is done, and the code says so."""
    assert pressed(home, f"{COMMAND}\ninstead(over)", "closing") == (0, ["closing"])


def test_while_python_ends(home: Home) -> None:
    """Ctrl-C while Python ends prints no traceback."""
    assert pressed(home, f"{COMMAND}\ninstead(brief)", "closing") == (-signal.SIGINT, ["closing"])


@pytest.mark.parametrize(("backend", "number"), [("asyncio", signal.SIGTERM), ("trio", signal.SIGINT)])
def test_demo(home: Home, backend: str, number: signal.Signals) -> None:
    """The second Ctrl-C ends the demo at once, too, on both backends; the first signal says why."""
    code, said = pressed(home, DEMO % backend, "begun", "closing", first=number)
    assert (code, [line for line in said if line in ("begun", "closing")]) == (128 + number, ["begun", "closing"])
    (words,) = (line for line in said if line not in ("begun", "closing"))
    assert words.startswith("stopped while connecting to ")
