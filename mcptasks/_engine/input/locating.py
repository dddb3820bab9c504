"""Collects the facts by which `routing.py` decides which task asks (2025-11-25): calls under way, statuses, polls.

For a question, only a poll that was sent after the question came will do: the answer to an earlier poll may be older
than the question. So each task has one poll under way at a time, and another one follows for all questions that came
meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import anyio
from anyio.abc import TaskGroup
from attrs import evolve

from mcptasks._core.carried import Carried, common
from mcptasks._core.exceptions import TaskError
from mcptasks._core.trace import Requesting
from mcptasks._engine.connection.link import Link
from mcptasks._engine.connection.task_requests import Requests
from mcptasks._engine.input.routing import Suspect, announcers, askers, related_task, to_poll
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks")

_ARRIVAL_SECONDS = 5.0
"""Seconds that a question waits at most for creating answers of tasks that may have asked it, and then once more for
polls. After that we decide with what is known."""


_asking: ContextVar[Carried | None] = ContextVar("asking", default=None)
"""The headers and context of the call that runs the present code; None outside of such a call."""


class Locator:
    """Finds out which task of one client asks.

    Args:
        requests: Sends polls.
        monitor: Has the tasks.
        group: The task group in which polls run.
    """

    def __init__(self, requests: Requests, monitor: Monitor, group: TaskGroup) -> None:
        self._monitor = monitor
        self._looking = Looking(requests, monitor, group)
        self._plain: list[Carried] = []
        """The headers and contexts of the calls under way that have no task. Such a call may ask, too."""
        self._creating = 0
        """How many creating calls are under way. Their tasks may ask before the creating answer comes."""
        self._created = anyio.Event()

    @contextmanager
    def call(self, carried: Carried, *, creates: bool) -> Generator[None]:
        """A block in which a call is under way; `creates` says whether it may create a task."""
        # Equal to no other, so that each call takes away its own.
        mine = evolve(carried)
        if not creates:
            self._plain.append(mine)
        self._creating += creates
        before = _asking.set(mine)
        try:
            yield
        finally:
            _asking.reset(before)
            if not creates:
                self._plain.remove(mine)
            self._creating -= creates
            if creates:
                self._created.set()
                self._created = anyio.Event()

    def calls(self, link: Link) -> int:
        """Return how many calls without a task are under way. The interceptor also counts the program's own requests
        through `client.mcp`."""
        return max(len(self._plain), 0 if link.interceptor is None else link.interceptor.calls)

    def asking(self) -> Carried:
        """Return the headers and the context of the call without a task that asks now. On 2026-07-28 that call is
        known, since the SDK asks in its task of the event loop. Otherwise return what all such calls have in common."""
        present = _asking.get()
        return present if present is not None and present in self._plain else common(self._plain)

    async def locate(self, meta: Mapping[str, Any], message: object, link: Link) -> list[Watch] | None:
        """Return the task that asks, or several of which one asks; empty if a plain call asks. None if the request
        names a task that is over, or that this client does not know: then no handler of a plain call may answer.

        Args:
            meta: The request's `_meta`.
            message: The question's message; None if it has none.
            link: The connection over which the request came.
        """
        task_id = related_task(meta)
        if task_id is not None:
            watch = await self._monitor.expected(task_id, _ARRIVAL_SECONDS)
            return None if watch is None or watch.state.terminal else [watch]
        with anyio.move_on_after(_ARRIVAL_SECONDS):
            while self._creating:
                await self._created.wait()
        live = {watch.task_id: watch for watch in self._monitor.live()}
        suspects = [suspect(watch) for watch in live.values()]
        found = [live[task_id] for task_id in announcers(suspects, message)]
        if len(found) == 1:
            self._monitor.question_came(found[0], message)
        if found:
            return found
        await self._looking.look([live[task_id] for task_id in to_poll(suspects)], _ARRIVAL_SECONDS)
        suspects = [suspect(watch) for watch in live.values()]
        return [live[task_id] for task_id in askers(suspects, message, calls=self.calls(link) > 0)]


def suspect(watch: Watch) -> Suspect:
    """Return what is known of a task that may have asked."""
    state = watch.state
    return Suspect(
        task_id=watch.task_id,
        over=state.terminal,
        waits=state.waits,
        message=None if state.word is None else state.word.status_message,
        announced=watch.polling.announced,
        asked=bool(state.questions.held),
        silent=watch.input.silent,
    )


class Looking:
    """Polls one client's tasks to find out which of them asks.

    Args:
        requests: Sends the polls.
        monitor: Takes in the answers.
        group: The task group in which polls run. A poll goes on if its question ends.
    """

    def __init__(self, requests: Requests, monitor: Monitor, group: TaskGroup) -> None:
        self._requests = requests
        self._monitor = monitor
        self._group = group
        self._next: dict[Watch, anyio.Event | None] = {}
        """For each task that is being polled, the event to set after the next poll; None if nobody waits for another
        poll."""

    async def look(self, watches: Sequence[Watch], seconds: float) -> None:
        """Poll tasks, and wait up to `seconds` for the answers."""
        ends = [self._end_of_next(watch) for watch in watches]
        with anyio.move_on_after(seconds):
            for end in ends:
                await end.wait()

    def _end_of_next(self, watch: Watch) -> anyio.Event:
        if watch not in self._next:
            self._next[watch] = None
            self._group.start_soon(self._run, watch)
        following = self._next[watch] or anyio.Event()
        self._next[watch] = following
        return following

    async def _run(self, watch: Watch) -> None:
        try:
            while (waiting := self._next[watch]) is not None:
                self._next[watch] = None
                await self._once(watch)
                waiting.set()
        finally:
            del self._next[watch]

    async def _once(self, watch: Watch) -> None:
        try:
            with self._requests.trace.around(Requesting(watch.trace)):
                self._monitor.feed(watch, await self._requests.status(watch.task_id, ahead=True))
        except TaskError as exc:
            logger.debug("could not poll task %r to find out whether it asks: %s", watch.task_id, exc)
