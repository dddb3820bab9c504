"""Tasks that are waited for together. At rest a member costs an entry in its watch and no coroutine; a change of one
concerns none of the others."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

import anyio
from attrs import define, field

from mcptasks._async.task import Task, waiter_of
from mcptasks._async.waiting import ONE_LOOK, Waiter, deadline_of
from mcptasks._exceptions import TaskError, TaskTimeoutError

_LOOKS = 32
"""How many tasks are looked at at the same time."""


class Aim(Enum):
    """What each member is waited for."""

    RESULT = "its result; the client's handlers answer what it asks"
    OUTCOME = "its result; nothing is answered"
    END = "its end"


@define(eq=False)
class Member:
    """One task of a group. `over` at the end of its wait, with the value (`Aim.END` has none) or the error."""

    task: Task[Any]
    aim: Aim
    deadline: float
    _ring: Any
    over: bool = field(default=False, init=False)
    value: Any = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    queued: bool = field(default=False, init=False)
    waiter: Waiter = field(init=False)
    _troubles: int = field(init=False)
    _failures: int = field(init=False)
    _watched: bool = field(default=False, init=False)
    _answering: anyio.CancelScope | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.waiter = waiter_of(self.task)
        self._troubles, self._failures = self.waiter.watch.troubles, self.waiter.watch.failures

    def begin(self) -> None:
        """Have the task watched, if there is anything left to wait for."""
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
        """End the wait. What the handlers are at is broken off, and stays open."""
        self.over = True
        if self._watched:
            self._watched = False
            self.waiter.watch.unobserve(self.changed)
            self.waiter.core.monitor.leave(self.waiter.watch, self.deadline)
        if self._answering is not None:
            self._answering.cancel()

    def changed(self) -> None:
        """Something happened to the task: have it looked at."""
        if not self.queued and not self.over:
            self.queued = True
            self._ring(self)

    def at_end(self) -> bool:
        """Whether there is nothing more to wait for. If the task asks something, the handlers are set to work."""
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
                        self._answering = None  # The client is being closed, which is trouble for all.
            except BaseException as exc:  # noqa: BLE001 - whoever asked for the group gets it
                self.error = exc
            else:
                return bool(found)
        return True

    async def settle(self) -> None:
        """Get the value and end the wait. Cancelled, it changes nothing."""
        if self.error is None and self.aim is not Aim.END:
            # It is known by now, or one short request away.
            with anyio.CancelScope(deadline=max(self.deadline, deadline_of(ONE_LOOK))) as scope:
                try:
                    self.value = await self.task.result()
                except Exception as exc:  # noqa: BLE001 - whoever asked for the group gets it
                    self.error = exc
            if scope.cancelled_caught:
                self.error = self.waiter.timed_out()
        self.leave()

    async def look(self) -> None:
        """Instead of waiting, ask the server once. Afterwards it is over, or not finished."""
        try:
            if self.aim is not Aim.RESULT:
                await self.task.wait(timeout=0)
            if self.aim is not Aim.END:
                self.value = await self.task.result(timeout=0)
        except TaskTimeoutError:
            return
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


class Members:
    """The members of one group, and which of them have something to look at."""

    def __init__(self, aim: Aim, deadline: float = math.inf) -> None:
        self._aim = aim
        self._deadline = deadline
        self._left: dict[Member, None] = {}
        self._news: deque[Member] = deque()
        self._changed: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._left)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._left)

    def add(self, task: Task[Any], *, deadline: float | None = None) -> Member:
        """Begin to wait for one more task."""
        member = Member(task, self._aim, self._deadline if deadline is None else deadline, self._ring)
        self._left[member] = None
        member.begin()
        return member

    async def look(self, tasks: Iterable[Task[Any]]) -> list[Member]:
        """Do not wait, but ask the server once for each of some tasks; they are not members then."""
        members = [Member(task, self._aim, self._deadline, self._ring) for task in tasks]
        waiting = iter(members)

        async def work() -> None:
            for member in waiting:
                await member.look()

        async with anyio.create_task_group() as group:
            for _ in members[:_LOOKS]:
                group.start_soon(work)
        return members

    async def next(self) -> Member | None:
        """The next member whose wait is over, in the order in which they end; None where none is left, or the deadline
        has passed."""
        while self._left:
            if (member := await self.settled()) is not None:
                return member
            if not self._left:
                break
            with anyio.CancelScope(deadline=self._deadline) as scope:
                await self.change()
            if scope.cancelled_caught and not self._news:
                return None
        return None

    async def settled(self) -> Member | None:
        """The same, without waiting for any to end."""
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
        """Wait until there is something to look at."""
        if not self._news:
            self._changed = self._changed or anyio.Event()
            await self._changed.wait()

    def wake(self) -> None:
        """Wake all who wait for that."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def drop(self, member: Member) -> None:
        """Wait no more for a member."""
        if not member.over:
            member.leave()
        self._left.pop(member, None)
        self.wake()

    def release(self) -> None:
        """Wait no more for any of them; the tasks go on."""
        for member in list(self._left):
            self.drop(member)
        self._news.clear()

    def _ring(self, member: Member) -> None:
        self._news.append(member)
        self.wake()
