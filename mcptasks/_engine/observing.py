"""Counts, logs and measures what one client reports through `_core/trace.py`, and hands the rest to OpenTelemetry.

The logger `mcptasks.task` gets one record at level INFO for each change of a status or of the open questions, and for
each reconnection and lease. No record holds arguments, results, messages or answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Protocol

from attrs import define, evolve, field

from mcptasks._core import safe_text
from mcptasks._core.events import Failed, Fetched, Seen, Trouble
from mcptasks._core.exceptions import TaskExpiredError, TaskNotFoundError
from mcptasks._core.models import TaskStatus
from mcptasks._core.state import TaskState
from mcptasks._core.stats import Counters
from mcptasks._core.trace import (
    Begun,
    Calling,
    Changed,
    Closed,
    Committed,
    EndRecorded,
    Lasting,
    Leased,
    Linked,
    Looks,
    Mark,
    Point,
    TaskEnd,
    TracedTask,
    Uncertain,
    Waiting,
)
from mcptasks._telemetry import names
from mcptasks._telemetry.labels import Measured

logger = logging.getLogger("mcptasks.task")

_NANO = 1_000_000_000


class Records(Protocol):
    """Makes spans and metrics; see `Recorder`, which is imported when it is needed."""

    def around(self, moment: Lasting) -> AbstractContextManager[Mark]:
        """Go through a moment with a length."""
        ...

    @property
    def traces(self) -> bool:
        """Whether spans are made at present."""
        ...

    def within(self, task: TracedTask) -> AbstractContextManager[object]:
        """A block in which the task's span is current."""
        ...

    def task_over(self, task: TracedTask, end: TaskEnd) -> None:
        """Write the span of a whole task."""
        ...

    def measure(self, name: str, value: float, task: TracedTask | None = None, more: Measured = ()) -> None:
        """Add to a counter, or record a duration in seconds."""
        ...


@define(eq=False)
class Observing:
    """The `Trace` of one client."""

    recorder: Records | None
    """Makes spans and metrics; None if the program has switched OpenTelemetry off."""
    _is_stored: bool = False
    """Whether the client has a store. If so, this client reports the end of a task only after `EndRecorded`."""
    counters: Counters = field(factory=Counters, init=False)
    _now: Callable[[], int] = time.time_ns
    _closed: bool = field(default=False, init=False)

    @property
    def traces(self) -> bool:
        """See `Trace`."""
        return self.recorder is not None and self.recorder.traces

    def around(self, moment: Lasting) -> AbstractContextManager[Mark]:
        """Go through a moment with a length."""
        if isinstance(moment, Calling):
            self.counters.calls += 1
        elif isinstance(moment, Waiting):
            moment.task.followed = True
        return nullcontext(Mark()) if self.recorder is None else self.recorder.around(moment)

    def note(self, point: Point) -> None:
        """Take a point in time."""
        match point:
            case Begun(task, call):
                self._begun(task, call)
            case Changed():
                self._changed(point)
            case EndRecorded(task, takeovers):
                self._tell_end(task, takeovers)
            case Leased():
                self._leased(point)
            case Committed():
                self._committed(point)
            case Linked(number):
                self._linked(number)
            case Uncertain():
                self.counters.uncertain_calls += 1
                self._measure(names.TASK_UNCERTAIN, 1)
            case Closed():
                self._closed = True
                if active := self.counters.now().tasks_active:
                    self._measure(names.TASK_ACTIVE, -active)

    # --- points ---------------------------------------------------------------------------------------------------

    def _begun(self, task: TracedTask, call: Mark | None) -> None:
        task.begun_at = self._now()
        if call is not None:
            task.place, task.alive_at, task.followed = call.place, task.begun_at, True
        self.counters.tasks += 1
        self._measure(names.TASK_ACTIVE, 1)

    def _linked(self, number: int) -> None:
        if number > 1:
            self.counters.reconnects += 1
            self._measure(names.RECONNECTS, 1)
            logger.info("connection %d was made", number, extra={"connection": number})

    def _leased(self, lease: Leased) -> None:
        if lease.event == "taken":
            self.counters.leases_taken += 1
        else:
            self.counters.leases_lost += 1
        self._measure(names.LEASE, 1, None, ((names.LEASE_EVENT, lease.event),))
        if lease.takeover:
            self.counters.takeovers += 1
            self._measure(names.TASK_TAKEOVERS, 1)
        extra = {"lease": lease.event, "record_id": lease.record_id}
        logger.info("the lease on the task of record %s was %s", lease.record_id, lease.event, extra=extra)

    def _committed(self, commit: Committed) -> None:
        if commit.failed:
            self.counters.failed_commits += 1
        else:
            self.counters.commits += 1
            self.counters.commit_time += timedelta(seconds=commit.seconds)
        self._measure(names.COMMIT_DURATION, commit.seconds, None, names.FAILED if commit.failed else names.SUCCEEDED)

    def _changed(self, change: Changed) -> None:
        task, event, now = change.task, change.event, self._now()
        match event:
            case Seen():
                self._seen(task, event, now)
            case Fetched():
                self.counters.results += 1
                self._measure(names.LOOKS, 1, task, names.FETCHED)
            case Trouble() if not change.before.settled:
                self._look_failed(task, event.error, now)
            case _:
                pass
        before, after = change.before.status, change.after.status
        if after is not None and after is not before:
            self._told(task, before, after, now)
        if change.after.settled and task.end is None:
            self._over(task, after, failure(change.after, fetched=isinstance(event, Fetched)), _end(task, after, now))

    def _seen(self, task: TracedTask, event: Seen, now: int) -> None:
        created = event.status.created_at
        if task.alive_at == 0 and created is not None:
            task.begun_at = min(task.begun_at, int(created.timestamp() * _NANO))
        if not event.status.is_terminal:
            task.alive_at, task.followed = now, True
        if event.origin == "polled":
            task.looks = Looks(task.looks.polls + 1, task.looks.pushes)
            self.counters.add_poll()
            self._measure(names.LOOKS, 1, task, names.POLLED)
        elif event.origin == "pushed":
            task.looks = Looks(task.looks.polls, task.looks.pushes + 1)
            self.counters.add_push()
            self._measure(names.LOOKS, 1, task, names.PUSHED)

    def _look_failed(self, task: TracedTask, error: Exception, now: int) -> None:
        if self._closed:
            return  # A request that ends with the client is not a failed poll.
        self.counters.failed_looks += 1
        self._measure(names.LOOKS, 1, task, names.POLL_FAILED)
        if isinstance(error, TaskNotFoundError | TaskExpiredError) and task.end is None:
            self._over(task, None, type(error).__name__, now)

    def _told(self, task: TracedTask, before: TaskStatus | None, after: TaskStatus, now: int) -> None:
        """Act on a new status: count the rounds of input, and log the change."""
        waits = task.waits
        if after.status == "input_required" and waits.since is None:
            task.waits = evolve(waits, rounds=waits.rounds + 1, since=now)
            self.counters.input_rounds += 1
        elif after.status != "input_required" and waits.since is not None:
            waited = now - waits.since
            task.waits = evolve(waits, since=None, waited=waits.waited + waited)
            self.counters.input_wait += timedelta(microseconds=waited / 1000)
            self._measure(names.INPUT_DURATION, waited / _NANO, task)
        if logger.isEnabledFor(logging.INFO) and _stage(before) != _stage(after):
            with nullcontext() if self.recorder is None else self.recorder.within(task):
                _log(task, None if before is None else before.status, after)

    def _over(self, task: TracedTask, status: TaskStatus | None, error: str | None, at: int) -> None:
        task.end = TaskEnd(status, error, at)
        if task.begun_at == 0:
            return  # The beginning was not reported: a call without a task at the server.
        self.counters.tasks_ended += 1
        if _is_cancelled(status):
            self.counters.tasks_cancelled += 1
        elif error is not None:
            self.counters.tasks_failed += 1
        self._measure(names.TASK_ACTIVE, -1)
        if not self._is_stored and (task.followed or task.place is not None):
            self._tell_end(task)

    def _tell_end(self, task: TracedTask, takeovers: int | None = None) -> None:
        """Report a task's end by a span and a duration, once."""
        end = task.end
        if end is None or end.told or task.begun_at == 0:
            return
        task.end = end = evolve(end, told=True, takeovers=takeovers)
        outcome = names.SUCCEEDED if end.error is None else names.FAILED
        more: Measured = names.CANCELLED if _is_cancelled(end.status) else outcome
        if end.error is not None:
            more = (*more, (names.ERROR, end.error))
        seconds = max(end.at - task.begun_at, 0) / _NANO
        self._measure(names.TASK_DURATION, seconds, task, more)
        if self.recorder is not None:
            self.recorder.task_over(task, end)

    def _measure(self, name: str, value: float, task: TracedTask | None = None, more: Measured = ()) -> None:
        if self.recorder is not None:
            self.recorder.measure(name, value, task, more)


def failure(state: TaskState, *, fetched: bool) -> str | None:
    """Why a task failed, as a value of `error.type`; None if the task did not fail.

    Args:
        state: The state at the end.
        fetched: Whether the result came on its own. Then the status does not tell yet that the result is an error.
    """
    failed = state.status is not None and state.status.status == "failed"
    if not failed and not (fetched and state.verdict == "failed"):
        return None
    return str(state.outcome.code) if isinstance(state.outcome, Failed) else "tool_error"


def _is_cancelled(status: TaskStatus | None) -> bool:
    return status is not None and status.status == "cancelled"


def _end(task: TracedTask, status: TaskStatus | None, now: int) -> int:
    """When a task ended: the server's time, moved between the times at which the client last saw the task run and
    now."""
    said = None if status is None else status.last_updated_at
    return now if said is None else min(max(int(said.timestamp() * _NANO), task.alive_at), now)


def _stage(status: TaskStatus | None) -> tuple[object, ...] | None:
    """The parts of a status whose changes are logged."""
    return None if status is None else (status.status, *sorted(status.input_requests))


def _log(task: TracedTask, old: str | None, status: TaskStatus) -> None:
    """Log a change of status. docs/observing.md lists the names of the fields."""
    keys = sorted(safe_text.short(key, 80) for key in status.input_requests)
    extra = {
        "task_id": task.task_id,
        "tool": task.name,
        "old_status": old,
        "new_status": status.status,
        "question_keys": keys,
        "polls": task.looks.polls,
        "pushes": task.looks.pushes,
    }
    what = safe_text.short(task.name or "task", 80)
    logger.info("%s %s: %s -> %s", what, safe_text.short(task.task_id), old or "new", status.status, extra=extra)
