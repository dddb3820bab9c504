"""The requests of one connection that are under way, by their ids, each with a cancel scope."""

from __future__ import annotations

import anyio


class UnderWay:
    """The cancel scopes of the requests that have no answer yet."""

    def __init__(self) -> None:
        self._scopes: dict[str, anyio.CancelScope] = {}

    def begin(self, request_id: str) -> anyio.CancelScope:
        """Make a cancel scope for a request. An earlier request with the same id is cancelled."""
        self.give_up(request_id)
        scope = self._scopes[request_id] = anyio.CancelScope()
        return scope

    def over(self, request_id: str, scope: anyio.CancelScope) -> None:
        """Forget a request that has ended."""
        if self._scopes.get(request_id) is scope:
            del self._scopes[request_id]

    def give_up(self, request_id: str) -> None:
        """Cancel a request whose answer nobody waits for any more."""
        scope = self._scopes.get(request_id)
        if scope is not None:
            scope.cancel()

    def give_up_all(self) -> None:
        """Cancel all requests."""
        for scope in self._scopes.values():
            scope.cancel()
