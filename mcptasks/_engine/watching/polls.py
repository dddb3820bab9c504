"""Begins the polls of one client and the fetches of results, and hands on what comes of them: an event, or an error.

`schedule.py` says when, and `connection/turns.py` how many are under way at once. `connection/task_requests.py` sends
the requests and has the answers read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from mcptasks._core.causes import harmless
from mcptasks._core.events import Event, Seen, Trouble
from mcptasks._core.exceptions import TaskError, TaskNotFoundError, TaskProtocolError
from mcptasks._core.faults import PATIENCE
from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._core.safe_text import short
from mcptasks._core.trace import Requesting
from mcptasks._engine.connection.errors import copy_error, is_outage, missing
from mcptasks._engine.connection.task_requests import Requests
from mcptasks._engine.connection.time_limits import Budget
from mcptasks._engine.connection.turns import Turn, Turns
from mcptasks._engine.watching.known import Known
from mcptasks._engine.watching.learning import Learning
from mcptasks._engine.watching.schedule import Schedule
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks")


class Feed(Protocol):
    """Takes the events from the server's answers: `Monitor.feed`."""

    def __call__(self, watch: Watch, event: Event, *, asked: float | None = None) -> None:
        """Take an event, and when its request was sent, by the event loop's clock."""
        ...


class Polls:
    """The polls and fetches of one client's watched tasks.

    Args:
        requests: Sends the requests.
        turns: The line in which requests wait. Fetches of results go ahead of calls and polls.
        group: The task group in which requests run.
        schedule: Says which tasks to poll, and when.
        learning: Learns how long answers take.
        known: All known tasks. All are told of an outage.
        feed: Gets the events from the answers.
        policy: Its `floor` is the pause before another poll of a task that the server claims not to know.
    """

    def __init__(
        self,
        requests: Requests,
        turns: Turns,
        group: TaskGroup,
        schedule: Schedule,
        learning: Learning,
        known: Known,
        feed: Feed,
        policy: PollingPolicy,
    ) -> None:
        self._requests = requests
        self._turns = turns
        self._group = group
        self._schedule = schedule
        self._learning = learning
        self._known = known
        self._feed = feed
        self._pause = policy.floor
        self._waiting: dict[Turn, Watch] = {}
        """The tasks whose requests wait in line, by turn."""
        self.on_failed: list[Callable[[Watch], None]] = []
        """Called with a task when a poll of it has failed and is about to be sent again."""

    async def run(self) -> None:
        """Poll the tasks that are due, until cancelled."""
        while True:
            for watch in self._schedule.due():
                self.add(watch, fetch=False)
            await self._schedule.sleep()

    def add(self, watch: Watch, *, fetch: bool) -> None:
        """Queue a poll of a task, or a fetch of its result."""
        self._schedule.drop(watch)
        if watch.polling.busy and not fetch:
            return
        watch.polling.busy = True
        turn = self._turns.queue(partial(self._begin, watch, fetch), ahead=fetch)
        if not turn.begun:
            self._waiting[turn] = watch

    def _begin(self, watch: Watch, fetch: bool, turn: Turn) -> None:
        self._waiting.pop(turn, None)
        watch.polling.budget = Budget(self._requests.wire_timeout, min(watch.polling.deadlines, default=None))
        self._group.start_soon(self._ask, watch, watch.polling.budget, fetch, turn)

    async def _ask(self, watch: Watch, budget: Budget, fetch: bool, turn: Turn) -> None:
        doubted, watch.polling.again = watch.polling.again, False
        if self.on_failed:
            budget.on_failed = partial(self._failed, watch)
        try:
            with self._requests.trace.around(Requesting(watch.trace)):
                event = await self._answer(watch, budget, fetch, turn)
        finally:
            watch.polling.busy, watch.polling.budget = False, None
            self._turns.end(turn)
        if event is not None:
            self._learning.answered(budget.asked)
            self._feed(watch, event, asked=budget.asked)
            if doubted:
                self._schedule.doubt_resolved(watch)
        if not watch.polling.entry and self._schedule.wanted(watch):
            if isinstance(event, Trouble):
                self._schedule.put_after_trouble(watch)
            else:
                self._schedule.put_next(watch)

    async def _answer(self, watch: Watch, budget: Budget, fetch: bool, turn: Turn | None) -> Event | None:
        """Ask the server. Return the event, or None if there is none to apply."""
        if not fetch and (watch.state.settled or not watch.polling.interest):
            return None  # The answer has come another way, or nobody wants it any more.
        pushes, status = watch.polling.pushes, watch.state.status
        doubts = 0
        while True:
            try:
                if fetch and status is not None:
                    event = await self._requests.outcome(watch.task_id, status.status, budget, turn=turn)
                else:
                    event = await self._requests.status(watch.task_id, budget, turn=turn)
                break
            except TaskNotFoundError as exc:
                # fastmcp 2.14 was seen to answer "not found", for a moment, for a task that it knew before and after.
                doubts += 1
                turn = None  # The first request is over; the next one waits for a turn of its own.
                if status is None or doubts >= PATIENCE:
                    return self._trouble(watch, exc)
                await anyio.sleep(self._pause)
            except TaskError as exc:
                return self._trouble(watch, exc)
            except Exception as exc:
                logger.debug("unexpected error about task %s", short(watch.task_id), exc_info=harmless(exc))
                return Trouble(TaskProtocolError(f"the answer could not be dealt with: {short(exc)}"))
        if isinstance(event, Seen) and watch.polling.pushes > pushes and not event.status.is_terminal:
            return None  # A push has come meanwhile, so this answer may be older than the push.
        return event

    def _trouble(self, watch: Watch, exc: TaskError) -> Trouble:
        if is_outage(exc):
            # An outage concerns every task, so tell all waiters now: they need not wait for their own polls to fail.
            queued = self._clear()
            for other in self._known.everyone():
                if other in queued:
                    other.polling.busy = False
                if other is not watch and not other.polling.busy and (other.polling.interest or other in queued):
                    self._feed(other, Trouble(copy_error(exc, other.reference)))
                    self._schedule.put_after_trouble(other)
        if isinstance(exc, TaskNotFoundError):
            watch.polling.gone = True
        return Trouble(missing(exc, watch.reference))

    def _failed(self, watch: Watch) -> None:
        for observer in self.on_failed:
            observer(watch)

    def _clear(self) -> set[Watch]:
        """Drop the requests that wait in line. Return their tasks."""
        waiting, self._waiting = self._waiting, {}
        for turn in waiting:
            self._turns.over(turn)
        return set(waiting.values())
