"""Runs the servers and clients of the benchmarks, each in a process of its own and in the environment it belongs to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from attrs import frozen

from tests.interop.environments import server_python

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ServerKind = Literal["fastmcp 4", "fastmcp 3", "scriptable"]
ClientKind = Literal["ours", "fastmcp 4", "fastmcp 3"]
SETTINGS = {
    # By default ten tasks run at once.
    "FASTMCP_DOCKET_CONCURRENCY": "10000",
    "FASTMCP_CHECK_FOR_UPDATES": "off",
    "FASTMCP_ENV_FILE": os.devnull,
    "FASTMCP_LOG_LEVEL": "WARNING",
}
_LONGEST_STOP = 10.0


class ProcessFailedError(RuntimeError):
    """A process crashed; the message ends with its last words."""


@frozen
class Asked:
    """What one client asked of a server."""

    methods: Mapping[str, int]
    gets: Mapping[str, int]
    """The `tasks/get` for each task id."""

    @property
    def total(self) -> int:
        """All requests and notifications."""
        return sum(self.methods.values())


class Server:
    """A server process that listens on loopback; its tool `work` has some more names, `work_0` and so on.

    Args:
        kind: What the server is made with.
        more_names: How many more names.
        scripts: Of a fastmcp server: more tools, and how many seconds their runs take, one after the other.
    """

    def __init__(
        self, kind: ServerKind, more_names: int = 0, scripts: Mapping[str, Sequence[float]] | None = None
    ) -> None:
        self.kind: ServerKind = kind
        self._arguments = [str(more_names), json.dumps(dict(scripts or {}))]
        self._process: subprocess.Popen[str] | None = None
        # Servers complain of clients that leave, which would spoil the table. It ends with the server.
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._url = ""

    def __enter__(self) -> Self:
        if self.kind == "scriptable":
            command = [sys.executable, "-m", "tests.benchmarks.servers.scriptable_server"]
        else:
            python = server_python(int(self.kind.removeprefix("fastmcp ")))
            command = [str(python), str(HERE / "servers" / "fastmcp_server.py")]
        self._process = subprocess.Popen(
            [*command, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env={**os.environ, **SETTINGS},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise ProcessFailedError(f"the server on {self.kind} did not start:\n{self._log.read()[-4000:]}")
        self._url = json.loads(line)["url"]
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        with self._log, self._process as process:
            process.kill()

    def url(self, name: str) -> str:
        """The endpoint for the client of this name."""
        return f"{self._url}/as/{name.replace(' ', '-')}/mcp"

    def asked(self, name: str) -> Asked:
        """What the client of this name asked until now."""
        found = self._stats().get(name.replace(" ", "-"), {"methods": {}, "gets": {}})
        return Asked(found["methods"], found["gets"])

    def cpu(self) -> float:
        """Seconds of processor time that the server took until now."""
        return float(self._stats()["cpu"])

    def _stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._url}/stats", timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found


class Running:
    """A client process that is under way.

    Args:
        kind: Whose client.
        params: What it is to do, for its script.
        script: Another script of ours than the one for the loads that all clients are put under.
    """

    def __init__(self, kind: ClientKind, params: Mapping[str, Any], *, script: str = "ours") -> None:
        self._kind = kind
        if kind == "ours":
            command = [sys.executable, "-m", f"tests.benchmarks.clients.{script}"]
        else:
            python = server_python(int(kind.removeprefix("fastmcp ")))
            command = [str(python), str(HERE / "clients" / "fastmcp_peer.py")]
        self._process = subprocess.Popen(
            [*command, json.dumps(params)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **SETTINGS},
        )

    def result(self, timeout: float) -> dict[str, Any]:
        """What it printed, when it is done.

        Raises:
            ProcessFailedError: It failed or was not done in time.
        """
        try:
            said, complaints = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            said, complaints = self._process.communicate()
            complaints += f"\nkilled after {timeout:.0f} s"
        if self._process.returncode != 0 or not said.strip():
            raise ProcessFailedError(f"the client {self._kind} failed:\n{complaints[-4000:]}")
        found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        return found


def run_client(kind: ClientKind, params: Mapping[str, Any], timeout: float, *, script: str = "ours") -> dict[str, Any]:
    """Run a client to its end; see `Running`."""
    return Running(kind, params, script=script).result(timeout)
