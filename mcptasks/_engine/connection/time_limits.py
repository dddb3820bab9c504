"""How long a call, and one attempt of a read, may take. The time in which the program's handlers work does not
count."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio
from attrs import define, field

from mcptasks._core.polling.policy import SILENCES, UNWANTED_SECONDS, attempt_limit, pause_limit


@define(eq=False)
class WireLimit:
    """The time limit for each call of one client."""

    seconds: float | None
    """Seconds for a call; None for no limit."""
    _scopes: set[anyio.CancelScope] = field(factory=set[anyio.CancelScope], init=False)
    handled: int = field(default=0, init=False)
    """Counts the questions that handlers got during calls."""
    _handlers: int = field(default=0, init=False)

    def begin(self) -> anyio.CancelScope:
        """Return a scope for one call. The scope is cancelled when the call's time is up."""
        scope = anyio.CancelScope(deadline=self._end())
        self._scopes.add(scope)
        return scope

    def end(self, scope: anyio.CancelScope) -> None:
        """The call is over."""
        self._scopes.discard(scope)

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Stop the clock of every call while a handler runs, since we cannot always tell which call it belongs to.
        Afterwards each call gets its full timeout again: a multi-round call is about to send its next request."""
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
    """How long one attempt of a read may stay without a byte. A waiter with a near deadline shortens the time, also
    during the attempt. Once bytes of the answer arrive, the attempt goes on for as long as more follow.

    Args:
        wire_timeout: The client's timeout in seconds for a request. It ends an attempt even while bytes arrive; None
            for no limit.
        deadline: The nearest deadline of a waiter, by the event loop's clock; None if nobody has a deadline.
        single: Whether the first attempt is the only one.
    """

    __slots__ = (
        "_arriving",
        "_end",
        "_scope",
        "_silences",
        "_until",
        "_unwanted",
        "asked",
        "deadline",
        "on_failed",
        "patience",
        "single",
        "wire_timeout",
    )

    def __init__(self, wire_timeout: float | None, deadline: float | None = None, *, single: bool = False) -> None:
        self.wire_timeout = wire_timeout
        self.deadline = deadline
        self.single = single
        self.patience = math.inf
        """The client's `reconnect_timeout`."""
        self.asked: float | None = None
        """When the latest attempt began, by the event loop's clock; None before the first."""
        self.on_failed: Callable[[], None] | None = None
        """Called when an attempt begins after a failed one."""
        self._silences = 0
        self._arriving = False
        self._end = math.inf
        self._until = math.inf
        self._unwanted: float | None = None
        self._scope: anyio.CancelScope | None = None

    def tighten(self, deadline: float) -> None:
        """Take a waiter's deadline (a time of the event loop's clock) into account from now on."""
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)
        if not self._arriving:
            self._set(min(self._until, anyio.current_time() + self._limit()))

    def want(self, wanted: bool) -> None:
        """Note whether somebody waits for the answer. If nobody does, the attempt ends after `UNWANTED_SECONDS`."""
        self._unwanted = None if wanted else anyio.current_time()
        self._set(self._until)

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for the answer."""
        return self._unwanted is None

    def attempt(self) -> anyio.CancelScope:
        """Begin an attempt, and return a scope for it. The scope is cancelled after too long a silence."""
        if self.asked is not None and self.on_failed is not None:
            self.on_failed()
        self.asked = now = anyio.current_time()
        self._arriving = False
        self._end = math.inf if self.wire_timeout is None else now + self.wire_timeout
        self._scope = anyio.CancelScope()
        self._set(now + self._limit())
        return self._scope

    def progressed(self) -> None:
        """Note that bytes of the answer have come, so that the attempt goes on. For the event loop's thread, as often
        as you like; without an attempt under way, nothing happens."""
        self._arriving = True
        self._set(anyio.current_time() + pause_limit(self._limit()))

    def silent(self) -> bool:
        """Count an attempt that was given up. Return whether to give up the read, too."""
        self._silences += 1
        return self._unwanted is not None or (self._silences >= SILENCES and self.patience < math.inf)

    def _set(self, until: float) -> None:
        self._until = min(until, self._end)
        if self._scope is not None:
            unwanted = math.inf if self._unwanted is None else self._unwanted + UNWANTED_SECONDS
            self._scope.deadline = min(self._until, unwanted)

    def _limit(self) -> float:
        remaining = None if self.deadline is None else max(self.deadline - anyio.current_time(), 0.0)
        return attempt_limit(
            wire_timeout=self.wire_timeout, remaining=remaining, silences=self._silences, patience=self.patience
        )
