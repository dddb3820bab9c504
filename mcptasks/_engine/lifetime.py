"""Keeps an engine open in a task of its own. So any task of the program may open and close the client, and the
program's cancel scopes do not cancel requests that must still be sent."""

from __future__ import annotations

import contextvars
import logging

import anyio
from attrs import define, field

from mcptasks import _eventloop
from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._core.tracebacks import leaves
from mcptasks._engine.callbacks import running_for
from mcptasks._engine.connection.connection import CLOSE_SECONDS
from mcptasks._engine.engine import Engine

logger = logging.getLogger("mcptasks")

_LONGEST = 2 * CLOSE_SECONDS + 1.0
"""Seconds that `close` waits for the engine's end; then `close` returns, and the engine ends by itself. Enough for two
of the three steps of an end (see `CLOSE_SECONDS`) at their limits, and one second more."""


@define(eq=False)
class Host:
    """One engine, and the task in which it runs."""

    engine: Engine
    over: bool = field(default=False, init=False)
    """Whether the engine has ended, for whatever reason."""
    _scope: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)
    _ready: anyio.Event = field(factory=anyio.Event, init=False)
    _leave: anyio.Event = field(factory=anyio.Event, init=False)
    _gone: anyio.Event = field(factory=anyio.Event, init=False)
    _clean: bool = field(default=True, init=False)
    _was_left: bool = field(default=False, init=False)
    """Whether the engine ended because `close` was called."""
    _error: BaseException | None = field(default=None, init=False)

    async def open(self) -> None:
        """Connect. The engine runs in a copy of the present context.

        Raises:
            TaskConnectionError: The server cannot be reached, or `close` was called meanwhile.
        """
        _eventloop.start(self._run, "mcptasks client", contextvars.copy_context())
        try:
            await self._ready.wait()
        except BaseException:
            self._scope.cancel()
            with anyio.CancelScope(shield=True):  # an engine's end is bounded
                await self._gone.wait()
            raise
        self._raise()
        if self.over:
            raise TaskConnectionError("the client was closed while it was being opened")

    def check(self) -> None:
        """Raise an error if the engine cannot be closed from here: on another event loop, unless the engine is over."""
        if not self.over:
            self.engine.home.check()

    def is_left_open(self) -> bool:
        """Whether nobody has closed the engine, although somebody still could."""
        home = self.engine.home
        return not (self.over or self._leave.is_set()) and home.is_own_process() and not home.is_lost()

    async def close(self, *, clean: bool) -> None:
        """Disconnect, and wait until the engine has ended, even in a cancelled scope. May be called again, and by any
        task. Code that the engine runs, such as a callback, does not wait here, since the engine waits for that code.

        Args:
            clean: Whether waiting callbacks should still be called.

        Raises:
            TaskStateError: This is another event loop.
            BaseException: Whatever broke the engine. It is raised once.
        """
        self.check()
        if not self.over:
            inside = running_for(self.engine.callbacks)
            self._clean = self._clean and clean and not inside
            self._leave.set()
            if not self._ready.is_set():
                self._scope.cancel()  # Otherwise a silent server could keep the engine for `reconnect_timeout`.
            if inside:
                return
            with anyio.move_on_after(_LONGEST, shield=True):
                await self._gone.wait()
        self._raise()

    async def _left(self) -> bool:
        """Wait until `close` is called. Return whether waiting callbacks should still be called."""
        await self._leave.wait()
        self._was_left = True
        return self._clean

    async def _run(self) -> None:
        try:
            with self._scope:
                await self.engine.run(self._ready.set, self._left)
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            raise  # The event loop ends, and cancels all its tasks.
        except BaseException as exc:
            errors = _real(exc)
            if not errors:
                raise
            self._failed(errors)
        finally:
            self.over = True
            self._ready.set()
            self._gone.set()

    def _failed(self, errors: list[BaseException]) -> None:
        for error in errors:
            if _eventloop.end_program(error):
                return
        if self._ready.is_set() and not self._was_left:
            logger.error("the client of %s broke down", self.engine.endpoint, exc_info=errors[0])
        self._error = errors[0]

    def _raise(self) -> None:
        """Raise whatever broke the engine, once."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # Otherwise the error refers to its own frame, and lives until garbage is collected.


def _real(exc: BaseException) -> list[BaseException]:
    """Return the exceptions in a group that are not cancellations. Those that end the program come first."""
    cancelled = anyio.get_cancelled_exc_class()
    return sorted((error for error in leaves(exc) if not isinstance(error, cancelled)), key=_is_usual)


def _is_usual(error: BaseException) -> bool:
    return isinstance(error, Exception)
