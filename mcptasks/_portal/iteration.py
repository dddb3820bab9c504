"""Iteration across threads, both ways: an async iterator's steps for the calling thread, and the items of a program's
iterable, which the calling thread takes, for the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar, cast

from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._core.iterators import BlockingResults, Results
from mcptasks._engine.waiting.mapping import Pulling, show_iterator, size_of
from mcptasks._portal.desk import Desk
from mcptasks._portal.tracebacks import trim

T = TypeVar("T")
V = TypeVar("V")


class Calling(Protocol):
    """The runner of one client, or of several."""

    def call(self, function: Callable[[], Awaitable[V]], *, answers: bool = False) -> V:
        """Run an async function to its end and return its value."""
        ...


class Steps(BlockingResults[T]):
    """The blocking form of an async iterator."""

    def __init__(self, runner: Calling, inner: AsyncIterator[T], *, answers: bool) -> None:
        self._runner = runner
        self._inner = inner
        self._answers = answers
        self._found: tuple[T, ...] = ()
        """Items that have come but were not returned, since an interrupt hit the thread that waited for them."""
        self._error: Exception | None = None
        """An error that has come but was not raised, for the same reason."""
        self._over = False

    def __next__(self) -> T:
        # Without the decorator `blocking`: during its call, an interrupt could lose an item.
        ended = False
        while True:
            try:
                while not self._has_come():
                    try:
                        self._runner.call(self._find, answers=self._answers)
                    except TaskConnectionError:
                        # The background thread ended during the step, or between the step and the news of it: another
                        # thread has closed the client. The iteration then ends, or fails, as after the closing.
                        if ended and not self._has_come():
                            raise
                        ended = True
                if not self._found and self._error is not None:
                    raise self._error
            except BaseException as exc:
                trim(exc)
                # On one line, as below: an interrupt finds the error either raised or still in `_error`.
                self._error = None if exc is self._error else self._error; raise  # fmt: skip # noqa: E702
            if self._found:
                # Keep this on one line, without a call or a loop. CPython handles signals at calls and backward jumps
                # only (`CHECK_EVAL_BREAKER`), so an interrupt finds the item either returned or still in `_found`. It
                # changes threads there only, too, so two threads never take the same item.
                found, self._found = self._found[0], self._found[1:]; return found  # fmt: skip # noqa: E702
            if self._over:
                raise StopIteration
            # Another thread that takes steps of this iteration has taken the item.

    def _has_come(self) -> bool:
        return bool(self._found) or self._error is not None or self._over

    def __repr__(self) -> str:
        return repr(self._inner)

    def _ipython_display_(self) -> None:
        self._runner.call(self._show)

    async def _show(self) -> None:
        show_iterator(self._inner)

    def close(self) -> None:
        """End the iteration and free its resources. May be called again."""
        self._found, self._error, self._over = (), None, True
        if isinstance(self._inner, Results):
            try:
                self._runner.call(self._inner.aclose)
            except BaseException as exc:
                trim(exc)
                raise

    async def _find(self) -> None:
        try:
            value = await anext(self._inner)
        except StopAsyncIteration:
            self._over = True
        except Exception as exc:  # noqa: BLE001 - raised on the thread that waits, or on the next that does
            self._error = exc
        else:
            self._found = (*self._found, value)


class Translated(Results[V], Generic[T, V]):
    """An async iterator with each item in another form.

    Args:
        inner: The iterator.
        translate: Returns an item in the other form; must not block.
    """

    def __init__(self, inner: Results[T], translate: Callable[[T], V]) -> None:
        self._inner = inner
        self._translate = translate

    def __repr__(self) -> str:
        return repr(self._inner)

    async def __anext__(self) -> V:
        return self._translate(await anext(self._inner))

    async def aclose(self) -> None:
        """See `Results`."""
        await self._inner.aclose()


def pulled(desk: Desk, items: Any) -> Any:
    """An input for the engine whose items a waiting thread, which is the program's own, takes from an iterable.

    A value that is not an iterable is returned unchanged, so that the engine raises its own error.

    Raises:
        TypeError: The value is an async iterable.
    """
    if isinstance(items, AsyncIterable):
        raise TypeError(f"a blocking client takes no async iterable; got {cast('object', items)!r:.200}")
    if isinstance(items, str | bytes | dict) or not isinstance(items, Iterable):
        return cast("object", items)
    source = _Source(desk, cast("Iterable[Any]", items))
    return Pulling(source.pull, size_of(cast("object", items)))


class _Source:
    """An input of the program's own. It keeps each item until the event loop has taken the item, so that an interrupt
    of the reading thread loses nothing."""

    def __init__(self, desk: Desk, items: Iterable[Any]) -> None:
        self._desk = desk
        self._items = items
        self._iterator: Iterator[Any] | None = None
        self._got: list[Any] = []
        self._error: Exception | None = None

    async def pull(self) -> list[Any]:
        """The next item, as a list of one; an empty list at the end. Raises what the input raises."""
        await self._desk.ask(self._get, ())
        if self._error is not None:
            try:
                raise self._error
            finally:
                # Otherwise the error, which refers to its own frame, would stay until the garbage collector runs.
                self._error = None
        found, self._got = self._got, []
        return found

    def _get(self) -> None:
        if self._got or self._error is not None:
            return  # The step that asked for the item was interrupted.
        try:
            if self._iterator is None:
                self._iterator = iter(self._items)
            # Keep this a single call. CPython handles signals after the call, so an interrupt finds the item either in
            # the input or kept. With `next`, an interrupt could lose the item in between.
            self._got.extend(islice(self._iterator, 1))
        except StopIteration:
            pass  # `iter` itself may raise StopIteration, which counts as the end.
        # Keep this on one line, for the same reason. The error is raised where the item's result would be.
        except Exception as exc: self._error = exc  # fmt: skip # noqa: BLE001, E701
