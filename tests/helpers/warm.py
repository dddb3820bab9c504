"""Runs each command in a fork of one process that has imported all commands.

Each command is a process of its own. A fork costs far less processor time than a fresh Python,
which imports everything.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_PROGRAM = """
import fcntl, gc, importlib, json, os, pkgutil, signal, socket, sys, termios, traceback
import anyio._backends._asyncio, mcp, rich.console, rich.live, rich.text
import mcptasks._cli.commands, mcptasks._cli.demo, mcptasks.store
from mcptasks.__main__ import main

for each in pkgutil.iter_modules(mcptasks._cli.commands.__path__, "mcptasks._cli.commands."):
    importlib.import_module(each.name)

def run(job, stdin, stdout, stderr, report):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for number, given in enumerate((stdin, stdout, stderr)):
        os.dup2(given, number)
        os.close(given)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches the command
    os.write(report, b"%d " % os.getpid())
    os.environ.clear()
    os.environ.update(job["environ"])
    os.chdir(job["folder"])
    sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1)
    sys.argv = ["mcptasks", *job["words"]]
    code = 1
    try:
        code = main()
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    os.write(report, b"%d" % code)
    os._exit(code)

gc.freeze()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
jobs = socket.socket(fileno=int(sys.argv[1]))
while True:
    data, given, _, _ = socket.recv_fds(jobs, 1 << 20, 4)
    if not data:
        break
    if os.fork() == 0:
        jobs.close()
        run(json.loads(data), *given)
    for each in given:
        os.close(each)
    jobs.send(b".")
"""


class Running:
    """A command that runs. The same methods as those of `subprocess.Popen`.

    Args:
        report: The reading end of the pipe on which the command says its process id and its exit code.
    """

    def __init__(self, report: int) -> None:
        self._report = report
        self._said = b""
        while b" " not in self._said:
            self._said += os.read(report, 64)
        self.pid = int(self._said.split()[0])

    def wait(self, timeout: float) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            TimeoutError: The command goes on.
            ChildProcessError: The command was killed.
        """
        while self._report >= 0:
            if not select.select([self._report], [], [], timeout)[0]:
                raise TimeoutError
            piece = os.read(self._report, 64)
            self._said += piece
            if not piece:
                os.close(self._report)
                self._report = -1
        code = self._said.partition(b" ")[2]
        if not code:
            raise ChildProcessError(f"process {self.pid} ended without a code")
        return int(code)

    def send_signal(self, number: int) -> None:
        """Send the command a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End the command if it still runs."""
        if self._report >= 0:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return


class Warm:
    """The process that forks. `with` ends the process.

    Args:
        environ: The environment of the process; each command has its own.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._turn = threading.Lock()
        self._jobs, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", _PROGRAM, str(theirs.fileno())],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self._jobs.close()
        self._process.wait()

    def start(
        self, words: Sequence[str], environ: Mapping[str, str], folder: Path, streams: tuple[int, int, int]
    ) -> Running:
        """Start a command.

        Args:
            words: What follows the program's name.
            environ: The environment.
            folder: The working directory.
            streams: Standard input, output and error.
        """
        job = json.dumps({"words": list(words), "environ": dict(environ), "folder": str(folder)}).encode()
        reads, writes = os.pipe()
        try:
            with self._turn:
                socket.send_fds(self._jobs, [job], [*streams, writes])
                assert self._jobs.recv(1) == b"."
        finally:
            os.close(writes)
        return Running(reads)
