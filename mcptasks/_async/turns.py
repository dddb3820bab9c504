"""How many requests of one client are on their way at once; who waits, and who is next.

The SDK takes messages one after the other, so that after a thousand calls at once a request for pushes, or to cancel,
would wait for all of them. Over HTTP, each that is on its way also takes a connection. Here they wait at little cost:
calls in one line and reads in another, each in the order in which they came, and the lines move in turn.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import anyio
from attrs import define, field

_AT_ONCE = 32
_SOON = 0.3
"""Seconds after which a request that is not over gives its turn away: it waits for the server, and may for long."""

_Line = OrderedDict[object, anyio.Event]
"""Who waits, in order, and how to wake it."""


@define(eq=False)
class Turns:
    """Lets requests begin."""

    _taken: dict[object, float] = field(factory=dict[object, float], init=False)
    """When the turns were taken that count, in that order."""
    _calls: _Line = field(factory=_Line, init=False)
    _reads: _Line = field(factory=_Line, init=False)
    _last: _Line | None = field(default=None, init=False)
    """The line that moved last."""

    async def take(self, *, read: bool) -> object:
        """Wait for a turn; what this returns is to be given to `over`.

        Args:
            read: Whether it is about a task that there is, rather than a call.
        """
        turn = object()
        line, other = (self._reads, self._calls) if read else (self._calls, self._reads)
        if line or other or self._full():
            try:
                await self._wait(turn, line, other)
            finally:
                del line[turn]
                self._wake()
        self._taken[turn] = anyio.current_time()
        self._last = line
        return turn

    def over(self, turn: object) -> None:
        """A request is over, or was given up."""
        if self._taken.pop(turn, None) is not None:
            self._wake()

    async def _wait(self, turn: object, line: _Line, other: _Line) -> None:
        line[turn] = called = anyio.Event()
        if next(iter(line)) is not turn:
            await called.wait()
        while self._full() or (other and self._last is line):
            line[turn] = called = anyio.Event()
            # The first in line watches for turns that are given away.
            with anyio.CancelScope(deadline=next(iter(self._taken.values()), math.inf) + _SOON):
                await called.wait()

    def _full(self) -> bool:
        now = anyio.current_time()
        while self._taken and next(iter(self._taken.values())) + _SOON <= now:
            del self._taken[next(iter(self._taken))]
        return len(self._taken) >= _AT_ONCE

    def _wake(self) -> None:
        for line in (self._calls, self._reads):
            if line:
                next(iter(line.values())).set()
