"""How long a request on the wire may take. The time in which the program's handlers work does not count."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager

import anyio
from attrs import define, field


@define(eq=False)
class WireLimit:
    """The limit of the calls of one client."""

    seconds: float | None
    """None for no limit."""
    _scopes: set[anyio.CancelScope] = field(factory=set[anyio.CancelScope], init=False)
    handled: int = field(default=0, init=False)
    """Counts what handlers were asked in the midst of calls."""
    _handlers: int = field(default=0, init=False)

    def begin(self) -> anyio.CancelScope:
        """A scope for a call that is cancelled when the time is up."""
        scope = anyio.CancelScope(deadline=self._end())
        self._scopes.add(scope)
        return scope

    def end(self, scope: anyio.CancelScope) -> None:
        """The call is over."""
        self._scopes.discard(scope)

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Let no time pass for any call meanwhile: which of them the handler works for cannot always be told. After
        it each has all of its time again, for a call in several rounds sends its next request then."""
        self._handlers += 1
        self.handled += 1
        self._restart()
        try:
            yield
        finally:
            self._handlers -= 1
            self._restart()

    def _restart(self) -> None:
        for scope in self._scopes:
            scope.deadline = self._end()

    def _end(self) -> float:
        return math.inf if self.seconds is None or self._handlers else anyio.current_time() + self.seconds
