"""Starts the client under test ninety times for the price of one import, by forking a process that has imported it.

    python -m tests.conformance.forks SOCKET

This program listens at the socket until its standard input ends. `ask.py` is what the conformance suite starts in place
of the client: it hands over its arguments, its environment and where it writes to, and ends as the client does. Each
client is a process of its own, as if it had been started.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from importlib import import_module

LONGEST = 300
"""Seconds after which a client ends in any case. By then the suite has ended the scenario, and nobody waits for it."""
IMPORTED = (
    *("anyio._backends._asyncio", "anyio._backends._trio", "httpcore2"),
    *("mcptasks._extension", "mcptasks._telemetry.recorder", "mcptasks._transport.http.transport"),
)
"""What a client imports only when it connects: half a second more."""
_MOST = 1 << 20
"""Bytes of a request at the most."""


def serve(listener: socket.socket, stopped: int, run: Callable[[], None]) -> None:
    """Run a client for each request, until this file descriptor has ended.

    Args:
        listener: Where requests come in.
        stopped: The file descriptor.
        run: Runs one client, which finds its arguments and its environment where a program finds them.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody asks how a child has ended: it says so itself.
    while listener.fileno() in select.select([listener.fileno(), stopped], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            if os.fork() == 0:
                listener.close()
                _become(connection, run)


def _become(connection: socket.socket, run: Callable[[], None]) -> None:
    """Run a client in this process, and end the process with it."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.alarm(LONGEST)
        request, files, _, _ = socket.recv_fds(connection, _MOST, 2)
        for file, own in zip(files, (1, 2), strict=True):
            os.dup2(file, own)
            os.close(file)
        while not request.endswith(b"\n"):
            request += connection.recv(_MOST)
        asked = json.loads(request)
        sys.argv[1:] = asked["arguments"]
        os.environ.clear()
        os.environ.update(asked["environment"])
        run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([code]))
        os._exit(code)


def main() -> None:
    """Listen at the socket that the first argument names."""
    from tests.conformance.client import main as run

    for name in IMPORTED:
        import_module(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        print("ready", flush=True)
        serve(listener, sys.stdin.fileno(), run)


if __name__ == "__main__":
    main()
