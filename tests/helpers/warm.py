"""Runs each command in a fork of one process that has imported all commands. All processes of a run share that one.

Each command is a process of its own, whose process id the test knows. It has its own signals, working directory,
environment, standard streams and session, and ends as a fresh Python ends. A fork costs far less processor time than a
fresh Python, which imports everything.

What Python reads when it starts is that of the forking process. So `suits` refuses an environment in which one of these
variables differs.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.helpers.shared import Shared
from tests.helpers.source_tree import ROOT

STDIN = 32_768
"""Bytes that a pipe holds for a command that does not read yet; half of what Linux grants."""

_PROGRAM = """
from tests.helpers.shared import Users, outlive_the_starter

outlive_the_starter()

import builtins, contextlib, fcntl, gc, importlib, json, os, pkgutil, select, signal, socket, sys, termios, threading
import warnings
import anyio._backends._asyncio, anyio._core._signals, mcp, rich.console, rich.live, rich.text
import anyio._backends._trio, httpcore2._backends.anyio, opentelemetry.metrics, trio, truststore
import mcptasks, mcptasks.testing
from mcptasks.__main__ import main

for room in ("core", "wire", "store", "transport", "telemetry", "engine", "async", "cli"):
    package = importlib.import_module("mcptasks._" + room)
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(each.name)

def reap():
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            break
        with contextlib.suppress(OSError):
            os.write(reports[pid], b"%d" % os.waitstatus_to_exitcode(status))
        os.close(reports.pop(pid))

def become(job, streams):
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for number, given in enumerate(streams):
        os.dup2(given, number)
    for each in (users.listener, *users.connections, woken, wakes):
        each.detach()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches the command
    os.environ.clear()
    os.environ.update(job["environ"])
    os.chdir(job["folder"])
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.argv = [job["script"] or "mcptasks", *job["words"]]
    if job["warnings"] is not None:
        sys.warnoptions[:] = job["warnings"]
        warnings.resetwarnings()
        warnings._processoptions(sys.warnoptions)
    return job["script"]

def in_main(script):
    "The code of a script and the variables of the main module, which are then the script's own."
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec")
    found = globals()
    own = {"__name__": "__main__", "__file__": script, "__spec__": None, "__builtins__": builtins}
    found.clear()
    found.update(own)
    return code, found

def next_command():
    "Fork for each job; return in the fork what it is to run, None for the command line."
    while True:
        for each in select.select([users.listener, woken, *users.connections], [], [])[0]:
            if each is users.listener:
                users.accept()
            elif each is woken:
                woken.recv(100)
                reap()
            elif each in users.connections:
                data, given = b"", []
                with contextlib.suppress(ConnectionError):
                    data, given, _, _ = socket.recv_fds(each, 1 << 20, 4)
                if not data and users.leave(each):
                    os._exit(0)
                if data:
                    *streams, report = given
                    pid = os.fork()
                    if pid == 0:
                        return become(json.loads(data), streams)
                    with contextlib.suppress(OSError):
                        os.write(report, b"%d " % pid)
                    reports[pid] = report
                    for stream in streams:
                        os.close(stream)
                    with contextlib.suppress(ConnectionError):
                        each.send(b".")

assert threading.active_count() == 1
gc.collect()
gc.freeze()
reports = {}
for number in (signal.SIGHUP, signal.SIGTERM):  # One of them may be ignored, as under nohup.
    signal.signal(number, signal.SIG_DFL)
users = Users(int(sys.argv[1]), "ready")
woken, wakes = socket.socketpair()
wakes.setblocking(False)
signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
signal.signal(signal.SIGCHLD, lambda *_: None)
script = next_command()
if script is None:
    sys.exit(main())
exec(*in_main(script))
"""


class Running:
    """A command that runs. It has those methods of `subprocess.Popen` that tests use. `with` waits for its end.

    Args:
        report: The reading end of the pipe on which the forking process says the command's id and its exit code.
        stdout: The reading end of its standard output, if it is a pipe.
        stderr: The reading end of its standard error, if it is a pipe.
    """

    def __init__(self, report: int, stdout: IO[str] | None = None, stderr: IO[str] | None = None) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._report = report
        self._said = b""
        while b" " not in self._said:
            piece = os.read(report, 64)
            assert piece, "the process that forks has ended"
            self._said += piece
        self.pid = int(self._said.split()[0])

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code; the negative number of the signal that ended the command.

        Raises:
            TimeoutError: The command goes on.
        """
        while self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise TimeoutError
            piece = os.read(self._report, 64)
            self._said += piece
            if not piece:
                os.close(self._report)
                self.returncode = int(self._said.split()[1])
        return self.returncode

    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]:
        """Read standard output and standard error to their ends, wait for the end, and return both.

        A command that is not over by then is killed.
        """
        limit = threading.Timer(timeout, self.kill) if timeout is not None else None
        if limit is not None:
            limit.start()
        try:
            with ThreadPoolExecutor(2) as readers:
                out, err = readers.map(_rest, (self.stdout, self.stderr))
        finally:
            if limit is not None:
                limit.cancel()
        self.wait(timeout)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send the command a signal, unless it is over."""
        if self.returncode is None and not select.select([self._report], [], [], 0)[0]:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End the command if it still runs."""
        self.send_signal(signal.SIGKILL)


def _rest(stream: IO[str] | None) -> str:
    """What is still to be read."""
    return "" if stream is None else stream.read()


class Warm:
    """The process that forks; it starts with the first command. `with` lets go of the process.

    Args:
        environ: The environment of the process; each command has its own.
        folder: A folder that all processes of the run share.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = dict(environ)
        self._shared = Shared(folder / "commands")
        self._turn = threading.Lock()
        self._jobs: socket.socket | None = None

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        if self._jobs is not None:
            self._jobs.close()

    def _started(self) -> socket.socket:
        """Where the process takes jobs, once it has imported everything."""
        if self._jobs is None:
            self._jobs, _ = self._shared.join([sys.executable, "-W", "error", "-c", _PROGRAM], self._environ)
        return self._jobs

    def ready(self) -> None:
        """Wait until the process has imported everything, so that a limit of a test is not spent on that."""
        with self._turn:
            self._started()

    def suits(self, environ: Mapping[str, str]) -> bool:
        """Whether a fresh Python would start with this environment as the forking process has started."""
        return _of_the_start(environ) == _of_the_start(self._environ)

    def start(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        streams: tuple[int, int, int],
        script: str | None = None,
        warnings: Sequence[str] | None = None,
    ) -> Running:
        """Start a command.

        Args:
            words: What follows the program's name.
            environ: The environment.
            folder: The working directory.
            streams: Standard input, output and error.
            script: The Python file that runs instead of the command line.
            warnings: What Python would be given with `-W`; None for `error`.
        """
        return Running(self._send(words, environ, folder, streams, script, warnings))

    def run_file(self, file: str, *words: str) -> Running:
        """Start a Python file of the tests in pipes, from the project's folder, without input.

        Args:
            file: The file.
            words: What the file is given.
        """
        environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        return self.start_in_pipes(words, environ, ROOT, script=file)

    def start_in_pipes(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        stdin: bytes | None = None,
        script: str | None = None,
    ) -> Running:
        """Start a command whose standard output and standard error are pipes.

        Args:
            words: What follows the program's name.
            environ: The environment.
            folder: The working directory.
            stdin: What the command reads from a pipe, at most `STDIN` bytes; None for the null device.
            script: The Python file that runs instead of the command line.
        """
        if stdin is None:
            given = os.open(os.devnull, os.O_RDONLY)
        else:
            assert len(stdin) <= STDIN
            given, gives = os.pipe()
            os.write(gives, stdin)
            os.close(gives)
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        try:
            report = self._send(words, environ, folder, (given, their_out, their_err), script)
        finally:
            for each in (given, their_out, their_err):
                os.close(each)
        # A line ends with a line feed only, so that tests see every carriage return.
        stdout, stderr = (open(each, encoding="utf-8", newline="\n") for each in (out, err))  # noqa: PTH123, SIM115
        return Running(report, stdout, stderr)

    def _send(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        streams: tuple[int, int, int],
        script: str | None = None,
        warnings: Sequence[str] | None = None,
    ) -> int:
        """Have a command started, and return the end of the pipe on which its id and its end are said."""
        what = {"words": list(words), "environ": dict(environ), "folder": str(folder)}
        job = json.dumps({**what, "script": script, "warnings": warnings}).encode()
        reads, writes = os.pipe()
        try:
            # The answer keeps two jobs of two threads apart.
            with self._turn:
                jobs = self._started()
                socket.send_fds(jobs, [job], [*streams, writes])
                assert jobs.recv(1) == b"."
        finally:
            os.close(writes)
        return reads


def _of_the_start(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that Python or the C library reads when a process starts."""
    return {name: value for name, value in environ.items() if name.startswith(("PYTHON", "LC_", "LANG"))}
