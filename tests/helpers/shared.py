"""Processes that all processes of a test run share: one program, started on first use, that ends with its last user.

A user holds a connection to a Unix socket. The system closes that when the user ends, however it ends, so the program
always learns that it has no users any more, and outlives none of them for long.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LONGEST_START = 180.0
"""Seconds until the program has to greet."""


class Shared:
    """The way to the program, for one user.

    Args:
        path: Where the program listens, in a folder that all processes of the run share. What it says when it fails is
            beside it, in a file with the suffix `.log`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def join(self, command: Sequence[str], environ: Mapping[str, str]) -> tuple[socket.socket, str]:
        """A connection that keeps the program alive, and the line with which the program has greeted.

        Args:
            command: Starts the program if nobody has. Its last argument is to be the number of the descriptor on which
                the program listens, which this adds. It ends at once, and leaves the program as a process that is
                nobody's child.
            environ: The environment of the program.
        """
        self.path.parent.mkdir(exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = self.connected()
            if found is None:
                self._start(command, environ)
                found = self.connected()
        assert found is not None, self.path.with_suffix(".log").read_text(encoding="utf-8")
        return found

    def connected(self) -> tuple[socket.socket, str] | None:
        """A connection to the program if it runs, and its greeting; None if there is no such process."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LONGEST_START)
        greeting = b""
        with suppress(FileNotFoundError, ConnectionError):
            connection.connect(str(self.path))
            while piece := connection.recv(1):
                greeting += piece
                if piece == b"\n":
                    connection.settimeout(None)
                    return connection, greeting.decode().rstrip("\n")
        connection.close()
        return None

    def _start(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener, self.path.with_suffix(".log").open("a") as log:
            listener.bind(str(self.path))
            listener.listen(1000)
            subprocess.run(
                [*command, str(listener.fileno())],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                start_new_session=True,
                check=True,
            )


def outlive_the_starter() -> None:
    """Go on in a process that is nobody's child; the process that was started ends. To be called first of all."""
    if os.fork():
        os._exit(0)


class Users:
    """The users of this process, as connections.

    Args:
        descriptor: Where users come in.
        greeting: The line that each is told, without its end.
    """

    def __init__(self, descriptor: int, greeting: str) -> None:
        self.listener = socket.socket(fileno=descriptor)
        self.listener.setblocking(False)
        self.connections: list[socket.socket] = []
        self._path: str = self.listener.getsockname()
        self._greeting = f"{greeting}\n".encode()

    def accept(self) -> None:
        """Greet one who comes in, if anybody does."""
        with suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            connection.setblocking(True)
            with suppress(ConnectionError):
                connection.sendall(self._greeting)
            self.connections.append(connection)

    def wait_until_all_have_left(self) -> None:
        """Let users come and go, until nobody is left. They say nothing."""
        while True:
            for ready in select.select([self.listener, *self.connections], [], [])[0]:
                if ready is self.listener:
                    self.accept()
                elif self.leave(ready):
                    return

    def leave(self, connection: socket.socket) -> bool:
        """Forget one who has gone. Whether nobody is left, and nobody can come."""
        self.connections.remove(connection)
        connection.close()
        if not self.connections:
            # Once the path is gone nobody else can come in; who came before waits at the listener.
            with suppress(FileNotFoundError):
                Path(self._path).unlink()
            self.accept()
        return not self.connections
