"""Programs that are stopped in mid-run. Each is a process of its own, forked from one that has imported the framework.

An import takes seconds, and a fork nearly nothing. A program ends as if it had been started by itself: its exception
ends the interpreter, which runs what is registered for its end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path

import pytest

from mcptasks.testing import ServerTask, TaskServer

ROOT = Path(__file__).parents[2]
LIMIT = 240.0
"""Seconds that no program takes unless it hangs. On a busy machine the import of a framework takes one minute."""
IMPORTED = (
    *("anyio._backends._asyncio", "httpcore2", "mcp.client.streamable_http"),
    *("mcptasks._extension", "mcptasks._transport.http.transport", "mcptasks._store.sqlite"),
)
"""What a client imports only when it connects."""
WHOLE = """
import asyncio, signal, sys
{source}
async def whole():
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    loop.add_signal_handler(signal.SIGUSR1, stop.set)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(main())
        stopping = group.create_task(stop.wait())
        await asyncio.wait([run, stopping], return_when=asyncio.FIRST_COMPLETED)
        sys.exit(3)
asyncio.run(whole())
"""
"""A program around an agent, `main`. SIGTERM cancels the program's main task, as servers do, and SIGUSR1 has the main
task call `sys.exit`."""
ENDINGS = {"ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM, "sys.exit": signal.SIGUSR1}
"""The signal for each end of a program whose Python code still runs."""
each_ending = pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)


class Forks:
    """A process that has imported a module, and forks programs."""

    def __init__(self, module: str, folder: Path) -> None:
        self._said = folder / "said.txt"
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from tests.frameworks.programs import fork; fork({module!r})"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @contextlib.contextmanager
    def started(self, source: str) -> Generator[Program]:
        """Run a program until the end of the block."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([source, str(self._said)]) + "\n")
        self._process.stdin.flush()
        number = self._process.stdout.readline()
        assert number, "the module cannot be imported; the reason is above"
        program = Program(int(number), self._process.stdout.readline)
        limit = threading.Timer(LIMIT, program.stop, [signal.SIGKILL])
        limit.start()
        try:
            yield program
        finally:
            limit.cancel()
            program.stop(signal.SIGKILL)
            program.code()
            # pytest shows it if the test fails.
            print(self._said.read_text(encoding="utf-8"))  # noqa: T201

    def stopped(
        self, source: str, server: TaskServer, ending: int, *, polled: bool = False, whole: bool = True
    ) -> ServerTask:
        """Run a program until the server has its task, and stop it. The task of the program.

        Args:
            source: The function `main`, which runs an agent.
            server: The server.
            ending: The signal that stops it.
            polled: Whether the program is stopped only when it has polled the task, so that it has the task's id.
            whole: Whether `source` needs a program around it.
        """
        with self.started(WHOLE.format(source=source) if whole else source) as program:
            task = server.next_task_blocking(LIMIT)
            until = time.monotonic() + LIMIT
            while polled and not server.requests.count("tasks/get") and time.monotonic() < until:
                time.sleep(0.01)
            program.stop(ending)
            assert program.code() != 0
        return task

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@pytest.fixture(scope="module")
def forks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Forks]:
    """Forks programs that find this module of tests imported."""
    found = Forks(f"tests.frameworks.{request.path.stem}", tmp_path_factory.mktemp("programs"))
    yield found
    found.close()


class Program:
    """A program that runs."""

    def __init__(self, number: int, end: Callable[[], str]) -> None:
        self._number = number
        self._end = end
        self._code: int | None = None

    def stop(self, number: int) -> None:
        """Send the program a signal, unless it has ended."""
        # Its number belongs to nobody else before `fork` has seen its end, of which it says so here.
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._number, number)

    def code(self) -> int:
        """The program's exit code, as soon as it has ended."""
        if self._code is None:
            self._code = int(self._end())
        return self._code


def fork(module: str) -> None:
    """Import a module, and run the programs that come as lines of standard input, one after another."""
    for name in (*IMPORTED, module):
        import_module(name)
    gc.freeze()  # No program looks at what is imported when it collects garbage at its end.
    for line in sys.stdin:
        source, said = json.loads(line)
        number = os.fork()
        if number == 0:
            _become(source, said)
            return
        print(number, flush=True)  # noqa: T201
        print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)  # noqa: T201
    os._exit(0)  # The end of the interpreter takes as long as the import.


def _become(source: str, said: str) -> None:
    """Be a program that runs this source, and says this elsewhere."""
    # A shell starts background jobs with SIGINT ignored, and Python does not change that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin.close()
    place = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for file in (1, 2):
        os.dup2(place, file)
    exec(compile(source, "program", "exec"), {"__name__": "__main__"})
