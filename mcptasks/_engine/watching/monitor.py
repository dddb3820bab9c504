"""Feeds the events of one client's tasks to the state machine, and carries out the effects.

`_core/state.py` decides what an event means, `schedule.py` when to poll, and `polls.py` sends the polls.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup

from mcptasks._core.events import ConnectionLost, Emit, Event, Fail, Fetch, Finish, Look, Seen, Trouble, Wake, Wanted
from mcptasks._core.exceptions import TaskError, TaskProtocolError
from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._core.progress import Expectation
from mcptasks._core.trace import Changed
from mcptasks._engine.connection.errors import copy_error
from mcptasks._engine.connection.task_requests import Requests
from mcptasks._engine.connection.turns import Turns
from mcptasks._engine.home import Home
from mcptasks._engine.recording.journal import Journal, Timing
from mcptasks._engine.recording.nowhere import NO_JOURNAL
from mcptasks._engine.watching.early import announce
from mcptasks._engine.watching.known import Known
from mcptasks._engine.watching.learning import Learning
from mcptasks._engine.watching.polls import Polls
from mcptasks._engine.watching.schedule import Schedule
from mcptasks._engine.watching.watch import Watch
from mcptasks._wire.dialect import pushed

logger = logging.getLogger("mcptasks")


class Monitor:
    """Watches one client's tasks. Polls go out only for tasks that somebody is interested in: waits for, iterates, or
    has a callback on."""

    def __init__(
        self,
        requests: Requests,
        turns: Turns,
        group: TaskGroup,
        policy: PollingPolicy,
        endpoint: str | None,
        *,
        home: Home,
        journal: Journal = NO_JOURNAL,
    ) -> None:
        self._home = home
        self._trace = requests.trace
        self.on_interest: list[Callable[[Watch, bool], None]] = []
        """Called with True when the first one becomes interested in a task, and with False when the last one has
        left."""
        self.on_news: list[Callable[[Watch], None]] = []
        """The observers of all tasks. Each is called with every task that was polled or has changed."""
        self._known = Known()
        self._learning = Learning(endpoint, policy, journal)
        self._schedule = Schedule(policy, self._learning)
        self._polls = Polls(requests, turns, group, self._schedule, self._learning, self._known, self.feed, policy)
        self.on_failed = self._polls.on_failed
        """Called with a task when a poll of it has failed and is about to be sent again."""
        self.hinted = self._schedule.hint
        """Note that a task may have changed: it is polled soon."""
        self._closed: Exception | None = None
        self.pushes = 0
        """How many valid notifications about tasks have come."""

    async def run(self) -> None:
        """Poll when the plan says so, until cancelled."""
        await self._polls.run()

    # --- what other parts report ----------------------------------------------------------------------------------

    def register(self, watch: Watch) -> None:
        """Add a task, and apply the push that came before the task was known. The task stays known as long as somebody
        has a handle."""
        early = self._known.add(watch)
        if early is not None:
            self.feed(watch, early)

    def learn(self, timings: Iterable[Timing]) -> None:
        """Load how long tools took for earlier clients."""
        self._learning.load(timings)

    def find(self, task_id: str) -> Watch | None:
        """Return the task with that id; None if nobody has a handle."""
        return self._known.find(task_id)

    async def expected(self, task_id: str, seconds: float) -> Watch | None:
        """Return the task with that id. Wait up to `seconds` for a task whose creating answer is still under way."""
        return await self._known.expected(task_id, seconds)

    def live(self) -> list[Watch]:
        """Return the known tasks that are not over."""
        return [watch for watch in self._known.everyone() if not watch.state.terminal]

    def notified(self, method: str, params: Mapping[str, Any]) -> None:
        """Take in a task notification."""
        try:
            event = pushed(method, params)
        except TaskProtocolError as exc:
            logger.debug("ignored a push: %s", exc)
            return
        self.pushes += 1
        watch = self._known.find(event.status.task_id)
        if watch is None:
            self._known.add_early(event)
            return
        polling = watch.polling
        polling.pushed = True
        polling.pushes += 1
        planned, doubted = polling.entry, polling.again
        self.feed(watch, event)
        if not polling.busy:
            polling.again = False  # The push has told all that a poll would tell.
            if polling.entry == planned and (planned or doubted):
                self._schedule.put_next(watch)

    def question_came(self, watch: Watch, message: object) -> None:
        """Note that the question has come which a push announced with this message."""
        polling = watch.polling
        polling.announced = tuple(each for each in polling.announced if each != message)

    def observe(self, event: Seen) -> None:
        """Take in a status that another request has brought, if the task is known."""
        watch = self._known.find(event.status.task_id)
        if watch is not None:
            self.feed(watch, event)

    def reconnected(self) -> None:
        """Note a new connection. All watched tasks are polled, since pushes may have been lost."""
        self._known.forget_early()
        self.lost()

    def lost(self) -> None:
        """Note a lost connection. All watched tasks are polled, and the first poll makes a new connection."""
        self.pushes_lost()
        for watch in self._known.everyone():
            if not watch.polling.busy:  # A request under way is repeated on the new connection anyway.
                self.feed(watch, ConnectionLost())

    def pushes_lost(self) -> None:
        """Note that the stream of all pushes has ended."""
        self.push_lost(self._known.everyone())

    def push_lost(self, watches: Iterable[Watch]) -> None:
        """Note that pushes for these tasks have stopped. The tasks are polled soon, and then at the usual times."""
        for watch in list(watches):
            if watch.polling.pushed:
                watch.polling.pushed = False
                self._schedule.doubt(watch)

    def push_works(self, watches: Iterable[Watch]) -> None:
        """Note that pushes for these tasks arrive from now on. One poll finds what happened before."""
        for watch in list(watches):
            watch.polling.pushed = True
            self._schedule.doubt(watch)

    def stream_opened(self) -> None:
        """Note that the stream of a connection's pushes is open (again). One poll of each task finds what happened
        before."""
        for watch in self._known.everyone():
            self._schedule.doubt(watch)

    def close(self, reason: TaskError) -> None:
        """Raise `reason` in everyone who waits for a task, now or later."""
        self._closed = reason
        for watch in self._known.everyone():
            if watch.polling.interest:
                self.feed(watch, Trouble(copy_error(reason, watch.reference)))

    # --- who is interested ----------------------------------------------------------------------------------------

    @contextmanager
    def interest(self, watch: Watch, *, deadline: float = math.inf) -> Generator[None]:
        """A block in which a task is watched. `deadline` is when the caller stops waiting, by the event loop's
        clock."""
        self.enter(watch, deadline)
        try:
            yield
        finally:
            self.leave(watch, deadline)

    def check(self, watch: Watch) -> None:
        """Raise an error if the client is closed, or if the running event loop is not the client's."""
        if self._closed is not None:
            raise copy_error(self._closed, watch.reference)
        self._home.check(watch.reference)

    def enter(self, watch: Watch, deadline: float = math.inf) -> None:
        """Count one more who is interested in a task. Pair each call with `leave`, with the same deadline."""
        if not watch.state.settled:
            self.check(watch)
        polling = watch.polling
        polling.enter(deadline)
        if deadline < math.inf and polling.budget is not None:
            polling.budget.tighten(deadline)
        polling.gone = False
        if polling.interest == 1:
            self._schedule.watched += 1
            if polling.budget is not None:
                polling.budget.want(True)
            if not watch.state.settled:
                self._tell_interest(watch, True)
        if not polling.entry or (deadline < math.inf and not polling.again):
            self._schedule.put_next(watch)

    def expect_pushes(self, expected: Callable[[bool], bool]) -> None:
        """Set the rule by which the first polls of a new task wait for pushes.

        Args:
            expected: Returns whether pushes for a new task can be expected soon. Its argument says whether many tasks
                are watched.
        """
        self._schedule.expects_push = expected

    def leave(self, watch: Watch, deadline: float = math.inf) -> None:
        """Count one less who is interested in a task."""
        polling = watch.polling
        polling.leave(deadline)
        if polling.interest == 0:
            self._schedule.watched -= 1
            self._schedule.drop(watch)
            if polling.budget is not None:
                polling.budget.want(False)
            self._tell_interest(watch, False)

    def _tell_interest(self, watch: Watch, interested: bool) -> None:
        for observer in self.on_interest:
            observer(watch, interested)

    def want(self, watch: Watch) -> None:
        """Note that somebody waits for the outcome, so that it is fetched as soon as the task is over."""
        if not watch.state.settled:
            self.check(watch)
        self.feed(watch, Wanted())

    def expectation(self, watch: Watch) -> Expectation | None:
        """Return how much longer a task may take, judged by earlier runs of its tool. For any thread."""
        return self._learning.expectation(watch)

    # --- events and effects ---------------------------------------------------------------------------------------

    def feed(self, watch: Watch, event: Event, *, asked: float | None = None) -> None:
        """Apply an event to a task's state, carry out the effects, and tell the observers.

        Args:
            watch: The task.
            event: What happened.
            asked: When the poll was sent, by the event loop's clock; None for a push.
        """
        before = watch.state
        effects = watch.apply(event)
        self._trace.note(Changed(watch.trace, event, before, watch.state))
        if isinstance(event, Seen):
            watch.polling.looked = now = anyio.current_time()
            announce(watch.polling, event)
            at = now if asked is None else asked
            if not before.terminal and self._learning.seen(watch, event, asked=at, over=watch.state.terminal):
                self._schedule.put_anew(self._learning.alike(watch, self._known.everyone()))
        for effect in effects:
            match effect:
                case Fetch():
                    self._polls.add(watch, fetch=True)
                case Look():
                    self._schedule.put_soon(watch)
                case Finish():
                    self._schedule.drop(watch)
                case Emit() | Fail() | Wake():
                    pass  # The observers and waiters of the task act on these.
        if effects:
            watch.wake(effects)
        if effects or isinstance(event, Seen):
            for observer in self.on_news:
                observer(watch)
        if watch.state.settled:
            self._schedule.drop(watch)
            self._tell_interest(watch, False)
