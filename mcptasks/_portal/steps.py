"""Iteration across the two threads: an async iterator's steps for the calling thread, and the items of the program's
own iterable, which are got on that thread."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, cast

from mcptasks._async.mapping import Pulling
from mcptasks._portal.desk import Desk
from mcptasks._portal.tracebacks import trim

T = TypeVar("T")
V = TypeVar("V")


class Calling(Protocol):
    """What runs calls: one client's runner, or that of several."""

    def call(self, function: Callable[[], Awaitable[V]], *, answers: bool = False) -> V:
        """Run an async function to its end; its value."""
        ...


class Steps(Iterator[T]):
    """The blocking form of an async iterator."""

    def __init__(self, runner: Calling, inner: AsyncIterator[T], *, answers: bool) -> None:
        self._runner = runner
        self._inner = inner
        self._answers = answers
        self._found: tuple[T, ...] = ()
        """What has come and was not handed out, since the thread that waited for it was interrupted."""
        self._over = False

    def __next__(self) -> T:
        # Not `blocking`, whose call is another place for an interrupt to lose what was found.
        try:
            while not self._found and not self._over:
                self._runner.call(self._find, answers=self._answers)
        except BaseException as exc:
            trim(exc)
            raise
        if not self._found:
            raise StopIteration
        # In one line and without a call: Python looks for signals at neither, so that it is handed out or still here.
        found, self._found = self._found[0], self._found[1:]; return found  # fmt: skip # noqa: E702

    async def _find(self) -> None:
        try:
            value = await anext(self._inner)
        except StopAsyncIteration:
            self._over = True
        else:
            self._found = (*self._found, value)


def pulled(desk: Desk, items: Any) -> Any:
    """An iterable as an input whose items are got by the thread that waits at the desk, which is the program's own.
    What cannot be iterated over is handed on, for the core to complain of."""
    if isinstance(items, AsyncIterable):
        raise TypeError(f"a blocking client takes no async iterable; got {cast('object', items)!r:.200}")
    if isinstance(items, str | bytes | dict) or not isinstance(items, Iterable):
        return cast("object", items)
    iterator: list[Iterator[Any]] = []

    def step() -> tuple[list[Any], Exception | None]:
        try:
            if not iterator:
                iterator.append(iter(cast("Iterable[Any]", items)))
            return [next(iterator[0])], None
        except StopIteration:
            return [], None
        except Exception as exc:  # noqa: BLE001 - raised where the item's result would be
            return [], exc

    async def pull() -> list[Any]:
        found, error = await desk.ask(step, ())
        if error is not None:
            raise error
        return cast("list[Any]", found)

    return Pulling(pull)
