"""Calls about tasks of several clients that share a background thread."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

from mcptasks._async.task import Task as AsyncTask
from mcptasks._portal.call import Call
from mcptasks._portal.facade import TaskFacade, parts_of
from mcptasks._portal.iteration import Steps
from mcptasks._portal.runner import Runner

T = TypeVar("T")
HandleT = TypeVar("HandleT")


class _Runners:
    """The runners of several clients, for one call at a time."""

    def __init__(self, runners: Iterable[Runner]) -> None:
        # Without tasks there is no client, and any event loop will do.
        self._runners = list(runners) or [Runner("asyncio")]

    def call(self, function: Callable[[], Awaitable[T]], *, answers: bool = False) -> T:
        """Run an async function to its end and return its value; see `Runner.call`.

        Raises:
            ValueError: The clients have different background threads.
        """
        for runner in self._runners:
            runner.check()
        open_now = [(runner, portal) for runner in self._runners if (portal := runner.portal) is not None]
        if not open_now:
            return self._runners[0].call(function, answers=answers)
        if len({portal for _, portal in open_now}) > 1:
            backends = " and ".join(sorted({repr(runner.backend) for runner, _ in open_now}))
            raise ValueError(
                f"the tasks' clients have different backends ({backends}); wait for the tasks of each backend apart"
            )
        hooks = [runner.hooks(answers) for runner, _ in open_now]

        def began(call: Call[Any]) -> None:
            for begin, _ in hooks:
                begin(call)

        def ended(call: Call[Any]) -> None:
            for _, end in hooks:
                end(call)

        return Call(open_now[0][1], function, began=began, ended=ended).wait()


class Group(Generic[HandleT]):
    """The blocking tasks that a program passes to a function such as `gather`, with their async tasks.

    Args:
        function: The function's name, for errors.
        handles: The blocking tasks.

    Raises:
        TypeError: An item is not a blocking task.
    """

    def __init__(self, function: str, handles: Iterable[HandleT]) -> None:
        self._handles: dict[AsyncTask[Any], HandleT] = {}
        self.tasks: list[AsyncTask[Any]] = []
        """The async tasks."""
        runners: dict[Runner, None] = {}
        for handle in _checked(function, handles):
            runner, inner = parts_of(cast("TaskFacade[Any]", handle))
            runners[runner] = None
            self._handles[inner] = handle
            self.tasks.append(inner)
        self._runners = _Runners(runners)

    def call(self, function: Callable[[], Awaitable[T]], *, answers: bool = False) -> T:
        """Run an async function in the background and wait for it; see `Facade`."""
        return self._runners.call(function, answers=answers)

    def iterate(self, make: Callable[[], AsyncIterator[T]], *, answers: bool = False) -> Iterator[T]:
        """The blocking form of an async iterator; see `Facade`."""

        async def once() -> AsyncIterator[T]:
            return make()

        return Steps(self._runners, self._runners.call(once), answers=answers)

    def handle(self, task: AsyncTask[Any]) -> HandleT:
        """The blocking handle that the program passed in for an async task."""
        return self._handles[task]

    def handles(self, found: tuple[set[AsyncTask[Any]], set[AsyncTask[Any]]]) -> tuple[set[HandleT], set[HandleT]]:
        """The blocking handles for two sets of async tasks."""
        return set(map(self.handle, found[0])), set(map(self.handle, found[1]))


def _checked(function: str, handles: Iterable[HandleT]) -> list[HandleT]:
    tasks: Any = handles
    if isinstance(tasks, TaskFacade | AsyncTask) or not isinstance(tasks, Iterable):
        raise TypeError(f"{function}() takes an iterable of tasks, got {tasks!r:.200}")
    found: list[Any] = list(cast("Iterable[Any]", tasks))
    for task in found:
        if isinstance(task, TaskFacade):
            continue
        words = f"{function}() takes tasks, got {task!r:.200}"
        if isinstance(task, AsyncTask):
            words += f" of an async client; use mcptasks.{function}()"
        elif inspect.isawaitable(task):
            words += ", which is for async programs"
        elif isinstance(task, Iterable) and function == "gather":
            words += "; pass tasks one by one: gather(*tasks)"
        raise TypeError(words)
    return found
