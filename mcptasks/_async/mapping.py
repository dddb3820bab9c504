"""One call for each item of an input, a few of them at a time, with the results in the order of the input."""

from __future__ import annotations

import inspect
import math
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, cast

import anyio
from attrs import define, field

from mcptasks import _detached
from mcptasks._async.abandoning import abandon
from mcptasks._async.callbacks import Callbacks
from mcptasks._async.members import Aim, Member, Members
from mcptasks._async.task import Task
from mcptasks._exceptions import TaskConnectionError
from mcptasks._models import ToolResult

_CREATING = 32
"""How many creating calls are under way at the same time, and how far ahead of a reader who is busy, at most."""


@define
class Pulling:
    """An input whose items come one by one, each as a list of one, or an empty list at the end. An item that cannot be
    had is an error."""

    pull: Callable[[], Awaitable[list[Any]]]


Create = Callable[[Any], Awaitable[Task[ToolResult]]]


@define(eq=False)
class _Slot:
    """One item's place in the order."""

    deadline: float
    over: bool = False
    member: Member | None = None
    value: Any = None
    error: BaseException | None = None


@define(eq=False)
class _Work:
    """What is under way for an iterator. It knows nothing of that, so that an iterator that is given up is noticed."""

    create: Create
    callbacks: Callbacks
    limit: float
    timeout: float
    members: Members = field(factory=lambda: Members(Aim.RESULT))
    slots: deque[_Slot] = field(factory=deque[_Slot])
    """In the order of the input, from the one whose result comes next."""
    by_member: dict[Member, _Slot] = field(factory=dict[Member, _Slot])
    expiring: deque[_Slot] = field(factory=deque[_Slot])
    in_flight: int = 0
    creating: int = 0
    exhausted: bool = False
    """Whether nothing is started any more: the input is at its end, or something failed."""
    released: bool = False
    cancelling: bool = False
    readers: int = 0
    """How many wait for a result at present."""
    feeding: anyio.CancelScope | None = None
    _more_room: anyio.Event | None = None

    @property
    def ready(self) -> bool:
        """Whether the next result, or error, is there."""
        return bool(self.slots) and self.slots[0].over

    @property
    def room(self) -> bool:
        """Whether one more may be started. While the next result need not be waited for, this keeps the usual number
        under way and no more."""
        if self.exhausted or self.in_flight >= self.limit or self.creating >= _CREATING:
            return False
        waited_for = self.readers > 0 and not self.ready
        return waited_for or len(self.slots) <= min(self.limit, _CREATING)

    def start(self, item: Any) -> None:
        """Begin the call for one item."""
        slot = _Slot(math.inf if self.timeout == math.inf else anyio.current_time() + self.timeout)
        self.slots.append(slot)
        if slot.deadline < math.inf:
            self.expiring.append(slot)
        self.in_flight += 1
        self.creating += 1

        async def create() -> None:
            await self._create(slot, item)

        if not self.callbacks.spawn(create):
            self.creating -= 1
            self.fail(slot, _closed())

    def broken(self, error: BaseException) -> None:
        """The input failed: that is the last thing there is."""
        self.slots.append(_Slot(math.inf, over=True, error=error))
        self.exhausted = True

    async def _create(self, slot: _Slot, item: Any) -> None:
        try:
            task = await self.create(item)
        except Exception as exc:  # noqa: BLE001 - raised in its turn
            self.fail(slot, exc)
        except anyio.get_cancelled_exc_class():
            self.fail(slot, _closed())
            raise
        else:
            if not self.released:
                slot.member = self.members.add(task, deadline=slot.deadline)
                self.by_member[slot.member] = slot
            elif self.cancelling:
                await abandon(task)
        finally:
            self.creating -= 1
            self.nudge()

    def fail(self, slot: _Slot, error: BaseException) -> None:
        """A call has no result. Nothing is started any more, since the iteration ends there."""
        self.exhausted = True
        self.finish(slot, None, error)

    def finish(self, slot: _Slot, value: Any, error: BaseException | None) -> None:
        """A call is over."""
        if not slot.over:
            slot.over, slot.value, slot.error = True, value, error
            self.in_flight -= 1
            self.nudge()

    def nudge(self) -> None:
        """Have everything that waits look again."""
        self.members.wake()
        if self._more_room is not None:
            self._more_room.set()
            self._more_room = None

    async def settle(self) -> None:
        """Take in what is over."""
        while (member := await self.members.settled()) is not None:
            slot = self.by_member.pop(member)
            if member.error is not None:
                self.fail(slot, member.error)
            else:
                self.finish(slot, member.value, None)
        now = anyio.current_time()
        while self.expiring and (self.expiring[0].over or self.expiring[0].deadline <= now):
            slot = self.expiring[0]
            if slot.member is None and not slot.over:
                break  # Its creating call has the same limit.
            self.expiring.popleft()
            if slot.member is not None and not slot.over:
                self.members.drop(slot.member)
                del self.by_member[slot.member]
                self.fail(slot, slot.member.waiter.timed_out())

    async def change(self) -> None:
        """Wait for something to take in."""
        slot = self.expiring[0] if self.expiring else None
        deadline = math.inf if slot is None or slot.member is None else slot.deadline
        with anyio.CancelScope(deadline=deadline):
            await self.members.change()

    def release(self) -> None:
        """Wait for nothing any more. Creating calls that are under way come to their end."""
        self.released = self.exhausted = True
        self.members.release()
        self.slots.clear()
        self.expiring.clear()
        self.by_member.clear()
        self.nudge()
        if self.feeding is not None:
            self.feeding.cancel()

    async def feed(self, source: AsyncIterable[Any]) -> None:
        """Take items from an async input, in a task of its own: an async generator stays in one."""
        iterator = aiter(source)
        self.feeding = anyio.CancelScope()
        try:
            with self.feeding:
                while not self.exhausted:
                    if not self.room:
                        self._more_room = anyio.Event()
                        await self._more_room.wait()
                        continue
                    try:
                        item = await anext(iterator)
                    except StopAsyncIteration:
                        self.exhausted = True
                    except Exception as exc:  # noqa: BLE001 - raised in its turn
                        self.broken(exc)
                    else:
                        self.start(item)
                    self.members.wake()
        finally:
            if not self.exhausted:
                self.broken(_closed())
            self.members.wake()
            if inspect.isasyncgen(iterator):
                with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 5):
                    await iterator.aclose()


class Mapped(AsyncIterator[ToolResult]):
    """The results, in the order of the input.

    Args:
        create: Makes the task for one item.
        callbacks: Those of the client, which run what goes on between the steps.
        source: The items.
        limit: How many may be under way at the same time; None for any number.
        timeout: Seconds for each, from its start; None for as long as it takes.
        cancel_on_error: Whether to ask the server, at an error, to cancel what is under way.
    """

    def __init__(
        self,
        create: Create,
        callbacks: Callbacks,
        source: Iterable[Any] | AsyncIterable[Any] | Pulling,
        *,
        limit: int | None,
        timeout: float | None,
        cancel_on_error: bool,
    ) -> None:
        self._work = _Work(
            create, callbacks, math.inf if limit is None else limit, math.inf if timeout is None else timeout
        )
        self._source = source
        self._cancel_on_error = cancel_on_error
        self._pull: Callable[[], Awaitable[list[Any]]] | None = None
        self._begun = False
        self._soon = _detached.finalizer()

    def __del__(self) -> None:
        if self._begun and not self._work.released:
            self._soon(self._work.release)

    async def __anext__(self) -> ToolResult:
        if not self._begun:
            self._begin()
        work = self._work
        work.readers += 1
        work.nudge()
        try:
            while True:
                await work.settle()
                if self._pull is not None and work.room:
                    await self._take(self._pull)
                elif work.ready:
                    slot = work.slots.popleft()
                    break
                elif work.exhausted and not work.slots:
                    work.release()
                    raise StopAsyncIteration
                else:
                    await work.change()
        finally:
            work.readers -= 1
        if slot.error is not None:
            await self._end()
            raise slot.error
        return cast("ToolResult", slot.value)

    def _begin(self) -> None:
        self._begun = True
        source, work = self._source, self._work
        if isinstance(source, Pulling):
            self._pull = source.pull
        elif isinstance(source, AsyncIterable):

            async def feed() -> None:
                await work.feed(source)

            if not work.callbacks.spawn(feed):
                work.broken(_closed())
        else:
            iterator: Iterator[Any] = iter(source)

            async def pull() -> list[Any]:
                for item in iterator:
                    return [item]
                return []

            self._pull = pull

    async def _take(self, pull: Callable[[], Awaitable[list[Any]]]) -> None:
        if self._work.callbacks.closed:
            self._work.broken(_closed())
            return
        try:
            found = await pull()
        except Exception as exc:  # noqa: BLE001 - raised in its turn
            self._work.broken(exc)
            return
        if found:
            self._work.start(found[0])
        else:
            self._work.exhausted = True

    async def _end(self) -> None:
        work = self._work
        work.cancelling = self._cancel_on_error
        others = [member.task for member in work.members]
        work.release()
        if self._cancel_on_error:
            await abandon(*others)


def _closed() -> TaskConnectionError:
    return TaskConnectionError("the client was closed; what was begun goes on at the server")
