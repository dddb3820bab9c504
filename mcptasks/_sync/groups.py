# Generated from mcptasks/_async/groups.py by `nox -s generate`. Do not edit: change the source and run that again.
"""Many tasks at once: all results, each as it comes, or as many as there are. Tasks of any number of clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, overload

from mcptasks._async.groups import ReturnWhen, T
from mcptasks._async.groups import as_completed as async_as_completed
from mcptasks._async.groups import gather as async_gather
from mcptasks._async.groups import wait as async_wait
from mcptasks._portal.facade import blocking
from mcptasks._portal.group import Group
from mcptasks._sync.task import Task


@overload
def gather(*tasks: Task[T], return_exceptions: Literal[False] = False, cancel_on_error: bool = False) -> list[T]: ...


@overload
def gather(*tasks: Task[T], return_exceptions: bool, cancel_on_error: bool = False) -> list[T | Exception]: ...


@blocking
def gather(
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
    group = Group("gather", tasks)
    return group.call(
        lambda: async_gather(*group.tasks, return_exceptions=return_exceptions, cancel_on_error=cancel_on_error),
        answers=True,
    )


@blocking
def as_completed(tasks: Iterable[Task[T]], timeout: float | None = None) -> Iterator[Task[T]]:
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
    group = Group("as_completed", tasks)
    return map(group.handle, group.iterate(lambda: async_as_completed(group.tasks, timeout), answers=True))


@blocking
def wait(
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
    group = Group("wait", tasks)
    return group.handles(group.call(lambda: async_wait(group.tasks, timeout=timeout, return_when=return_when)))
