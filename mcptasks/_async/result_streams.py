"""Keeps `tasks/result` open for tasks that wait for input, so that the server has a stream to ask on.

Only on 2025-11-25 connections (tasks, "Input Required Status"). Polling goes on beside it: servers refuse this before
the end (fastmcp 2.14 and 3, which ask all the same), or notice the end late.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import ExitStack
from weakref import WeakSet

import anyio
import mcp
from anyio.abc import TaskGroup
from pydantic import ValidationError

from mcptasks._async.connection import Connection, Link
from mcptasks._async.monitor import Monitor
from mcptasks._async.requests import RAW
from mcptasks._async.watch import Watch
from mcptasks._exceptions import TaskError
from mcptasks._faults import broke_off
from mcptasks._models import TaskStatus
from mcptasks._schedule import retry_delay
from mcptasks._state import Fetched
from mcptasks._wire import handshake, modern

logger = logging.getLogger("mcptasks")

_AT_ONCE = 32
"""Streams that wait for a question at most."""

_PARKED = 192
"""Streams that are open at most, while somebody thinks about an answer. Over HTTP each takes one of the client's
connections (`_CONNECTIONS` in `_transport/http.py`), and looks and answers need some as well."""

_TIME_TO_ASK = 3.0
"""Seconds that a server is given to say what a task waits for."""


class ResultStreams:
    """The streams of one client.

    Args:
        connection: Where to ask.
        monitor: Has the tasks.
        group: Owns the streams.
    """

    def __init__(self, connection: Connection, monitor: Callable[[], Monitor], group: TaskGroup) -> None:
        self._connection = connection
        self._monitor = monitor
        self._group = group
        self._turns = anyio.Semaphore(_AT_ONCE)
        self._places = anyio.Semaphore(_PARKED)
        self._open: dict[Watch, anyio.CancelScope] = {}
        self._served: WeakSet[Watch] = WeakSet()
        """Those whose stream has ended while they wait for input."""

    def consider(self, watch: Watch) -> None:
        """A task has changed, or the interest in it: open its stream, or end it."""
        link = self._connection.current
        word = watch.state.word
        waits = watch.state.waits and not watch.state.settled
        if not waits:
            self._served.discard(watch)
            watch.silent = False
        if watch.state.open:
            watch.silent = False  # It says what for after all.
        if watch in self._open:
            if watch.state.settled or not watch.interest:
                self._open[watch].cancel()
        elif waits and watch.interest and watch not in self._served and link is not None and _unsaid(word, link):
            self._open[watch] = anyio.CancelScope()
            self._group.start_soon(self._keep, watch, self._open[watch])

    async def _keep(self, watch: Watch, scope: anyio.CancelScope) -> None:
        try:
            with scope, ExitStack() as turn:
                if self._places.value == 0:
                    logger.warning("%d tasks wait for answers; task %r may have to wait to ask", _PARKED, watch.task_id)
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
        """Wait for the question, but not for long, and have the next task ask then. A person may think for hours."""
        with anyio.move_on_after(_TIME_TO_ASK) as scope:
            while watch.state.waits and not watch.state.open:
                await watch.change()
        turn.close()
        if scope.cancelled_caught:
            watch.silent = watch.state.waits and not watch.state.open
            watch.wake()

    async def _hold(self, watch: Watch) -> None:
        """Returns when the task is over, or the server does not hold the stream."""
        request = handshake.GetResult(params=modern.TaskParams(task_id=watch.task_id))
        failures = 0
        while True:
            try:
                link = await self._connection.link()
                if link.era != "2025-11-25":
                    return
                raw = await link.session.send_request(request, RAW)
                self._monitor().feed(watch, Fetched(handshake.fetched(raw)))
                return
            except mcp.MCPError as exc:
                if not broke_off(exc.code, exc.message, exc.data):
                    return  # A refusal, or the task's own error, which a look will show to be one.
            except (ValidationError, RuntimeError, TaskError):
                return
            failures += 1
            await anyio.sleep(retry_delay(failures, retry_after=None, spread=random.random()))


def _unsaid(word: TaskStatus | None, link: Link) -> bool:
    """Whether it may take time until it is known what a task waits for; on 2026-07-28 that is a slip of the server."""
    return link.era == "2025-11-25" or (word is not None and not word.input_requests)
