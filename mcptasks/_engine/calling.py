"""Makes the program's calls, and returns the task that each became, or its value."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
from attrs import define

from mcptasks._core.events import Cancelled, Failed, Finished, Outcome
from mcptasks._core.exceptions import TaskExpiredError, TaskNotFoundError, TaskTimeoutError
from mcptasks._core.models import IMMEDIATE_PREFIX, Status, TaskReference, TaskStatus
from mcptasks._core.outcome import Decoding
from mcptasks._core.state import TaskState
from mcptasks._core.trace import Begun, Uncertain, read_traceparent
from mcptasks._core.verdicts import judged
from mcptasks._engine.abilities import Abilities
from mcptasks._engine.background import Background
from mcptasks._engine.core import Core
from mcptasks._engine.creating_calls import Call, Created, create
from mcptasks._engine.exchanges import exchange
from mcptasks._engine.handles import Handles
from mcptasks._engine.recorded_calls import intend, settle
from mcptasks._engine.recording.journal import Earlier
from mcptasks._engine.waiting.abandoning import abandon
from mcptasks._engine.waiting.waiter import Waiter

_STATUSES: Mapping[type[Outcome], Status] = {Finished: "completed", Failed: "failed", Cancelled: "cancelled"}
"""The terminal status for each kind of outcome."""

_GRACE = 4.0
"""Seconds for which a call that nobody waits for any more may still say which task came of it. Servers answer at once
with a task, unless they are busy; a plain call is cancelled after this time. A second less than the end of a client
takes at most (`CLOSE_SECONDS`), so that there is time to have the task cancelled."""


@define(eq=False)
class Calling:
    """Makes the calls of one client."""

    core: Core
    handles: Handles
    abilities: Abilities
    background: Background
    endpoint: str | None
    """The server's name, for references; None if there is no name that tells servers apart."""

    async def begin(self, call: Call, decoding: Decoding, limit: float | None, *, goes_on: bool = True) -> Waiter:
        """Make a call, and return the waiter for its task or result.

        Args:
            call: The call.
            decoding: How to read the result.
            limit: Seconds for the creating call; None for the client's `timeout` alone.
            goes_on: Whether the call goes on if the caller is cancelled, so that its task is recorded. Only for a
                client with a store; without one, the server is asked to cancel the call.

        Raises:
            TaskTimeoutError: The server has not answered in time.
            TaskError: See `create` and `intend`.
        """
        return (await self._begin(call, decoding, limit, goes_on=goes_on))[0]

    async def finish(self, call: Call, decoding: Decoding, limit: float | None, *, owned: bool = False) -> Any:
        """Make a call, and return its value. If the wait is cancelled, the call's task is cancelled, too.

        Args:
            call: The call.
            decoding: How to read the result.
            limit: Seconds for the call and the wait together; None for no limit.
            owned: Whether nobody else can take the task up. Then the task is also cancelled if the wait fails.

        Raises:
            Exception: What `begin` and `Task.result` raise.
        """
        started = anyio.current_time()
        try:
            waiter, known = await self._begin(call, decoding, limit, goes_on=False, owned=owned)
        except anyio.get_cancelled_exc_class():
            if not owned and call.came is not None and call.came.seen is not None:
                # The cancellation came while the id was being recorded: asyncio's own cancellation passes through
                # shields.
                await abandon(self.adopt(call.came, call, decoding))
            raise
        waiter.owned = owned and not known
        try:
            spent = anyio.current_time() - started
            return await waiter.result(None if limit is None else max(limit - spent, 0.0))
        except anyio.get_cancelled_exc_class():
            if not known:  # An earlier call made the task, so others may wait for it.
                await abandon(waiter)
            raise
        except (TaskNotFoundError, TaskExpiredError):
            raise  # There is nothing to cancel.
        except Exception:
            if waiter.owned:
                await abandon(waiter)
            raise

    async def follow(self, call: Call, created: Created, decoding: Decoding, began: Callable[[Waiter], None]) -> Any:
        """Return the value of a call that the program has made itself, over a session that it lends. If the wait is
        cancelled, the task is cancelled, too.

        Args:
            call: The call.
            created: The task.
            decoding: How to read the result.
            began: Called with the task's waiter as soon as there is one.

        Raises:
            StoreError: The store cannot be written. `began` was not called.
            Exception: What `Task.result` raises.
        """

        async def made(_core: Core, _call: Call) -> Created:
            return created

        await intend(self.core, call)
        call.sent = True
        await settle(self.core, call, made)
        waiter = self.adopt(created, call, decoding)
        began(waiter)
        try:
            return await waiter.result(None)
        except anyio.get_cancelled_exc_class():
            await abandon(waiter)
            raise

    async def _begin(
        self, call: Call, decoding: Decoding, limit: float | None, *, goes_on: bool, owned: bool = False
    ) -> tuple[Waiter, bool]:
        """Make a call; see `begin`. Return the waiter, and whether an earlier call with the same key made the task."""
        if call.task:
            call.follow(self.core.callbacks)
        goes_on = goes_on and self.core.journal.keeps
        created, earlier = None, None
        with anyio.move_on_after(limit) as scope:
            earlier = await intend(self.core, call)
            if earlier is None:
                created = await (self._owned(call, decoding) if owned else self._made(call, decoding, goes_on=goes_on))
        if scope.cancelled_caught:
            if call.sent and not goes_on:  # A call that goes on is traced when it ends.
                self.core.connection.trace.note(Uncertain())
            raise TaskTimeoutError(f"{call.kind} {call.name!r}: no answer within {limit} s")
        if earlier is not None:
            return self._recalled(earlier, call, decoding), True
        if created is None:  # The call cannot become a task.
            reference = self._immediate(call)
            return self.background.begin(self.core, self.handles, reference, call, decoding, self.adopt), False
        return self.adopt(created, call, decoding), False

    async def _made(self, call: Call, decoding: Decoding, *, goes_on: bool) -> Created | None:
        if not goes_on:
            return await settle(self.core, call, create)

        def orphaned(created: Created | None) -> None:
            if created is None:
                call.record.given_up("the caller was cancelled before the call was sent", sent=False)
            elif created.seen is not None:
                self.adopt(created, call, decoding)

        return await exchange(self.core.callbacks, lambda: settle(self.core, call, create), orphaned)

    async def _owned(self, call: Call, decoding: Decoding) -> Created | None:
        """Make a call whose task is cancelled if the caller is, also if the task's id comes only then."""
        leaving = self.core.leaving

        async def work() -> Created | None:
            with leaving.busy():
                return await settle(self.core, call, create)

        def orphaned(created: Created | None) -> None:
            if created is None:
                call.record.given_up("the caller was cancelled before the call was sent", sent=False)
            elif created.seen is not None:
                leaving.give(partial(abandon, self.adopt(created, call, decoding)))

        return await exchange(self.core.callbacks, work, orphaned, _GRACE)

    def _recalled(self, earlier: Earlier, call: Call, decoding: Decoding) -> Waiter:
        """Return the waiter for an earlier call with the same key."""
        reference, outcome = earlier.reference, earlier.outcome
        if outcome is None:
            waiter = self.handles.find(reference, decoding, place=read_traceparent(earlier.traceparent))
            record = waiter.watch.record
            if record.id != earlier.record.id or not record.holds:
                waiter.watch.recorded(earlier.record)
            waiter.watch.carry(call.carried)
            return waiter
        result = outcome.result if isinstance(outcome, Finished) else None
        status = judged(TaskStatus(task_id=reference.task_id, status=_STATUSES[type(outcome)]), result)
        watch = call.watch(reference, state=TaskState(status=status, outcome=outcome))
        immediate = reference.returned_immediately
        return Waiter(self.core, self.handles, watch, reference, decoding, returned_immediately=immediate)

    def adopt(self, created: Created, call: Call, decoding: Decoding) -> Waiter:
        """Return the waiter for the task or result of a call."""
        if created.seen is None:
            self.core.keeping.answered(call)
            reference = self._immediate(call)
            status = judged(TaskStatus(task_id=reference.task_id, status="completed"), created.result)
            watch = call.watch(reference, state=TaskState(status=status, outcome=Finished(created.result)))
            return Waiter(self.core, self.handles, watch, reference, decoding, returned_immediately=True)
        status = created.seen.status
        self.abilities.became_tasks.add(call.kind)
        created_at = datetime.now(UTC)
        expires = None if status.ttl is None else created_at + status.ttl
        reference = self._reference(status.task_id, call, expires)
        watch = call.watch(reference, created=created_at)
        if call.ttl is not None and call.line is not None:
            self.core.keeping.asked(watch, call.ttl, call.line)
        self.core.connection.trace.note(Begun(watch.trace, created.mark))
        self.core.monitor.feed(watch, created.seen)
        self.core.monitor.register(watch)
        hint = created.immediate_response
        return self.handles.add(Waiter(self.core, self.handles, watch, reference, decoding, immediate_response=hint))

    def _immediate(self, call: Call) -> TaskReference:
        return self._reference(f"{IMMEDIATE_PREFIX}{uuid.uuid4().hex}", call, immediate=True)

    def _reference(
        self, task_id: str, call: Call, expires_at: datetime | None = None, *, immediate: bool = False
    ) -> TaskReference:
        return TaskReference(
            task_id=task_id,
            kind=call.kind,
            name=call.name,
            endpoint=self.endpoint,
            era=self.abilities.facts.era,
            expires_at=expires_at,
            returned_immediately=immediate,
            label=call.label,
        )
