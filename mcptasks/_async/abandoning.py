"""Asking the server to cancel what a program leaves behind."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio

from mcptasks._exceptions import TaskError

if TYPE_CHECKING:
    from mcptasks._async.task import Task

logger = logging.getLogger("mcptasks")

_CANCEL_SECONDS = 5.0
"""How long all of it may take."""

_AT_ONCE = 32
"""How many tasks are cancelled at the same time."""


async def abandon(*tasks: Task[Any]) -> None:
    """Ask for tasks' cancellation on the way out of something that failed or was cancelled. Shielded and bounded."""
    left = [task for task in tasks if not task.done]
    if not left:
        return
    waiting = iter(left)

    async def work() -> None:
        for task in waiting:
            try:
                await task.cancel()
            except TaskError as exc:
                logger.warning("could not ask to cancel task %r: %s", task.task_id, exc)
            done.add(task)

    done = set[Any]()
    with anyio.move_on_after(_CANCEL_SECONDS, shield=True) as scope:
        if len(left) == 1:
            await work()
            return
        async with anyio.create_task_group() as group:
            for _ in left[:_AT_ONCE]:
                group.start_soon(work)
    if scope.cancelled_caught:
        for task in left:
            if task not in done:
                logger.warning("could not ask to cancel task %r within %s s", task.task_id, _CANCEL_SECONDS)
