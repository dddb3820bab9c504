"""Plans the polls of one client: decides when each task is polled next, and wakes `polls.py` when a poll is due.

`_core/polling` has the rules, `learning.py` the run times of tools, `plan.py` the planned times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import anyio

from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._engine.watching.catching_up import Missed
from mcptasks._engine.watching.learning import Learning
from mcptasks._engine.watching.plan import Plan
from mcptasks._engine.watching.watch import Watch

_CROWD = 100
"""Above this many watched tasks, early polling is off: nothing is polled before the server's interval has passed."""
_AFTER_TROUBLE = 5.0
"""Seconds until we poll a task again after an error, if somebody is still interested. The waiters have got the error
and left, so only callbacks are late by this."""


class Schedule:
    """The planned polls, and an alarm for `Polls.run`."""

    def __init__(self, policy: PollingPolicy, learning: Learning) -> None:
        self.watched = 0
        """How many tasks somebody is interested in."""
        self._policy = policy
        self._learning = learning
        self.expects_push: Callable[[bool], bool] = lambda _crowded: False
        """Returns whether pushes for a new task can be expected soon. Its argument says whether many tasks are
        watched."""
        self._plan = Plan()
        self._missed = Missed()
        self._alarm = anyio.Event()
        self._asleep_until = math.inf

    # --- for `Polls.run` ------------------------------------------------------------------------------------------

    def due(self) -> Iterator[Watch]:
        """Take out the tasks to poll now. Alarms from here on cut the next sleep short."""
        self._alarm = anyio.Event()
        now = anyio.current_time()
        return chain(self._plan.due(now), self._missed.due(now, self.wanted))

    async def sleep(self) -> None:
        """Wait until a poll is due, or for an alarm."""
        self._asleep_until = min(self._plan.until, self._missed.until(anyio.current_time()))
        with anyio.CancelScope(deadline=self._asleep_until):
            await self._alarm.wait()

    # --- one task -------------------------------------------------------------------------------------------------

    def wanted(self, watch: Watch) -> bool:
        """Whether a poll of a task would be of use, and none is under way."""
        polling = watch.polling
        return not (watch.state.settled or not polling.interest or polling.gone or polling.busy)

    def drop(self, watch: Watch) -> None:
        """Remove a task's poll from the plan."""
        self._plan.drop(watch)

    def put(self, watch: Watch, due: float) -> None:
        """Plan a poll of a task for `due`, if it would be of use."""
        if self.wanted(watch) and self._plan.put(watch, due) and due < self._asleep_until:
            self._alarm.set()

    def put_soon(self, watch: Watch) -> None:
        """Poll a task as soon as the pauses between polls allow."""
        now = anyio.current_time()
        pause = self._policy.floor * 2 ** min(watch.state.refusals, 6)
        looked = watch.polling.looked
        self.put(watch, now if looked is None else max(now, looked + pause))

    def hint(self, watch: Watch) -> None:
        """Poll a task as `put_soon` does, and once more after a poll that is under way."""
        watch.polling.again = True
        self.put_soon(watch)

    def put_after_trouble(self, watch: Watch) -> None:
        """Plan a poll of a task after an error."""
        self.put(watch, anyio.current_time() + _AFTER_TROUBLE)

    def put_next(self, watch: Watch) -> None:
        """Plan the next poll of a task, by the rules and by what was learned."""
        now = anyio.current_time()
        looked = watch.polling.looked
        if looked is None or watch.polling.again or watch.state.ending:
            self.put(watch, now)
            return
        crowded = self.watched > _CROWD
        awaited = self.expects_push(crowded)
        due = looked + self._learning.delay(watch, awaited=awaited, watched=self.watched)
        deadline = min((each for each in watch.polling.deadlines if each > now), default=math.inf)
        if deadline < due:
            due = min(due, self._learning.last(watch, deadline, crowd=self.watched if crowded else 0))
        self.put(watch, max(now, due))

    def put_anew(self, watches: Iterable[Watch]) -> None:
        """Plan the polls of these tasks anew, since more is known of how long their tool takes."""
        for watch in watches:
            polling = watch.polling
            if polling.entry and not polling.pushed and not polling.again:
                self.put_next(watch)

    # --- pushes that may be missing -------------------------------------------------------------------------------

    def doubt(self, watch: Watch) -> None:
        """Poll a task whose pushes may have been missed: soon if there are few such tasks, and no later than at the
        server's interval."""
        planned, watch.polling.again = watch.polling.again, True
        if self.wanted(watch) and not planned:
            self.put(watch, anyio.current_time() + self._policy.spacing(watch.interval))
            self._missed.add(watch)
            self._alarm.set()

    def doubt_resolved(self, watch: Watch) -> None:
        """Note that a doubted task was polled. If the poll found something, others follow at once."""
        if self._missed.looked(watch):
            self._alarm.set()
