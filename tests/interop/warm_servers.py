"""Real servers that are forked from a process which has imported fastmcp, instead of starting a fresh Python each.

A fresh Python takes 2 s of processor time until fastmcp is imported, and a run starts a hundred servers. A fork is a
process of its own all the same: it is stopped, killed and started as such. All processes of one test run share one
forking process for each generation; it ends when the last of them has ended, however they end. The other end is
`servers/forking.py`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mcp import StdioServerParameters

from tests.helpers.shared import Shared
from tests.interop.environments import server_python
from tests.interop.processes import ROOT, SERVERS, server_settings

_LONGEST_RUN = 180.0


class ForkedServer:
    """A server that runs. It has those methods of `subprocess.Popen` that tests use.

    Args:
        connection: The connection to the forking process, on which the job has been sent.
        stdin: What the server reads.
        stdout: What it writes.
    """

    def __init__(self, connection: socket.socket, stdin: IO[str], stdout: IO[str]) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.returncode: int | None = None
        self._connection = connection
        self._said = b""
        self.pid = self._next_number(None)

    def kill(self) -> None:
        """End the server at once."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send the server a signal, unless it is over."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code; the negative number of the signal that ended the server.

        Raises:
            subprocess.TimeoutExpired: The server goes on.
        """
        if self.returncode is None:
            self.returncode = self._next_number(timeout)
            self._connection.close()
        return self.returncode

    def _next_number(self, timeout: float | None) -> int:
        """The next line that the forking process says of the server."""
        while b"\n" not in self._said:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked server", timeout or 0.0)
            piece = self._connection.recv(64)
            assert piece, "the process that forks servers has ended"
            self._said += piece
        line, _, self._said = self._said.partition(b"\n")
        return int(line)


class WarmServers:
    """The forking processes of this test run, started on first use. `with` lets go of them.

    Args:
        folder: A folder that all processes of the run share.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._holds: dict[int, socket.socket] = {}

    def __enter__(self) -> WarmServers:
        return self

    def __exit__(self, *_: object) -> None:
        while self._holds:
            self._holds.popitem()[1].close()

    def start(
        self,
        generation: int,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        log: int,
        script: str | None = None,
    ) -> ForkedServer:
        """Start a server whose standard streams are pipes, except for standard error.

        Args:
            generation: That of fastmcp.
            arguments: What follows the program's name.
            environ: The environment. What fastmcp reads when it is imported is that of the forking process.
            log: Where standard error goes, as a file descriptor.
            script: A program of the folder `servers` that runs in place of the server.
        """
        self._hold(generation)
        found = Shared(self._path(generation)).connected()
        assert found is not None
        connection, _ = found
        job = json.dumps({"arguments": list(arguments), "environ": dict(environ), "script": script}).encode() + b"\n"
        (reads, gives), (takes, writes) = os.pipe(), os.pipe()
        try:
            socket.send_fds(connection, [job], [reads, writes, log])
        finally:
            os.close(reads)
            os.close(writes)
        stdin, stdout = open(gives, "w", encoding="utf-8"), open(takes, encoding="utf-8")  # noqa: PTH123, SIM115
        return ForkedServer(connection, stdin, stdout)

    def over_stdio(self, generation: int) -> StdioServerParameters:
        """A server that the client starts."""
        self._hold(generation)
        through = str(SERVERS / "through.py")
        # `-I` and `-S`: nothing is imported that the program does not name.
        return StdioServerParameters(
            command=sys.executable, args=["-I", "-S", through, str(self._path(generation))], env=server_settings()
        )

    def _path(self, generation: int) -> Path:
        return self.folder / f"fastmcp{generation}"

    def _hold(self, generation: int) -> None:
        """Keep the forking process of a generation alive; start it if nobody has."""
        if generation not in self._holds:
            forking, module = str(SERVERS / "forking.py"), f"fastmcp{generation}_server"
            command = [str(server_python(generation)), forking, module]
            environ = {**os.environ, **server_settings()}
            self._holds[generation], _ = Shared(self._path(generation)).join(command, environ)


def printed_by(warm: WarmServers, generation: int, script: str, *arguments: str) -> Any:
    """Run a program of the folder `servers` in the environment of a generation of fastmcp. Returns the JSON of the last
    line that the program printed.

    The environment of fastmcp 4 has this package too.
    """
    environ = {**os.environ, **server_settings(), "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as errors:
        running = warm.start(generation, arguments, environ, errors.fileno(), script)
        with running.stdin, running.stdout:
            printed = running.stdout.read()
        code = running.wait(_LONGEST_RUN)
        errors.seek(0)
        assert code == 0, errors.read().decode()
    return json.loads(printed.splitlines()[-1])
