"""The requests that a server has not answered yet, and which of them an error without an id answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define, field, frozen
from mcp_types import INVALID_REQUEST, METHOD_NOT_FOUND, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, RequestId

NEGOTIATION = frozenset({"server/discover", "initialize"})
"""The requests with which a connection begins."""

_MOST = 100_000
"""How many open requests are remembered; then the oldest is forgotten. Requests that were given up without telling the
server may stay open for ever, so there must be a bound; an honest server has far fewer open."""


@frozen
class _Request:
    request_id: RequestId
    method: str
    number: int


@define
class OpenRequests:
    """The requests without an answer on one connection."""

    _open: dict[str, _Request] = field(factory=dict[str, _Request])
    """The requests by their ids as strings: some servers return 1 as "1", which the SDK takes for the same id."""
    _sent: int = 0
    _unasked: int = 0
    """The number of the latest message that asks for no answer: a notification, or an answer of this client."""
    _handled: int = 0
    """The number of the latest request that was answered. The server has read all messages before that request."""
    _negotiating: bool = True

    @property
    def is_negotiating(self) -> bool:
        """Whether a probe (`server/discover`) was sent, and after the probe nothing but requests of `NEGOTIATION`."""
        return self._negotiating and self._sent > 0

    @property
    def only_probed(self) -> bool:
        """Whether `is_negotiating` is true and the server has answered nothing."""
        return self.is_negotiating and self._handled == 0

    def sent(self, message: JSONRPCMessage) -> None:
        """Note that a message is about to be sent."""
        self._sent += 1
        if isinstance(message, JSONRPCRequest):
            if message.method in NEGOTIATION:
                # The client sends one such request at a time. The previous one was given up, and the server was not
                # told, as the specification demands.
                self._open = {key: one for key, one in self._open.items() if one.method not in NEGOTIATION}
            if self._sent == 1:
                self._negotiating = message.method == "server/discover"
            self._negotiating = self._negotiating and message.method in NEGOTIATION
            self._open[str(message.id)] = _Request(message.id, message.method, self._sent)
            if len(self._open) > _MOST:
                del self._open[next(iter(self._open))]
            return
        self._negotiating = False
        self._unasked = self._sent
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._open.pop(str((message.params or {}).get("requestId")), None)

    def find(self, request_id: Any) -> RequestId | None:
        """The id, as the client sent it, of the open request that a server's id names; None if there is none."""
        if isinstance(request_id, bool) or not isinstance(request_id, int | str):
            return None
        found = self._open.get(str(request_id))
        return None if found is None else found.request_id

    def answered(self, request_id: RequestId | None) -> None:
        """Note that a request got its answer."""
        found = self._open.pop(str(request_id), None)
        if found is not None:
            self._handled = max(self._handled, found.number)

    def only(self) -> RequestId | None:
        """The id of the open request, if exactly one is open."""
        return next(iter(self._open.values())).request_id if len(self._open) == 1 else None

    def to_blame(self, code: int) -> RequestId | None:
        """The id of the request that an error without an id answers; None if there is doubt.

        A server that could not read a request's id answers with the id null (JSON-RPC 2.0, 5.1). If exactly one request
        is open, the error answers that request, with one exception: some servers wrongly answer
        "notifications/initialized" with "method not found". So an error about a method counts only if no notification
        was sent after the latest request that was answered.
        """
        about_method = code in (METHOD_NOT_FOUND, INVALID_REQUEST)
        return None if about_method and self._unasked > self._handled else self.only()

    def take_all(self) -> Iterator[RequestId]:
        """Close all open requests; returns their ids."""
        taken, self._open = self._open, {}
        return (one.request_id for one in taken.values())

    def find_method(self, method: str) -> RequestId | None:
        """The id of the open request with that method, if there is one."""
        return next((one.request_id for one in self._open.values() if one.method == method), None)
