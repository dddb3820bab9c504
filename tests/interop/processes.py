"""Starts, stops and watches the server processes of the interop tests, from the side of the tests.

The other end is `servers/serving.py`. A process ends when its stdin closes, so none outlives the tests even if those
are killed; what it wrote to stderr is in `log`.
"""

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from tests.interop.environments import server_python

if TYPE_CHECKING:
    from tests.interop.warm_servers import ForkedServer, WarmServers

SERVERS = Path(__file__).parent / "servers"
ROOT = Path(__file__).parents[2]
GENERATIONS = (2, 3, 4)
_LONGEST_START = 180.0
_LONGEST_STOP = 30.0
_LONGEST_RUN = 180.0


class ServerFailedError(RuntimeError):
    """A server process ended or kept silent; the message ends with its log."""


def server_settings() -> dict[str, str]:
    """The environment variables that every server process gets: room for many tasks at once, no look outside, and few
    looks for tasks while there are none. A new task wakes the worker at once; an idle worker looks twenty times a
    second otherwise (fastmcp 3 and 4).
    """
    return {
        "FASTMCP_DOCKET_CONCURRENCY": "200",
        "FASTMCP_DOCKET_MINIMUM_CHECK_INTERVAL": "PT0.5S",
        "FASTMCP_CHECK_FOR_UPDATES": "off",
        "FASTMCP_ENV_FILE": os.devnull,
    }


def server_command(generation: int) -> list[str]:
    """The command that runs the server of one generation over stdio."""
    return [str(server_python(generation)), str(SERVERS / f"fastmcp{generation}_server.py")]


class HttpServer:
    """One server process that listens on loopback. Blocking, and used from one thread at a time.

    Args:
        generation: That of fastmcp.
        log: Where its stderr goes.
        transport: "http" for Streamable HTTP, "sse" for HTTP+SSE.
        settings: Further environment variables for the process.
        warm: Forks the process; None for a fresh Python, which further variables need.
    """

    def __init__(
        self,
        generation: int,
        log: Path,
        transport: str = "http",
        settings: Mapping[str, str] | None = None,
        warm: "WarmServers | None" = None,
    ) -> None:
        if settings and warm is not None:
            raise ValueError("a forked server has the settings of the process that forks it")
        self._settings = settings or {}
        self._warm = warm
        self.generation = generation
        self.transport = transport
        self.log = log
        self._port = 0
        self._url: str | None = None
        self._process: subprocess.Popen[str] | ForkedServer | None = None
        self._says: queue.Queue[str | None] = queue.Queue()

    @property
    def url(self) -> str:
        """Where it listens. The port stays the same for the life of this object, over every stop and start."""
        if self._url is None:
            raise ServerFailedError("the server was never started")
        return self._url

    @property
    def pid(self) -> int | None:
        """The id of the process that runs now."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start a process: a new one that knows of no earlier task."""
        if self._process is not None:
            raise ServerFailedError("the server runs already")
        arguments = ["--transport", self.transport, "--port", str(self._port)]
        environ = {**os.environ, **server_settings(), **self._settings}
        self._says = queue.Queue()
        with self.log.open("a", encoding="utf-8") as log:
            if self._warm is not None:
                self._process = self._warm.start(self.generation, arguments, environ, log.fileno())
            else:
                # A session of its own keeps Ctrl-C in the terminal from ending it under tests that still run.
                self._process = subprocess.Popen(
                    [*server_command(self.generation), *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=environ,
                    start_new_session=True,
                )
        threading.Thread(target=_read_lines, args=(self._process, self._says), daemon=True).start()
        self._url = self._next_url()
        self._port = int(self._url.rsplit(":", 1)[1].split("/")[0])

    def kill(self) -> None:
        """End the process at once, as a crash does: connections break, and tasks in memory are lost."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait(_LONGEST_STOP)
        _close_pipes(process)

    def stop(self) -> None:
        """End the process in an orderly way; kill it if it does not end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_LONGEST_STOP)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            process, self._process = self._process, None
            _close_pipes(process)

    def interrupt(self) -> None:
        """Stop listening and drop every connection and session, but keep the tasks and their work."""
        self._command("stop")
        said = self._next_said()
        if said is not None and json.loads(said)["url"] is not None:
            raise ServerFailedError(f"expected the server to stop listening, but it said {said}")

    def listen_again(self) -> None:
        """Undo `interrupt`: listen on the same port, with the tasks of before."""
        self._command("start")
        self._url = self._next_url()

    def log_tail(self, lines: int = 60) -> str:
        """The last lines that the process wrote to stderr."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def __enter__(self) -> "HttpServer":
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def _command(self, word: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise ServerFailedError("the server does not run")
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _next_url(self) -> str:
        said = self._next_said()
        url = None if said is None else json.loads(said)["url"]
        if not isinstance(url, str):
            self.kill()
            raise ServerFailedError(f"fastmcp {self.generation} does not listen; its log ends:\n{self.log_tail()}")
        return url

    def _next_said(self) -> str | None:
        """The next line on stdout; None when the process ended or said nothing for too long."""
        try:
            return self._says.get(timeout=_LONGEST_START)
        except queue.Empty:
            return None


def _read_lines(process: "subprocess.Popen[str] | ForkedServer", lines: "queue.Queue[str | None]") -> None:
    if process.stdout is not None:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _close_pipes(process: "subprocess.Popen[str] | ForkedServer") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
