# Generated from mcptasks/_async/groups.py by `nox -s generate`. Do not edit: change the source and run that again.
"""Waits for many tasks: `gather` (all results), `as_completed` (each as it ends), `wait` (those that are over). The
tasks may belong to any number of clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Literal, overload

from mcptasks._async.groups import ReturnWhen, T
from mcptasks._async.groups import as_completed as async_as_completed
from mcptasks._async.groups import gather as async_gather
from mcptasks._async.groups import wait as async_wait
from mcptasks._portal.facade import blocking
from mcptasks._portal.groups import Group
from mcptasks._sync.task import Task


@overload
def gather(
    *tasks: Task[T],
    return_exceptions: Literal[False] = False,
    cancel_on_error: bool = False,
    timeout: float | timedelta | None = None,
) -> list[T]: ...


@overload
def gather(
    *tasks: Task[T], return_exceptions: bool, cancel_on_error: bool = False, timeout: float | timedelta | None = None
) -> list[T | Exception]: ...


@blocking
def gather(
    *tasks: Task[T],
    return_exceptions: bool = False,
    cancel_on_error: bool = False,
    timeout: float | timedelta | None = None,
) -> list[T] | list[T | Exception]:
    """Wait for the results of several tasks, in the order of the tasks. The clients' handlers answer input requests.

    The first error is raised at once. The other tasks go on at their servers, and their handles stay usable.

    Args:
        tasks: Tasks of any number of clients. A task may be given twice.
        return_exceptions: Wait for all tasks, and return errors in place of results. A task that does not finish in
            time has a `TaskTimeoutError` in the list.
        cancel_on_error: At the first error, ask the server to cancel the other tasks (for at most 5 s). A timeout
            cancels none of the tasks that were passed in.
        timeout: Seconds or a `timedelta` for all tasks together; None for no limit, 0 to poll each once.

    Raises:
        TypeError: An argument is not a task.
        ValueError: The timeout is negative; or the tasks' clients have different backends.
        TaskTimeoutError: Some tasks did not finish in time; the work goes on.
        Exception: The first error that the `result` of a task raises.
    """
    group = Group("gather", tasks)
    return group.call(
        lambda: async_gather(
            *group.tasks, return_exceptions=return_exceptions, cancel_on_error=cancel_on_error, timeout=timeout
        ),
        answers=True,
    )


@blocking
def as_completed(tasks: Iterable[Task[T]], timeout: float | timedelta | None = None) -> Iterator[Task[T]]:
    """Iterate over tasks as they finish. The `result()` of each task returns or raises at once.

    The clients' handlers answer input requests while a step waits for the next task. The tasks are watched until the
    iteration ends or the iterator is dropped.

    Args:
        tasks: Tasks of any number of clients. A task that is given twice comes once.
        timeout: Seconds or a `timedelta` for all tasks, from this call on; None for no limit, 0 to poll each once.

    Raises:
        TypeError: An argument is not a task.
        ValueError: The timeout is negative; or the tasks' clients have different backends.
        TaskTimeoutError: Some tasks did not finish in time; the work goes on.
    """
    group = Group("as_completed", tasks)
    return map(group.handle, group.iterate(lambda: async_as_completed(group.tasks, timeout), answers=True))


@blocking
def wait(
    tasks: Iterable[Task[T]], *, timeout: float | timedelta | None = None, return_when: ReturnWhen = "ALL_COMPLETED"
) -> tuple[set[Task[T]], set[Task[T]]]:
    """Wait until tasks are over. Does not answer input requests, and does not raise if a task fails or is cancelled.

    A task also counts as done if nothing more can be learned of it, for example because its server has forgotten it.
    Its `result()` then raises at once.

    Args:
        tasks: Tasks of any number of clients. A task may be given twice.
        timeout: Seconds or a `timedelta` to wait; None for no limit, 0 to poll each task once. When the time is up,
            `wait` returns and raises nothing.
        return_when: "ALL_COMPLETED"; "FIRST_COMPLETED"; or "FIRST_EXCEPTION", which returns as soon as the `result()`
            of one task raises (also if the task was cancelled), or when all tasks are over.

    Returns:
        The tasks that are done, and those that are pending.

    Raises:
        TypeError: An argument is not a task.
        ValueError: `return_when` is unknown; the timeout is negative; or the tasks' clients have different backends.
    """
    group = Group("wait", tasks)
    return group.handles(group.call(lambda: async_wait(group.tasks, timeout=timeout, return_when=return_when)))
