"""The record of the requests that clients sent, which a test can count, read and wait for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, overload

from attrs import field, frozen

from mcptasks.testing._bell import Bell


@frozen
class ReceivedRequest:
    """One request or notification of a client, or one bare HTTP request (`http:GET`, `http:DELETE`)."""

    method: str
    params: Mapping[str, Any]
    headers: Mapping[str, str] = field(factory=dict[str, str])
    """The HTTP headers, in lower case; empty in process and over stdio."""
    protocol_version: str | None = None
    """The protocol version; None if an HTTP fault kept the request from the protocol layer."""
    request_id: object = None
    """The JSON-RPC id; None for notifications."""

    @property
    def task_id(self) -> str | None:
        """The id of the task that the request names; None if it names none."""
        task_id = self.params.get("taskId")
        return task_id if isinstance(task_id, str) else None


class RequestLog(Sequence[ReceivedRequest]):
    """All received requests, oldest first. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[ReceivedRequest] = []
        self._bell = Bell()

    @overload
    def __getitem__(self, index: int) -> ReceivedRequest: ...
    @overload
    def __getitem__(self, index: slice) -> list[ReceivedRequest]: ...
    def __getitem__(self, index: int | slice) -> ReceivedRequest | list[ReceivedRequest]:
        return self._entries[index]

    def __iter__(self) -> Iterator[ReceivedRequest]:
        return iter(self.of())

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: ReceivedRequest) -> None:
        """Record a request."""
        with self._lock:
            self._entries.append(entry)
        self._bell.ring()

    def clear(self) -> None:
        """Forget the requests that were received so far."""
        with self._lock:
            self._entries.clear()

    def of(self, method: str | None = None, task_id: str | None = None) -> list[ReceivedRequest]:
        """The requests with this method, about this task; None for any."""
        with self._lock:
            entries = list(self._entries)
        return [
            entry
            for entry in entries
            if (method is None or entry.method == method) and (task_id is None or entry.task_id == task_id)
        ]

    def count(self, value: object = None, task_id: str | None = None) -> int:
        """How many requests with this method (a string), about this task, were received; None for any."""
        return len(self.of(value if isinstance(value, str) else None, task_id))

    def _nth(self, method: str, n: int, task_id: str | None) -> ReceivedRequest | None:
        entries = self.of(method, task_id)
        return entries[n - 1] if len(entries) >= n else None

    async def wait_for(self, method: str, n: int = 1, task_id: str | None = None) -> ReceivedRequest:
        """Wait until the n-th request with this method has come, counted from the start, and return the request."""
        return await self._bell.until(lambda: self._nth(method, n, task_id))

    def wait_for_blocking(
        self, method: str, n: int = 1, task_id: str | None = None, timeout: float | timedelta = 30.0
    ) -> ReceivedRequest:
        """Like `wait_for`, for a thread without an event loop. Raises `TimeoutError` after `timeout`, seconds or a
        `timedelta`."""
        return self._bell.until_blocking(lambda: self._nth(method, n, task_id), timeout)
