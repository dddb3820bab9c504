"""Watches all tasks of one client that anyone is interested in, with one plan and a bounded number of requests.

Nothing here decides what a task's state means (`_state.py`) or when to look (`_schedule.py`).
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any
from weakref import WeakValueDictionary

import anyio

from mcptasks._async.asking import Asking
from mcptasks._async.connection import is_outage
from mcptasks._async.errors import copy_error, missing
from mcptasks._async.learning import Learning
from mcptasks._async.limits import Budget
from mcptasks._async.missed import Missed
from mcptasks._async.plan import Plan
from mcptasks._async.requests import Requests
from mcptasks._async.watch import Watch, without
from mcptasks._exceptions import TaskError, TaskNotFoundError, TaskProtocolError
from mcptasks._faults import PATIENCE
from mcptasks._schedule import PollingPolicy
from mcptasks._state import (
    ConnectionLost,
    Emit,
    Event,
    Fail,
    Fetch,
    Finish,
    Look,
    Seen,
    Trouble,
    Wake,
    Wanted,
    advance,
)
from mcptasks._wire import handshake, modern

logger = logging.getLogger("mcptasks")

_EARLY = 256
"""Pushes that are kept for tasks not known yet: servers push before they answer the creating call."""
_ANNOUNCED = 16
"""Questions that a task may announce ahead (see `Watch.announced`)."""
_CROWD = 100
"""Where more tasks than this are watched, none is looked at ahead of the server's interval."""
_AFTER_TROUBLE = 5.0
"""Seconds until a task that only callbacks watch is looked at again after trouble."""


class Monitor:
    """The plan of looks and its execution. `run` owns every request made here."""

    def __init__(
        self,
        requests: Requests,
        policy: PollingPolicy,
        wire_timeout: float | None,
        endpoint: str | None,
        *,
        on_interest: Callable[[Watch, bool], None],
        on_news: Callable[[Watch], None],
        expects_push: Callable[[bool], bool],
    ) -> None:
        self._requests = requests
        self._policy = policy
        self._on_interest = on_interest
        self._on_news = on_news
        self._expects_push = expects_push
        self._arrival: anyio.Event | None = None
        self._watches: WeakValueDictionary[str, Watch] = WeakValueDictionary()
        self._learning = Learning(endpoint, policy)
        self._plan = Plan()
        self._watched = 0
        self._missed = Missed()
        self._asking = Asking(self._ask, wire_timeout)
        self._wake = anyio.Event()
        self._planned_until = math.inf
        self._early: OrderedDict[str, Seen] = OrderedDict()
        self._closed: Exception | None = None
        self.pushes = 0
        """Counts the notifications about tasks that made sense."""

    # --- what others tell -----------------------------------------------------------------------------------------

    def register(self, watch: Watch) -> None:
        """Take a task in, for as long as somebody holds it; pushes that came too early for it are applied."""
        self._watches[watch.task_id] = watch
        if self._arrival is not None:
            self._arrival.set()
            self._arrival = None
        early = self._early.pop(watch.task_id, None)
        if early is not None:
            self.feed(watch, early)

    def find(self, task_id: str) -> Watch | None:
        """What is known of a task, if somebody holds it."""
        return self._watches.get(task_id)

    async def expected(self, task_id: str, seconds: float) -> Watch | None:
        """The same, with some patience for a task whose creating answer is still under way."""
        with anyio.move_on_after(seconds):
            while task_id not in self._watches:
                self._arrival = self._arrival or anyio.Event()
                await self._arrival.wait()
        return self._watches.get(task_id)

    def live(self) -> list[Watch]:
        """The tasks that are not over, as far as somebody holds them."""
        return [watch for watch in self._watches.values() if not watch.state.terminal]

    def notified(self, method: str, params: Mapping[str, Any]) -> None:
        """Take a task notification."""
        dialect = modern if method == modern.NOTIFICATION else handshake
        try:
            event = dialect.seen(params, "pushed")
        except TaskProtocolError as exc:
            logger.debug("ignored a push: %s", exc)
            return
        self.pushes += 1
        watch = self._watches.get(event.status.task_id)
        if watch is None:
            self._early[event.status.task_id] = event
            self._early.move_to_end(event.status.task_id)
            if len(self._early) > _EARLY:
                self._early.popitem(last=False)
            return
        watch.pushed = True
        watch.pushes += 1
        planned, doubted = watch.entry, watch.again
        self.feed(watch, event)
        if not watch.busy:
            watch.again = False  # It tells all that a look would.
            if watch.entry == planned and (planned or doubted):
                self._schedule_next(watch)

    def observe(self, event: Seen) -> None:
        """Take in what was seen of a registered task elsewhere."""
        watch = self._watches.get(event.status.task_id)
        if watch is not None:
            self.feed(watch, event)

    def reconnected(self) -> None:
        """A new connection was made: look at everything, since pushes may be lost."""
        self._early.clear()
        self.pushes_lost()
        for watch in list(self._watches.values()):
            if not watch.busy:  # A request under way is repeated on the new connection anyhow.
                self.feed(watch, ConnectionLost())

    def pushes_lost(self) -> None:
        """The stream that carried all pushes is gone."""
        self.push_lost(self._watches.values())

    def push_lost(self, watches: Iterable[Watch]) -> None:
        """Pushes for these tasks do not arrive any more; look at once and go back to polling."""
        for watch in list(watches):
            if watch.pushed:
                watch.pushed = False
                self._look_for_missed(watch)

    def push_works(self, watches: Iterable[Watch]) -> None:
        """Pushes for these tasks will arrive from now on; what happened before is found by one look."""
        for watch in list(watches):
            watch.pushed = True
            self._look_for_missed(watch)

    def stream_opened(self) -> None:
        """The stream of a connection's pushes is open (again); what happened before is found by one look."""
        for watch in list(self._watches.values()):
            self._look_for_missed(watch)

    def close(self, reason: TaskError) -> None:
        """Tell everyone who waits, now and later, that nothing more will come."""
        self._closed = reason
        for watch in list(self._watches.values()):
            if watch.interest:
                self.feed(watch, Trouble(copy_error(reason, watch.reference)))

    # --- who is interested ----------------------------------------------------------------------------------------

    @contextmanager
    def interest(self, watch: Watch, *, deadline: float = math.inf) -> Generator[None]:
        """Have a task watched inside the block; the deadline is when the one who is interested gives up."""
        self.enter(watch, deadline)
        try:
            yield
        finally:
            self.leave(watch, deadline)

    def check(self, watch: Watch) -> None:
        """Complain if the client is closed."""
        if self._closed is not None:
            raise copy_error(self._closed, watch.reference)

    def enter(self, watch: Watch, deadline: float = math.inf) -> None:
        """Begin to be interested in a task."""
        if not watch.state.settled:
            self.check(watch)
        watch.interest += 1
        if deadline < math.inf:
            watch.deadlines = (*watch.deadlines, deadline)
            if watch.budget is not None:
                watch.budget.tighten(deadline)
        watch.gone = False
        if watch.interest == 1:
            self._watched += 1
            if not watch.state.settled:
                self._on_interest(watch, True)
        if not watch.entry and not watch.busy:
            self._schedule_next(watch)

    def leave(self, watch: Watch, deadline: float = math.inf) -> None:
        """End one's interest in a task."""
        watch.interest -= 1
        if deadline < math.inf:
            watch.deadlines = without(watch.deadlines, deadline)
        if watch.interest == 0:
            self._watched -= 1
            self._plan.drop(watch)
            self._on_interest(watch, False)

    def want(self, watch: Watch) -> None:
        """Somebody waits for the outcome."""
        self.feed(watch, Wanted())

    # --- events and effects ---------------------------------------------------------------------------------------

    def feed(self, watch: Watch, event: Event, *, asked: float | None = None) -> None:
        """Apply an event and carry out what follows from it.

        Args:
            watch: The task.
            event: What happened.
            asked: When the server was asked for it, by the event loop's clock; now, if it told it unasked.
        """
        before = watch.state.terminal
        watch.state, effects = advance(watch.state, event)
        if isinstance(event, Seen):
            watch.looked = now = anyio.current_time()
            message = event.status.status_message
            if event.origin == "pushed" and event.status.status == "input_required" and message is not None:
                watch.announced = (*watch.announced, message)[-_ANNOUNCED:]
            at = now if asked is None else asked
            if not before and self._learning.seen(watch, event, asked=at, over=watch.state.terminal):
                self._plan_anew(watch)
        for effect in effects:
            match effect:
                case Emit(status):
                    for listener in watch.listeners:
                        listener(status)
                case Fetch():
                    self._enqueue(watch, fetch=True)
                case Look():
                    self._schedule(watch, self._soonest(watch))
                case Finish():
                    self._plan.drop(watch)
                case Fail(error):
                    watch.trouble, watch.troubles = error, watch.troubles + 1
                case Wake():
                    pass
        if effects:
            watch.wake()
        if effects or isinstance(event, Seen):
            self._on_news(watch)
        if watch.state.settled:
            self._plan.drop(watch)
            self._on_interest(watch, False)
        if watch.state.terminal and watch.ended is not None:
            ended, watch.ended = watch.ended, None
            ended()

    def _soonest(self, watch: Watch) -> float:
        now = anyio.current_time()
        pause = self._policy.floor * 2 ** min(watch.state.refusals, 6)
        return now if watch.looked is None else max(now, watch.looked + pause)

    def _schedule_next(self, watch: Watch) -> None:
        """Put the next look into the plan, where one is due at all."""
        now = anyio.current_time()
        if watch.looked is None or watch.again:
            self._schedule(watch, now)
            return
        crowded = self._watched > _CROWD
        delay = self._learning.delay(watch, crowded=crowded, awaited=self._expects_push(crowded))
        self._schedule(watch, max(now, watch.looked + delay))

    def _look_for_missed(self, watch: Watch) -> None:
        """Look at a task whose pushes may have been missed: at once, where there are not too many such tasks, and no
        later than usual."""
        planned, watch.again = watch.again, True
        if self._plannable(watch) and not planned:
            self._schedule(watch, anyio.current_time() + self._policy.spacing(watch.interval))
            self._missed.add(watch)
            self._wake.set()

    def _plan_anew(self, ended: Watch) -> None:
        """More is known of how long a tool takes: see to the others that run it."""
        for watch in self._learning.alike(ended, list(self._watches.values())):
            if watch.entry and not watch.pushed and not watch.again:
                self._schedule_next(watch)

    def _plannable(self, watch: Watch) -> bool:
        return not (watch.state.settled or not watch.interest or watch.gone or watch.busy)

    def _schedule(self, watch: Watch, due: float) -> None:
        if self._plannable(watch) and self._plan.put(watch, due) and due < self._planned_until:
            self._wake.set()

    def _enqueue(self, watch: Watch, *, fetch: bool) -> None:
        self._plan.drop(watch)
        if watch.busy and not fetch:
            return
        watch.busy = True
        self._asking.add(watch, fetch=fetch)
        self._wake.set()

    # --- execution ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Carry out the plan, until cancelled."""
        async with anyio.create_task_group() as tg:
            while True:
                self._wake = anyio.Event()
                now = anyio.current_time()
                for watch in chain(self._plan.due(now), self._missed.due(now, self._plannable)):
                    self._enqueue(watch, fetch=False)
                self._asking.start(tg)
                self._planned_until = min(self._plan.until, self._missed.until(now), self._asking.until)
                with anyio.CancelScope(deadline=self._planned_until):
                    await self._wake.wait()

    async def _ask(self, watch: Watch, budget: Budget, fetch: bool) -> None:
        doubted, watch.again = watch.again, False
        try:
            event = await self._answer(watch, budget, fetch)
        finally:
            watch.busy, watch.budget = False, None
            if self._asking.waiting:
                self._wake.set()
        if event is not None:
            self.feed(watch, event, asked=budget.asked)
            if doubted and self._missed.looked(watch):
                self._wake.set()
        if not watch.entry and self._plannable(watch):
            if isinstance(event, Trouble):
                self._schedule(watch, anyio.current_time() + _AFTER_TROUBLE)
            else:
                self._schedule_next(watch)

    async def _answer(self, watch: Watch, budget: Budget, fetch: bool) -> Event | None:
        """Ask the server; None where there is nothing to learn."""
        if not fetch and (watch.state.settled or not watch.interest):
            return None  # What it was queued for has come, or whoever wanted it has gone.
        pushes, status = watch.pushes, watch.state.status
        doubts = 0
        while True:
            try:
                if fetch and status is not None:
                    event = await self._requests.outcome(watch.task_id, status.status, budget)
                else:
                    event = await self._requests.status(watch.task_id, budget)
                break
            except TaskNotFoundError as exc:
                # fastmcp 2.14 was seen to deny a task for a moment that it knew before and after.
                doubts += 1
                if status is None or doubts >= PATIENCE:
                    return self._trouble(watch, exc)
                await anyio.sleep(self._policy.floor)
            except TaskError as exc:
                return self._trouble(watch, exc)
            except Exception as exc:
                logger.debug("unexpected error about task %r", watch.task_id, exc_info=True)
                return Trouble(TaskProtocolError(f"the answer could not be dealt with: {exc!r}"))
        if isinstance(event, Seen) and watch.pushes > pushes and not event.status.is_terminal:
            return None  # A push overtook this answer, which may tell of a time before it.
        return event

    def _trouble(self, watch: Watch, exc: TaskError) -> Trouble:
        if is_outage(exc):
            # It concerns every task alike; nobody has to wait for a turn in the queue to learn it.
            queued = self._asking.clear()
            for other in list(self._watches.values()):
                if other in queued:
                    other.busy = False
                if other is not watch and not other.busy and (other.interest or other in queued):
                    self.feed(other, Trouble(copy_error(exc, other.reference)))
                    self._schedule(other, anyio.current_time() + _AFTER_TROUBLE)
        if isinstance(exc, TaskNotFoundError):
            watch.gone = True
        return Trouble(missing(exc, watch.reference))
