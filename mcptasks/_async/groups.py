"""Waits for many tasks: `gather` (all results), `as_completed` (each as it ends), `wait` (those that are over). The
tasks may belong to any number of clients."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeVar, cast, get_args, overload

import anyio

from mcptasks import _eventloop
from mcptasks._async.task import Task, waiter_of
from mcptasks._core import argument_checks
from mcptasks._core.exceptions import TaskTimeoutError
from mcptasks._core.public_names import live_in
from mcptasks._core.task_text import task_name
from mcptasks._engine.notebook.gathering import Gathering, gathering, shown_in_notebooks
from mcptasks._engine.waiting.abandoning import abandon
from mcptasks._engine.waiting.joining import Given, Joining, all_tasks, close_calls
from mcptasks._engine.waiting.members import Aim, Failed, Member, Members
from mcptasks._engine.waiting.waiter import Waiter, deadline_of

T = TypeVar("T")
_ErrorT = TypeVar("_ErrorT", bound=BaseException)

_NOTES = 5
"""How many unfinished tasks an error names. The rest is counted, since a note for each of a thousand tasks would help
nobody."""

ReturnWhen = Literal["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]
"""When `wait` returns: after all tasks, after one, or after one whose `result()` raises."""


@overload
async def gather(
    *tasks: Task[T] | Awaitable[Task[T]],
    return_exceptions: Literal[False] = False,
    cancel_on_error: bool = False,
    timeout: float | timedelta | None = None,
) -> list[T]: ...


@overload
async def gather(
    *tasks: Task[T] | Awaitable[Task[T]],
    return_exceptions: bool,
    cancel_on_error: bool = False,
    timeout: float | timedelta | None = None,
) -> list[T | Exception]: ...


@shown_in_notebooks
async def gather(
    *tasks: Task[T] | Awaitable[Task[T]],
    return_exceptions: bool = False,
    cancel_on_error: bool = False,
    timeout: float | timedelta | None = None,
) -> list[T] | list[T | Exception]:
    """Wait for the results of several tasks, in the order of the tasks. The clients' handlers answer input requests.

    The first error is raised at once. The other tasks go on at their servers, and their handles stay usable. Only
    gather has handles on the tasks of calls that were passed in, so it cancels these tasks if it raises or is
    cancelled.

    Args:
        tasks: Tasks of any number of clients, or calls with `task=True` that are not awaited yet; these calls start
            together. A task may be given twice.
        return_exceptions: Wait for all tasks, and return errors in place of results. A task that does not finish in
            time has a `TaskTimeoutError` in the list.
        cancel_on_error: At the first error, ask the server to cancel the other tasks (for at most 5 s). A timeout
            cancels none of the tasks that were passed in.
        timeout: Seconds or a `timedelta` for all tasks together; None for no limit, 0 to poll each once.

    Raises:
        TypeError: An argument is neither a task nor a call.
        ValueError: The timeout is negative; or it is 0 and a call was passed in.
        TaskTimeoutError: Some tasks did not finish in time; the work goes on.
        Exception: The first error that the `result` of a task raises.
    """
    found = _checked(tasks, "gather", "pass tasks one by one: gather(*tasks)")
    limit = argument_checks.seconds(timeout, "timeout")
    _look_at_tasks_only(found, "gather", limit)
    members = Members(Aim.RESULT, deadline_of(limit))
    joining = Joining(partial(_made, "gather", shown=gathering()), members)
    results: dict[Any, Any] = {}
    over: list[Member] = []

    async def end() -> Member | Failed | None:
        return next(ended, None) if limit == 0 else await members.next()

    try:
        if limit == 0:
            looked = await members.look(one for one in dict.fromkeys(found) if isinstance(one, Waiter))
            over = [member for member in looked if member.over]
        else:
            for one in dict.fromkeys(found):
                joining.add(one)
        ended = iter(over)
        while (member := await end()) is not None:
            if member.error is None:
                results[member.given] = member.value
                continue
            _note(member.error, member.given)
            if cancel_on_error and not isinstance(member.error, TaskTimeoutError):
                cancel_on_error = False
                known = {member.given, *results}
                await abandon(*(each for each in joining.waiters(found) if each not in known))
            if not return_exceptions or not isinstance(member.error, Exception):
                raise member.error
            results[member.given] = member.error
        late = [one for one in dict.fromkeys(found) if joining.of(one) not in results]
        if late and not return_exceptions:
            raise _late([joining.of(one) for one in late], len(late), len(set(found)))
        await joining.give_up()
    except BaseException:
        await joining.give_up()
        raise
    finally:
        members.release()
    for one in late:
        each = joining.of(one)
        results[each] = _note(each.timed_out(), each) if isinstance(each, Waiter) else _late([each], 1, 1)
    return [results[joining.of(one)] for one in found]


def as_completed(
    tasks: Iterable[Task[T] | Awaitable[Task[T]]], timeout: float | timedelta | None = None
) -> AsyncIterator[Task[T]]:
    """Iterate over tasks as they finish. The `result()` of each task returns or raises at once.

    The clients' handlers answer input requests while a step waits for the next task. The tasks are watched until the
    iteration ends or the iterator is dropped.

    Args:
        tasks: Tasks of any number of clients, or calls with `task=True` that are not awaited yet; these calls start
            together. A task that is given twice comes once.
        timeout: Seconds or a `timedelta` for all tasks, from this call on; None for no limit, 0 to poll each once.

    Raises:
        TypeError: An argument is neither a task nor a call.
        ValueError: The timeout is negative; or it is 0 and a call was passed in.
        Exception: A call that was passed in raises. The next step goes on with the other tasks.
        TaskTimeoutError: Some tasks did not finish in time; the work goes on.
    """
    found = _checked(tasks, "as_completed")
    limit = argument_checks.seconds(timeout, "timeout")
    _look_at_tasks_only(found, "as_completed", limit)
    completed: _Completed[T] = _Completed(found, limit)
    return completed


async def wait(
    tasks: Iterable[Task[T] | Awaitable[Task[T]]],
    *,
    timeout: float | timedelta | None = None,
    return_when: ReturnWhen = "ALL_COMPLETED",
) -> tuple[set[Task[T]], set[Task[T]]]:
    """Wait until tasks are over. Does not answer input requests, and does not raise if a task fails or is cancelled.

    A task also counts as done if nothing more can be learned of it, for example because its server has forgotten it.
    Its `result()` then raises at once.

    Args:
        tasks: Tasks of any number of clients, or calls with `task=True` that are not awaited yet; these calls start
            together. A task may be given twice.
        timeout: Seconds or a `timedelta` to wait; None for no limit, 0 to poll each task once. When the time is up,
            `wait` returns and raises nothing.
        return_when: "ALL_COMPLETED"; "FIRST_COMPLETED"; or "FIRST_EXCEPTION", which returns as soon as the `result()`
            of one task raises (also if the task was cancelled), or when all tasks are over.

    Returns:
        The tasks that are done, and those that are pending.

    Raises:
        TypeError: An argument is neither a task nor a call.
        ValueError: `return_when` is unknown; the timeout is negative; or it is 0 and a call was passed in.
        Exception: A call that was passed in raises, or, with `TaskTimeoutError`, is not answered in time. The tasks of
            the other calls are then cancelled.
    """
    given = _checked(tasks, "wait")
    limit = argument_checks.seconds(timeout, "timeout")
    if return_when not in get_args(ReturnWhen):
        words = ", ".join(map(repr, get_args(ReturnWhen)))
        raise ValueError(f"return_when must be one of {words}; got {return_when!r}")
    _look_at_tasks_only(given, "wait", limit)
    deadline = deadline_of(limit)
    waiters = await all_tasks(given, partial(_made, "wait"), deadline)
    members = Members(Aim.OUTCOME if return_when == "FIRST_EXCEPTION" else Aim.END, deadline)
    lost = set[Waiter]()

    def enough(member: Member | Failed) -> bool:
        if isinstance(member, Member) and member.error is not None and not member.waiter.watch.done:
            lost.add(member.waiter)
            member.waiter.remember(member.error)
        return return_when == "FIRST_COMPLETED" or (return_when == "FIRST_EXCEPTION" and member.error is not None)

    try:
        if limit == 0:
            for looked in await members.look(waiters):
                enough(looked)
        elif return_when != "FIRST_COMPLETED" or not any(waiter.watch.done for waiter in waiters):
            for waiter in waiters:
                members.add(waiter)
            while (member := await members.next()) is not None and not enough(member):
                pass
    except BaseException:
        await abandon(*(set(waiters) - set(given)))  # tasks of calls, which nobody else has handles on
        raise
    finally:
        members.release()
    over = {waiter for waiter in waiters if waiter.watch.done or waiter in lost}
    return {waiter.handle for waiter in over}, {waiter.handle for waiter in waiters if waiter not in over}


class _Completed(AsyncIterator[Task[T]]):
    """A class, not an async generator: it can be dropped without a running event loop, and cancelling one `__anext__`
    does not end the iteration."""

    def __init__(self, tasks: list[Given], limit: float | None) -> None:
        self._tasks = tasks
        self._once = limit == 0
        self._members = Members(Aim.RESULT, deadline_of(limit))
        self._joining = Joining(partial(_made, "as_completed"), self._members)
        self._total = len(set(tasks))
        self._begun = False
        self._beginning = anyio.Lock(fast_acquire=True)
        """Held by the step that begins. If two steps began at the same time, both would hand out every task."""
        self._found: list[Member] = []
        self._soon = _eventloop.finalizer()

    def __del__(self) -> None:
        if len(self._members) or self._members.coming:
            members, joining = self._members, self._joining

            def leave() -> None:
                members.release()
                joining.leave()

            self._soon(leave)

    async def __anext__(self) -> Task[T]:
        member = await self._next()
        if member is None:
            raise StopAsyncIteration
        if isinstance(member, Failed):
            raise member.error
        if member.error is not None:
            member.waiter.remember(member.error)
        self._joining.handed_out(member.waiter)
        return cast("Task[T]", member.waiter.handle)

    async def _next(self) -> Member | Failed | None:
        if not self._begun:
            async with self._beginning:
                await self._begin()
        if self._found:
            return self._found.pop()
        member = await self._members.next()
        if member is None and (len(self._members) or self._members.coming):
            late = [member.waiter for member in self._members]
            count = len(late) + self._members.coming
            self._members.release()
            self._joining.end()
            raise _late(late, count, self._total)
        return member

    async def _begin(self) -> None:
        if self._begun:
            return
        tasks: Iterable[Given] = dict.fromkeys(self._tasks)
        if self._once:
            members = await self._members.look(task for task in tasks if isinstance(task, Waiter))
            self._found = [member for member in reversed(members) if member.over]
            tasks = [member.waiter for member in members if not member.over]
        self._begun, self._tasks = True, []
        for task in tasks:
            self._joining.add(task)


def _late(given: Iterable[Given], count: int, total: int) -> TaskTimeoutError:
    """Return the error for a timeout: `count` of `total` tasks have not finished in time."""
    waiters = [one for one in given if isinstance(one, Waiter)]
    cut = next(filter(None, (waiter.cut_off() for waiter in waiters)), None)
    more = "unfinished tasks go on" if cut is None else cut.message
    words = f"{count} of {total} tasks have no result yet; {more}"
    error = TaskTimeoutError(words, reference=waiters[0].reference if waiters else None)
    error.__cause__ = None if cut is None else cut.__cause__
    for waiter in waiters[:_NOTES]:
        _note(error, waiter)
    if len(waiters) > _NOTES:
        error.add_note(f"and {len(waiters) - _NOTES:,} more")
    return error


def _note(error: _ErrorT, given: Any) -> _ErrorT:
    """Add a note to an error, once, that names the task. A call without a task gets no note."""
    if isinstance(given, Waiter):
        words = task_name(given.reference)
        if words not in getattr(error, "__notes__", ()):
            error.add_note(words)
    return error


def _look_at_tasks_only(given: list[Given], function: str, limit: float | None) -> None:
    if limit == 0 and not all(isinstance(one, Waiter) for one in given):
        close_calls(given)
        raise ValueError(f"{function}(timeout=0) polls tasks that exist; `await` the calls that make them first")


def _checked(tasks: Any, function: str, hint: str = "") -> list[Given]:
    """Return the waiters of the tasks, and the calls. Raises `TypeError` for anything else."""
    if isinstance(tasks, Task) or not isinstance(tasks, Iterable):
        raise TypeError(f"{function}() takes an iterable of tasks, got {tasks!r:.200}")
    found: list[Any] = list(cast("Iterable[Any]", tasks))
    for task in found:
        if isinstance(task, Task) or inspect.isawaitable(task):
            continue
        close_calls(found)
        words = f"{function}() takes tasks, got {task!r:.200}"
        if type(cast("object", task)).__module__ == "mcptasks.sync":
            words += f" of a blocking client; use mcptasks.sync.{function}()"
        elif hint and isinstance(task, Iterable):
            words += f"; {hint}"
        raise TypeError(words)
    return [waiter_of(cast("Task[Any]", one)) if isinstance(one, Task) else one for one in found]


def _made(function: str, found: object, *, shown: Gathering[Any] | None = None) -> Waiter:
    """Return the waiter of the task that a call has made.

    Args:
        function: The function that the program called.
        found: The task.
        shown: Shows the task, too.
    """
    if not isinstance(found, Task):
        words = f"{function}() takes tasks, and calls that return one; a call returned {type(found).__name__}"
        raise TypeError(f"{words}: make it with task=True")
    if shown is not None:
        shown.add(found)
    return waiter_of(cast("Task[Any]", found))


live_in("mcptasks", gather, as_completed, wait)
