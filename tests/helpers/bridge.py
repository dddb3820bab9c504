"""A blocking client behind the async surface, for the tests of both worlds (tests/helpers/worlds.py).

Each awaited call becomes a call of the blocking client, in a thread of its own. Everything else (properties,
registering, handles) is called directly. A test's arguments are handed on unchanged, so callbacks and handlers run
where the blocking client runs them. They must set a `Signal` (tests/helpers/support.py), not an event of the test's
event loop.

Cancelling an await interrupts its call as Ctrl-C would. A thread other than the main one gets no KeyboardInterrupt
from Python, so it is raised by a job for the waiting thread: at the point where a signal handler would raise it. Real
signals are sent in tests/portal/test_interrupts.py.
"""

from __future__ import annotations

import contextvars
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast
from weakref import WeakSet, WeakValueDictionary

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve

import mcptasks
import mcptasks.sync
from mcptasks._portal.call import Call
from mcptasks._portal.portal import Backend
from mcptasks.store import Recovery
from mcptasks.testing._bell import Bell

T = TypeVar("T")

CALLER = "a blocking caller"
"""The name of the threads that call the blocking client."""

_SOON = 40.0
"""Seconds that an interrupted call may take to end. This only keeps a test from hanging; tests/portal measures what a
person expects."""


async def checkpoints() -> None:
    """Let all tasks of this event loop run that can run now."""
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


class BlockingWorld:
    """The world of the blocking client, with the test's event loop on the background thread."""

    def __init__(self, backend: Backend) -> None:
        self._backend: Backend = backend
        self._errands: set[_Errand[Any]] = set()
        self._clients: WeakSet[BridgedClient] = WeakSet()

    def make(self, target: Any, **options: Any) -> mcptasks.Client:
        """A client, not connected yet."""
        client = BridgedClient(self, mcptasks.sync.Client(target, backend=self._backend, **options))
        self._clients.add(client)
        return cast("mcptasks.Client", client)

    def group(self, servers: Any, **options: Any) -> mcptasks.Group:
        """A group, not connected yet."""
        group = BridgedClient(self, mcptasks.sync.Group(servers, backend=self._backend, **options), mcptasks.Group)
        self._clients.add(group)
        return cast("mcptasks.Group", group)

    async def settle(self) -> None:
        """Let all tasks run that can run now, here and on the background thread."""
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

    async def progress(self, *tasks: Any, **options: Any) -> None:
        """`mcptasks.sync.progress`."""
        await self.run(partial(mcptasks.sync.progress, *map(_unbridged, tasks), **options))

    async def wait(self, tasks: Iterable[Any], **options: Any) -> Any:
        """`mcptasks.sync.wait`."""
        tasks = list(tasks)
        known = {task._blocking: task for task in tasks if isinstance(task, BridgedTask)}
        found = await self.run(partial(mcptasks.sync.wait, list(map(_unbridged, tasks)), **options))
        return tuple({known[task] for task in part} for part in found)

    def inner(self, task: Any) -> mcptasks.Task[Any]:
        """The async task behind a blocking one."""
        return cast("mcptasks.Task[Any]", task._blocking._inner)

    async def run(self, function: Callable[[], T]) -> T:
        """Call a function of the blocking client in a thread. A cancellation interrupts the call."""
        errand = _Errand(function)
        self._errands.add(errand)
        try:
            return await errand.run()
        finally:
            self._errands.discard(errand)


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
        """Whether an interrupt is still to be raised."""
        self._begun = False
        self._outcome: tuple[T | None, BaseException | None] | None = None
        self.under_way = Bell()

    async def run(self) -> T:
        """Make the call. A cancellation interrupts it."""
        try:
            await anyio.lowlevel.checkpoint()
            value, error = await self._made()
        finally:
            # The outcome's traceback refers to this errand, and would keep objects alive that the test drops and
            # collects.
            self._outcome = None
            self._begun = True
            self.under_way.ring()
        if error is None:
            return cast("T", value)
        try:
            raise error
        finally:
            del error

    async def _made(self) -> tuple[T | None, BaseException | None]:
        """Make the call in a thread, and return when the thread has ended."""
        # With the test's context variables, like the thread of a program that traces.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._work,), name=CALLER, daemon=True)
        thread.start()
        try:
            outcome = await self.under_way.until(lambda: self._outcome)
        except anyio.get_cancelled_exc_class():
            self._interrupt()
            with anyio.move_on_after(_SOON, shield=True):
                await self.under_way.until(lambda: self._outcome)
            if self._outcome is None:
                raise AssertionError("the call goes on though it was interrupted") from None
            thread.join()
            raise
        # The call is over, so this does not block. Until the thread ends, it keeps the call's frames alive.
        thread.join()
        return outcome

    def is_under_way(self) -> bool | None:
        """Whether the call waits for the background thread by now, or has ended."""
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
            # Every call gets the job, since the innermost call may have ended. Then its thread does not read that inbox
            # again, and goes on in the call around it.
            for call in self._calls:
                call.give(self._raise_interrupt)

    def _raise_interrupt(self) -> None:
        """Raise the interrupt on the calling thread, once."""
        with self._lock:
            interrupted, self._interrupted = self._interrupted, False
        if interrupted:
            raise KeyboardInterrupt

    @contextmanager
    def following(self, call: Call[Any]) -> Generator[None]:
        """A block in which the thread waits for a call. A handler that runs meanwhile may make another call."""
        with self._lock:
            self._calls.append(call)
        self._begun = True
        self.under_way.ring()
        try:
            self._raise_interrupt()  # The interrupt may have come before the first call, or between two calls.
            yield
        finally:
            with self._lock:
                self._calls.remove(call)


def follow_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell errands of the waits of their blocking calls, so that they can interrupt these."""
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
    """The threads of blocking clients, and the threads that call these for tests."""
    return [thread for thread in threading.enumerate() if thread.name == CALLER or thread.name.startswith("mcptasks ")]


# --- the bridge -----------------------------------------------------------------------------------------------------

ExitInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class _Bridged(ABC):
    """An object with the surface of an async class, which works with a blocking object."""

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
        return self._bridge(await self._world.run(partial(method, *map(_unbridged, args), **kwargs)))

    async def _leave(self, info: ExitInfo) -> None:
        if info[0] is not None and issubclass(info[0], anyio.get_cancelled_exc_class()):
            info = (KeyboardInterrupt, KeyboardInterrupt(), None)
        with anyio.CancelScope(shield=True):
            await self._world.run(partial(self._blocking.__exit__, *info))

    @abstractmethod
    def _bridge(self, value: Any) -> Any:
        """Wrap a value of the blocking client, so that it looks like the async client's."""


class BridgedClient(_Bridged):
    """A blocking client, or a blocking group, with the async surface."""

    def __init__(
        self,
        world: BlockingWorld,
        blocking: mcptasks.sync.Client | mcptasks.sync.Group,
        model: type = mcptasks.Client,
    ) -> None:
        super().__init__(world, model, blocking)
        self._tasks: WeakValueDictionary[mcptasks.sync.Task[Any], BridgedTask] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        try:
            await self._world.run(self._blocking.__enter__)
        except anyio.get_cancelled_exc_class():
            # An interrupt after the call's work finds the client open. `with` would close it then, but `async with`
            # does not close what it has not entered.
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
            return _Steps(self._world, cast("Iterator[Any]", value), self._bridge)
        if isinstance(value, list):
            return [self._bridge(each) for each in cast("list[Any]", value)]
        if isinstance(value, Recovery):
            found = cast("Recovery[Any]", value)
            return evolve(found, tasks=tuple(map(self._bridge, found.tasks)))
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

    def __init__(
        self, world: BlockingWorld, blocking: Iterator[Any], bridge: Callable[[Any], Any] = lambda item: item
    ) -> None:
        self._world = world
        self._blocking = blocking
        self._bridge = bridge
        self._found: list[Any] = []
        """Items that came and were not handed out, since the await for them was cancelled."""

    async def __anext__(self) -> Any:
        if not self._found:
            await self._world.run(self._next)
        if not self._found:
            raise StopAsyncIteration
        return self._bridge(self._found.pop())

    async def aclose(self) -> None:
        """Close the iterator."""
        self._found.clear()
        await self._world.run(cast("Any", self._blocking).close)

    def __repr__(self) -> str:
        return repr(self._blocking)

    def _next(self) -> None:
        with suppress(StopIteration):
            self._found.append(next(self._blocking))


def _unbridged(task: Any) -> Any:
    return task._blocking if isinstance(task, BridgedTask) else task
