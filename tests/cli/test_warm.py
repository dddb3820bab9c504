"""A command that is forked is like one in a fresh Python, in all that the tests of the command line look at."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from mcptasks.testing import TaskServer
from tests.helpers.command_line import LIMIT, Home
from tests.helpers.stand_ins import StandIns
from tests.helpers.threads import parent_of
from tests.helpers.warm import STDIN, Warm

pytestmark = pytest.mark.slow

Era = Literal["modern", "legacy"]


@pytest.fixture
def era() -> Era:
    """One protocol: these tests are about the process."""
    return "modern"


def state_of(home: Home, url: str) -> dict[str, object]:
    """What a command is like while it waits for a task, and how it ends."""
    with home.start("call", url, "long") as run:
        assert run.stderr is not None
        assert next(line for line in run.stderr if "on its way" in line)
        place = Path(f"/proc/{run.pid}")
        lines = [line.split(":\t", 1) for line in (place / "status").read_text().splitlines()]
        files = [str(each.readlink()) for each in (place / "fd").iterdir()]
        found: dict[str, object] = {
            **{name: value for name, value in lines if name in ("SigBlk", "SigIgn", "SigCgt", "Umask")},
            # Sockets and files of the store come and go.
            "files": sorted(each.partition(":")[0] for each in files if each.startswith(("pipe:", "/dev/"))),
            "folder": (place / "cwd").readlink(),
            "leads its session": os.getsid(run.pid) == run.pid == os.getpgid(run.pid),
        }
        run.send_signal(signal.SIGTERM)
        _, found["said"] = run.communicate(timeout=LIMIT)
    found["said"] = [line for line in str(found["said"]).splitlines() if "mcptasks" not in line and url not in line]
    return {**found, "code": run.returncode}


def test_like_a_fresh_one(home: Home, url: str) -> None:
    """Signals, pipes, folder, session and end are those of a fresh Python."""
    assert home.warm is not None
    fresh = Home(home.folder)
    assert state_of(home, url) == state_of(fresh, url)


def test_killed(home: Home, server: TaskServer, url: str) -> None:
    """The code of a command that a signal ends is the negative number of the signal. Later signals do nothing."""
    with home.start("call", url, "long") as run:
        server.next_task_blocking(LIMIT)
        run.kill()
        assert run.wait(LIMIT) == -signal.SIGKILL
        run.kill()
        run.send_signal(signal.SIGTERM)


def test_several_at_once(home: Home, server: TaskServer, url: str) -> None:
    """Commands run side by side, and end in any order, each with a code of its own."""
    with home.start("call", url, "long") as first, home.start("call", url, "fails") as second:
        assert second.communicate(timeout=LIMIT)[1].splitlines()[-1] == "error: no such month"
        assert first.returncode is None
        server.next_task_blocking(LIMIT)
        next(task for task in server.tasks.values() if not task.done).complete("found")
        assert first.communicate(timeout=LIMIT)[0] == "found\n"
        assert (first.wait(), second.wait()) == (0, 1)


def test_one_process_forks_for_all(home: Home, tmp_path: Path, url: str) -> None:
    """Two processes of a run get commands from one process. It ends with the last that uses it, and leaves nothing."""
    environ, folder = home.variables(), tmp_path / "warm"
    with Warm(environ, folder) as last:
        with Warm(environ, folder) as first:
            one = first.start_in_pipes(["call", url, "long"], environ, home.folder)
            other = last.start_in_pipes(["call", url, "long"], environ, home.folder)
            forking = os.pidfd_open(parent_of(one.pid))
            assert parent_of(one.pid) == parent_of(other.pid)
            for each in (one, other):
                with each:
                    each.kill()
        with last.start_in_pipes(["--version"], environ, home.folder) as again:
            assert again.communicate(timeout=LIMIT)[0].startswith("mcptasks")
        assert not select.select([forking], [], [], 0)[0]
    assert select.select([forking], [], [], LIMIT)[0]
    os.close(forking)
    assert not (folder / "commands").exists()


def test_what_starts_in_a_fresh_python(home: Home, warm: Warm) -> None:
    """Variables that Python reads when it starts are refused by `suits`; others are the command's own."""
    assert warm.suits(home.variables({"NO_COLOR": "1", "HOME": "/"}))
    for name in ("PYTHONIOENCODING", "LC_ALL", "LANG"):
        assert not warm.suits(home.variables({name: "other"}))


def test_standard_input(home: Home, url: str) -> None:
    """A command reads what it is given, however long that is."""
    for length in (1, STDIN + 1):
        assert home.run("call", url, "typed", "-", stdin=f'{{"n": 4}}{" " * length}').json == {"n": 4}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_stand_in(
    home: Home, stand_ins: StandIns, server: TaskServer, url: str, number: signal.Signals, code: int
) -> None:
    """A signal to the stand-in ends the command, and the stand-in ends as the command ends."""
    path = home.folder / "mcptasks"
    stand_ins.command(path)
    with subprocess.Popen(
        [path, "call", url, "long"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=home.variables(), text=True
    ) as run:
        server.next_task_blocking(LIMIT)
        run.send_signal(number)
        # The command alone holds the other end: this is over when the command is.
        run.communicate(timeout=LIMIT)
    assert run.returncode == code
