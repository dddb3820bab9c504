"""Runs calls that cannot become tasks. Each runs in the background of its open client, and has a handle like a task.

The call's state is known here, so its handle never polls. Only the call is sent, and its cancellation.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
from attrs import define, evolve, field
from mcp_types import INTERNAL_ERROR

from mcptasks._core.events import Broken, Cancelled, Event, Finished, Outcome, Seen, Trouble, Wanted
from mcptasks._core.exceptions import TaskConnectionError, TaskError
from mcptasks._core.models import TaskReference, TaskStatus
from mcptasks._core.outcome import Decoding
from mcptasks._core.progress import Expectation
from mcptasks._core.safe_text import line, short
from mcptasks._core.verdicts import judged
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.connection.connection import Connection
from mcptasks._engine.connection.errors import copy_error
from mcptasks._engine.connection.time_limits import Budget
from mcptasks._engine.core import Core
from mcptasks._engine.creating_calls import Call, Created, plainly
from mcptasks._engine.home import Home
from mcptasks._engine.input.inbox import Questions
from mcptasks._engine.recorded_calls import settle
from mcptasks._engine.waiting.abandoning import abandon
from mcptasks._engine.waiting.waiter import MakesHandles, Waiter
from mcptasks._engine.watching.watch import Watch

logger = logging.getLogger("mcptasks")

Adopt = Callable[[Created, Call, Decoding], Waiter]
"""Makes the waiter for a call's task or result."""


@define(eq=False)
class Background:
    """The background calls of one client. For the handles of these calls, this object takes the place of the monitor,
    and polls nothing."""

    _callbacks: Callbacks
    _home: Home
    _running: set[_Running] = field(factory=set["_Running"], init=False)
    _closed: TaskError | None = field(default=None, init=False)

    def begin(
        self,
        core: Core,
        handles: MakesHandles,
        reference: TaskReference,
        call: Call,
        decoding: Decoding,
        adopt: Adopt,
    ) -> Waiter:
        """Begin a call, and return its waiter.

        Args:
            core: The client's parts.
            handles: The client's handles.
            reference: The reference of the handle, which says that there is no task at the server.
            call: The call.
            decoding: How to read the result.
            adopt: Makes the waiter if the server creates a task nevertheless.

        Returns:
            The waiter for the call.

        Raises:
            TaskConnectionError: The client is closed.
        """
        now = datetime.now(UTC)
        status = TaskStatus(task_id=reference.task_id, status="working", created_at=now, last_updated_at=now)
        watch = call.watch(reference)
        self.feed(watch, Seen(status, "created"))
        running = _Running(self, core, watch)

        async def run() -> None:
            await running.run(lambda: _answered(core, call, decoding, adopt))

        self._running.add(running)
        if not self._callbacks.spawn(run):
            self._running.discard(running)
            call.record.given_up("the client is closed", sent=False)
            raise TaskConnectionError("the client is closed", reference=reference)
        return Waiter(running, handles, watch, reference, decoding, returned_immediately=True)

    def over(self, running: _Running, outcome: Outcome) -> None:
        """Note that a call has ended."""
        self._running.discard(running)
        if self._closed is None or not isinstance(outcome, Cancelled):
            self.feed(running.watch, Seen(_final(running.watch, outcome), "polled", outcome))

    async def close(self, reason: TaskError, seconds: float) -> None:
        """Cancel all calls, and raise `reason` in everyone who waits for them, now or later.

        Args:
            reason: The error for waiters.
            seconds: Seconds that the cancelled calls may take to tell the server.
        """
        self._closed = reason
        running = list(self._running)
        for each in running:
            self.feed(each.watch, Trouble(copy_error(reason, each.watch.reference)))
            each.stop()
        with anyio.move_on_after(seconds, shield=True):
            for each in running:
                await each.ended()

    # --- what the handles need of a monitor -----------------------------------------------------------------------

    def check(self, watch: Watch) -> None:
        """Raise an error if the client is closed, or if the running event loop is not the client's."""
        if self._closed is not None:
            raise copy_error(self._closed, watch.reference)
        self._home.check(watch.reference)

    def enter(self, watch: Watch, deadline: float = math.inf) -> None:
        """Count one more who is interested in a call."""
        del deadline  # There are no polls that a deadline could hasten.
        if not watch.state.settled:
            self.check(watch)
        watch.polling.enter()

    def leave(self, watch: Watch, deadline: float = math.inf) -> None:
        """Count one less who is interested in a call."""
        del deadline
        watch.polling.leave()

    @contextmanager
    def interest(self, watch: Watch) -> Generator[None]:
        """A block in which the caller is interested in a call."""
        self.enter(watch)
        try:
            yield
        finally:
            self.leave(watch)

    def want(self, watch: Watch) -> None:
        """Note that somebody waits for the outcome."""
        if not watch.state.settled:
            self.check(watch)
        self.feed(watch, Wanted())

    def expectation(self, watch: Watch) -> Expectation | None:
        """Return None: run times of such calls are not learned."""
        del watch
        return None

    def feed(self, watch: Watch, event: Event) -> None:
        """Apply an event, and tell the observers."""
        # There is nothing to poll or to fetch.
        if effects := watch.apply(event):
            watch.wake(effects)


@define(eq=False)
class _Running:
    """One running call. For the call's handle, this object takes the place of the client's core, and answers instead of
    the server."""

    monitor: Background
    _core: Core
    watch: Watch
    _scope: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)
    _ended: anyio.Event = field(factory=anyio.Event, init=False)

    async def run(self, work: Callable[[], Awaitable[Outcome]]) -> None:
        """Make the call, until it is over or cancelled."""
        outcome: Outcome = Cancelled()
        try:
            with self._scope:
                outcome = await self._outcome(work)
            self.monitor.over(self, outcome)
        finally:
            self._ended.set()

    async def _outcome(self, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        try:
            return await work()
        except Exception as exc:  # noqa: BLE001 - whoever asks for the result gets it
            words = exc.message if isinstance(exc, TaskError) else str(exc) or type(exc).__name__
            # If nobody asks for the result, only the log has the error.
            logger.debug("a call in the background, %s, failed: %s", short(self.watch.task_id), line(words))
            error = exc.with_traceback(None)
            return Broken(getattr(exc, "code", INTERNAL_ERROR), words, getattr(exc, "data", None), error=error)

    def stop(self) -> None:
        """Cancel the call."""
        self._scope.cancel()

    async def ended(self) -> None:
        """Wait until the call has ended."""
        await self._ended.wait()

    # --- what the handle asks of the server's tasks -----------------------------------------------------------------

    async def status(self, task_id: str, budget: Budget | None = None, *, ahead: bool = False) -> Seen:
        """Return the call's present status."""
        del task_id, budget, ahead  # These arguments matter only if a server is polled.
        await anyio.lowlevel.checkpoint()
        assert self.watch.status is not None
        return Seen(self.watch.status, "polled")

    async def cancel(self, task_id: str) -> None:
        """Cancel the call, and wait until the server has been told."""
        del task_id
        self.monitor.check(self.watch)
        self.stop()
        await self.ended()

    # --- what the handle needs of the client ------------------------------------------------------------------------

    @property
    def requests(self) -> _Running:
        """Itself, in place of the client's requests."""
        return self

    @property
    def connection(self) -> Connection:
        """The client's connection."""
        return self._core.connection

    @property
    def callbacks(self) -> Callbacks:
        """Runs the program's callbacks."""
        return self._core.callbacks

    @property
    def questions(self) -> Questions:
        """The client's questions."""
        return self._core.questions

    async def with_wrapping(self, how: Decoding, name: str, result: Any) -> Decoding:
        """Return how to read the result of a tool, which may be wrapped."""
        return await self._core.with_wrapping(how, name, result)


async def _answered(core: Core, call: Call, decoding: Decoding, adopt: Adopt) -> Outcome:
    """Make the call, and return its outcome."""
    created = await settle(core, call, plainly)
    assert created is not None
    if created.seen is None:
        return Finished(created.result)
    # The server has created a task nevertheless. Only this call knows the task, so the call waits for the task.
    waiter = adopt(created, call, decoding)
    try:
        await waiter.outcome(waiter.watch.input.failures, math.inf)
    except anyio.get_cancelled_exc_class():
        await abandon(waiter)
        raise
    outcome = waiter.watch.outcome
    assert outcome is not None
    return outcome


def _final(watch: Watch, outcome: Outcome) -> TaskStatus:
    """Return the last status of a call, made from its outcome."""
    assert watch.status is not None
    last = evolve(watch.status, status_message=None, last_updated_at=datetime.now(UTC))
    match outcome:
        case Finished(result):
            return judged(evolve(last, status="completed"), result)
        case Cancelled(words):
            return evolve(last, status="cancelled", status_message=words or None)
        case _:
            return evolve(last, status="failed", status_message=outcome.message or None)
