"""How many requests of one client are on their way at once, in the order in which they came.

The SDK takes messages one after the other, so that after a thousand calls at once a request for pushes would wait for
all of them. Over HTTP, each that is on its way also takes a connection. Here they wait at little cost. What somebody
has decided about a task goes ahead of calls and looks, which may be thousands.
"""

from __future__ import annotations

from collections import OrderedDict

import anyio
from attrs import define, field

_AT_ONCE = 32
SOON, SOON_HERE = 0.3, 0.15
"""Good values of `Turns.soon`: over a network, and on one machine without one."""


@define(eq=False)
class Turns:
    """Lets requests begin."""

    soon: float
    """Seconds after which a request that is not over gives its turn away: it waits for the server, and may for long."""
    _taken: dict[object, float] = field(factory=dict[object, float], init=False)
    """When the turns were taken that count, in that order."""
    _waiting: OrderedDict[object, anyio.Event] = field(factory=OrderedDict[object, anyio.Event], init=False)
    """Who waits, in order, and how to wake it."""
    _ahead: OrderedDict[object, anyio.Event] = field(factory=OrderedDict[object, anyio.Event], init=False)
    """The same, for those whose turn comes before."""

    async def take(self, *, ahead: bool = False) -> object:
        """Wait for a turn; what this returns is to be given to `over`."""
        turn = object()
        line = self._ahead if ahead else self._waiting
        if self._ahead or line or self._full():
            try:
                await self._wait(turn, line)
            finally:
                del line[turn]
                self._wake()
        self._taken[turn] = anyio.current_time()
        return turn

    def over(self, turn: object) -> None:
        """A request is over, or was given up."""
        if self._taken.pop(turn, None) is not None:
            self._wake()

    async def _wait(self, turn: object, line: OrderedDict[object, anyio.Event]) -> None:
        while True:
            line[turn] = called = anyio.Event()
            if self._first() is not turn:
                await called.wait()
            elif self._full():
                # The first in line watches for turns that are given away.
                with anyio.CancelScope(deadline=next(iter(self._taken.values())) + self.soon):
                    await called.wait()
            else:
                return

    def _first(self) -> object:
        return next(iter(self._ahead or self._waiting))

    def _full(self) -> bool:
        now = anyio.current_time()
        while self._taken and next(iter(self._taken.values())) + self.soon <= now:
            del self._taken[next(iter(self._taken))]
        return len(self._taken) >= _AT_ONCE

    def _wake(self) -> None:
        line = self._ahead or self._waiting
        if line:
            next(iter(line.values())).set()
