"""Keeps a session open in a task of its own, so that any task may open and close it."""

from __future__ import annotations

import anyio
from attrs import define, field

from mcptasks import _detached
from mcptasks._async.session import Session
from mcptasks._exceptions import TaskConnectionError


@define(eq=False)
class Host:
    """One session and the task that it lives in."""

    session: Session
    _task: object = field(default=None, init=False)
    _scope: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)
    _ready: anyio.Event = field(factory=anyio.Event, init=False)
    _leave: anyio.Event = field(factory=anyio.Event, init=False)
    _gone: anyio.Event = field(factory=anyio.Event, init=False)
    _clean: bool = field(default=True, init=False)
    _error: Exception | None = field(default=None, init=False)

    async def open(self) -> None:
        """Connect.

        Raises:
            TaskConnectionError: The server cannot be reached.
        """
        self._task = _detached.start(self._run, "mcptasks client")
        try:
            await self._ready.wait()
        except anyio.get_cancelled_exc_class():
            self._scope.cancel()
            with anyio.CancelScope(shield=True):  # a session's end is bounded
                await self._gone.wait()
            raise
        self._raise()
        if self._scope.cancel_called:
            raise TaskConnectionError("the client was closed while it was being opened")

    async def close(self, *, clean: bool) -> None:
        """Disconnect, and wait until that is done. May be called more than once, by any task."""
        self._clean = self._clean and clean
        self._leave.set()
        if not self._ready.is_set():
            self._scope.cancel()  # A server that does not answer would keep it for as long as `reconnect_timeout`.
        await self._gone.wait()
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def _run(self) -> None:
        try:
            with self._scope:
                await self.session.open()
                self._ready.set()
                try:
                    await self._leave.wait()
                except anyio.get_cancelled_exc_class():
                    # The event loop ends, and with it all its tasks.
                    self._clean = False
                    raise
                finally:
                    await self.session.close(clean=self._clean)
        except Exception as exc:  # noqa: BLE001 - whoever opens or closes raises it
            self._error = exc
        finally:
            self._ready.set()
            self._gone.set()
