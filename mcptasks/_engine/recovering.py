"""Takes over the tasks that other clients have left in a store: all free ones at once, or each as it becomes free."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakSet

import anyio
from attrs import define, field, frozen

from mcptasks._core.events import Seen
from mcptasks._core.exceptions import StoreError
from mcptasks._core.iterators import Results
from mcptasks._core.models import TaskReference, TaskStatus
from mcptasks._core.state import TaskState, advance
from mcptasks._core.trace import Begun, read_traceparent
from mcptasks._engine.abilities import Abilities
from mcptasks._engine.core import Core
from mcptasks._engine.handles import Handles
from mcptasks._engine.recording.journal import Pool, Rest, Taken
from mcptasks._engine.waiting.waiter import Waiter
from mcptasks._engine.watching.watch import Effects, Watch

_SKEW = timedelta(seconds=60)
"""How far a server's clock may be behind this machine's. A task counts as not created by a call if it seems older than
the call by more than this. 60 s is generous for machines with a time service."""


@frozen
class Recovered:
    """The result of `recover`."""

    waiters: Sequence[Waiter]
    rest: Rest
    candidates: Sequence[TaskReference]


@define(eq=False)
class Recovering:
    """Takes over tasks of a store for one client."""

    _core: Core = field(repr=False)
    _handles: Handles = field(repr=False)
    _abilities: Abilities = field(repr=False)
    _endpoint: str
    _unlooked: WeakSet[Watch] = field(factory=WeakSet[Watch], init=False, repr=False)
    """The tasks whose questions only the store knows, since they were not polled yet."""

    def looked(self, watch: Watch) -> None:
        """Take in that a task was polled, or has changed. The waiters are woken at the first poll even if it changes
        nothing, since from then on they may have the task's questions answered."""
        if watch in self._unlooked and watch.polling.looked is not None:
            self._unlooked.discard(watch)
            watch.wake()

    def pool(self, method: str) -> Pool:
        """Return the store's pool of free tasks.

        Args:
            method: The method that the program has called, for the error.

        Raises:
            ValueError: The client has no store.
        """
        pool = self._core.journal.pool
        if pool is None:
            words = f"{method}() is about the tasks of a store, and this client has none: give store= to the client"
            raise ValueError(words)
        return pool

    async def recover(self, labels: Mapping[str, str], limit: int | None) -> Recovered:
        """Take over the free tasks; see `Client.recover`."""
        pool = self.pool("recover")
        rest = await pool.rest(labels)
        candidates = await self._candidates(pool, rest)
        # Last, since a cancellation at a later `await` would lose the tasks that were taken.
        return Recovered([self.take_in(each) for each in await pool.take(labels, limit)], rest, candidates)

    def claims(self, labels: Mapping[str, str], limit: int | None) -> Claims:
        """Take over tasks as they become free; see `Client.claims`."""
        return Claims(self, self.pool("claims"), labels, limit)

    async def release(self, waiter: Waiter) -> None:
        """Give a task back; see `Client.release`."""
        self.pool("release")
        await waiter.watch.record.release()
        waiter.watch.wake()

    def take_in(self, taken: Taken) -> Waiter:
        """Return a waiter for a task that was taken from the store."""
        reference = taken.reference
        watch = self._core.monitor.find(reference.task_id)
        if watch is None:
            watch = Watch(
                reference.task_id,
                anyio.current_time(),
                reference=reference,
                state=self._state(taken),
                record=taken.record,
            )
            if watch.state.open:
                self._unlooked.add(watch)
            watch.trace.place = read_traceparent(taken.traceparent)
            self._core.connection.trace.note(Begun(watch.trace))
            self._core.monitor.register(watch)
        else:
            watch.recorded(taken.record)
            watch.wake()  # From now on, waiters may have questions answered.
        return self._handles.find(reference)

    def _state(self, taken: Taken) -> TaskState:
        """Return a task's state as the store knows it: its open questions, if their keys mean the same to every
        client."""
        if not taken.questions or self._abilities.facts.dialect.asks_by_requests:
            return TaskState()
        status = TaskStatus(
            task_id=taken.reference.task_id, status="input_required", input_requests=dict(taken.questions)
        )
        return advance(TaskState(), Seen(status, "polled"))[0]

    async def _candidates(self, pool: Pool, rest: Rest) -> list[TaskReference]:
        """Return the tasks that the server lists, that the store does not know, and that an uncertain call may have
        created."""
        calls: list[datetime] = [each.created_at for each in rest.uncertain]
        if not calls or not self._abilities.support().list:
            return []
        listed = await self._core.requests.listed()
        young = [each for each in listed if each.created_at is None or each.created_at >= min(calls) - _SKEW]
        known = await pool.known([each.task_id for each in young])
        era = self._abilities.facts.era
        return [
            TaskReference(task_id=each.task_id, endpoint=self._endpoint, era=era)
            for each in young
            if each.task_id not in known
        ]


class HandedOut:
    """The tasks that an iteration has handed out and that are under way.

    Args:
        limit: How many of them there may be at the same time; None for any number.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._waiters: list[Waiter] = []

    def __len__(self) -> int:
        return len(self._waiters)

    def add(self, waiter: Waiter) -> None:
        """Note that a task was handed out."""
        self._waiters.append(waiter)

    def is_full(self) -> bool:
        """Whether no other task may be handed out now. Forgets tasks that are over or released."""
        self._waiters = [each for each in self._waiters if _is_under_way(each)]
        return self._limit is not None and len(self._waiters) >= self._limit

    async def less(self, end: Callable[[], Awaitable[None]]) -> None:
        """Wait until a task that was handed out is over or released, or until `end` returns."""
        waiters = self._waiters
        async with anyio.create_task_group() as group:

            def look(_effects: Effects) -> None:
                if not all(map(_is_under_way, waiters)):
                    group.cancel_scope.cancel()

            for each in waiters:
                each.watch.observe(look)
            try:
                await end()
            finally:
                for each in waiters:
                    each.watch.unobserve(look)


def _is_under_way(waiter: Waiter) -> bool:
    return waiter.watch.record.holds and not waiter.watch.done


class Claims(Results[Any]):
    """Takes over tasks of a store as they become free, and returns their handles one by one.

    A class, not an async generator: it can be dropped without a running event loop, and a cancelled step loses no task.

    Args:
        recovering: Makes waiters for the tasks.
        pool: The store's free tasks.
        labels: Take only tasks that have all of these labels.
        limit: How many of the taken tasks may be unfinished at the same time; None for any number.
    """

    def __init__(self, recovering: Recovering, pool: Pool, labels: Mapping[str, str], limit: int | None) -> None:
        self._recovering = recovering
        self._pool = pool
        self._labels = labels
        self._given = HandedOut(limit)
        self._turn = anyio.Lock(fast_acquire=True)
        """Held by the step that looks for a task. Two at a time could take one task more than the limit."""
        self._mark: object = None
        self._over = False

    def __repr__(self) -> str:
        return f"<claims: {len(self._given)} tasks under way{', over' if self._over else ''}>"

    async def __anext__(self) -> Any:
        async with self._turn:
            while not (self._over or self._pool.closed):
                if self._given.is_full():
                    await self._given.less(self._pool.end)
                    continue
                # There is no `await` between the end of `take` and the return, where a cancellation would lose the
                # task.
                waiter = await self.take()
                if waiter is not None:
                    self._given.add(waiter)
                    return waiter.handle
                if not self._pool.closed:  # The client may have been closed meanwhile, and must not wait for us then.
                    await self.freed()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration. Tasks that were handed out stay with this client."""
        self._over = True

    async def take(self) -> Waiter | None:
        """Take one task that is free now; None if there is none. Not more than one, so that other clients can take
        those that are not handed out yet.

        Raises:
            StoreError: The store cannot be read or written, and the client is not closed.
        """
        with self._until_closed():
            self._mark = await self._pool.mark()
            for taken in await self._pool.take(self._labels, 1):
                return self._recovering.take_in(taken)
        return None

    async def freed(self) -> None:
        """Wait until a task may have become free since the latest `take`, or the client is closed.

        Raises:
            StoreError: See `take`.
        """
        with self._until_closed():
            await self._pool.freed(self._mark)

    @contextmanager
    def _until_closed(self) -> Generator[None]:
        try:
            yield
        except StoreError:
            if not self._pool.closed:
                raise
