"""The server of `soak.py`, in a process of its own: tasks that take as long as they are told, and bad weather.

    python -m tests.benchmarks.soak_server --era modern --seed 1

Prints its URL; ends with its stdin, and prints then which faults were met how often, as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from mcptasks.testing import (
    Complete,
    Disconnect,
    Drop,
    Fault,
    HttpStatus,
    NoHttpAnswer,
    Options,
    TaskServer,
    Truncate,
    Working,
    serve_http,
)

FAULTS: dict[str, Fault] = {
    "reset": Disconnect(),
    "closed": Disconnect(reset=False),
    "503": HttpStatus(503, retry_after="1"),
    "truncated": Truncate(),
    "silence": NoHttpAnswer(),
    "no answer": Drop(),
}
METHODS = ("tasks/get", "tasks/get", "tasks/result", "subscriptions/listen", "http:GET")
"""What meets faults: reads, and the streams of pushes. Creating calls are not sent twice, so they are let alone."""
KEPT = timedelta(seconds=90)
"""How long a task is known after its end."""


def script(arguments: Mapping[str, Any]) -> Sequence[Working | Complete]:
    """A task that reports half-way and gives its number back."""
    half = arguments["seconds"] / 2
    return [Working("half", after=half), Complete({"number": arguments["number"]}, after=half)]


class CuttableServer(serve_http):
    """A server whose connections can all be counted, and cut, while it goes on."""

    @property
    def under_way(self) -> int:
        """How many requests the server is at, streams included."""
        return len(self._app._scopes)

    def cut_all(self) -> None:
        """Cut off every request that is under way."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._app.cut_all)


class Weather:
    """What goes wrong, second by second."""

    def __init__(self, server: TaskServer, http: CuttableServer, seed: int) -> None:
        self._server = server
        self._http = http
        self._chance = random.Random(seed)
        self.met: Counter[str] = Counter()
        self._rules: dict[str, Any] = {}

    def second(self) -> None:
        """One second's faults take the place of those of the one before."""
        chance, server = self._chance, self._server
        self.count()
        server.faults.clear()
        for method in chance.sample(METHODS, 2):
            name = chance.choice(list(FAULTS))
            if method == "http:GET" and name == "no answer":
                continue
            self._rules[f"{name} on {method}"] = server.faults.add(method, FAULTS[name], times=chance.randint(1, 3))
        drops = chance.random() < 0.1
        server.options = evolve(server.options, listen_drop_after=chance.randint(0, 20) if drops else None)
        if chance.random() < 1 / 30:
            self.met["all connections cut"] += 1
            self._http.cut_all()

    def count(self) -> None:
        """Take in what was met."""
        for name, rule in self._rules.items():
            self.met[name] += rule.fired
        self._rules.clear()

    def sweep(self) -> None:
        """Forget what a real server would keep elsewhere."""
        server = self._server
        server.requests.clear()
        while server.tasks.take_next(plain=False) is not None:
            pass
        before = datetime.now(UTC) - KEPT
        for task in [server.tasks[task_id] for task_id in server.tasks]:
            if task.done and task.state.last_updated_at < before:
                task.forget()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak_server")
    parser.add_argument("--era", choices=("modern", "legacy"), default="modern")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    server = TaskServer(era=chosen.era, options=Options(poll_interval_ms=5000))
    server.add_tool("work", script)
    http = CuttableServer(server)
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    with http as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        threading.Thread(target=wait_for_the_end, daemon=True).start()
        weather = Weather(server, http, chosen.seed)
        while not ended.wait(1.0):
            weather.second()
            weather.sweep()
        weather.count()
        sys.stdout.write(json.dumps(dict(sorted((+weather.met).items()))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
