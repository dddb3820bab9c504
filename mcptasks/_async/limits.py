"""How long a request on the wire may take: a call, and one attempt of a read. The time in which the program's handlers
work does not count."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager

import anyio
from attrs import define, field

from mcptasks._schedule import attempt_limit


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


class Budget:
    """How long one attempt of a read may take; waiters with a near deadline shorten it, also while it runs."""

    __slots__ = ("_scope", "asked", "deadline", "single", "wire_timeout")

    def __init__(self, wire_timeout: float | None, deadline: float | None = None, *, single: bool = False) -> None:
        self.wire_timeout = wire_timeout
        self.deadline = deadline
        self.single = single
        """Whether the first attempt is the only one."""
        self.asked: float | None = None
        """When the latest attempt began."""
        self._scope: anyio.CancelScope | None = None

    def tighten(self, deadline: float) -> None:
        """Take a waiter's deadline (a time of the event loop's clock) into account from now on."""
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)
        if self._scope is not None:
            self._scope.deadline = min(self._scope.deadline, anyio.current_time() + self._limit())

    def attempt(self, end: float) -> anyio.CancelScope:
        """A scope for one attempt that leaves time for more before `end`."""
        self.asked = now = anyio.current_time()
        self._scope = anyio.CancelScope(deadline=now + min(self._limit(), max((end - now) / 3, 0.5)))
        return self._scope

    def _limit(self) -> float:
        remaining = None if self.deadline is None else max(self.deadline - anyio.current_time(), 0.0)
        return attempt_limit(wire_timeout=self.wire_timeout, remaining=remaining)
