"""Asks the server to cancel tasks that a program leaves behind."""

from __future__ import annotations

import logging

import anyio

from mcptasks._core.exceptions import TaskError
from mcptasks._core.safe_text import line, short
from mcptasks._engine.waiting.acting import cancel
from mcptasks._engine.waiting.waiter import Waiter

logger = logging.getLogger("mcptasks")

_CANCEL_SECONDS = 5.0
"""Seconds that all cancellations together may take. After that we give up and log a warning, so that the program is not
held up."""

_AT_ONCE = 32
"""How many cancellations are under way at the same time: as many as requests have turns (`connection/turns.py`)."""


async def abandon(*waiters: Waiter) -> None:
    """Ask the server to cancel tasks, after a failure or a cancellation in the program. Shielded and bounded."""
    left = [waiter for waiter in waiters if not waiter.watch.done]
    if not left:
        return
    waiting = iter(left)

    async def work() -> None:
        for waiter in waiting:
            try:
                await cancel(waiter)
            except TaskError as exc:
                logger.warning("could not ask to cancel task %s: %s", short(waiter.watch.task_id), line(exc.message))
            done.add(waiter)

    done = set[Waiter]()
    with anyio.move_on_after(_CANCEL_SECONDS, shield=True) as scope:
        if len(left) == 1:
            await work()
            return
        async with anyio.create_task_group() as group:
            for _ in left[:_AT_ONCE]:
                group.start_soon(work)
    if scope.cancelled_caught:
        for waiter in left:
            if waiter not in done:
                name = short(waiter.watch.task_id)
                logger.warning("could not ask to cancel task %s within %s s", name, _CANCEL_SECONDS)
