"""The work behind tasks: plays scripts, runs tool functions, and sends notifications to connections.

A `Host` belongs to one event loop and lives as long as a server's lifespan. If a host ends during a script, the script
goes on in the next host, with the time that was left.
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
from mcptasks.testing._endings import INTERNAL_ERROR
from mcptasks.testing._script import JSON, Complete, NeedInput, ProtocolFailure, Step, ToolFailure
from mcptasks.testing._tasks import ServerTask

logger = logging.getLogger(__name__)


class Job(Protocol):
    """The work of one task."""

    async def run(self) -> None:
        """Do the work, from where it stopped."""
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
        """Whether steps are left: a script can go on in another host."""
        return bool(self._steps) and not self._task.done

    async def _sleep(self, delay: float) -> None:
        deadline = anyio.current_time() + (delay if self._left is None else self._left)
        try:
            await anyio.sleep_until(deadline)
        finally:
            self._left = max(0.0, deadline - anyio.current_time())

    async def run(self) -> None:
        """Play the remaining steps; ends early if something else ends the task."""
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
    """The first argument of a tool function."""

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
        """Send input requests (see `elicit`, `elicit_url`, `sample`, `list_roots`) and wait for all answers, by key."""
        self.task.need_input(requests, message, reuse=reuse)
        await self.task.wait_for(lambda task: task.done or task.status == "working")
        return {key: self.task.answers[key] for key in requests if key in self.task.answers}

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> JSON:
        """Send any request to the client (2025-11-25) and return the raw result; raises an error as an `MCPError`.

        For a task, the request goes over the connection's own stream; for a plain call, over the stream of the call.
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
        """Run the function to its end, or until something else ends the task."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._stop_when_done, group.cancel_scope)
                await self._call()
                group.cancel_scope.cancel()
        finally:
            # Changes something only if the host itself was cancelled: otherwise the task has ended.
            self._task.apply(ProtocolFailure(INTERNAL_ERROR, "The server stopped during the work."))

    async def _call(self) -> None:
        step: Step
        try:
            step = Complete(await self._function(ToolContext(self._task), **self._arguments))
        except MCPError as error:
            step = ProtocolFailure(error.error.code, error.error.message, error.error.data)
        except Exception as error:  # noqa: BLE001 - any exception of a tool is the tool's error
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
        """Whether the host takes jobs, and the current thread is the host's."""
        return self._group is not None and self.thread == threading.get_ident()

    @property
    def ended(self) -> bool:
        """Whether the host takes no more jobs."""
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
        """Send a notification, after those that were posted before. For any thread."""
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
        """The jobs that can go on in another host, after this host's end."""
        return [job for job in self._jobs if job.resumable]


class HostBook:
    """The hosts of one server, and the jobs that wait for the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: list[Host] = []
        self._parked: list[Job] = []

    @asynccontextmanager
    async def host(self, *, lasting: bool = False) -> AsyncGenerator[Host, None]:
        """A host for the duration of the block. Jobs prefer a lasting host to the host of their connection."""
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
        """Begin a job on a lasting host of this event loop; if there is none, on the connection's own host."""
        next((host for host in self._hosts if host.lasting and host.alive), own).start(job)
