"""One task as a client knows it: its facts, its state, what polling keeps of it, and who is told of its changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

from attrs import Factory, define, field, frozen

from mcptasks import _eventloop
from mcptasks._core.carried import NOTHING, Carried
from mcptasks._core.events import Effect, Emit, Event, Fail, Outcome
from mcptasks._core.models import TaskReference, TaskStatus
from mcptasks._core.polling.call_key import CallKey
from mcptasks._core.state import TaskState, advance
from mcptasks._core.trace import TracedTask
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.connection.time_limits import Budget
from mcptasks._engine.recording.journal import Record
from mcptasks._engine.recording.nowhere import NO_RECORD
from mcptasks._engine.watching.progress_feed import ProgressFeed

Effects: TypeAlias = tuple[Effect, ...]
Observer: TypeAlias = Callable[[Effects], None]
"""Called with the effects of a change. They are empty if only a handler has ended, which is not an event of the
task."""


@define(eq=False, weakref_slot=False)
class Polling:
    """What polling keeps of a task. Only the modules of `_engine/watching/` write here."""

    interest: int = 0
    """How many are interested in the task: waits, iterations and callbacks."""
    deadlines: tuple[float, ...] = ()
    """The deadlines of waiters, by the event loop's clock."""
    trouble: Exception | None = None
    """The latest error that kept a poll from an answer."""
    troubles: int = 0
    """How many such errors there were. A waiter compares it with the count at its start, to ignore earlier errors."""
    gone: bool = False
    """Whether the server does not know the task (any more)."""
    pushed: bool = False
    """Whether pushes for this task are known to arrive."""
    pushes: int = 0
    """How many pushes for this task have come."""
    announced: tuple[str, ...] = ()
    """The latest messages of pushed `input_required` statuses to which no question has come yet (2025-11-25)."""
    looked: float | None = None
    """When a status last came, by the event loop's clock; None before the first."""
    busy: bool = False
    """Whether a request about this task is queued or under way."""
    budget: Budget | None = None
    """The time limits of that request."""
    held_up: bool = False
    """Whether the task has waited for input. Then its age does not tell how long the tool takes."""
    ran: float = 0.0
    """The task's age in seconds at the latest poll that found it running."""
    polls: int = 0
    """How many polls found the task running."""
    early: bool | None = None
    """Whether the task gets early polls. If few tasks are watched, each gets them; if many are, only the scouts do
    (`one_in`). None before the first plan."""
    key: CallKey | None = None
    """The task's tool and a hash of the arguments; None until it is first needed."""
    again: bool = False
    """Whether to poll as soon as possible: a push may have been missed, so the latest answer (even one in flight) may
    be stale."""
    doubted: float = 0.0
    """When it was last found that pushes may have been missed, by the event loop's clock."""
    entry: int = 0
    """The number of the task's valid entry in the plan (`plan.py`); 0 for none."""

    def enter(self, deadline: float = math.inf) -> None:
        """Count one more who is interested. `deadline` is when that waiter gives up."""
        self.interest += 1
        if deadline < math.inf:
            self.deadlines = (*self.deadlines, deadline)

    def leave(self, deadline: float = math.inf) -> None:
        """Count one less who is interested, and drop that waiter's deadline."""
        self.interest -= 1
        if deadline < math.inf:
            at = self.deadlines.index(deadline)
            # A tuple, since idle tasks share the empty one. A list would take memory for each task.
            self.deadlines = self.deadlines[:at] + self.deadlines[at + 1 :]

    def fail(self, error: Exception) -> None:
        """Keep an error for all waiters."""
        self.trouble, self.troubles = error, self.troubles + 1

    def trouble_since(self, troubles: int) -> Exception | None:
        """Return the latest error, if one came since `troubles` had that value."""
        return self.trouble if self.troubles > troubles else None


@frozen
class TaskInput:
    """What handlers have left with a task: answers and failures. Frozen; only the modules of `_engine/input/` replace
    it."""

    drafts: Mapping[str, dict[str, Any]] = field(default=MappingProxyType({}), repr=False)
    """Handlers' answers that the server has not accepted yet, by the question's key."""
    failure: BaseException | None = field(default=None, repr=False)
    """The latest exception that kept a handler from an answer."""
    failures: int = 0
    """How many such failures there were. A waiter compares it with the count at its start, to ignore earlier
    failures."""
    silent: bool = False
    """Whether the task waits for input and the server has not sent the question in time (2025-11-25)."""

    def failure_since(self, failures: int) -> BaseException | None:
        """Return the latest failure, if one came since `failures` had that value."""
        return self.failure if self.failures > failures else None


NO_INPUT = TaskInput()
"""Shared by all tasks that no handler has worked for, to save memory. Most tasks never ask anything."""


def _traced(watch: Watch) -> TracedTask:
    return TracedTask(watch.reference)


@define(eq=False)
class Watch:
    """Everything one client knows about one task.

    Only the folder `watching` writes `polling`, and only the folder `input` replaces `input`. The state and the
    reference change through the methods here; everything else stays as it was given. `tests/house/test_owners.py`
    checks this.

    There are two ways to hear of a change: `observe` has a function called with the effects, and `await change()`
    returns. A part that has to hear of every task of a client observes the monitor instead (`Monitor.on_news`).
    """

    task_id: str
    since: float
    """When this client first knew the task, by the event loop's clock."""
    reference: TaskReference | None = None
    arguments: dict[str, Any] | None = field(default=None, repr=False)
    """The arguments with which this client created the task; None if another client created it."""
    shown: str = ""
    """The arguments for people to read, without secrets."""
    progress: ProgressFeed | None = field(default=None, repr=False)
    """The server's reports of progress; None if nobody has asked for them."""
    created: datetime | None = None
    """When this client created the task, by this machine's wall clock; None if another client created it."""
    state: TaskState = field(factory=TaskState)
    polling: Polling = field(factory=Polling)
    input: TaskInput = NO_INPUT
    carried: Carried = field(default=NOTHING, repr=False)
    """What the program gave to the call, or to `resume`, that stays with the task."""
    record: Record = field(default=NO_RECORD, repr=False)
    """The task's record in the store; a stand-in that keeps nothing if the client has no store."""
    trace: TracedTask = field(init=False, repr=False, default=Factory(_traced, takes_self=True))
    """What counting, logging and tracing keep of the task."""
    _changed: _eventloop.Event | None = field(default=None, init=False, repr=False)
    _observers: dict[Observer, None] | None = field(default=None, init=False, repr=False)

    @property
    def status(self) -> TaskStatus | None:
        """The latest status."""
        return self.state.status

    @property
    def outcome(self) -> Outcome | None:
        """The outcome; None until it is known."""
        return self.state.outcome

    @property
    def done(self) -> bool:
        """Whether the task is over, as far as this client knows."""
        return self.state.terminal or self.state.outcome is not None

    @property
    def interval(self) -> float | None:
        """The server's latest poll interval in seconds; None if the server named none."""
        status = self.state.status
        return None if status is None or status.poll_interval is None else status.poll_interval / timedelta(seconds=1)

    def remaining(self, now: float) -> float | None:
        """Seconds until the server may forget the task, as far as this client can tell."""
        status = self.state.status
        return None if status is None or status.ttl is None else self.since + status.ttl / timedelta(seconds=1) - now

    def refer(self, reference: TaskReference) -> None:
        """Replace the reference. The new one must hold at least as much as the one before."""
        self.reference = self.trace.reference = reference

    def carry(self, carried: Carried) -> None:
        """Send these headers with later requests about the task, and hand this context to handlers. If one of the two
        is not given, the earlier one stays."""
        if carried is not NOTHING:
            self.carried = Carried(
                carried.headers or self.carried.headers,
                self.carried.context if carried.context is None else carried.context,
            )

    def recorded(self, record: Record) -> None:
        """Replace the record, so that the store is told of the task from now on."""
        self.record = record

    def feed(self, callbacks: Callbacks) -> ProgressFeed:
        """Return the feed of the server's reports of progress. It is made at the first call.

        Args:
            callbacks: The client's callbacks.
        """
        self.progress = self.progress or ProgressFeed(callbacks)
        return self.progress

    # --- changes --------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> Effects:
        """Apply an event to the state, and keep its error, if any, for the waiters. The caller must carry out the
        effects, and then call `wake` with them."""
        self.state, effects = advance(self.state, event)
        for effect in effects:
            if isinstance(effect, Fail):
                self.polling.fail(effect.error)
        if self.state.terminal and self.progress is not None:
            self.progress.end()
        return effects

    async def change(self) -> None:
        """Wait for the next change."""
        if self._changed is None:
            self._changed = _eventloop.event()
        await self._changed.wait()

    def observe(self, observer: Observer) -> None:
        """Call a function at every change, after the observers that were added before."""
        if self._observers is None:
            self._observers = {}
        self._observers[observer] = None

    def unobserve(self, observer: Observer) -> None:
        """Stop calling a function."""
        if self._observers is not None:
            self._observers.pop(observer, None)
            if not self._observers:
                self._observers = None

    def wake(self, effects: Effects = ()) -> None:
        """Report a change: call the observers, then wake everyone in `change`."""
        if self._observers is not None:
            for observer in tuple(self._observers):
                observer(effects)
        if self._changed is not None:
            self._changed.set()
            self._changed = None


def emitted(effects: Effects) -> Iterator[TaskStatus]:
    """Return the new statuses among the effects of a change, in order."""
    return (effect.status for effect in effects if isinstance(effect, Emit))
