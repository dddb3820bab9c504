"""Takes the lease of a resumed task from the store once somebody is interested in the task, so that this client may
act.

The lease is also taken when the task's end is seen. Then the store decides which of several clients tells of the end
(`_core/trace.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

import anyio

from mcptasks._core.exceptions import StoreError
from mcptasks._core.safe_text import line, short
from mcptasks._core.trace import EndRecorded, Trace, read_traceparent
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.recording.journal import Origin
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks")

_AGAIN_SECONDS = 10.0
"""Seconds until the next attempt if another client holds the lease, or the store is away. This is a third of the usual
lease, so a lease that has run out is noticed soon."""
_PLACE_SECONDS = 1.0
"""Most seconds for which a wait is held up while the store is asked to which trace a task belongs. Without an answer,
the task belongs to the trace of the wait."""


class Taking:
    """Takes leases for the resumed tasks of one client.

    Args:
        callbacks: Runs the attempts, for as long as the client is open.
        look: Tells a record what is known of its task: `Telling.look`.
        trace: Gets the ends of which the store knows nothing.
        busy: A block for which the client's end waits: `Leaving.busy`. A program may leave with a task's result while
            the lease is asked for, and without the lease the store would not be told of the task's end.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        look: Callable[[Watch], None],
        trace: Trace,
        busy: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._callbacks = callbacks
        self._look = look
        self._trace = trace
        self._attempt = busy
        self._busy: set[Watch] = set()

    def consider(self, watch: Watch, interested: bool) -> None:
        """Take note that somebody is interested in a task, or nobody any more."""
        if interested:
            self._begin(watch)

    def ended(self, watch: Watch) -> None:
        """Take note that a task was polled, or has changed. If it is over, the store decides who tells of the end."""
        if watch.trace.followed and _is_untold(watch):
            self._begin(watch)

    def _begin(self, watch: Watch) -> None:
        """Begin to take a task's lease if this client does not hold it."""
        record = watch.record
        if record.id is not None or record.holds or watch in self._busy:
            return

        async def take() -> None:
            await self._take(watch)

        if self._callbacks.spawn(take):
            self._busy.add(watch)

    async def _take(self, watch: Watch) -> None:
        """Take a task's lease as soon as it is free: for as long as somebody is interested, and once after the end."""
        try:
            while watch.polling.interest or _is_untold(watch):
                try:
                    with self._attempt():
                        done = await self._is_taken(watch)
                except StoreError as exc:
                    done = False
                    logger.warning(
                        "task %s cannot be taken from the store: %s", short(watch.task_id), line(exc.message)
                    )
                if done:
                    return
                await anyio.sleep(_AGAIN_SECONDS)
        finally:
            self._busy.discard(watch)

    async def _is_taken(self, watch: Watch) -> bool:
        """Try to take a task; whether there is nothing more to try."""
        resumed, origin = watch.record, None
        if not watch.polling.interest or (self._trace.traces and watch.trace.place is None):
            origin = await resumed.origin()
            _put(watch, origin)
        if origin is None and not watch.polling.interest:
            # A client that only polls a task makes no record of it if the store does not know the task.
            self._trace.note(EndRecorded(watch.trace))
            return True
        taken = await resumed.taken()
        if taken.holds or _is_untold(watch):
            watch.recorded(taken)
            self._look(watch)
            watch.wake()  # From here on, those who wait may have handlers answer.
        return taken.holds or _is_untold(watch)


async def find_place(watch: Watch, trace: Trace) -> None:
    """Look up the trace of a resumed task, before a span about the task is made. Only a store knows this trace.

    Args:
        watch: The task.
        trace: Makes the spans, if tracing is on.
    """
    if watch.record.id is None and watch.trace.place is None and trace.traces:
        try:
            with anyio.move_on_after(_PLACE_SECONDS):
                _put(watch, await watch.record.origin())
        except StoreError as exc:
            logger.debug("the trace of task %s is not known: %s", short(watch.task_id), exc)


def _is_untold(watch: Watch) -> bool:
    end = watch.trace.end
    return end is not None and not end.told


def _put(watch: Watch, origin: Origin | None) -> None:
    if origin is not None and watch.trace.place is None:
        watch.trace.place = read_traceparent(origin.traceparent)
