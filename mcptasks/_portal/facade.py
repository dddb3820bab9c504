"""The base classes of the generated blocking classes, with the few methods that no async one corresponds to."""

from __future__ import annotations

import contextvars
import inspect
import math
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from operator import attrgetter
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar, TypeVarTuple, Unpack, cast

import anyio
from attrs import evolve

from mcptasks._async import display
from mcptasks._async.client import Client as AsyncClient
from mcptasks._async.handlers import InputContext
from mcptasks._async.listing import TaskList
from mcptasks._async.task import Task as AsyncTask
from mcptasks._portal.runner import Runner
from mcptasks._portal.steps import Steps, pulled
from mcptasks._portal.thread import Backend, current_portal
from mcptasks._portal.tracebacks import blocking

T = TypeVar("T")
ResultT_co = TypeVar("ResultT_co", covariant=True)
F = TypeVar("F")
HandleT = TypeVar("HandleT")
ArgumentsT = TypeVarTuple("ArgumentsT")

__all__ = ["Backend", "ClientFacade", "Facade", "TaskFacade", "blocking"]


class Facade:
    """What a blocking client and a blocking task have in common."""

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

    def _iterate(self, make: Callable[[], AsyncIterator[T]], *, answers: bool = False) -> Iterator[T]:
        """The blocking form of an async iterator; input handlers may run on the thread that waits for its steps."""
        return Steps(self._runner, self._run(make), answers=answers)

    def _handle(self, kind: Callable[[Runner, AsyncTask[T]], HandleT], inner: AsyncTask[T]) -> HandleT:
        """The one blocking handle of an async one."""
        return self._runner.handle(inner, lambda: kind(self._runner, inner))

    def _handles(self, kind: Callable[[Runner, AsyncTask[T]], HandleT], inner: list[AsyncTask[T]]) -> list[HandleT]:
        """The blocking handles of a list of async ones."""
        return TaskList(self._handle(kind, task) for task in inner)

    def _background(self, callback: F) -> F:
        """A plain function that is to run on a worker thread, in the form that the async core calls."""
        function: Any = callback
        if not _is_plain_function(function):
            return _contained(callback)
        # The caller's variables, among them the notebook cell that gets what is printed.
        context = contextvars.copy_context()

        async def on_worker_thread(*arguments: Any) -> Any:
            portal = current_portal()
            assert portal is not None
            answer = await portal.workers.run(function, *arguments, context=context.copy())
            return await _harmless(answer) if inspect.isawaitable(answer) else answer

        return cast("F", on_worker_thread)

    def _waiting(self, kind: Callable[[Runner, AsyncTask[Any]], Any], handler: object) -> Any:
        """A plain function that is to run on the thread that waits, in the form that the async core calls. Its context
        has tasks of that kind; an async function runs on the event loop, and is given async tasks."""
        function: Any = handler
        if not _is_plain_function(function):
            return _contained(handler)
        desk = self._runner.desk
        # The open client keeps this, and this must not keep the client open.
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
        """An iterable whose items are to be got on the thread that waits, in the form that the async core takes."""
        return pulled(self._runner.desk, items)

    def _remover(self, remove: Callable[[], None]) -> Callable[[], None]:
        """A function that runs on the event loop's thread, from wherever it is called."""
        runner = self._runner
        return blocking(lambda: runner.withdraw(remove))


class ClientFacade(Facade):
    """The blocking client's base."""

    _inner: AsyncClient

    def __init__(self, backend: Backend) -> None:
        self._runner = Runner(backend)

    @property
    def backend(self) -> Backend:
        """The event loop of the background thread: "asyncio", "uvloop" or "trio"."""
        return self._runner.backend

    @blocking
    def open(self) -> Self:
        """Connect, where `with` does not fit. Closed by `close()`, at the end of the program, or when it is collected.

        Raises:
            TaskStateError: The client is or was open already.
            TaskConnectionError: The server cannot be reached.
        """
        self._runner.open(self._inner)
        return self

    @blocking
    def close(self) -> None:
        """Disconnect; may be called again. Remote tasks go on."""
        self._runner.close()

    @blocking
    def run(self, function: Callable[[Unpack[ArgumentsT]], Awaitable[T]], *arguments: *ArgumentsT) -> T:
        """Run an async function in the background and wait for it, such as a method of `client.mcp`.

        Raises:
            RuntimeError: This is the background thread.
        """
        return self._call(lambda: function(*arguments))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled; make one in each process")

    @blocking
    def __enter__(self) -> Self:
        self._runner.enter(self._inner)
        return self

    @blocking
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.close((exc_type, exc, traceback))


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

    @blocking
    def _ipython_display_(self) -> None:
        display.show(self._inner, self._run)

    @blocking
    def future(self) -> Future[ResultT_co]:
        """The result as a `concurrent.futures.Future`, for `wait` and `as_completed` of that module.

        Cancelling the future ends the waiting, never the work. Each call makes a new future. While no thread waits in
        `result()`, input handlers run on a worker thread for it.
        """
        return self._runner.future(self._inner.result, reference=self._inner.reference)


parts_of: Callable[[TaskFacade[Any]], tuple[Runner, AsyncTask[Any]]] = attrgetter("_runner", "_inner")
"""Where a task's calls run, and the async task, for functions that take several tasks."""


def _is_plain_function(value: Any) -> bool:
    if not callable(value):
        return False
    return not (inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "__call__", None)))  # noqa: B004


def _contained(callback: F) -> F:
    """An async function of the program's, in a form that cannot end the event loop; all else as it is."""
    if not callable(callback):
        return callback
    function = cast("Callable[..., Awaitable[Any]]", callback)

    async def on_event_loop(*arguments: Any) -> Any:
        return await _harmless(function(*arguments))

    return cast("F", on_event_loop)


async def _harmless(answer: Awaitable[T]) -> T:
    """Wait for what the program's function returned. A SystemExit, say, would end the thread of all clients here."""
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
