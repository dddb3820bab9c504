"""Programs that other programs start, a shell or a client, and that are forked from a warm process all the same.

What is started is a stand-in: a program that imports next to nothing, has the fork use its standard streams, and ends
as the fork ends. If the stand-in is killed, so is the fork. See `warm.py` for what a fork is.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import sys
import tempfile
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

from tests.helpers.warm import Running, Warm

_STAND_IN = """
import json, os, signal, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
job = {{"script": {script!r}, "words": sys.argv[1:], "environ": dict(os.environ), "folder": os.getcwd()}}
socket.send_fds(connection, [json.dumps(job).encode() + b"\\n"], [0, 1, 2])
says = connection.makefile("rb")
pid = int(says.readline())
for stream in (0, 1, 2):
    os.close(stream)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda sent, _: os.kill(pid, sent))
code = int(says.readline() or b"1")
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


OFTEN = 0.1
"""Seconds after which the end of a stand-in is looked for again."""


class StandIns:
    """Takes the jobs of stand-ins, in a thread for each. `with` ends it.

    Args:
        warm: Forks what is to run.
    """

    def __init__(self, warm: Warm) -> None:
        self._warm = warm
        warm.ready()
        self._folder = Path(tempfile.mkdtemp(prefix="mcptasks-", dir="/tmp"))  # the path of a socket has to be short
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / "jobs"))
        self._listener.listen(100)
        self._serving: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._listen, name="stand-ins", daemon=True)
        self._thread.start()

    def __enter__(self) -> StandIns:
        return self

    def __exit__(self, *_: object) -> None:
        # A closed listener may leave `accept` waiting; one that is shut down does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._thread, *self._serving):
            each.join()
        self._listener.close()
        shutil.rmtree(self._folder)

    def program(self, script: Path | None = None) -> str:
        """The source of a stand-in.

        Args:
            script: The Python file that is to run; None for the command line of `mcptasks`.
        """
        address = str(self._folder / "jobs")
        return _STAND_IN.format(address=address, script=None if script is None else str(script))

    def script(self, path: Path, source: str) -> list[str]:
        """Write a program and its stand-in, and return the command that starts the stand-in.

        Args:
            path: Where the stand-in is to be; what it does lies beside it.
            source: The program, which may be indented.
        """
        work = path.with_name(f"work_of_{path.name}")
        work.write_text(textwrap.dedent(source), encoding="utf-8")
        path.write_text(self.program(work), encoding="utf-8")
        # `-I` and `-S`: nothing is imported that the stand-in does not name.
        return [sys.executable, "-IS", str(path)]

    def command(self, path: Path) -> None:
        """Write an executable stand-in for the command line of `mcptasks`."""
        path.write_text(f"#!{sys.executable} -IS\n{self.program()}", encoding="utf-8")
        path.chmod(0o755)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,), name="stand-ins", daemon=True)
                self._serving.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            data, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            stdin, stdout, stderr = streams
            try:
                while not data.endswith(b"\n"):
                    data += connection.recv(1 << 20)
                job = json.loads(data)
                folder = Path(job["folder"])
                running = self._warm.start(job["words"], job["environ"], folder, (stdin, stdout, stderr), job["script"])
            finally:
                for each in streams:
                    os.close(each)
            connection.sendall(b"%d\n" % running.pid)
            connection.sendall(b"%d\n" % _end_of(running, connection))


def _end_of(running: Running, connection: socket.socket) -> int:
    """Wait for the end; bring it about if the stand-in has ended first."""
    while True:
        try:
            return running.wait(OFTEN)
        except TimeoutError:
            if select.select([connection], [], [], 0)[0]:
                running.kill()
