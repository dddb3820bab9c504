"""A background thread with an event loop, in which clients live. At the program's end, it closes them first."""

from __future__ import annotations

import contextvars
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Literal, get_args
from weakref import WeakSet

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from mcptasks._portal.workers import Workers

Backend = Literal["asyncio", "uvloop", "trio"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

START_SECONDS = 60.0
"""Seconds that a thread has to get its event loop running; then `start` raises. A busy machine needs a few."""

STOP_SECONDS = 15.0
"""Seconds to wait for a thread's end; then the waiting ends, and the thread is left to itself. Its clients close all at
the same time, and take 11 s at most (`_LONGEST` in `_engine/lifetime.py`)."""

_OPTIONS: dict[Backend, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


def check_backend(backend: str) -> Backend:
    """Check that a backend is known and installed, and return it.

    Raises:
        ValueError: The backend is unknown.
        ModuleNotFoundError: Its package is not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(map(repr, BACKENDS))}; got {backend!r}")
    if backend != "asyncio" and importlib.util.find_spec(backend) is None:
        raise ModuleNotFoundError(
            f"backend={backend!r} needs the package {backend!r}: pip install {backend}", name=backend
        )
    return backend


class _Here(threading.local):
    portal: Portal | None = None


_here = _Here()


def current_portal() -> Portal | None:
    """The portal that runs on the current thread; None on other threads, and always None in the child of a fork."""
    portal = _here.portal
    return portal if portal is not None and portal.pid == os.getpid() else None


class Portal:
    """One background thread. Created and stopped by the registry. Unless a method says "for any thread", call it only
    on the portal's thread."""

    def __init__(self, backend: Backend) -> None:
        self.backend: Backend = backend
        self.pid = os.getpid()
        self.workers = Workers(self.post, self.spawn)
        self._group: TaskGroup
        self._leases: set[object] = set()
        self.calls: set[Any] = set()
        """The calls that have not ended; for any thread."""
        self.futures: WeakSet[Future[Any]] = WeakSet()
        """The futures of calls; for any thread."""
        self.closers: dict[object, Callable[[], Coroutine[Any, Any, None]]] = {}
        """Functions that close the clients that live here, for the end of the program."""
        self._schedule: Callable[[Callable[[], object]], object] | None = None
        self._stop: anyio.Event
        self._left = False
        self.stopping = False
        """Whether the portal was told to end."""
        self.over = False
        """Whether the event loop has ended, for whatever reason."""
        self.exiting = False
        """Whether the program ends. Threads that still wait are daemons then, and must end without an error."""
        self._closing = False
        self._started, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        # A daemon: `threading` waits for all other threads before it runs exit handlers, which end the portal.
        self._thread = threading.Thread(target=self._run, name=f"mcptasks portal ({backend})", daemon=True)

    def start(self) -> None:
        """Start the thread. For any other thread.

        Raises:
            RuntimeError: The event loop does not start.
        """
        self._thread.start()
        if not self._started.wait(START_SECONDS) or self._error is not None:
            raise RuntimeError(
                f"the background thread of mcptasks.sync ({self.backend}) does not start"
            ) from self._error

    def post(self, function: Callable[[], object]) -> None:
        """Run a function on the event loop soon. For any thread, signal handlers and finalizers; never waits.

        Raises:
            RuntimeError: The event loop has ended.
        """
        if self._schedule is None:
            raise RuntimeError("the event loop does not run yet")
        self._schedule(function)

    def spawn(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run an async function in a task of the portal, in a copy of the current context."""
        if (sniffio := sys.modules.get("sniffio")) is not None:
            # In a callback, asyncio has no current task by which sniffio could tell the library, and the variable may
            # come from a caller in an event loop of another library.
            sniffio.current_async_library_cvar.set(_OPTIONS[self.backend][0])
        if not self._left:  # Otherwise `_run` ends the call, at the end of the thread.
            self._group.start_soon(function)

    def lease(self, lessee: object) -> bool:
        """Keep the portal from ending; returns False if it is ending already."""
        if not self.stopping:
            self._leases.add(lessee)
        return not self.stopping

    def release(self, lessee: object) -> None:
        """Give a lease back; the portal ends after the last."""
        self._leases.discard(lessee)
        if not self._leases:
            self.stop()

    def stop(self) -> None:
        """End the portal soon. For any thread."""
        self.stopping = True
        with suppress(RuntimeError):  # The event loop has ended already, or will read `stopping` when it starts.
            self.post(self._end)

    def _end(self) -> None:
        self._stop.set()

    def serve(self, job: Callable[[], None]) -> None:
        """Run a job on a worker thread."""
        self.workers.submit(job, _nothing)

    def shut_down(self) -> None:
        """Close all clients that live here, and end. For the main thread at the end of the program; never waits."""
        self.exiting = True
        with suppress(RuntimeError):  # The event loop has ended already.
            self.post(lambda: contextvars.Context().run(self.spawn, self._close_all))
            self.stopping = True

    def join_if_stopping(self) -> None:
        """Wait for the thread's end if the portal was told to end. For any other thread."""
        if self.stopping:
            # Not `join` alone: after an interrupt, `Thread.join` may take a running thread for ended (Python 3.11).
            self._ended.wait(STOP_SECONDS)
            self._thread.join(STOP_SECONDS if self._ended.is_set() else 0.0)

    async def _close_all(self) -> None:
        if self._closing:
            return
        self._closing = True
        async with anyio.create_task_group() as group:
            for close in list(self.closers.values()):
                group.start_soon(close)
        self.stop()

    def _run(self) -> None:
        backend, options = _OPTIONS[self.backend]
        _here.portal = self
        try:
            anyio.run(self._main, backend=backend, backend_options=options)
        except BaseException as exc:  # noqa: BLE001 - `start` raises it
            self._error = exc
        finally:
            self.over = True
            self._started.set()
            for call in self.calls.copy():
                call.over()
            self.workers.stop()
            self._ended.set()

    async def _main(self) -> None:
        token: object = anyio.lowlevel.current_token()
        # Before anyio 4.11 the token is the native one itself; later versions wrap it.
        native: Any = getattr(token, "native_token", token)
        self._stop = anyio.Event()
        self._schedule = native.run_sync_soon if self.backend == "trio" else partial(_call_soon, native)
        if self.stopping:
            return  # The thread that started the portal was interrupted.
        async with anyio.create_task_group() as self._group:
            self._started.set()
            try:
                await self._stop.wait()
            finally:
                # From here on `spawn` starts no task: the task group may no longer wait for it.
                self._left = True
            # The remaining tasks belong to calls that nobody waits for any more.
            self._group.cancel_scope.cancel()


def _nothing() -> None:
    """Does nothing, after a job that nobody waits for."""


def _call_soon(loop: Any, function: Callable[[], object]) -> None:
    loop.call_soon_threadsafe(function)
