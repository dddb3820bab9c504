"""Servers that are forked: each is a process of its own, and none outlives those that use it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.threads import parent_of
from tests.interop.processes import HttpServer
from tests.interop.targets import LONG
from tests.interop.warm_servers import WarmServers

INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}


@pytest.fixture
def stdio(warm_servers: WarmServers) -> Iterator[subprocess.Popen[str]]:
    """A server over stdio that has answered, started as a client starts one."""
    server = warm_servers.over_stdio(4)
    command = [server.command, *server.args]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=server.env, text=True) as process:
        request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "fastmcp4"
        yield process
        process.kill()


def said_within(descriptor: int) -> bool:
    """Wait until there is something to read, or the end."""
    return bool(select.select([descriptor], [], [], LONG)[0])


def test_one_process_forks_for_all(warm_servers: WarmServers, tmp_path: Path) -> None:
    """Two workers of a run get servers from one process; the end of a server is nothing to the other server."""
    with (
        WarmServers(warm_servers.folder) as other,
        HttpServer(4, tmp_path / "one", warm=warm_servers) as one,
        HttpServer(4, tmp_path / "two", warm=other) as two,
    ):
        assert parent_of(one.pid) == parent_of(two.pid)
        assert one.url != two.url
        one.kill()
        two.interrupt()
        two.listen_again()
        one.start()
        assert parent_of(one.pid) == parent_of(two.pid)


def test_it_ends_with_the_last_that_uses_it(tmp_path: Path) -> None:
    """The forking process stays while a worker or a server is there, and leaves nothing behind."""
    with WarmServers(tmp_path / "warm") as warm:
        server = HttpServer(4, tmp_path / "log", warm=warm)
        server.start()
    handle = os.pidfd_open(parent_of(server.pid))
    try:
        server.interrupt()
        server.listen_again()
        server.kill()
        assert said_within(handle)
    finally:
        os.close(handle)
    assert not (tmp_path / "warm" / "fastmcp4").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_over_stdio_it_ends_with_what_the_client_started(stdio: subprocess.Popen[str], number: signal.Signals) -> None:
    """A signal to the process that the client knows ends the server, though nobody has closed the server's input."""
    stdio.send_signal(number)
    assert stdio.stdout is not None
    # The server alone holds the other end.
    assert said_within(stdio.stdout.fileno())
    assert stdio.stdout.read() == ""
    assert stdio.wait(LONG) == -number


def test_over_stdio_it_ends_with_its_input(stdio: subprocess.Popen[str]) -> None:
    """The process that the client knows ends as the server ends: in good order, when its input is over."""
    assert stdio.stdin is not None
    stdio.stdin.close()
    assert stdio.wait(LONG) == 0
