"""The base classes of the generated blocking classes, with the few methods that have no async counterpart."""

from __future__ import annotations

import contextvars
import inspect
import logging
import math
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from datetime import timedelta
from functools import update_wrapper
from operator import attrgetter
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, TypeVarTuple, Unpack, cast

import anyio
from attrs import evolve

from mcptasks._async.client import Client as AsyncClient
from mcptasks._async.group import Group as AsyncGroup
from mcptasks._async.input import InputContext
from mcptasks._async.task import Task as AsyncTask
from mcptasks._core.exceptions import TaskError
from mcptasks._core.iterators import Results
from mcptasks._core.patience import Patience
from mcptasks._core.public_names import Named
from mcptasks._engine.notebook import display
from mcptasks._engine.notebook.task_list import TaskList
from mcptasks._portal.iteration import Steps, Translated, pulled
from mcptasks._portal.portal import Backend, current_portal
from mcptasks._portal.runner import Runner
from mcptasks._portal.tracebacks import blocking

if TYPE_CHECKING:
    # Only for type checkers, so that programs without a store do not wait for the import.
    from mcptasks._async.store import Store as AsyncStore
    from mcptasks._store.access import Access
    from mcptasks._store.codec import Codec
    from mcptasks._store.records import Keep
    from mcptasks._store.recovery import Recovery

logger = logging.getLogger("mcptasks")

T = TypeVar("T")
ResultT_co = TypeVar("ResultT_co", covariant=True)
F = TypeVar("F")
HandleT = TypeVar("HandleT")
ArgumentsT = TypeVarTuple("ArgumentsT")

_OPENING = ("open", "close", "run", "__enter__", "__exit__")
"""The methods of `OpenedFacade` that each of its public classes gets as a copy of its own."""

__all__ = ["Backend", "ClientFacade", "Facade", "GroupFacade", "StoreFacade", "TaskFacade", "blocking"]


class Facade(Named):
    """The base of the blocking client and the blocking task."""

    _runner: Runner

    def _call(self, function: Callable[[], Awaitable[T]], *, answers: bool = False) -> T:
        """Run an async function in the background and wait for it.

        Args:
            function: Called on the event loop's thread.
            answers: Whether input handlers may run on this thread while it waits.
        """
        return self._runner.call(function, answers=answers)

    def _run(self, function: Callable[[], T]) -> T:
        """Run a plain function on the event loop's thread."""

        async def once() -> T:
            return function()

        return self._runner.call(once)

    def _iterate(self, make: Callable[[], AsyncIterator[T]], *, answers: bool = False) -> Steps[T]:
        """The blocking form of an async iterator; input handlers may run on the thread that waits for its steps."""
        return Steps(self._runner, self._run(make), answers=answers)

    def _handle(self, kind: Callable[[Runner, AsyncTask[T]], HandleT], inner: AsyncTask[T]) -> HandleT:
        """The blocking handle of an async task: always the same object."""
        return self._runner.handle(inner, lambda: kind(self._runner, inner))

    def _handles(self, kind: Callable[[Runner, AsyncTask[T]], HandleT], inner: list[AsyncTask[T]]) -> list[HandleT]:
        """The blocking handles of a list of async tasks."""
        return TaskList(self._handle(kind, task) for task in inner)

    def _recovered(
        self, kind: Callable[[Runner, AsyncTask[Any]], HandleT], found: Recovery[AsyncTask[Any]]
    ) -> Recovery[HandleT]:
        """The recovered tasks, with blocking handles."""
        recovery: Any = found
        return cast(
            "Recovery[HandleT]", evolve(recovery, tasks=tuple(self._handle(kind, task) for task in found.tasks))
        )

    def _iterate_handles(
        self, kind: Callable[[Runner, AsyncTask[Any]], HandleT], make: Callable[[], Results[AsyncTask[Any]]]
    ) -> Steps[HandleT]:
        """The blocking form of an async iterator over tasks."""
        return self._iterate(lambda: Translated(make(), lambda task: self._handle(kind, task)))

    def _inner_of(self, task: Any) -> Any:
        """The async task of a blocking task. Any other value is returned unchanged, so that the engine raises the
        error."""
        return parts_of(cast("TaskFacade[Any]", task))[1] if isinstance(task, TaskFacade) else task

    def _background(self, callback: F) -> F:
        """An async function that runs the program's plain callback on a worker thread. For a `Patience`, a `Patience`
        with such a callback."""
        function: Any = callback
        if isinstance(callback, Patience):
            return cast("F", evolve(callback, on_stall=self._background(callback.on_stall)))
        if not _is_plain_function(function):
            return _contained(callback)
        # With the caller's context variables, one of which names the notebook cell that shows printed text.
        context = contextvars.copy_context()

        async def on_worker_thread(*arguments: Any) -> Any:
            portal = current_portal()
            assert portal is not None
            answer = await portal.workers.run(function, *arguments, context=context.copy())
            return await _harmless(answer) if inspect.isawaitable(answer) else answer

        return cast("F", on_worker_thread)

    def _waiting(self, kind: Callable[[Runner, AsyncTask[Any]], Any], handler: object) -> Any:
        """An async function that runs the program's plain input handler on a waiting thread.

        The handler's context gets blocking tasks, made by `kind`. An async handler runs on the event loop instead, and
        gets async tasks.
        """
        function: Any = handler
        if not _is_plain_function(function):
            return _contained(handler)
        desk = self._runner.desk
        # The open client holds this function. A strong reference back would keep a dropped client open.
        weakly = weakref.ref(self._runner)

        def translated(context: InputContext[AsyncTask[Any]], params: object) -> Any:
            runner = weakly()
            assert runner is not None, "a thread that waits for the client holds it"

            def handle(inner: AsyncTask[Any]) -> Any:
                return runner.handle(inner, lambda: kind(runner, inner))

            task = None if context.task is None else handle(context.task)
            candidates = tuple(map(handle, context.candidates))
            return function(evolve(context, task=task, candidates=candidates), params)

        async def on_waiting_thread(*arguments: Any) -> Any:
            answer = await desk.ask(translated, arguments)
            return await _harmless(answer) if inspect.isawaitable(answer) else answer

        return on_waiting_thread

    def _pulled(self, items: Any) -> Any:
        """An input for the async engine whose items a waiting thread takes from the program's iterable."""
        return pulled(self._runner.desk, items)

    def _remover(self, remove: Callable[[], None]) -> Callable[[], None]:
        """A function for any thread that runs `remove` on the event loop's thread."""
        runner = self._runner
        return blocking(lambda: runner.withdraw(remove))


def _copied(function: Any) -> Any:
    """A blocking function with the same body."""
    inner = inspect.unwrap(function)
    copy = FunctionType(inner.__code__, inner.__globals__, inner.__name__, inner.__defaults__, inner.__closure__)
    copy.__kwdefaults__ = inner.__kwdefaults__
    update_wrapper(copy, inner)
    del copy.__wrapped__  # type: ignore[attr-defined]
    return blocking(copy)


class OpenedFacade(Facade):
    """The base of the classes that are opened and closed: the blocking client and the blocking group."""

    _inner: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if OpenedFacade in cls.__bases__:
            # Functions of its own, since the public class gives them its name (`Named`).
            for name in _OPENING:
                setattr(cls, name, _copied(vars(OpenedFacade)[name]))
        super().__init_subclass__(**kwargs)

    def __init__(self, backend: Backend) -> None:
        self._runner = Runner(backend)

    @property
    def backend(self) -> Backend:
        """The event loop of the background thread: "asyncio", "uvloop" or "trio"."""
        return self._runner.backend

    @blocking
    def open(self) -> Self:
        """Connect without a block. The client is closed by `close()`, at the end of the program, or when it is dropped.

        Raises:
            TaskStateError: The client is or was open already.
            TaskConnectionError: The server cannot be reached.
        """
        self._runner.open(self._inner)
        return self

    @blocking
    def close(self) -> None:
        """Disconnect. A second call does nothing. Tasks go on at the server."""
        self._runner.close()

    @blocking
    def run(self, function: Callable[[Unpack[ArgumentsT]], Awaitable[T]], *arguments: *ArgumentsT) -> T:
        """Run an async function in the background and wait for it, such as a method of `client.mcp`.

        Raises:
            RuntimeError: This is the background thread.
        """
        return self._call(lambda: function(*arguments))

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__.lower()} cannot be pickled; make one in each process")

    @blocking
    def __enter__(self) -> Self:
        self._runner.enter(self._inner)
        return self

    @blocking
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.close((exc_type, exc, traceback))


class ClientFacade(OpenedFacade):
    """The blocking client's base."""

    _inner: AsyncClient


class GroupFacade(OpenedFacade):
    """The blocking group's base."""

    _inner: AsyncGroup


class StoreFacade(Facade):
    """The blocking store's base. Each call leases a background thread, and shares it with the clients that are open."""

    _inner: AsyncStore

    def __init__(self, backend: Backend) -> None:
        self._runner = Runner(backend)

    @classmethod
    def memory(
        cls,
        *,
        keep: Keep | None = None,
        codec: Codec | None = None,
        lease: float | timedelta = 30.0,
        owner: str | None = None,
        backend: Backend = "asyncio",
    ) -> Self:
        """Make a store that ends with the process, for tests."""
        # The class that is generated takes a target and these options.
        make = cast("Callable[..., Self]", cls)
        return make(":memory:", keep=keep, codec=codec, lease=lease, owner=owner, backend=backend)

    @property
    def _access(self) -> Access:
        """What a client of the store works with."""
        from mcptasks._async.store import access_of

        return access_of(self._inner)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a store cannot be pickled; make one in each process")


class TaskFacade(Facade, Generic[ResultT_co]):
    """The blocking task's base."""

    def __init__(self, runner: Runner, inner: AsyncTask[ResultT_co]) -> None:
        self._runner = runner
        self._inner = inner

    def _call(self, function: Callable[[], Awaitable[T]], *, answers: bool = False) -> T:
        return self._runner.call(function, answers=answers, reference=self._inner.reference)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a task cannot be pickled; send its `reference`, and take it up there with `Client.resume`")

    def _repr_html_(self) -> str:
        return display.html_of(self._inner)

    @property
    def _shown_arguments(self) -> str:
        return display.arguments_of(self._inner)

    @property
    def _elapsed(self) -> timedelta | None:
        return display.elapsed_of(self._inner)

    @property
    def _page(self) -> display.Page:
        return display.page_of(self._inner)

    @blocking
    def _on_loop(self, function: Callable[[], None]) -> None:
        try:
            self._run(function)
        except TaskError:
            logger.debug("a table stays as it is: the event loop of its tasks has ended", exc_info=True)

    @blocking
    def _ipython_display_(self) -> None:
        display.show(self._inner, self._run)

    @blocking
    def future(self) -> Future[ResultT_co]:
        """Return the result as a `concurrent.futures.Future`, for `wait` and `as_completed` of that module.

        Cancelling the future ends the waiting, never the work. Each call makes a new future. While no thread waits in
        `result()`, input handlers run on a worker thread for it.
        """
        return self._runner.future(self._inner.result, reference=self._inner.reference)


parts_of: Callable[[TaskFacade[Any]], tuple[Runner, AsyncTask[Any]]] = attrgetter("_runner", "_inner")
"""A task's runner and async task, for functions that take several tasks."""


def _is_plain_function(value: Any) -> bool:
    if not callable(value):
        return False
    return not (inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "__call__", None)))  # noqa: B004


def _contained(callback: F) -> F:
    """The program's async function, wrapped so that its exceptions cannot end the event loop. A value that cannot be
    called is returned unchanged."""
    if not callable(callback):
        return callback
    function = cast("Callable[..., Awaitable[Any]]", callback)

    async def on_event_loop(*arguments: Any) -> Any:
        return await _harmless(function(*arguments))

    return cast("F", on_event_loop)


async def _harmless(answer: Awaitable[T]) -> T:
    """Await the awaitable of a program's function, and turn a `BaseException`, such as SystemExit, into a RuntimeError.

    A `BaseException` would end the background thread, and with it all clients there.
    """
    try:
        return await answer
    except anyio.get_cancelled_exc_class() as exc:
        if anyio.current_effective_deadline() == -math.inf:
            raise
        raise RuntimeError("a callback was cancelled from within") from exc
    except Exception:
        raise
    except BaseException as exc:
        raise RuntimeError(f"a callback raised {exc!r} on the event loop") from exc
