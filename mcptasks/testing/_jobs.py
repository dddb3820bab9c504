"""The work behind tasks: playing scripts, running tool functions, and sending what connections must hear.

A `Host` belongs to one event loop and lives as long as a server's lifespan. A script that is cut off when its
host ends goes on, with the time it had left, in the next one.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from mcp.shared.exceptions import MCPError

from mcptasks.testing._bell import Bell
from mcptasks.testing._script import JSON, Complete, NeedInput, ProtocolFailure, Step, ToolFailure
from mcptasks.testing._tasks import INTERNAL_ERROR, ServerTask

logger = logging.getLogger(__name__)


class Job(Protocol):
    """Something that carries a task from its beginning to its end."""

    async def run(self) -> None:
        """Do it, from wherever it stopped."""
        ...

    @property
    def resumable(self) -> bool:
        """Whether `run` may be called again after it was cancelled."""
        ...


class ScriptJob:
    """Plays a script, step by step."""

    def __init__(self, task: ServerTask, steps: list[Step], *, waits_first: bool = False) -> None:
        self._task = task
        self._steps = deque(steps)
        self._waits = waits_first
        self._left: float | None = None

    @property
    def resumable(self) -> bool:
        """A script can go on anywhere."""
        return bool(self._steps) and not self._task.done

    async def _sleep(self, delay: float) -> None:
        deadline = anyio.current_time() + (delay if self._left is None else self._left)
        try:
            await anyio.sleep_until(deadline)
        finally:
            self._left = max(0.0, deadline - anyio.current_time())

    async def run(self) -> None:
        """Play what is left of it; ends early when something else ends the task."""
        while self._steps and not self._task.done:
            if self._waits:
                await self._task.wait_for(lambda task: task.done or task.status == "working")
                self._waits = False
                continue
            step = self._steps[0]
            await self._sleep(step.after)
            self._left = None
            self._steps.popleft()
            if not self._task.apply(step):
                return
            self._waits = isinstance(step, NeedInput)


class ToolContext:
    """What a tool function gets as its first argument."""

    def __init__(self, task: ServerTask) -> None:
        self.task = task

    async def status(self, message: str) -> None:
        """Report `working`, with a message."""
        self.task.set_working(message)
        await anyio.lowlevel.checkpoint()

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress to a client that asked for it."""
        self.task.progress(progress, total, message)
        await anyio.lowlevel.checkpoint()

    async def ask(
        self, requests: Mapping[str, JSON], message: str | None = None, *, reuse: bool = False
    ) -> dict[str, JSON]:
        """Ask the client (see `elicit`, `elicit_url`, `sample`, `list_roots`) and wait for all the answers, by key."""
        self.task.need_input(requests, message, reuse=reuse)
        await self.task.wait_for(lambda task: task.done or task.status == "working")
        return {key: self.task.answers[key] for key in requests if key in self.task.answers}

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> JSON:
        """Send any request to the client (2025-11-25); its raw result, or its error as an `MCPError`.

        On the stream of the call where that is no task, else on the connection's own.
        """
        return await self.task.request(method, params)


class FunctionJob:
    """Runs a tool function."""

    resumable = False

    def __init__(self, task: ServerTask, function: Callable[..., Awaitable[object]], arguments: JSON) -> None:
        self._task = task
        self._function = function
        self._arguments = arguments

    async def _stop_when_done(self, scope: anyio.CancelScope) -> None:
        await self._task.wait_for(lambda task: task.done)
        scope.cancel()

    async def run(self) -> None:
        """Run it to its end, or until something else ends the task."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._stop_when_done, group.cancel_scope)
                await self._call()
                group.cancel_scope.cancel()
        finally:
            # Only reached undone when the host itself is cancelled.
            self._task.apply(ProtocolFailure(INTERNAL_ERROR, "The server stopped during the work."))

    async def _call(self) -> None:
        step: Step
        try:
            step = Complete(await self._function(ToolContext(self._task), **self._arguments))
        except MCPError as error:
            step = ProtocolFailure(error.error.code, error.error.message, error.error.data)
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is the tool's report
            step = ToolFailure(str(error) or type(error).__name__)
        self._task.apply(step)


class Host:
    """Runs jobs and sends notifications on one event loop."""

    def __init__(self, *, lasting: bool = False) -> None:
        self.thread = threading.get_ident()
        self.lasting = lasting
        self._group: TaskGroup | None = None
        self._jobs: set[Job] = set()
        self._outbox: deque[Callable[[], Awaitable[None]]] = deque()
        self._bell = Bell()

    @property
    def alive(self) -> bool:
        """Whether it can take jobs now, from this thread."""
        return self._group is not None and self.thread == threading.get_ident()

    @property
    def ended(self) -> bool:
        """Whether it takes no jobs any more."""
        return self._group is None

    def start(self, job: Job) -> None:
        """Begin a job. Only from the host's own event loop."""
        if self._group is None:
            raise RuntimeError("this host has ended")
        self._jobs.add(job)
        self._group.start_soon(self._run, job)

    async def _run(self, job: Job) -> None:
        await job.run()
        self._jobs.discard(job)

    def post(self, send: Callable[[], Awaitable[None]]) -> None:
        """Have something sent, after all that was posted before. Callable from any thread."""
        self._outbox.append(send)
        self._bell.ring()

    async def _deliver(self) -> None:
        while True:
            send = await self._bell.until(lambda: self._outbox.popleft() if self._outbox else None)
            try:
                await send()
            except (anyio.ClosedResourceError, anyio.BrokenResourceError, MCPError) as error:
                logger.debug("a notification found its connection closed: %r", error)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Take jobs inside this block."""
        async with anyio.create_task_group() as group:
            self._group = group
            group.start_soon(self._deliver)
            try:
                yield
            finally:
                self._group = None
                group.cancel_scope.cancel()

    def leftovers(self) -> list[Job]:
        """After the end: the jobs that could go on elsewhere."""
        return [job for job in self._jobs if job.resumable]


class HostBook:
    """The hosts of one server, and the jobs that wait for the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: list[Host] = []
        self._parked: list[Job] = []

    @asynccontextmanager
    async def host(self, *, lasting: bool = False) -> AsyncGenerator[Host, None]:
        """A host for the duration of the block; a lasting one is preferred to those of single connections."""
        host = Host(lasting=lasting)
        try:
            async with host.running():
                with self._lock:
                    parked, self._parked = self._parked, []
                    self._hosts.append(host)
                for job in parked:
                    host.start(job)
                yield host
        finally:
            with self._lock:
                self._hosts.remove(host)
            self._pass_on(host.leftovers())

    def _pass_on(self, jobs: list[Job]) -> None:
        heir = next((host for host in self._hosts if host.alive), None)
        for job in jobs:
            if heir is not None:
                heir.start(job)
            else:
                with self._lock:
                    self._parked.append(job)

    def start(self, job: Job, own: Host) -> None:
        """Begin a job on a lasting host of this event loop, else on the connection's own."""
        next((host for host in self._hosts if host.lasting and host.alive), own).start(job)
