"""A blocking client behind the async surface, for the tests of both worlds (tests/core/worlds.py).

Each awaited call is the blocking client's, made in a thread of its own; everything else (properties, registering,
handles) is called as it is. What a test gives to the client is handed on unchanged, so callbacks and handlers run where
the blocking client runs them: what they set has to be a `Signal` (tests/core/support.py), not an event of the test's
loop.

Cancelling an await interrupts its call as Ctrl-C would. A thread other than the main one gets no KeyboardInterrupt
from Python, so it is raised by a job for the waiting thread: at the point where a signal handler would raise it. Real
signals are sent in tests/portal/test_interrupts.py.
"""

from __future__ import annotations

import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast
from weakref import WeakSet, WeakValueDictionary

import anyio
import anyio.lowlevel
import pytest

import mcptasks
import mcptasks.sync
from mcptasks._portal.call import Call
from mcptasks._portal.thread import Backend
from mcptasks.testing._bell import Bell

T = TypeVar("T")

CALLER = "a blocking caller"
"""The name of the threads that call the blocking client."""

_SOON = 5.0
"""How many seconds an interrupted call may take to end; what a person expects is measured in tests/portal."""


async def checkpoints() -> None:
    """Let everything run that can run now on this event loop."""
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


class BlockingWorld:
    """The blocking client, with a background thread of the test's own kind."""

    def __init__(self, backend: Backend) -> None:
        self._backend: Backend = backend
        self._errands: WeakSet[_Errand[Any]] = WeakSet()
        self._clients: WeakSet[BridgedClient] = WeakSet()

    def make(self, target: Any, **options: Any) -> mcptasks.Client:
        """A client, not connected yet."""
        client = BridgedClient(self, mcptasks.sync.Client(target, backend=self._backend, **options))
        self._clients.add(client)
        return cast("mcptasks.Client", client)

    async def settle(self) -> None:
        """Let everything run that can run now, here and in the background."""
        await checkpoints()
        for errand in list(self._errands):
            await errand.under_way.until(errand.is_under_way)
        for client in list(self._clients):
            await client.settle()
        await checkpoints()

    async def gather(self, *tasks: Any, **options: Any) -> Any:
        """`mcptasks.sync.gather`."""
        return await self.run(partial(mcptasks.sync.gather, *map(_unbridged, tasks), **options))

    def as_completed(self, tasks: Iterable[Any], timeout: float | None = None) -> AsyncIterator[Any]:
        """`mcptasks.sync.as_completed`."""
        tasks = list(tasks)
        known = {task._blocking: task for task in tasks if isinstance(task, BridgedTask)}
        found = mcptasks.sync.as_completed(map(_unbridged, tasks), timeout)
        return _Steps(self, map(known.__getitem__, found))

    async def wait(self, tasks: Iterable[Any], **options: Any) -> Any:
        """`mcptasks.sync.wait`."""
        tasks = list(tasks)
        known = {task._blocking: task for task in tasks if isinstance(task, BridgedTask)}
        found = await self.run(partial(mcptasks.sync.wait, list(map(_unbridged, tasks)), **options))
        return tuple({known[task] for task in part} for part in found)

    def inner(self, task: Any) -> mcptasks.Task[Any]:
        """The async task."""
        return cast("mcptasks.Task[Any]", task._blocking._inner)

    async def run(self, function: Callable[[], T]) -> T:
        """Call a function of the blocking client in a thread; interrupted when this is cancelled."""
        errand = _Errand(function)
        self._errands.add(errand)
        return await errand.run()


# --- blocking calls in threads --------------------------------------------------------------------------------------


class _Here(threading.local):
    errand: _Errand[Any] | None = None


_here = _Here()


class _Errand(Generic[T]):
    """One call of the blocking client, made in a thread for a coroutine of the test."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._calls: list[Call[Any]] = []
        self._interrupted = False
        self._begun = False
        self._outcome: tuple[T | None, BaseException | None] | None = None
        self.under_way = Bell()

    async def run(self) -> T:
        """Make the call, and interrupt it when this is cancelled."""
        await anyio.lowlevel.checkpoint()
        threading.Thread(target=self._work, name=CALLER, daemon=True).start()
        try:
            value, error = await self.under_way.until(lambda: self._outcome)
        except anyio.get_cancelled_exc_class():
            self._interrupt()
            with anyio.move_on_after(_SOON, shield=True):
                await self.under_way.until(lambda: self._outcome)
            if self._outcome is None:
                raise AssertionError("the call goes on though it was interrupted") from None
            raise
        if error is not None:
            raise error
        return cast("T", value)

    def is_under_way(self) -> bool | None:
        """Whether it waits for the background thread by now, or has ended."""
        return self._begun or None

    def _work(self) -> None:
        _here.errand = self
        try:
            self._outcome = self._function(), None
        except BaseException as exc:
            self._outcome = None, exc
        self._begun = True
        self.under_way.ring()

    def _interrupt(self) -> None:
        with self._lock:
            self._interrupted = True
            if self._calls:
                self._calls[-1].give(_interrupt)

    @contextmanager
    def following(self, call: Call[Any]) -> Generator[None]:
        """The thread waits for a call; a handler that it runs meanwhile may make another."""
        with self._lock:
            self._calls.append(call)
            if self._interrupted:
                call.give(_interrupt)
        self._begun = True
        self.under_way.ring()
        try:
            yield
        finally:
            with self._lock:
                self._calls.remove(call)


def _interrupt() -> None:
    raise KeyboardInterrupt


def follow_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the waits of blocking calls known to their errands, which can interrupt them then."""
    attend_inbox = Call[Any].attend_inbox

    def attended(call: Call[Any]) -> None:
        errand = _here.errand
        if errand is None:
            attend_inbox(call)
            return
        with errand.following(call):
            attend_inbox(call)

    monkeypatch.setattr(Call, "attend_inbox", attended)


def blocking_threads() -> list[threading.Thread]:
    """The threads of blocking clients, and those that call them for tests."""
    return [thread for thread in threading.enumerate() if thread.name == CALLER or thread.name.startswith("mcptasks ")]


# --- the bridge -----------------------------------------------------------------------------------------------------

ExitInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class _Bridged(ABC):
    """Has what the async class has, and does it with the blocking object."""

    def __init__(self, world: BlockingWorld, model: type, blocking: Any) -> None:
        self._world = world
        self._model = model
        self._blocking = blocking

    def __getattr__(self, name: str) -> Any:
        model = inspect.getattr_static(self._model, name)
        value = getattr(self._blocking, name)
        if isinstance(model, property):
            return value
        if inspect.iscoroutinefunction(model):
            return partial(self._await, value)
        return partial(self._call, value)

    def __repr__(self) -> str:
        return repr(self._blocking)

    def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._bridge(method(*args, **kwargs))

    async def _await(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._bridge(await self._world.run(partial(method, *args, **kwargs)))

    async def _leave(self, info: ExitInfo) -> None:
        if info[0] is not None and issubclass(info[0], anyio.get_cancelled_exc_class()):
            info = (KeyboardInterrupt, KeyboardInterrupt(), None)
        with anyio.CancelScope(shield=True):
            await self._world.run(partial(self._blocking.__exit__, *info))

    @abstractmethod
    def _bridge(self, value: Any) -> Any:
        """What the blocking client returned, as the async one would return it."""


class BridgedClient(_Bridged):
    """A blocking client with the async surface."""

    def __init__(self, world: BlockingWorld, blocking: mcptasks.sync.Client) -> None:
        super().__init__(world, mcptasks.Client, blocking)
        self._tasks: WeakValueDictionary[mcptasks.sync.Task[Any], BridgedTask] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        try:
            await self._world.run(self._blocking.__enter__)
        except anyio.get_cancelled_exc_class():
            # An interrupt that comes when the call has done its work finds the client open. `with` would leave it then;
            # `async with` does not leave what it has not entered.
            with anyio.CancelScope(shield=True):
                await self._world.run(self._blocking.close)
            raise
        return self

    async def __aexit__(self, *info: Any) -> None:
        await self._leave(info)

    async def settle(self) -> None:
        """Let everything run that can run now on the background thread."""
        if self._blocking._runner.is_open:
            await self._world.run(lambda: self._blocking._call(checkpoints))

    def _bridge(self, value: Any) -> Any:
        if isinstance(value, mcptasks.sync.Task):
            handle = cast("mcptasks.sync.Task[Any]", value)
            known = self._tasks.get(handle)
            if known is None:
                known = self._tasks[handle] = BridgedTask(self._world, handle)
            return known
        if isinstance(value, Iterator):
            return _Steps(self._world, cast("Iterator[Any]", value))
        if isinstance(value, list):
            return [self._bridge(each) for each in cast("list[Any]", value)]
        return value


class BridgedTask(_Bridged):
    """A blocking task with the async surface."""

    def __init__(self, world: BlockingWorld, blocking: mcptasks.sync.Task[Any]) -> None:
        super().__init__(world, mcptasks.Task, blocking)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._await(self._blocking.result).__await__()

    async def __aenter__(self) -> Self:
        assert await self._world.run(self._blocking.__enter__) is self._blocking
        return self

    async def __aexit__(self, *info: Any) -> None:
        await self._leave(info)

    def _bridge(self, value: Any) -> Any:
        return _Steps(self._world, cast("Iterator[Any]", value)) if isinstance(value, Iterator) else value


class _Steps(AsyncIterator[Any]):
    """A blocking iterator as an async one."""

    def __init__(self, world: BlockingWorld, blocking: Iterator[Any]) -> None:
        self._world = world
        self._blocking = blocking

    async def __anext__(self) -> Any:
        found = await self._world.run(self._next)
        if not found:
            raise StopAsyncIteration
        return found[0]

    def _next(self) -> list[Any]:
        try:
            return [next(self._blocking)]
        except StopIteration:
            return []


def _unbridged(task: Any) -> Any:
    return task._blocking if isinstance(task, BridgedTask) else task
