"""A background thread with an event loop. It ends when it is told to, after closing the clients that live in it."""

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
"""How long a thread may take to have its event loop running."""

STOP_SECONDS = 15.0
"""How long a thread may take to end: its clients close within 5 s each, all at once."""

_OPTIONS: dict[Backend, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


def check_backend(backend: str) -> Backend:
    """The backend, if it is known and installed.

    Raises:
        ValueError: No such backend.
        ModuleNotFoundError: Its package is not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(map(repr, BACKENDS))}; got {backend!r}")
    if backend != "asyncio" and importlib.util.find_spec(backend) is None:
        raise ModuleNotFoundError(
            f"backend={backend!r} needs the package {backend!r}: pip install {backend}", name=backend
        )
    return backend


def inherited(pid: int) -> str:
    """What a child of a fork is told when it uses what belongs to its parent."""
    return (
        f"this client was opened in process {pid}, and a fork of it cannot use it: open a new Client in this process,"
        " and take tasks up with its resume(task.reference)"
    )


class _Here(threading.local):
    portal: Portal | None = None


_here = _Here()


def current_portal() -> Portal | None:
    """The portal whose thread this is. The child of a fork has none, whichever thread forked."""
    portal = _here.portal
    return portal if portal is not None and portal.pid == os.getpid() else None


class Portal:
    """One background thread. Made and ended by the registry; everything that is not said to be for any thread is for
    the portal's own."""

    def __init__(self, backend: Backend) -> None:
        self.backend: Backend = backend
        self.pid = os.getpid()
        self.workers = Workers(self.post, self.spawn)
        self._group: TaskGroup
        self._leases: set[object] = set()
        self.calls: set[Any] = set()
        """The calls that are not over; for any thread."""
        self.futures: WeakSet[Future[Any]] = WeakSet()
        """Those that calls settle; for any thread."""
        self.closers: dict[object, Callable[[], Coroutine[Any, Any, None]]] = {}
        """How to close each client that lives here, at the end of the program."""
        self._schedule: Callable[[Callable[[], object]], object] | None = None
        self._stop: anyio.Event
        self._left = False
        self.stopping = False
        """Whether it was told to end."""
        self.over = False
        """Whether its event loop has ended, for whatever reason."""
        self.exiting = False
        """Whether the program ends. The threads that still wait then are daemons; they end with it, in silence."""
        self._closing = False
        self._started, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        # A daemon, since `threading` waits for all others before any exit handler may run.
        self._thread = threading.Thread(target=self._run, name=f"mcptasks portal ({backend})", daemon=True)

    def start(self) -> None:
        """Start the thread, from any other."""
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
        """Run an async function in a task of the portal, in a copy of the present context."""
        if (sniffio := sys.modules.get("sniffio")) is not None:
            # In a callback of asyncio's there is no task to tell the library by, and the caller may have come out of
            # an event loop of another kind.
            sniffio.current_async_library_cvar.set(_OPTIONS[self.backend][0])
        if not self._left:  # Else who waits for a call is told at the very end.
            self._group.start_soon(function)

    def lease(self, lessee: object) -> bool:
        """Keep it from ending; False where it is too late for that."""
        if not self.stopping:
            self._leases.add(lessee)
        return not self.stopping

    def release(self, lessee: object) -> None:
        """Let it end if nobody else keeps it."""
        self._leases.discard(lessee)
        if not self._leases:
            self.stop()

    def stop(self) -> None:
        """End soon. For any thread."""
        self.stopping = True
        with suppress(RuntimeError):  # It has ended already, or will see at its start.
            self.post(self._end)

    def _end(self) -> None:
        self._stop.set()

    def serve(self, job: Callable[[], None]) -> None:
        """Have a worker thread do something."""
        self.workers.submit(job, _nothing)

    def shut_down(self) -> None:
        """Close all that lives here, and end. For the main thread at the end of the program; never waits."""
        self.exiting = True
        with suppress(RuntimeError):  # It has ended already.
            self.post(lambda: contextvars.Context().run(self.spawn, self._close_all))
            self.stopping = True

    def join_if_stopping(self) -> None:
        """Wait for the thread's end if it was told to end. For any other thread."""
        if self.stopping:
            # First, since a `Thread.join` that was interrupted once may take the thread for ended (Python 3.11).
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
        except BaseException as exc:  # noqa: BLE001 - raised by whoever waits for the start
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
        # anyio before 4.11 hands out the loop itself, later ones wrap it.
        native: Any = getattr(token, "native_token", token)
        self._stop = anyio.Event()
        self._schedule = native.run_sync_soon if self.backend == "trio" else partial(_call_soon, native)
        if self.stopping:
            return  # Who started it was interrupted.
        async with anyio.create_task_group() as self._group:
            self._started.set()
            try:
                await self._stop.wait()
            finally:
                # A task that is started later may find nobody who waits for it.
                self._left = True
            # What is left here are calls that nobody waits for any more.
            self._group.cancel_scope.cancel()


def _nothing() -> None:
    """What follows a job that nobody waits for."""


def _call_soon(loop: Any, function: Callable[[], object]) -> None:
    loop.call_soon_threadsafe(function)
