"""The calls and tasks under way for `Client.map`: their beginning, their ends, and their cancellation when the
iteration ends early."""

from __future__ import annotations

import inspect
import math
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

import anyio
from attrs import define, field

from mcptasks import _eventloop
from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.creating_calls import Call
from mcptasks._engine.leaving import Leaving
from mcptasks._engine.waiting.abandoning import abandon
from mcptasks._engine.waiting.members import Aim, Member, Members
from mcptasks._engine.waiting.waiter import Waiter

_CREATING = 32
"""How many creating calls are under way at the same time, and for how many items at most we work ahead of a busy
reader. It is the number of turns for requests (`connection/turns.py`)."""
_LATE_SECONDS = 1.0
"""Seconds that the server has to answer a creating call after the iteration ended. If the answer comes in time, its
task is cancelled. After that the call is given up, like a plain call that is abandoned."""


Prepare = Callable[[int, Any], Call]
"""Makes a call from the number of an item (from 0) and the item. Raises if the item cannot be sent."""

Create = Callable[[Call], Awaitable[Waiter]]
"""Sends a call, and returns its waiter."""


@define(eq=False)
class Slot:
    """One item's place in the order of results."""

    deadline: float
    index: int | None = None
    """The item's number, from 0; None for the error of an input that failed."""
    shown: str = ""
    """The arguments for people to read, without secrets; empty if they cannot be sent."""
    label: str | None = None
    over: bool = False
    waiter: Waiter | None = None
    member: Member | None = None
    value: Any = None
    error: BaseException | None = None


@define(eq=False)
class Work:
    """The calls and tasks under way for one iterator. It does not refer to the iterator, so that Python notices when
    the program drops that."""

    prepare: Prepare
    create: Create
    callbacks: Callbacks
    leaving: Leaving
    limit: float
    timeout: float
    detach: bool
    """Whether tasks under way go on when the iteration ends early."""
    lenient: bool
    """Whether an item's error is returned in place of its result."""
    members: Members = field(factory=lambda: Members(Aim.RESULT))
    slots: deque[Slot] = field(factory=deque[Slot])
    """The items under way or waiting to be handed out, in order. The result of the first comes next."""
    by_member: dict[Member, Slot] = field(factory=dict[Member, Slot])
    expiring: deque[Slot] = field(factory=deque[Slot])
    taken: int = 0
    """How many items were taken from the input."""
    in_flight: int = 0
    creating: set[anyio.CancelScope] = field(factory=set[anyio.CancelScope])
    exhausted: bool = False
    """Whether no further call is started, since the input is at its end or something failed."""
    released: bool = False
    cancelling: bool = False
    readers: int = 0
    """How many steps of the iteration wait for a result at the moment."""
    feeding: anyio.CancelScope | None = None
    failed: int = 0
    """How many calls ended with an error."""
    ended: anyio.Event = field(factory=anyio.Event)
    """Set when no result is waited for any more."""
    _more_room: anyio.Event | None = None
    _created: anyio.Event | None = None

    @property
    def ready(self) -> bool:
        """Whether the next result or error is known."""
        return bool(self.slots) and self.slots[0].over

    @property
    def room(self) -> bool:
        """Whether another call may be started. While a result is ready for the reader, no more than `_CREATING` are
        kept under way."""
        if self.exhausted or self.in_flight >= self.limit or len(self.creating) >= _CREATING:
            return False
        waited_for = self.readers > 0 and not self.ready
        return waited_for or len(self.slots) <= min(self.limit, _CREATING)

    def start(self, item: Any) -> None:
        """Begin the call for one item. The arguments are copied here, since the input may change the item for its next
        step."""
        slot = Slot(math.inf if self.timeout == math.inf else anyio.current_time() + self.timeout)
        self.slots.append(slot)
        if slot.deadline < math.inf:
            self.expiring.append(slot)
        self.in_flight += 1
        slot.index, self.taken = self.taken, self.taken + 1
        try:
            call = self.prepare(slot.index, item)
        except Exception as exc:  # noqa: BLE001 - raised in its turn
            self.fail(slot, exc)
            return
        slot.shown, slot.label = call.shown or "none", call.label
        scope = anyio.CancelScope()
        self.creating.add(scope)

        async def create() -> None:
            await self._create(slot, call, scope)

        if not self.callbacks.spawn(create):
            self.creating.discard(scope)
            self.exhausted = True
            self.fail(slot, closed())

    def broken(self, error: BaseException) -> None:
        """Note that the input failed. Its error comes after the results of all earlier items."""
        self.slots.append(Slot(math.inf, over=True, error=error))
        self.exhausted = True

    async def _create(self, slot: Slot, call: Call, scope: anyio.CancelScope) -> None:
        try:
            with scope:  # cancelled when the iteration ends early
                slot.waiter = await self.create(call)
        except Exception as exc:  # noqa: BLE001 - raised in its turn
            self.fail(slot, exc)
        except anyio.get_cancelled_exc_class():
            self.fail(slot, closed())
            raise
        else:
            if slot.waiter is None:
                return
            if not self.released:
                slot.member = self.members.add(slot.waiter, deadline=slot.deadline)
                self.by_member[slot.member] = slot
            elif self.cancelling:
                await abandon(slot.waiter)
        finally:
            self.creating.discard(scope)
            self.nudge()
            if self._created is not None and not self.creating:
                self._created.set()

    def fail(self, slot: Slot, error: BaseException) -> None:
        """Note that a call ended with an error. Unless errors are returned as results, the iteration ends there, and no
        further call is started."""
        self.exhausted = self.exhausted or not self.lenient
        self.finish(slot, None, error)

    def finish(self, slot: Slot, value: Any, error: BaseException | None) -> None:
        """Note that a call is over."""
        if not slot.over:
            slot.over, slot.value, slot.error = True, value, error
            self.failed += error is not None
            self.in_flight -= 1
            self.nudge()

    def nudge(self) -> None:
        """Wake everything that waits, to look again."""
        self.members.wake()
        if self._more_room is not None:
            self._more_room.set()
            self._more_room = None

    async def settle(self) -> None:
        """Take in the calls that are over."""
        while (member := await self.members.settled()) is not None:
            slot = self.by_member.pop(member, None)
            if slot is None:
                continue  # The iteration ended, or the item's time was up, while the result was read.
            if member.error is not None:
                self.fail(slot, member.error)
            else:
                self.finish(slot, member.value, None)
        now = anyio.current_time()
        while self.expiring and (self.expiring[0].over or self.expiring[0].deadline <= now):
            slot = self.expiring[0]
            if slot.member is None and not slot.over:
                break  # The creating call has the same time limit.
            self.expiring.popleft()
            if slot.member is not None and not slot.over:
                self.members.drop(slot.member)
                del self.by_member[slot.member]
                self.fail(slot, slot.member.waiter.timed_out())

    async def change(self) -> None:
        """Wait until there is something to take in."""
        slot = self.expiring[0] if self.expiring else None
        deadline = math.inf if slot is None or slot.member is None else slot.deadline
        with anyio.CancelScope(deadline=deadline):
            await self.members.change()

    async def end(self, *, cancel: bool | None = None) -> None:
        """End the work after the iteration, and ask the server to cancel tasks that were started and not handed out.

        Args:
            cancel: Whether to cancel; None to go by `detach`.
        """
        if self.released:
            return
        self.cancelling = not self.detach if cancel is None else cancel
        left = [slot.waiter for slot in self.slots if slot.waiter is not None]
        self._release()
        if self.cancelling:
            if self.creating:
                for scope in self.creating:
                    scope.deadline = anyio.current_time() + _LATE_SECONDS
                self.leaving.give(self._late_ones)
            await abandon(*left)

    async def _late_ones(self) -> None:
        """Wait for the creating calls that are still under way. Each cancels its own task."""
        if self.creating:
            self._created = anyio.Event()
            await self._created.wait()

    def _release(self) -> None:
        """Stop waiting for tasks. Creating calls under way go on to their end."""
        self.released = self.exhausted = True
        self.ended.set()
        self.members.release()
        self.slots.clear()
        self.expiring.clear()
        self.by_member.clear()
        self.nudge()
        if self.feeding is not None:
            self.feeding.cancel()

    async def feed(self, source: AsyncIterable[Any]) -> None:
        """Take items from an async input. Runs in a task of its own, since an async generator must stay in one task."""
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
                        with _eventloop.errors_from_within("the input"):
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
                self.broken(closed())
            self.members.wake()
            if inspect.isasyncgen(iterator):
                with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 5):
                    await iterator.aclose()


def closed() -> TaskConnectionError:
    """Return the error for a client that was closed during an iteration."""
    return TaskConnectionError("the client was closed; what was begun goes on at the server")
