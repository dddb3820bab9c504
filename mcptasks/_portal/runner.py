"""Runs the calls of one blocking client and its tasks: leases a portal, opens the client, and closes it in the end."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

import anyio

from mcptasks._async.task import Task as AsyncTask
from mcptasks._core.exceptions import TaskConnectionError, TaskStateError
from mcptasks._core.models import TaskReference
from mcptasks._engine.home import inherited
from mcptasks._portal import registry
from mcptasks._portal.call import Call, FutureCall, calling
from mcptasks._portal.desk import Desk
from mcptasks._portal.portal import Backend, Portal, check_backend, current_portal
from mcptasks._portal.workers import WorkerThread

T = TypeVar("T")
HandleT = TypeVar("HandleT")

_LEAVE_SECONDS = 5.0
"""Seconds that the end of a client waits for interrupted calls that still clean up; then they are cut off. A call that
cleans up sends a cancellation at most, which takes less."""

ExitInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
CLEAN: ExitInfo = (None, None, None)
UNCLEAN: ExitInfo = (SystemExit, None, None)
"""Closes a client as after an exception, so that it does not wait for pending callbacks."""


class Openable(Protocol):
    """What lives on a portal: an async client, or a group of them."""

    async def open(self) -> Any:
        """Connect."""
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...


class _Calls:
    """The calls of one client that run on the event loop. Only for the event loop's thread."""

    def __init__(self) -> None:
        self._calls: set[Call[Any]] = set()
        self._left = anyio.Event()

    def began(self, call: Call[Any]) -> None:
        self._calls.add(call)

    def ended(self, call: Call[Any]) -> None:
        self._calls.discard(call)
        self._left.set()

    async def abandoned_are_over(self) -> None:
        """Wait for the end of interrupted calls, for at most `_LEAVE_SECONDS`."""
        with anyio.move_on_after(_LEAVE_SECONDS):
            while any(call.abandoned for call in self._calls):
                self._left = anyio.Event()
                await self._left.wait()


class Runner:
    """Runs one client's calls on a portal, from its opening to its end. For any thread.

    Raises:
        ValueError: The backend is unknown.
        ModuleNotFoundError: The backend's package is not installed.
    """

    def __init__(self, backend: Backend) -> None:
        self._portal: Portal | None = None
        self._inner: Openable | None = None
        self.backend: Backend = check_backend(backend)
        self.desk = Desk()
        self._pid = os.getpid()
        # Reentrant: a finalizer or signal handler that interrupts this code may close the client.
        self._lock = threading.RLock()
        self._calls = _Calls()
        self._used = False
        self._opened = False
        self._entered = False
        self._handles: WeakValueDictionary[AsyncTask[Any], Any] = WeakValueDictionary()

    def __del__(self) -> None:
        portal, inner = self._portal, self._inner
        if portal is None or inner is None or portal.stopping or self._is_inherited():
            return
        words = f"unclosed {inner!r}: use `with`, or call close()"
        with suppress(TaskConnectionError):  # The background thread has ended, and has closed the client before.
            _Ending(portal, inner, self._calls, UNCLEAN).start()
        warnings.warn(words, ResourceWarning, stacklevel=2, source=self)

    # --- the client's life ----------------------------------------------------------------------------------------

    @property
    def portal(self) -> Portal | None:
        """The portal in which the client lives; None unless the client is open or being opened."""
        return self._portal

    @property
    def is_open(self) -> bool:
        """Whether the client is open."""
        return self._opened and self._portal is not None

    def open(self, inner: Openable) -> None:
        """Open the client on the background thread. Raises `TaskStateError` if it was opened before."""
        self.check()
        with self._lock:
            if self._used:
                raise TaskStateError("a client is opened once; make a new one")
            self._used = True

        def began(call: Call[Any]) -> None:
            # Set before the client is open, so that another thread can close it meanwhile.
            if not call.abandoned:
                self._inner, self._portal = inner, portal

        async def opened() -> None:
            calling.set(None)  # The tasks of the session outlive this call.
            await inner.open()

        try:
            portal = registry.acquire(self.backend, self._calls)
        except BaseException:
            registry.release(self._calls)
            raise
        try:
            portal.closers[self._calls] = _Ending(portal, inner, self._calls, UNCLEAN).finish
            Call(portal, opened, began=began).wait()
            self._opened = True
        except BaseException as exc:
            ending = _Ending(portal, inner, self._calls, UNCLEAN)
            with suppress(TaskConnectionError):  # Another thread has closed the client, and so ended the portal.
                ending.start()
                if isinstance(exc, Exception):
                    ending.attend()
            self._portal = None
            raise

    def enter(self, inner: Openable) -> None:
        """Open the client, if it is not open, for the `with` block that closes it."""
        self.check()
        with self._lock:
            if self._entered or (self._used and not self.is_open):
                raise TaskStateError("a client is entered once; make a new one")
            self._entered = True
        if not self.is_open:
            self.open(inner)

    def close(self, info: ExitInfo = CLEAN) -> None:
        """Close the client; tasks at the server go on. May be called again."""
        if self._is_inherited():
            return  # The client belongs to the parent process.
        self.check()
        with self._lock:
            self._used = True
        portal, inner = self._portal, self._inner
        if portal is not None and inner is not None:
            if isinstance(threading.current_thread(), WorkerThread):
                info = UNCLEAN  # A callback that closes its client must not wait for itself.
            ending = _Ending(portal, inner, self._calls, info)
            try:
                ending.start()
                # Not before `start`: if close() is interrupted earlier, the client stays open.
                self._portal = None
                ending.attend()
            except TaskConnectionError:
                self._portal = None  # The program is ending, and its end has closed all clients.

    # --- calls ----------------------------------------------------------------------------------------------------

    def call(
        self,
        function: Callable[[], Awaitable[T]],
        *,
        answers: bool = False,
        reference: TaskReference | None = None,
    ) -> T:
        """Run an async function to its end and return its value.

        Args:
            function: Called on the event loop's thread.
            answers: Whether the calling thread runs input handlers while it waits.
            reference: The task that the call is about; None if there is none.

        Raises:
            TaskConnectionError: The client belongs to another process.
            RuntimeError: The current thread is the event loop's own.
        """
        self.check()
        portal = self._portal
        if portal is not None:
            began, ended = self.hooks(answers)
            return Call(portal, function, began=began, ended=ended, reference=reference).wait()
        # After the client's end, finished values can still be read; for other calls the async client raises.
        lessee = object()

        async def lonely() -> T:
            try:
                return await function()
            finally:
                registry.release(lessee)

        try:
            portal = registry.acquire(self.backend, lessee)
            try:
                return Call(portal, lonely).wait()
            finally:
                portal.join_if_stopping()
        finally:
            registry.release(lessee)

    def withdraw(self, function: Callable[[], None]) -> None:
        """Run a plain function, which removes a callback, on the event loop's thread. For any thread.

        Does nothing if the client is closed, since a closed client has no callbacks.
        """

        async def once() -> None:
            function()

        portal = self._portal
        if portal is None or self._is_inherited():
            return
        if current_portal() is portal:
            function()
            return
        with suppress(TaskConnectionError):
            self.call(once)

    def future(self, function: Callable[[], Awaitable[T]], *, reference: TaskReference | None = None) -> Future[T]:
        """Like `call`, but returns a future. Input handlers run on a worker thread if no other thread waits."""
        self.check()
        portal = self._portal
        if portal is None:
            future: Future[T] = Future()
            try:
                future.set_result(self.call(function))
            except Exception as exc:  # noqa: BLE001 - the future raises it
                future.set_exception(exc)
            return future
        began, ended = self.hooks(answers=True)

        def settled(call: Call[Any], _open_until_then: Runner = self) -> None:
            ended(call)

        call = FutureCall(portal, function, serve=portal.serve, began=began, ended=settled, reference=reference)
        call.start()
        return call.future

    def handle(self, inner: AsyncTask[Any], make: Callable[[], HandleT]) -> HandleT:
        """The blocking handle of an async task; made by `make` if there is none yet."""
        with self._lock:
            known: Any = self._handles.get(inner)
            if known is None:
                known = self._handles[inner] = make()
            return cast("HandleT", known)

    def hooks(self, answers: bool) -> tuple[Callable[[Call[Any]], None], Callable[[Call[Any]], None]]:
        """The functions to call when a call begins and when it has ended; see `call`."""
        calls, desk = self._calls, self.desk
        if not answers:
            return calls.began, calls.ended

        def began(call: Call[Any]) -> None:
            calls.began(call)
            desk.enter(call)

        def ended(call: Call[Any]) -> None:
            desk.leave(call)
            calls.ended(call)

        return began, ended

    def _is_inherited(self) -> bool:
        return os.getpid() != self._pid

    def check(self) -> None:
        """Raise if no call can be made on this thread and in this process; see `call`."""
        if self._is_inherited():
            raise TaskConnectionError(inherited(self._pid))
        if current_portal() is not None:
            raise RuntimeError(
                "a blocking call on the event loop's own thread would wait for itself for ever; an async handler "
                "must not use the blocking client: make it a plain function"
            )


class _Ending(Call[None]):
    """The call that closes a client. It goes on if the thread that waits for it is interrupted."""

    def __init__(self, portal: Portal, inner: Openable, calls: _Calls, info: ExitInfo) -> None:
        super().__init__(portal, self.finish)
        self._client = inner
        self._calls = calls
        self._info = info

    def start(self) -> None:
        try:
            super().start()
        except TaskConnectionError:
            registry.release(self._calls)  # The event loop has ended, so `finish` will not run.
            raise

    async def finish(self) -> None:
        """Close the client and give its lease back."""
        portal, calls = self._portal, self._calls
        try:
            with anyio.CancelScope(shield=True):  # The client bounds the time of its own closing.
                await calls.abandoned_are_over()
                await self._client.__aexit__(*self._info)
        finally:
            portal.closers.pop(calls, None)
            registry.release(calls)

    def attend(self) -> None:
        """Wait for the end, on the thread that closes the client."""
        self.attend_inbox()
        self._portal.join_if_stopping()
        self.settle()
