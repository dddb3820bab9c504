"""Calls of 2026-07-28 that wait until the client repeats them with answers, by their request state."""

from __future__ import annotations

import threading
import uuid

from mcptasks.testing._script import Cancelled
from mcptasks.testing._tasks import ServerTask


class CallBook:
    """The calls that were answered `input_required`. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, ServerTask] = {}

    def park(self, call: ServerTask) -> str:
        """Keep a call; returns the request state by which the client resumes the call."""
        request_state = uuid.uuid4().hex
        with self._lock:
            self._waiting[request_state] = call
        return request_state

    def take(self, request_state: object, offer: tuple[str, str]) -> ServerTask | None:
        """Remove and return the call with that request state; None if there is none, or its offer is another one."""
        if not isinstance(request_state, str):
            return None
        with self._lock:
            call = self._waiting.get(request_state)
            if call is None or (call.origin.kind, call.origin.name) != offer:
                return None
            return self._waiting.pop(request_state)

    def drop_all(self) -> None:
        """Cancel all calls."""
        with self._lock:
            calls, self._waiting = list(self._waiting.values()), {}
        for call in calls:
            call.apply(Cancelled("The server forgot the call."))
