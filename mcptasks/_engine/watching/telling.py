"""Tells a store what becomes known of watched tasks: statuses, ends, questions. Observes the monitor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mcptasks._core.exceptions import TaskError, TaskNotFoundError
from mcptasks._core.models import TaskReference
from mcptasks._core.retention import kept_until
from mcptasks._core.trace import EndRecorded, Trace, TracedTask
from mcptasks._engine.connection.errors import missing
from mcptasks._engine.watching.watch import Watch

UNKNOWN = "the server does not know the task"


class Telling:
    """Passes what becomes known of each task to the task's record.

    Args:
        lasting: Whether a question's key means the same to every client; see `Record.asked`.
        trace: Gets the ends that this client has recorded.
    """

    def __init__(self, lasting: Callable[[], bool], trace: Trace) -> None:
        self._lasting = lasting
        self._trace = trace

    def look(self, watch: Watch) -> None:
        """Tell the record of a task that was polled, or has changed."""
        state, record, status = watch.state, watch.record, watch.status
        if state.terminal or state.outcome is not None:
            # A server that holds `tasks/result` open may answer before any poll has seen the end.
            record.over(status, state.outcome, partial(self._recorded, watch.trace))
        elif watch.polling.gone:
            record.forgotten(str(watch.polling.trouble or UNKNOWN), partial(self._recorded, watch.trace))
        elif status is not None:
            reference = watch.reference
            expires = kept_until(
                status,
                era=None if reference is None else reference.era,
                created=watch.created,
                expires=None if reference is None else reference.expires_at,
            )
            record.seen(status, expires)
            for key, request in state.open.items():
                record.noticed(key, request, lasting=self._lasting() and key not in state.questions.held)

    def _recorded(self, task: TracedTask, takeovers: int) -> None:
        """Take in that this client has written a task's end into the store; see `journal.Recorded`."""
        self._trace.note(EndRecorded(task, takeovers))


def missing_task(watch: Watch, error: TaskError, reference: TaskReference) -> TaskError:
    """Return the error for a failed request about a task; see `missing`. If the server does not know the task, tell the
    store.

    Args:
        watch: The task.
        error: Why the request failed.
        reference: Names the task.
    """
    if isinstance(error, TaskNotFoundError):
        watch.record.forgotten(error.message)
    return missing(error, reference)
