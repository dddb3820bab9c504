"""Worker threads for the program's plain callbacks: statuses, progress, logs.

The threads are daemons. anyio's own worker threads are not: at the end of a program that leaves its client open,
`threading` would wait for them.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

import anyio

_USUAL = 32
"""How many functions run at once; further ones wait in the queue. If none ends for `_STANDSTILL`, they get threads too:
the functions at work may be waiting for them."""

_STANDSTILL = 0.05
"""Seconds without the end of a function after which all waiting functions get threads. Hardly noticed by a person."""

_KEPT = 4
"""How many idle threads are kept; others end. New threads cost little."""

Job = Callable[[], None]
Then = Callable[[], object]


class WorkerThread(threading.Thread):
    """A thread that runs the program's callbacks."""


class Workers:
    """The worker threads of one portal. Only for the portal's thread.

    The threads share one queue, and empty it even after the event loop's end.

    Args:
        post: Runs a function on the event loop, from any thread.
        spawn: Runs an async function in a task of its own.
    """

    def __init__(
        self,
        post: Callable[[Callable[[], object]], None],
        spawn: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
    ) -> None:
        self._post = post
        self._spawn = spawn
        # A `SimpleQueue`, which is reentrant: a finalizer that interrupts `put` may wait for the portal's thread.
        self._queue: SimpleQueue[tuple[Job, Then] | None] = SimpleQueue()
        self._threads = 0
        self._under_way = 0
        """How many jobs are waiting in the queue or running in a thread."""
        self._ended = 0
        self._relieving = False

    async def run(self, function: Callable[..., Any], *arguments: Any, context: contextvars.Context) -> Any:
        """Call a function in a worker thread and return its value. If cancelled, the function goes on running."""
        over = anyio.Event()
        values: list[Any] = []
        errors: list[BaseException] = []

        def job() -> None:
            try:
                values.append(context.run(function, *arguments))
            except BaseException as exc:  # noqa: BLE001 - `run` raises it
                errors.append(exc)

        self.submit(job, over.set)
        await over.wait()
        if errors:
            try:
                if not isinstance(errors[0], Exception):
                    # On the event loop, a BaseException would end all clients of the process.
                    raise RuntimeError(f"a callback raised {errors[0]!r} in its worker thread") from errors[0]
                raise errors[0]
            finally:
                errors.clear()
        return values[0]

    def submit(self, job: Job, then: Then) -> None:
        """Run a job in a worker thread, and then `then` on the event loop if the loop has not ended.

        Args:
            job: The job, which must not raise.
            then: Called after the job.

        Raises:
            RuntimeError: There is no thread, and none can be started.
        """
        if self._under_way >= self._threads and not (self._threads < _USUAL and self._start()):
            if not self._threads:
                raise RuntimeError("no thread can be started")
            if not self._relieving:
                self._relieving = True
                self._spawn(self._relieve)
        self._under_way += 1
        self._queue.put((job, then))

    def stop(self) -> None:
        """End the threads once the queue is empty. Called once, as the last method, after the event loop's end."""
        # The running threads may all be blocked, and `_relieve` no longer runs.
        for _ in range(min(self._under_way - self._threads, _KEPT)):
            self._start()
        for _ in range(self._threads):
            self._queue.put(None)

    def _start(self) -> bool:
        try:
            WorkerThread(target=self._work, name="mcptasks worker", daemon=True).start()
        except RuntimeError:  # The system has no more threads, or the interpreter is shutting down.
            return False
        self._threads += 1
        return True

    async def _relieve(self) -> None:
        """Start a thread for each waiting job if no job ends: the running jobs may be waiting for the waiting ones."""
        try:
            while self._under_way > self._threads:
                ended = self._ended
                await anyio.sleep(_STANDSTILL)
                while self._under_way > self._threads and self._ended == ended and self._start():
                    pass
        finally:
            self._relieving = False

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            job, then = item
            job()
            with suppress(RuntimeError):  # The event loop has ended.
                self._post(partial(self._done, then))
            # An idle thread must not keep the program's objects alive.
            del item, job, then

    def _done(self, then: Then) -> None:
        self._ended += 1
        self._under_way -= 1
        if self._threads - self._under_way > _KEPT:
            self._threads -= 1
            self._queue.put(None)
        then()
