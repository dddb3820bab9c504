"""How many requests of one client are on their way at once, in the order in which they came.

The SDK takes messages one after the other, so that after a thousand calls at once a request for pushes would wait for
all of them. Over HTTP, each that is on its way also takes a connection. Here they wait at little cost.
"""

from __future__ import annotations

from collections import OrderedDict

import anyio
from attrs import define, field

_AT_ONCE = 32
_SOON = 0.3
"""Seconds after which a request that is not over gives its turn away: it waits for the server, and may for long."""


@define(eq=False)
class Turns:
    """Lets requests begin."""

    _taken: dict[object, float] = field(factory=dict[object, float], init=False)
    """When the turns were taken that count, in that order."""
    _waiting: OrderedDict[object, anyio.Event] = field(factory=OrderedDict[object, anyio.Event], init=False)
    """Who waits, in order, and how to wake it."""

    async def take(self) -> object:
        """Wait for a turn; what this returns is to be given to `over`."""
        turn = object()
        if self._waiting or self._full():
            try:
                await self._wait(turn)
            finally:
                del self._waiting[turn]
                self._wake()
        self._taken[turn] = anyio.current_time()
        return turn

    def over(self, turn: object) -> None:
        """A request is over, or was given up."""
        if self._taken.pop(turn, None) is not None:
            self._wake()

    async def _wait(self, turn: object) -> None:
        self._waiting[turn] = called = anyio.Event()
        if next(iter(self._waiting)) is not turn:
            await called.wait()
        while self._full():
            self._waiting[turn] = called = anyio.Event()
            # The first in line watches for turns that are given away.
            with anyio.CancelScope(deadline=next(iter(self._taken.values())) + _SOON):
                await called.wait()

    def _full(self) -> bool:
        now = anyio.current_time()
        while self._taken and next(iter(self._taken.values())) + _SOON <= now:
            del self._taken[next(iter(self._taken))]
        return len(self._taken) >= _AT_ONCE

    def _wake(self) -> None:
        if self._waiting:
            next(iter(self._waiting.values())).set()
