"""HTTP exchanges that end when their request is given up.

On 2026-07-28 the SDK ends the exchange of a request that nobody waits for any more. On 2025-11-25 it goes on, with its
TCP connection, until the server answers; a server that leaves requests unanswered would use up all connections. There,
ending an exchange is no wish to cancel anything (specification 2025-11-25, basic/transports, "Sending Messages to the
Server").
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

import anyio
from attrs import define, field

_ID = re.compile(rb'\s*\{[^{}]*?"id"\s*:\s*"?(\w+)')
"""A message's own id, which the SDK writes before any nested object."""

_EARLY = 64
"""Requests that are remembered as given up before they came here: some are still in the SDK's hands then."""


@define(eq=False)
class Exchange:
    """A request on its way, and its answer."""

    given_up: bool = False
    _scope: anyio.CancelScope | None = None

    def step(self) -> anyio.CancelScope:
        """A scope to wait for something in, which is left as soon as the request is given up."""
        self._scope = anyio.CancelScope()
        if self.given_up:
            self._scope.cancel()
        return self._scope

    def give_up(self) -> None:
        """End it."""
        self.given_up = True
        if self._scope is not None:
            self._scope.cancel()


@define(eq=False)
class Exchanges:
    """Those of one connection, by the ids of the requests."""

    _open: dict[str, Exchange] = field(factory=dict[str, Exchange], init=False)
    _early: deque[str] = field(factory=lambda: deque[str](maxlen=_EARLY), init=False)

    def begin(self, message: bytes) -> tuple[Exchange, Callable[[], None]]:
        """A request is to be sent: its exchange, and what to call at the end of that."""
        found = _ID.match(message)
        request_id = "" if found is None else found[1].decode()
        exchange = self._open[request_id] = Exchange(given_up=request_id in self._early)

        def end() -> None:
            if self._open.get(request_id) is exchange:
                del self._open[request_id]

        return exchange, end

    def give_up(self, request_id: str) -> None:
        """Nobody waits for the answer to this request any more."""
        exchange = self._open.get(request_id)
        if exchange is not None:
            exchange.give_up()
        else:
            self._early.append(request_id)
