"""A program that is killed at a chosen point: a client makes a call with a key, and on the way it kills itself.

Run as `python crashing.py JOB`, or rather as a fork of a process that has imported everything (`warm.py`), so that a
job costs little. Before the end the ids that the caller has got are written to a file: these must not be lost.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from attrs import asdict, frozen

from mcptasks import Client, PollingPolicy
from mcptasks._async.store import access_of
from mcptasks._store.writes import Write
from mcptasks.store import Store
from tests.helpers.warm import Running, Warm

POINTS = (
    "before Intend",
    "after Intend",
    "sent",
    "before Created",
    "after Created",
    "before Asked",
    "after Asked",
    "after Decide",
    "before Acknowledged",
    "before Over",
    "after Over",
)
"""Where a program dies: before or after a write of this kind is committed. "sent" means that the test kills it, after
its call has arrived at the server and before the answer."""


@frozen(kw_only=True)
class Job:
    """The work of one process."""

    url: str
    store: str
    mode: str
    backend: str
    point: str
    """Where the process dies. Also the key of the call."""
    held: str
    """The file for the ids that the program was given."""
    tool: str = "ask"
    argument: str = "point"
    """The tool that is called, and its argument, which gets the point."""


async def work(job: Job) -> None:
    """Call, wait, and die on the way."""
    store = Store(job.store)
    _kill_at(store, job.point)

    async def answer(_context: Any, _params: Any) -> Any:
        return {"value": "first"}

    polling = PollingPolicy(first=0.02, floor=0.02, default_interval=0.02)
    async with Client(job.url, mode=job.mode, store=store, elicitation_handler=answer, polling=polling) as client:
        task = await client.call_tool(job.tool, {job.argument: job.point}, task=True, key=job.point)
        _note(job.held, task.task_id)
        await task.result()


def _note(path: str, task_id: str) -> None:
    """Write an id that the program has got to the file."""
    Path(path).write_text(task_id, encoding="utf-8")


def _kill_at(store: Store, point: str) -> None:
    """Have this process killed before or after a commit."""
    when, _, kind = point.partition(" ")
    backend: Any = access_of(store).backend
    apply = backend.apply

    def dying(writes: Sequence[Write[Any]]) -> list[Any]:
        here = any(type(write).__name__ == kind for write in writes)
        if here and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        found: list[Any] = apply(writes)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    backend.apply = dying


def start(warm: Warm, job: Job) -> Running:
    """Begin a program."""
    return warm.run_file(__file__, json.dumps(asdict(job)))


if __name__ == "__main__":
    job = Job(**json.loads(sys.argv[1]))
    anyio.run(work, job, backend=job.backend)
