"""`Client.map`: makes one call for each item, a few at a time, and returns the results in the order of the items."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Sized
from typing import Any, TextIO

import anyio
from attrs import define

from mcptasks._core import safe_text
from mcptasks._core.exceptions import TaskStateError
from mcptasks._core.iterators import Results
from mcptasks._engine.callbacks import Callbacks
from mcptasks._engine.leaving import Leaving
from mcptasks._engine.notebook.table import publish_here
from mcptasks._engine.waiting.map_display import MapDisplay
from mcptasks._engine.waiting.mapping_work import Create, Prepare, Slot, Work, closed

_NOTES = 20
"""The most notes on one error; no further ones are added. A handler may raise the same error object again and again,
and each time would add a note."""


@define
class Pulling:
    """An input that is read item by item: each item comes as a list of one, and the end as an empty list. An exception
    of the input is raised."""

    pull: Callable[[], Awaitable[list[Any]]]
    total: int | None = None
    """How many items there are; None if that is not known."""


class Mapped(Results[Any]):
    """The results, in the order of the items.

    Args:
        name: The tool.
        prepare: Makes the call for one item.
        create: Sends a call, and returns its waiter.
        callbacks: The client's callbacks, which run calls between the steps of the iteration.
        leaving: Runs the cancellations of tasks that are left behind.
        source: The items.
        limit: How many items may be under way at the same time; None for any number.
        timeout: Seconds for each item, from its start; None for no limit.
        return_exceptions: Whether an error is returned in place of its result.
        detach: Whether tasks under way go on when the iteration ends early.
        cancel_on_error: Whether tasks under way are cancelled when an error ends the iteration; None to go by `detach`.
        file: Where a live display is written, unless this is a notebook; None for no display.
    """

    def __init__(
        self,
        name: str,
        prepare: Prepare,
        create: Create,
        callbacks: Callbacks,
        leaving: Leaving,
        source: Iterable[Any] | AsyncIterable[Any] | Pulling,
        *,
        limit: int | None,
        timeout: float | None,
        return_exceptions: bool,
        detach: bool,
        cancel_on_error: bool | None,
        file: TextIO | None = None,
    ) -> None:
        self._name = name
        self._leaving = leaving
        self._work = Work(
            prepare,
            create,
            callbacks,
            leaving,
            math.inf if limit is None else limit,
            math.inf if timeout is None else timeout,
            detach=detach,
            lenient=return_exceptions,
        )
        self._source = source
        self._total = source.total if isinstance(source, Pulling) else size_of(source)
        self._display = MapDisplay(name, self._work, self._total)
        self._cancel_on_error = cancel_on_error
        self._file = file
        self._pull: Callable[[], Awaitable[list[Any]]] | None = None
        self._pulling = False
        """Whether a step reads the input at the moment. Another step then waits, since an input is read by one reader
        at a time."""
        self._begun = False
        self._cancelled = False
        self._unraised: BaseException | None = None
        """The error that ended the iteration, while the other calls are cancelled. The thread of a blocking step may
        have left meanwhile, by Ctrl-C; then the next step raises it."""
        self._handed_out = 0

    def __del__(self) -> None:
        if self._begun and not self._work.released:
            self._leaving.give(self._work.end)

    def __repr__(self) -> str:
        work = self._work
        total = "" if self._total is None else f" of {self._total:,}"
        state = ", over" if work.released else "" if self._begun else ", not begun"
        what = f"{self._handed_out:,}{total} handed out, {work.taken - self._handed_out:,} under way or waiting"
        if work.released or not self._begun:
            what = f"{self._handed_out:,}{total} handed out"
        return f"<map of tool {safe_text.short(self._name)}: {what}{state}>"

    def show(self) -> None:
        """Show how far the calls are in the present cell of a notebook."""
        self._display.show_in_cell()

    def _ipython_display_(self) -> None:
        self.show()

    async def __anext__(self) -> Any:
        self._check()
        self._raise()
        if not self._begun:
            self._begin()
        work = self._work
        work.readers += 1
        work.nudge()
        try:
            slot = await self._next()
        except anyio.get_cancelled_exc_class():
            if not work.detach:
                self._cancelled = True
                with self._leaving.busy():
                    await work.end()
            raise
        finally:
            work.readers -= 1
        if slot is None:
            raise StopAsyncIteration
        if slot.error is None:
            self._handed_out += 1
            return slot.value
        self._note(slot)
        if work.lenient and slot.index is not None and isinstance(slot.error, Exception):
            self._handed_out += 1
            return slot.error
        self._unraised = _raisable(slot.error)
        with self._leaving.busy():
            await work.end(cancel=self._cancel_on_error)
        self._raise()
        raise StopAsyncIteration  # Another step has raised the error meanwhile.

    async def aclose(self) -> None:
        """End the iteration. Without `detach`, ask the server to cancel the tasks under way, for at most 5 s."""
        self._begun = True
        with self._leaving.busy():
            await self._work.end()

    async def _next(self) -> Slot | None:
        """Wait for the next result or error; None at the end."""
        work = self._work
        while True:
            self._check()
            await work.settle()
            if self._pull is not None and work.room and not self._pulling:
                await self._take(self._pull)
            elif work.ready:
                return work.slots.popleft()
            elif work.exhausted and not work.slots:
                await work.end()
                return None
            else:
                await work.change()

    def _check(self) -> None:
        if self._cancelled:
            raise TaskStateError(
                "a step of this iteration was cancelled, and with it all that was under way; "
                "with detach=True an iteration can go on after that"
            )

    def _raise(self) -> None:
        """Raise the error that ended the iteration, once."""
        error, self._unraised = self._unraised, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # Otherwise it refers to its own frame, and lives until the garbage collector runs.

    def _begin(self) -> None:
        self._begun = True
        source, work = self._source, self._work
        if self._file is not None:
            self._display.begin(self._file)
        if isinstance(source, Pulling):
            self._pull = source.pull
        elif isinstance(source, AsyncIterable):

            async def feed() -> None:
                await work.feed(source)

            if not work.callbacks.spawn(feed):
                work.broken(closed())
        else:
            iterator: Iterator[Any] = iter(source)

            async def pull() -> list[Any]:
                for item in iterator:
                    return [item]
                return []

            self._pull = pull

    async def _take(self, pull: Callable[[], Awaitable[list[Any]]]) -> None:
        if self._work.callbacks.closed:
            self._work.broken(closed())
            return
        self._pulling = True
        try:
            found = await pull()
        except Exception as exc:  # noqa: BLE001 - raised in its turn
            self._work.broken(exc)
            return
        finally:
            self._pulling = False
            self._work.nudge()
        if found:
            self._work.start(found[0])
        else:
            self._work.exhausted = True

    def _note(self, slot: Slot) -> None:
        """Add a note to an error: which item it is about."""
        assert slot.error is not None
        if len(getattr(slot.error, "__notes__", ())) >= _NOTES:
            return
        name = safe_text.short(self._name)
        if slot.index is None:
            taken = self._work.taken
            slot.error.add_note(f"map({name}) ended after {taken:,} item{'s' if taken != 1 else ''} of its input")
            return
        label = "" if slot.label is None else f", label {safe_text.short(slot.label, 80)}"
        shown = f": {slot.shown}" if slot.shown else ""
        slot.error.add_note(f"arguments[{slot.index}] of map({name}){shown}{label}")


def _raisable(error: BaseException) -> BaseException:
    """Return an error as a step can raise it. A `StopIteration` of the program would end the iteration silently, or
    become a `RuntimeError` that says nothing of the input."""
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    instead = RuntimeError(f"the input or the label function raised {type(error).__name__}")
    instead.__cause__ = error
    for note in getattr(error, "__notes__", ()):
        instead.add_note(note)
    return instead


def show_iterator(iterator: object) -> None:
    """Show an iterator in the present cell of a notebook. On its event loop."""
    if isinstance(iterator, Mapped):
        iterator.show()
    else:
        publish_here({"text/plain": repr(iterator)}, updatable=False)


def size_of(source: object) -> int | None:
    """Return how many items an input has; None if it does not say."""
    try:
        return len(source) if isinstance(source, Sized) else None
    except Exception:  # noqa: BLE001 - a program's own type may raise anything
        return None
