"""The book of a test server's tasks: finds known tasks by id, and hands out each new task once to a waiting test."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta

from mcptasks.testing._bell import Bell
from mcptasks.testing._deadline import Deadline
from mcptasks.testing._tasks import ServerTask


class TaskBook(Mapping[str, ServerTask]):
    """The tasks that the server knows, by id, in the order of their creation."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._known: dict[str, ServerTask] = {}
        self._expiry: dict[str, Deadline] = {}
        self._made: dict[bool, list[ServerTask]] = {False: [], True: []}
        self._bell = Bell()

    def __getitem__(self, task_id: str) -> ServerTask:
        return self._known[task_id]

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)

    def add(self, task: ServerTask, expires: Deadline | None = None) -> None:
        """Add a new task, which is known until `expires`."""
        with self._lock:
            if not task.origin.plain:
                self._known[task.task_id] = task
                if expires is not None:
                    self._expiry[task.task_id] = expires
            self._made[task.origin.plain].append(task)
        self._bell.ring()

    def find(self, task_id: object) -> ServerTask | None:
        """The task of that id; None if the task is unknown or has expired. Call it on an event loop."""
        if not isinstance(task_id, str):
            return None
        with self._lock:
            task = self._known.get(task_id)
            expires = self._expiry.get(task_id)
        if task is not None and expires is not None and expires.passed:
            task.forget()
            return None
        return task

    def discard(self, task: ServerTask) -> None:
        """Remove a task."""
        with self._lock:
            self._known.pop(task.task_id, None)
            self._expiry.pop(task.task_id, None)

    def take_next(self, *, plain: bool) -> ServerTask | None:
        """The oldest task (or plain call) that nobody has taken yet; None if there is none."""
        with self._lock:
            return self._made[plain].pop(0) if self._made[plain] else None

    async def next(self, *, plain: bool = False) -> ServerTask:
        """Wait for a task that nobody has taken yet."""
        return await self._bell.until(lambda: self.take_next(plain=plain))

    def next_blocking(self, timeout: float | timedelta, *, plain: bool = False) -> ServerTask:
        """Like `next`, for a thread without an event loop. Raises `TimeoutError` after `timeout`, seconds or a
        `timedelta`."""
        return self._bell.until_blocking(lambda: self.take_next(plain=plain), timeout)
