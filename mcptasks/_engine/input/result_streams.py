"""Holds `tasks/result` open for tasks that wait for input, so that the server has a stream on which to ask.

Only on 2025-11-25 connections (tasks, "Input Required Status"). Polls go on meanwhile: some servers refuse
`tasks/result` before the task is over (fastmcp 2.14 and 3, which ask nevertheless), and some answer it late.
"""

from __future__ import annotations

import logging
import random
from contextlib import ExitStack
from weakref import WeakSet

import anyio
import mcp
from anyio.abc import TaskGroup
from pydantic import ValidationError

from mcptasks._core.events import Fetched
from mcptasks._core.exceptions import TaskError
from mcptasks._core.faults import broke_off
from mcptasks._core.models import TaskStatus
from mcptasks._core.retries import retry_delay
from mcptasks._core.safe_text import short
from mcptasks._core.trace import Requesting
from mcptasks._engine.connection.connection import Connection
from mcptasks._engine.connection.link import Link
from mcptasks._engine.input.task_input import set_silent
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.watch import Watch
from mcptasks._wire import legacy, modern

logger = logging.getLogger("mcptasks")

_AT_ONCE = 32
"""How many streams wait for a question at once; further tasks wait their turn. It is the number of turns for requests
(`connection/turns.py`)."""

_PARKED = 192
"""How many streams are open at once, most of them while somebody thinks about an answer. At the limit, we log a warning
and further tasks wait. Over HTTP each stream takes one of the client's 256 connections (`_CONNECTIONS` in
`_transport/http/senders.py`); 64 remain for polls and answers."""

_TIME_TO_ASK = 3.0
"""Seconds that a server has to send the question. After that the task is marked as silent (`TaskInput.silent`), and the
next task gets the turn."""


class ResultStreams:
    """The `tasks/result` streams of one client.

    Args:
        connection: Sends the requests.
        monitor: Has the tasks.
        group: The task group in which streams run.
    """

    def __init__(self, connection: Connection, monitor: Monitor, group: TaskGroup) -> None:
        self._connection = connection
        self._monitor = monitor
        self._group = group
        self._turns = anyio.Semaphore(_AT_ONCE)
        self._places = anyio.Semaphore(_PARKED)
        self._open: dict[Watch, anyio.CancelScope] = {}
        self._served: WeakSet[Watch] = WeakSet()
        """The tasks whose stream has ended, and which still wait for the same input. No second stream is opened for
        them."""

    def consider(self, watch: Watch) -> None:
        """Take in that a task has changed, or the interest in it. Open its stream or end it."""
        link = self._connection.current
        word, interest = watch.state.word, watch.polling.interest
        waits = watch.state.waits and not watch.state.settled
        if not waits:
            self._served.discard(watch)
            set_silent(watch, False)
        if watch.state.open:
            set_silent(watch, False)  # The question came after all.
        if watch in self._open:
            if watch.state.settled or not interest:
                self._open[watch].cancel()
        elif waits and interest and watch not in self._served and link is not None and _unsaid(word, link):
            self._open[watch] = anyio.CancelScope()
            self._group.start_soon(self._keep, watch, self._open[watch])

    async def _keep(self, watch: Watch, scope: anyio.CancelScope) -> None:
        try:
            with scope, ExitStack() as turn:
                if self._places.value == 0:
                    logger.warning(
                        "%d tasks wait for answers; task %s may have to wait to ask", _PARKED, short(watch.task_id)
                    )
                async with self._places:
                    await self._turns.acquire()
                    turn.callback(self._turns.release)
                    async with anyio.create_task_group() as group:
                        group.start_soon(self._give_time, watch, turn)
                        await self._hold(watch)
                        turn.close()
                self._served.add(watch)
        finally:
            del self._open[watch]
            self.consider(watch)

    async def _give_time(self, watch: Watch, turn: ExitStack) -> None:
        """Wait for the question, then give the turn to the next task. The stream stays open, since a person may think
        for hours."""
        with anyio.move_on_after(_TIME_TO_ASK) as scope:
            while watch.state.waits and not watch.state.open:
                await watch.change()
        turn.close()
        if scope.cancelled_caught:
            set_silent(watch, watch.state.waits and not watch.state.open)
            watch.wake()

    async def _hold(self, watch: Watch) -> None:
        """Hold the stream. Return when the task is over, or when the server does not hold the stream open."""
        request = legacy.GetResult(params=modern.TaskParams(task_id=watch.task_id))
        failures = 0
        while True:
            try:
                link = await self._connection.link()
                if not link.dialect.asks_by_requests:
                    return
                with self._connection.trace.around(Requesting(watch.trace)):
                    raw = await link.ask(request, own=watch.carried.headers)
                self._monitor.feed(watch, Fetched(legacy.fetched(raw)))
                return
            except mcp.MCPError as exc:
                if not broke_off(exc.code, exc.message, exc.data):
                    return  # A refusal, or the error of the task itself, which a poll will show.
            except (ValidationError, RuntimeError, TaskError):
                return
            failures += 1
            await anyio.sleep(retry_delay(failures, retry_after=None, spread=random.random()))


def _unsaid(word: TaskStatus | None, link: Link) -> bool:
    """Whether the question of a waiting task may be missing. On 2025-11-25 it comes separately; on 2026-07-28 a status
    without it is a server's mistake."""
    return link.dialect.asks_by_requests or (word is not None and not word.input_requests)
