"""Many tasks at once: all results, each as it comes, or as many as there are. Tasks of any number of clients."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable
from typing import Any, Literal, TypeVar, cast, get_args, overload

from mcptasks import _arguments, _detached
from mcptasks._async.abandoning import abandon
from mcptasks._async.members import Aim, Member, Members
from mcptasks._async.task import Task, waiter_of
from mcptasks._async.waiting import deadline_of
from mcptasks._exceptions import TaskTimeoutError

T = TypeVar("T")

ReturnWhen = Literal["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]
"""When `wait` returns."""


@overload
async def gather(
    *tasks: Task[T], return_exceptions: Literal[False] = False, cancel_on_error: bool = False
) -> list[T]: ...


@overload
async def gather(*tasks: Task[T], return_exceptions: bool, cancel_on_error: bool = False) -> list[T | Exception]: ...


async def gather(
    *tasks: Task[T], return_exceptions: bool = False, cancel_on_error: bool = False
) -> list[T] | list[T | Exception]:
    """Wait for the results of several tasks, in the order of the tasks. The clients' handlers answer what they ask.

    The first error is raised at once; the other tasks go on at their servers, and their handles stay usable.

    Args:
        tasks: The tasks, of any number of clients. One may be there twice.
        return_exceptions: Wait for all of them, and have errors in the list in place of results.
        cancel_on_error: At the first error, ask the server to cancel the others (for at most 5 s).

    Raises:
        TypeError: Something else than a task.
        Exception: What `Task.result` of a task raises.
    """
    found = _checked(tasks, "gather", "pass tasks one by one: gather(*tasks)")
    members = Members(Aim.RESULT)
    results: dict[Task[T], Any] = {}
    try:
        for task in dict.fromkeys(found):
            members.add(task)
        while (member := await members.next()) is not None:
            if member.error is None:
                results[member.task] = member.value
                continue
            if cancel_on_error:
                cancel_on_error = False
                await abandon(*(other.task for other in members))
            if not return_exceptions or not isinstance(member.error, Exception):
                raise member.error
            results[member.task] = member.error
    finally:
        members.release()
    return [results[task] for task in found]


def as_completed(tasks: Iterable[Task[T]], timeout: float | None = None) -> AsyncIterator[Task[T]]:
    """Iterate over tasks as they are finished. The `result()` of each returns or raises at once.

    What they ask is answered by the clients' handlers while the next one is waited for. The tasks are watched until
    the iteration ends or is given up.

    Args:
        tasks: The tasks, of any number of clients. One that is there twice comes once.
        timeout: Seconds for all of them, from this call on; None for as long as it takes, 0 to look once.

    Raises:
        TypeError: Something else than a task.
        TaskTimeoutError: Some are not finished in time; the work goes on.
    """
    return _Completed(_checked(tasks, "as_completed"), _arguments.seconds(timeout, "timeout"))


async def wait(
    tasks: Iterable[Task[T]], *, timeout: float | None = None, return_when: ReturnWhen = "ALL_COMPLETED"
) -> tuple[set[Task[T]], set[Task[T]]]:
    """Wait until tasks are over; never answers input, never raises for how they end.

    A task of which nothing more can be learned counts as done, such as one that its server has forgotten; its
    `result()` raises at once.

    Args:
        tasks: The tasks, of any number of clients. One may be there twice.
        timeout: Seconds to wait, None for as long as it takes, 0 to look once. That it passes is no error.
        return_when: "ALL_COMPLETED"; "FIRST_COMPLETED"; or "FIRST_EXCEPTION", when the `result()` of one raises, also
            because it was cancelled, or all are over.

    Returns:
        The tasks that are done, and those that are pending.

    Raises:
        TypeError: Something else than a task.
        ValueError: An unknown `return_when`.
    """
    found = dict.fromkeys(_checked(tasks, "wait"))
    limit = _arguments.seconds(timeout, "timeout")
    if return_when not in get_args(ReturnWhen):
        words = ", ".join(map(repr, get_args(ReturnWhen)))
        raise ValueError(f"return_when must be one of {words}; got {return_when!r}")
    members = Members(Aim.OUTCOME if return_when == "FIRST_EXCEPTION" else Aim.END, deadline_of(limit))
    lost = set[Task[T]]()

    def enough(member: Member) -> bool:
        if member.error is not None and not member.task.done:
            lost.add(member.task)
            waiter_of(member.task).remember(member.error)
        return return_when == "FIRST_COMPLETED" or (return_when == "FIRST_EXCEPTION" and member.error is not None)

    try:
        if limit == 0:
            for looked in await members.look(found):
                enough(looked)
        elif return_when != "FIRST_COMPLETED" or not any(task.done for task in found):
            for task in found:
                members.add(task)
            while (member := await members.next()) is not None and not enough(member):
                pass
    finally:
        members.release()
    done = {task for task in found if task.done or task in lost}
    return done, found.keys() - done


class _Completed(AsyncIterator[Task[T]]):
    """Not a generator, so that giving it up needs no event loop at that moment, and cancelling a step ends no more
    than that step."""

    def __init__(self, tasks: list[Task[T]], limit: float | None) -> None:
        self._tasks = tasks
        self._once = limit == 0
        self._members = Members(Aim.RESULT, deadline_of(limit))
        self._total = len(set(tasks))
        self._begun = False
        self._found: list[Member] = []
        self._soon = _detached.finalizer()

    def __del__(self) -> None:
        if len(self._members):
            self._soon(self._members.release)

    async def __anext__(self) -> Task[T]:
        member = await self._next()
        if member is None:
            raise StopAsyncIteration
        if member.error is not None:
            waiter_of(member.task).remember(member.error)
        return cast("Task[T]", member.task)

    async def _next(self) -> Member | None:
        if not self._begun:
            await self._begin()
        if self._found:
            return self._found.pop()
        member = await self._members.next()
        if member is None and len(self._members):
            late = [member.task for member in self._members]
            self._members.release()
            raise TaskTimeoutError(
                f"{len(late)} of {self._total} tasks are not finished; the work goes on", reference=late[0].reference
            )
        return member

    async def _begin(self) -> None:
        tasks = dict.fromkeys(self._tasks)
        if self._once:
            members = await self._members.look(tasks)
            self._found = [member for member in reversed(members) if member.over]
            tasks = dict.fromkeys(member.task for member in members if not member.over)
        self._begun, self._tasks = True, []
        for task in tasks:
            self._members.add(task)


def _checked(tasks: Any, function: str, hint: str = "") -> list[Task[Any]]:
    """The tasks, if that is what they are."""
    if isinstance(tasks, Task) or not isinstance(tasks, Iterable):
        raise TypeError(f"{function}() takes an iterable of tasks, got {tasks!r:.200}")
    found: list[Any] = list(cast("Iterable[Any]", tasks))
    for task in found:
        if isinstance(task, Task):
            continue
        words = f"{function}() takes tasks, got {task!r:.200}"
        if inspect.isawaitable(task):
            words += "; `await` the call that makes the task first"
        elif type(cast("object", task)).__module__.startswith("mcptasks._sync"):
            words += f" of a blocking client; use mcptasks.sync.{function}()"
        elif hint and isinstance(task, Iterable):
            words += f"; {hint}"
        raise TypeError(words)
    return found
