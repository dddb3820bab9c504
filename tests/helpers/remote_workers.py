"""Functions that workers of tests run in processes of their own, as `multiprocessing` starts them.

What they are given is pickled, and read in the other process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from attrs import define, field

from mcptasks.remote import Connect, follow, run

LIMIT = 90.0
"""Seconds within which a process must have started and done its part. On a busy machine starting takes ten."""

PRELOADED = ("anyio._backends._asyncio", "mcp", "mcptasks._engine.engine", "opentelemetry.metrics")
"""What a worker's first call imports; a worker that is forked has imported it."""


def call(answer: Connection, connect: Connect, key: str | None) -> None:
    """Call the tool `work`, and send its value or its error."""
    _tell(answer, lambda: run(connect, "work", {"n": 1}, key=key))


def wait(answer: Connection, connect: Connect | None, reference: Any) -> None:
    """Wait for a task, and send its value or its error."""
    _tell(answer, lambda: follow(connect, reference))


def _tell(answer: Connection, function: Callable[[], Any]) -> None:
    try:
        answer.send(function())
    except Exception as exc:
        answer.send(exc)


@define
class Worker:
    """A process that runs one of the functions of this module."""

    process: BaseProcess
    _answer: Connection = field(repr=False)

    def result(self) -> Any:
        """What the function sent; an error is raised."""
        if not self._answer.poll(LIMIT):
            pytest.fail("the worker has not answered")
        found = self._answer.recv()
        if isinstance(found, Exception):
            raise found
        return found

    def kill(self) -> None:
        """Kill the process, as a machine that runs out of memory does."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(LIMIT)


def start(function: Callable[..., None], *arguments: Any, fresh: bool = False) -> Worker:
    """Run a function of this module in a process of its own.

    Args:
        function: The function.
        arguments: What it is given after the connection on which it answers.
        fresh: Whether the process is a fresh Python.
    """
    if fresh:
        return _started(multiprocessing.get_context("spawn"), function, arguments)
    return _started(forkserver(__name__), function, arguments)


def forkserver(module: str) -> ForkServerContext:
    """Starts processes as forks of one that has imported a module. A fork costs a tenth of a fresh Python."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module, *PRELOADED])
    return context


def _started(
    context: SpawnContext | ForkServerContext, function: Callable[..., None], arguments: tuple[Any, ...]
) -> Worker:
    answer, there = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(there, *arguments), daemon=True)
    process.start()
    there.close()
    return Worker(process, answer)
