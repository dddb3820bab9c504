"""Tells a program that a task which it waits for makes no progress, as `_core/patience.py` decides."""

from __future__ import annotations

import heapq
import logging
import math
from itertools import count
from weakref import WeakKeyDictionary, ref

import anyio

from mcptasks._core.exceptions import StallReason, TaskStalledError
from mcptasks._core.patience import Patience, Suspense
from mcptasks._core.safe_text import short
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks.task")


class Stalls:
    """Applies the program's `Patience` to the tasks of one client. `run` keeps the time.

    Args:
        policy: The program's policy.
        callbacks: Calls `Patience.on_stall`.
    """

    def __init__(self, policy: Patience, callbacks: Callbacks) -> None:
        self._policy = policy
        self._queue = None if policy.on_stall is None else callbacks.queue(policy.on_stall, "on_stall")
        self._known: WeakKeyDictionary[Watch, Suspense] = WeakKeyDictionary()
        self._due: list[tuple[float, int, ref[Watch]]] = []
        """A heap of times at which to judge tasks. An entry may be out of date, since none is removed early."""
        self._planned: WeakKeyDictionary[Watch, float] = WeakKeyDictionary()
        """The nearest of these times for each task; other entries of a task are out of date."""
        self._numbers = count()
        self._alarm = anyio.Event()

    def interest(self, watch: Watch, interested: bool) -> None:
        """Note that somebody waits for a task, or nobody any more."""
        if interested:
            now = anyio.current_time()
            self._known[watch] = self._of(watch).waited(now)
            self._plan(watch)

    def news(self, watch: Watch) -> None:
        """Take in that a task was polled, or has changed."""
        before = self._of(watch)
        after = self._known[watch] = before.looked(watch.status, _asked(watch), anyio.current_time())
        limit = self._policy.rounds
        if limit is not None and after.rounds > max(before.rounds, limit):
            self._tell(watch, "rounds")
        self._plan(watch)

    def look_failed(self, watch: Watch) -> None:
        """Note that a poll of a task has failed and is about to be sent again."""
        after = self._known[watch] = self._of(watch).failed()
        limit = self._policy.failed_looks
        if limit is not None and after.failures >= limit:
            self._tell(watch, "failed_looks")

    async def run(self) -> None:
        """Judge tasks when their time may be up, until cancelled."""
        while True:
            with anyio.CancelScope(deadline=self._due[0][0] if self._due else math.inf):
                await self._alarm.wait()
            self._alarm = anyio.Event()
            now = anyio.current_time()
            while self._due and self._due[0][0] <= now:
                due, _, weakly = heapq.heappop(self._due)
                watch = weakly()
                if watch is not None and self._planned.get(watch) == due:
                    del self._planned[watch]
                    self._judge(watch, now)

    def _of(self, watch: Watch) -> Suspense:
        suspense = self._known.get(watch) or Suspense(anyio.current_time(), watch.status, _asked(watch))
        # Asked for when the time may be up: a task may report its progress 10,000 times a second.
        return suspense if watch.progress is None else suspense.progressed(watch.progress.moved)

    def _expires(self, watch: Watch) -> float | None:
        now = anyio.current_time()
        remaining = watch.remaining(now)
        return None if remaining is None else now + remaining

    def _judge(self, watch: Watch, now: float) -> None:
        if watch.polling.interest and not watch.state.settled:
            reason = self._of(watch).reason(self._policy, now, self._expires(watch))
            if reason is not None:
                self._tell(watch, reason)
            self._plan(watch)

    def _plan(self, watch: Watch) -> None:
        """Have a task judged when its time may be up, unless that is planned already."""
        if not watch.polling.interest or watch.state.settled:
            return
        due = self._of(watch).due(self._policy, self._expires(watch))
        if due < self._planned.get(watch, math.inf):
            self._planned[watch] = due
            heapq.heappush(self._due, (due, next(self._numbers), ref(watch)))
            self._alarm.set()

    def _tell(self, watch: Watch, reason: StallReason) -> None:
        self._known[watch] = self._of(watch).told(reason, anyio.current_time())
        error = TaskStalledError(self._policy.words(reason), reason=reason, reference=watch.reference)
        extra = {"task_id": watch.task_id, "reason": reason}
        logger.warning("task %s: %s", short(watch.task_id), error.message, extra=extra)
        if self._queue is not None:
            self._queue.call(error)
        if self._policy.raises:
            watch.polling.fail(error)
            watch.wake()


def _asked(watch: Watch) -> int:
    return len(watch.state.questions.asked)
