"""Temporal: an activity that calls a tool, and sends the reference of its task as a heartbeat.

Needs the extra `temporal`. A repeated attempt finds the reference in the heartbeat details of the earlier attempt, and
waits for the same task. In a workflow:

    await workflow.execute_activity(
        "mcp_task",
        ToolCall(connect.to_dict(), "slow_computation", {"duration": 3600}),
        start_to_close_timeout=timedelta(hours=2),
        heartbeat_timeout=timedelta(seconds=60),
    )
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from mcptasks._core.exceptions import (
    TaskCancelledError,
    TaskError,
    TaskExpiredError,
    TaskFailedError,
    TaskInputRequiredError,
    TaskKeyError,
    TaskNotFoundError,
    TaskUncertainError,
    ToolError,
)
from mcptasks._core.models import TaskReference
from mcptasks._core.safe_text import line, short
from mcptasks._remote.starting import acancel
from mcptasks.contrib._packages import need
from mcptasks.remote import Beat, Connect, afollow, arun

need(__name__, "temporalio", least=(1, 35), below=2, extra="temporal")

from temporalio import activity  # noqa: E402 - the version is checked before
from temporalio.exceptions import ApplicationError  # noqa: E402

logger = logging.getLogger("mcptasks")

_FINAL = (
    *(ToolError, TaskFailedError, TaskCancelledError, TaskNotFoundError, TaskExpiredError),
    *(TaskInputRequiredError, TaskKeyError, TaskUncertainError),
)
"""Errors that another attempt would raise again, since it would wait for the same task, or must not make the call."""

_CANCEL_SECONDS = 5.0
"""Seconds that the request to cancel a task may take. After that, the activity ends in any case."""

_BEATS = 4
"""How many heartbeats are sent within Temporal's heartbeat timeout, so that some may be lost."""


@dataclass
class ToolCall:
    """The argument of the activity `mcp_task`: one call of a tool. Plain JSON, so that any SDK can start it."""

    connect: Mapping[str, Any]
    """`Connect.to_dict()`: how to connect to the server from the activity's worker."""
    tool: str
    """The tool."""
    arguments: Mapping[str, Any] | None = None
    """The tool's arguments."""
    key: str | None = None
    """The idempotency key, only used with `Connect(store=...)`; None for "workflow id/run id/activity id", which is the
    same for all attempts."""
    detach: bool = False
    """Leave the task running if the activity is cancelled. By default the server is asked to cancel it."""


@activity.defn(name="mcp_task")
async def mcp_task(call: ToolCall) -> Any:
    """Call a tool and wait for its value.

    If the activity is cancelled, the server is asked to cancel the task. If a worker shuts down, the task goes on, and
    the next attempt waits for it.

    Raises:
        ApplicationError: The error of the call or the wait, with the error's class as its `type`, and `[message,
            reference]` as its `details`. It is not retryable if another attempt would fail in the same way.
    """
    info = activity.info()
    connect = Connect.from_json(call.connect)
    reference = _earlier(info)
    every = info.heartbeat_timeout.total_seconds() / _BEATS if info.heartbeat_timeout else 10.0
    last = reference

    def beat(told: Beat) -> None:
        nonlocal last
        last = told.reference
        activity.heartbeat(
            None if told.reference is None else told.reference.to_dict(),
            None if told.progress is None else {"progress": told.progress.progress, "total": told.progress.total},
            None if told.status is None else told.status.status_message,
        )

    try:
        if reference is not None:
            return await afollow(connect, reference, detach=True, heartbeat=beat, heartbeat_every=every)
        key = _key(call, info) if connect.store is not None else None
        return await arun(
            connect, call.tool, call.arguments, key=key, detach=True, heartbeat=beat, heartbeat_every=every
        )
    except anyio.get_cancelled_exc_class():
        if last is not None and not call.detach and _is_unwanted():
            await _cancel(connect, last)
        raise
    except TaskError as exc:
        raise _told(exc) from exc


def _earlier(info: activity.Info) -> TaskReference | None:
    """The reference of the task for which the earlier attempt waited; None if there is none."""
    details = info.heartbeat_details
    return TaskReference.from_json(details[0]) if details and details[0] is not None else None


def _key(call: ToolCall, info: activity.Info) -> str:
    """The key for all attempts of an activity. The activity's id is unique only within a run of its workflow."""
    if call.key is not None:
        return call.key
    return "/".join(part for part in (info.workflow_id, info.workflow_run_id, info.activity_id) if part)


def _is_unwanted() -> bool:
    """Whether the activity was cancelled because nobody wants its result any more. After any other reason (a shutdown
    of the worker, a time-out, a pause), another attempt follows, and waits for the same task."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


async def _cancel(connect: Connect, reference: TaskReference) -> None:
    try:
        with anyio.move_on_after(_CANCEL_SECONDS, shield=True):
            await acancel(connect, reference)
    except TaskError as exc:
        logger.warning("could not ask to cancel task %s: %s", short(reference.task_id), line(exc.message))


def _told(exc: TaskError) -> ApplicationError:
    """An error in the form that Temporal keeps in its history."""
    reference = None if exc.reference is None else exc.reference.to_dict()
    return ApplicationError(
        str(exc), exc.message, reference, type=type(exc).__name__, non_retryable=isinstance(exc, _FINAL)
    )
