"""Calls that a group gets in place of tasks. They start together, and each one's task becomes a member of the group.

Only the group has handles on these tasks. So if the group ends early, we ask the server to cancel those that it has not
handed out.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import anyio
from attrs import define, field

from mcptasks import _eventloop
from mcptasks._core.exceptions import TaskTimeoutError
from mcptasks._engine.connection.connection import CLOSE_SECONDS
from mcptasks._engine.waiting.abandoning import abandon
from mcptasks._engine.waiting.members import Failed, Members
from mcptasks._engine.waiting.waiter import Waiter

_BY_SOMEBODY = "the call was cancelled by somebody else"

Given = Waiter | Awaitable[Any]
"""What a group takes: the waiter for a task, or a call that returns a handle."""

WaiterOf = Callable[[Any], Waiter]
"""Returns the waiter behind a handle. Raises `TypeError` for anything but a handle."""


def close_calls(given: Iterable[Any]) -> None:
    """Close coroutines that will never be awaited, so that Python does not warn of them."""
    for one in given:
        if inspect.iscoroutine(one):
            one.close()


async def all_tasks(given: Iterable[Given], waiter_of: WaiterOf, deadline: float) -> list[Waiter]:
    """Make all calls at the same time. Return the waiters in the order of `given`, each once.

    Args:
        given: Tasks and calls.
        waiter_of: Returns the waiter behind a call's handle.
        deadline: When calls without an answer are given up, by the event loop's clock.

    Raises:
        TaskTimeoutError: Not all calls were answered in time. The tasks of the others are cancelled.
        TypeError: A call returned no handle.
        Exception: Whatever a call raises. The other calls are given up, and their tasks are cancelled.
    """
    each = list(dict.fromkeys(given))
    calls = [one for one in each if not isinstance(one, Waiter)]
    made: dict[Any, Waiter] = {}
    errors: list[BaseException] = []

    async def make(call: Awaitable[Any]) -> None:
        try:
            made[call] = waiter_of(await call)
        except Exception as exc:  # noqa: BLE001 - the first one is raised
            errors.append(exc)
            group.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            if not _eventloop.cancelled_from_within():
                raise
            errors.append(RuntimeError(_BY_SOMEBODY))
            group.cancel_scope.cancel()

    if calls:
        try:
            with anyio.CancelScope(deadline=deadline) as scope:
                async with anyio.create_task_group() as group:
                    for call in calls:
                        group.start_soon(make, call)
            if errors:
                raise errors[0]
            if scope.cancelled_caught:
                raise TaskTimeoutError(f"{len(calls) - len(made)} of {len(calls)} calls were not answered in time")
        except BaseException:
            await abandon(*made.values())
            raise
    return list(dict.fromkeys(one if isinstance(one, Waiter) else made[one] for one in each))


@define(eq=False)
class Joining:
    """The calls of one group, until their tasks become members.

    The calls run in tasks of the client, since a group may be an iterator, whose steps end while calls go on.
    """

    waiter_of: WaiterOf
    """Returns the waiter behind a call's handle."""
    members: Members
    _made: dict[Any, Waiter] = field(factory=dict[Any, Waiter], init=False)
    _under_way: dict[Any, anyio.CancelScope] = field(factory=dict[Any, anyio.CancelScope], init=False)
    _own: set[Waiter] = field(factory=set[Waiter], init=False)
    """Waiters for tasks of calls that only the group has handles on."""
    _ended: bool = field(default=False, init=False)
    _quiet: anyio.Event = field(factory=anyio.Event, init=False)
    """Set when the last call under way has ended."""

    def add(self, given: Given) -> None:
        """Add a task, or begin a call."""
        if isinstance(given, Waiter):
            self.members.add(given)
            return
        self._under_way[given] = anyio.CancelScope()
        self.members.coming += 1
        _eventloop.start(partial(self._run, given), "mcptasks call", contextvars.copy_context())

    def of(self, given: Given) -> Any:
        """Return the waiter for a given call or task; if the call has none yet, the call."""
        return given if isinstance(given, Waiter) else self._made.get(given, given)

    def waiters(self, given: Iterable[Given]) -> list[Waiter]:
        """Return the waiters for the given tasks and for the tasks of calls, each once."""
        return [found for found in map(self.of, dict.fromkeys(given)) if isinstance(found, Waiter)]

    def handed_out(self, waiter: Waiter) -> None:
        """Note that the program has a handle on this task from now on."""
        self._own.discard(waiter)

    def end(self) -> list[Waiter]:
        """Give up the calls that are under way. Return the tasks of calls that only the group has handles on."""
        self._ended = True
        for scope in self._under_way.values():
            scope.cancel()
        own, self._own = list(self._own), set()
        return own

    async def give_up(self) -> None:
        """Give up the calls that are under way, and cancel the tasks that only the group has handles on. Shielded and
        bounded."""
        await abandon(*self.end())
        if self._under_way:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await self._quiet.wait()

    def leave(self) -> None:
        """Do the same as `give_up`, in the background."""
        _eventloop.start(partial(abandon, *self.end()), "mcptasks cancel")

    async def _run(self, call: Awaitable[Any]) -> None:
        waiter: Waiter | None = None
        error: BaseException = RuntimeError(_BY_SOMEBODY)
        try:
            with self._under_way[call]:
                waiter = self.waiter_of(await call)
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            raise
        except BaseException as exc:  # noqa: BLE001 - whoever waits for the group gets it
            error = exc
        finally:
            del self._under_way[call]
            self.members.coming -= 1
            if not self._under_way:
                self._quiet.set()
            if waiter is not None:
                self._made[call] = waiter
            if self._ended:
                self.members.wake()
            elif waiter is None:
                self.members.fail(Failed(call, error))
            else:
                self._own.add(waiter)
                self.members.add(waiter)
        if self._ended and waiter is not None:
            await abandon(waiter)
