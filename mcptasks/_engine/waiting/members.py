"""Waits for many tasks together. A waiting member costs an observer in its watch, and no coroutine. A change of one
task costs nothing for the others."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

import anyio
from attrs import define, field, frozen

from mcptasks._core.exceptions import TaskError, TaskTimeoutError
from mcptasks._engine.waiting.waiter import ONE_LOOK, Waiter, deadline_of
from mcptasks._engine.watching.watch import Effects

_LOOKS = 32
"""How many tasks are polled at the same time: as many as requests have turns (`connection/turns.py`)."""


class Aim(Enum):
    """What a group waits for."""

    RESULT = "its result; the client's handlers answer what it asks"
    OUTCOME = "its result; nothing is answered"
    END = "its end"


@define(eq=False)
class Member:
    """One task of a group. At the end of its wait it is `over`, and has a value (except for `Aim.END`) or an error."""

    waiter: Waiter
    aim: Aim
    deadline: float
    _ring: Any
    over: bool = field(default=False, init=False)
    value: Any = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    queued: bool = field(default=False, init=False)
    _troubles: int = field(init=False)
    _failures: int = field(init=False)
    _watched: bool = field(default=False, init=False)
    _answering: anyio.CancelScope | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._troubles, self._failures = self.waiter.watch.polling.troubles, self.waiter.watch.input.failures

    @property
    def given(self) -> Waiter:
        """The waiter that the group was given."""
        return self.waiter

    def begin(self) -> None:
        """Begin to watch the task, if there is something left to wait for."""
        watch, monitor = self.waiter.watch, self.waiter.core.monitor
        if not self._reached():
            try:
                if self.aim is not Aim.END:
                    monitor.want(watch)
                monitor.enter(watch, self.deadline)
            except TaskError as exc:  # The client is closed.
                self.error = exc
            else:
                self._watched = True
                watch.observe(self.changed)
        self.changed()

    def leave(self) -> None:
        """End the wait. Handlers at work are stopped, and their questions stay open."""
        self.over = True
        if self._watched:
            self._watched = False
            self.waiter.watch.unobserve(self.changed)
            self.waiter.core.monitor.leave(self.waiter.watch, self.deadline)
        if self._answering is not None:
            self._answering.cancel()

    def changed(self, _effects: Effects = ()) -> None:
        """Take in a change of the task: the group looks at this member next."""
        if not self.queued and not self.over:
            self.queued = True
            self._ring(self)

    def at_end(self) -> bool:
        """Whether there is nothing more to wait for. If the task has open questions, start their handlers."""
        if self.over or self._answering is not None:
            return False
        if self.error is None:
            try:
                answers = self.aim is Aim.RESULT
                found = self.waiter.news(self._failures) if answers else self._reached() or None
                if found is None:
                    self.waiter.complain(self._troubles)
                elif not found:
                    self._answering = anyio.CancelScope()
                    if not self.waiter.core.callbacks.spawn(self._answer):
                        self._answering = None  # The client is closing, and every waiter gets an error.
            except BaseException as exc:  # noqa: BLE001 - whoever asked for the group gets it
                self.error = exc
            else:
                return bool(found)
        return True

    async def settle(self) -> None:
        """Get the value, and end the wait. A cancelled call changes nothing."""
        if self.error is None and self.aim is not Aim.END:
            # The value is known by now, or takes one short request.
            with anyio.CancelScope(deadline=max(self.deadline, deadline_of(ONE_LOOK))) as scope:
                try:
                    self.value = await self.waiter.result(None)
                except Exception as exc:  # noqa: BLE001 - whoever asked for the group gets it
                    self.error = exc
            if scope.cancelled_caught:
                self.error = self.waiter.timed_out()
        self.leave()

    async def look(self) -> None:
        """Poll once instead of waiting. Afterwards the member is `over`, or its task is unfinished."""
        try:
            if self.aim is not Aim.RESULT:
                await self.waiter.state(None, 0)
            if self.aim is not Aim.END:
                self.value = await self.waiter.result(0)
        except TaskTimeoutError as exc:
            if self.waiter.watch.outcome is None:
                return
            self.error = exc  # The member's own time limit has ended the call.
        except Exception as exc:  # noqa: BLE001 - whoever asked for the group gets it
            self.error = exc
        self.over = True

    def _reached(self) -> bool:
        watch = self.waiter.watch
        return watch.done if self.aim is Aim.END else watch.outcome is not None

    async def _answer(self) -> None:
        assert self._answering is not None
        try:
            with self._answering:
                await self.waiter.answer()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as exc:  # noqa: BLE001 - whoever asked for the group gets it
            self.error = exc
        finally:
            self._answering = None
            self.changed()


@frozen(eq=False)
class Failed:
    """A call that failed before its task could become a member."""

    given: Any
    """The call."""
    error: BaseException


class Members:
    """The members of one group, and those whose tasks have changed."""

    def __init__(self, aim: Aim, deadline: float = math.inf) -> None:
        self._aim = aim
        self._deadline = deadline
        self._left: dict[Member, None] = {}
        self._news: deque[Member] = deque()
        self._changed: anyio.Event | None = None
        self._failed: deque[Failed] = deque()
        self.coming = 0
        """How many calls are under way whose tasks will become members."""

    def __len__(self) -> int:
        return len(self._left)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._left)

    def add(self, waiter: Waiter, *, deadline: float | None = None) -> Member:
        """Begin to wait for another task."""
        member = Member(waiter, self._aim, self._deadline if deadline is None else deadline, self._ring)
        self._left[member] = None
        member.begin()
        return member

    def fail(self, failed: Failed) -> None:
        """Note that a call failed before its task could become a member."""
        self._failed.append(failed)
        self.wake()

    async def look(self, waiters: Iterable[Waiter]) -> list[Member]:
        """Poll tasks once each, without waiting for them. They do not become members of the group."""
        members = [Member(waiter, self._aim, self._deadline, self._ring) for waiter in waiters]
        waiting = iter(members)

        async def work() -> None:
            for member in waiting:
                await member.look()

        async with anyio.create_task_group() as group:
            for _ in members[:_LOOKS]:
                group.start_soon(work)
        return members

    async def next(self) -> Member | Failed | None:
        """Wait for the next member to end. Return None if no member is left, or the deadline has passed."""
        while self._left or self.coming or self._failed:
            if (member := await self.settled()) is not None:
                return member
            if self._failed:
                return self._failed.popleft()
            if not (self._left or self.coming):
                break
            with anyio.CancelScope(deadline=self._deadline) as scope:
                await self.change()
            if scope.cancelled_caught and not (self._news or self._failed):
                return None
        return None

    async def settled(self) -> Member | None:
        """Return the next member that has ended, without waiting; None if there is none."""
        while self._news:
            member = self._news.popleft()
            member.queued = False
            if member.at_end():
                try:
                    await member.settle()
                finally:
                    if not member.over:
                        member.changed()
                self.drop(member)
                return member
        return None

    async def change(self) -> None:
        """Wait until a member has changed."""
        if not self._news:
            self._changed = self._changed or anyio.Event()
            await self._changed.wait()

    def wake(self) -> None:
        """Wake everyone in `change`."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def drop(self, member: Member) -> None:
        """Stop waiting for a member."""
        if not member.over:
            member.leave()
        self._left.pop(member, None)
        self.wake()

    def release(self) -> None:
        """Stop waiting for all members. The tasks go on."""
        for member in list(self._left):
            self.drop(member)
        self._news.clear()

    def _ring(self, member: Member) -> None:
        self._news.append(member)
        self.wake()
