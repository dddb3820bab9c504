"""Forks a server of one generation for each job: `forking.py MODULE DESCRIPTOR` has imported fastmcp once.

It runs inside the server's own environment. The other end is `tests/interop/warm_servers.py`; the descriptor is that of
the socket on which this process listens. Whoever connects is greeted once fastmcp is imported. A connection may bring
one job: a line of JSON with the arguments, the environment variables and perhaps a program of this folder that runs in
place of the server, and three streams. The answer is a line with the process id, and, after the process has ended, a
line with its exit code. If the connection ends first, the process is killed. This process ends with its last
connection.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

GREETING = b"ready\n"


class Forks:
    """The connections, and the processes that were forked for them.

    Args:
        listener: Where connections come in.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._path: str = listener.getsockname()
        self._wait = selectors.DefaultSelector()
        self._wait.register(listener, selectors.EVENT_READ)
        self._connections: dict[socket.socket, int | None] = {}
        """Each connection, with the id of its process."""
        self._woken, wakes = socket.socketpair()
        for each in (listener, wakes):
            each.setblocking(False)
        self._wait.register(self._woken, selectors.EVENT_READ)
        signal.set_wakeup_fd(wakes.detach(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def next_job(self) -> list[str] | None:
        """Fork for each job; return in the fork the program, or "", and its arguments; None when nobody is left."""
        while True:
            for key, _ in self._wait.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    self._woken.recv(1000)
                    self._reap()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._connections:
                    arguments = self._read(key.fileobj)
                    if arguments is not None:
                        return arguments
            if not self._connections and self._over():
                return None

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(True)
            with suppress(ConnectionError):
                connection.sendall(GREETING)
            self._connections[connection] = None
            self._wait.register(connection, selectors.EVENT_READ)

    def _over(self) -> bool:
        """Whether nobody is left. Once the path is gone nobody else can come: who came before is waiting here."""
        Path(self._path).unlink(missing_ok=True)
        self._accept()
        return not self._connections

    def _read(self, connection: socket.socket) -> list[str] | None:
        """Take a job, or notice the end of a connection. Return the arguments in the fork."""
        try:
            data, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            while data and not data.endswith(b"\n"):
                more = connection.recv(1 << 20)
                data = data + more if more else b""
        except ConnectionError:
            data, streams = b"", []
        if not data:
            for each in streams:
                os.close(each)
            self._leave(connection)
            return None
        job = json.loads(data)
        pid = os.fork()
        if pid == 0:
            self._close()
            return _become(job, streams)
        for each in streams:
            os.close(each)
        self._connections[connection] = pid
        with suppress(ConnectionError):
            connection.sendall(b"%d\n" % pid)
        return None

    def _close(self) -> None:
        """Close in the fork what is the forking process's, before the numbers of the descriptors are used again."""
        self._wait.close()
        for each in (self._listener, self._woken, *self._connections):
            each.close()

    def _leave(self, connection: socket.socket) -> None:
        """Forget a connection, and kill its process; the end of the process is noticed later."""
        pid = self._connections.pop(connection)
        self._wait.unregister(connection)
        connection.close()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Tell how processes have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for connection, known in self._connections.items():
                if known == pid:
                    self._connections[connection] = None
                    with suppress(ConnectionError):
                        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(job: dict[str, Any], streams: list[int]) -> list[str]:
    """Be what a fresh process would be, with the streams and the environment of the job."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for number, given in enumerate(streams):
        os.dup2(given, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(job["environ"])
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    arguments: list[str] = job["arguments"]
    return [job.get("script") or "", *arguments]


def main() -> None:
    """Import the server, and fork until nobody is left."""
    module, descriptor = sys.argv[1:]
    # This process outlives the one that starts it, which does not wait for its end.
    if os.fork():
        os._exit(0)
    from serving import run

    server = importlib.import_module(module).server
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    arguments = Forks(socket.socket(fileno=int(descriptor))).next_job()
    if arguments is not None:
        script, *rest = arguments
        sys.argv = [script or module, *rest]
        if script:
            # A fresh Python would have this from the environment.
            sys.path.insert(1, os.environ["PYTHONPATH"])
            runpy.run_path(str(Path(__file__).with_name(script)), run_name="__main__")
        else:
            run(server)


if __name__ == "__main__":
    main()
