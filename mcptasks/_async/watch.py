"""One task as a client knows it: its state, who is interested in it, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import anyio
from attrs import define, field

from mcptasks._async.limits import Budget
from mcptasks._models import TaskReference, TaskStatus
from mcptasks._state import Outcome, TaskState

Listener = Callable[[TaskStatus], None]
Observer = Callable[[], None]
ItemT = TypeVar("ItemT")


@define(eq=False)
class Watch:
    """Shared by everything in one client that concerns one task. The monitor changes it; others read and wait."""

    task_id: str
    since: float
    """When this client first knew the task, by the event loop's clock."""
    reference: TaskReference | None = None
    state: TaskState = field(factory=TaskState)
    listeners: tuple[Listener, ...] = ()
    """Told of every status, in order."""
    ended: Callable[[], None] | None = None
    """Called once when the task is over."""
    interest: int = 0
    """How many wait, read or listen."""
    deadlines: tuple[float, ...] = ()
    """When those who wait with a deadline give up."""
    trouble: Exception | None = None
    """The latest error that kept the monitor from an answer."""
    troubles: int = 0
    """Counts them, so that each waiter sees those of its own time."""
    gone: bool = False
    """The server does not know the task (any more)."""
    pushed: bool = False
    """Pushes for this task are known to arrive."""
    pushes: int = 0
    """Counts them."""
    looked: float | None = None
    """When the state was last learned."""
    busy: bool = False
    """Whether a request about this task is queued or under way."""
    budget: Budget | None = None
    """The limits of that request."""
    drafts: dict[str, dict[str, Any]] = field(factory=dict[str, "dict[str, Any]"], repr=False)
    """Answers by key that a handler gave and the server has not accepted yet."""
    failure: BaseException | None = field(default=None, repr=False)
    """What kept a handler from the latest answer."""
    failures: int = 0
    """Counts those, so that each waiter sees the ones of its own time."""
    silent: bool = False
    """It waits for input, and the server was given the time to say what for, and did not (2025-11-25)."""
    announced: tuple[str, ...] = ()
    """The latest messages of pushed `input_required` statuses to which no question has come yet (2025-11-25)."""
    timed: bool = False
    """Whether its age tells how long the tool takes: created by this client, and not held up by questions."""
    ran: float = 0.0
    """The age at which it was last known to run."""
    again: bool = False
    """Whether to look at once: the latest answer, also one that is under way, may be older than the pushes."""
    doubted: float = 0.0
    """When it was last found that pushes may have been missed, by the event loop's clock."""
    entry: int = 0
    """Number of the valid entry in the monitor's plan (`plan.py`); 0 for none."""
    _changed: anyio.Event | None = None
    _observers: set[Observer] | None = None

    @property
    def status(self) -> TaskStatus | None:
        """The latest status."""
        return self.state.status

    @property
    def outcome(self) -> Outcome | None:
        """The outcome once it is known."""
        return self.state.outcome

    @property
    def done(self) -> bool:
        """Whether the task is known to be over."""
        return self.state.terminal or self.state.outcome is not None

    @property
    def interval(self) -> float | None:
        """The server's latest interval in seconds."""
        status = self.state.status
        return None if status is None or status.poll_interval is None else status.poll_interval / timedelta(seconds=1)

    def remaining(self, now: float) -> float | None:
        """Seconds until the server may forget the task, as far as this client can tell."""
        status = self.state.status
        return None if status is None or status.ttl is None else self.since + status.ttl / timedelta(seconds=1) - now

    def failed(self, failure: BaseException) -> None:
        """Tell all who wait that an answer was not to be had."""
        self.failure, self.failures = failure, self.failures + 1
        self.wake()

    async def change(self) -> None:
        """Wait until anything changes."""
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    def observe(self, observer: Observer) -> None:
        """Have a function called whenever anything changes: for those who wait for many tasks at once."""
        if self._observers is None:
            self._observers = set()
        self._observers.add(observer)

    def unobserve(self, observer: Observer) -> None:
        """Have it called no more."""
        if self._observers is not None:
            self._observers.discard(observer)
            if not self._observers:
                self._observers = None

    def wake(self) -> None:
        """Wake all who wait for a change."""
        if self._observers is not None:
            for observer in tuple(self._observers):
                observer()
        if self._changed is not None:
            self._changed.set()
            self._changed = None


def without(items: tuple[ItemT, ...], item: ItemT) -> tuple[ItemT, ...]:
    """All but the first that is equal to this one, which is among them. Idle tasks share the empty tuple; lists take
    memory of their own."""
    at = items.index(item)
    return (*items[:at], *items[at + 1 :])
