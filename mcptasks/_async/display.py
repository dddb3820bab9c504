"""Shows tasks in notebooks, and keeps what is shown up to date until the task is over or the client closes.

The first showing happens on the thread of the cell, everything after it on the event loop's. IPython is imported when
it asks for a display, never before, and nothing that its publishing raises gets past here.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.lowlevel
from attrs import define, field

from mcptasks import _detached, _html
from mcptasks._async.core import Core
from mcptasks._async.pulse import in_kernel
from mcptasks._async.watch import Listener, Watch, without
from mcptasks._exceptions import TaskError
from mcptasks._models import TaskStatus

if TYPE_CHECKING:
    from mcptasks._async.task import Task

logger = logging.getLogger("mcptasks")

_PAUSE = 1.0
"""Seconds between two updates of a display. The end of the task, which is shown at once, makes two in a second."""
_PLACES = 32
"""How many displays of one task are kept up to date: the latest ones. Cells that run again leave theirs behind."""

Run = Callable[[Callable[[], None]], None]
"""Has a function called on the event loop's thread and waits until it is done."""
Bundle = dict[str, str]
"""What to show, by MIME type."""


def html_of(task: Task[Any]) -> str:
    """A task in HTML, as far as it is known. On any thread, without I/O."""
    return task._repr_html_()  # pyright: ignore[reportPrivateUsage] - IPython's name, for all to call


def show(task: Task[Any], run: Run) -> None:
    """Show a task in the present cell, on a thread that is not the event loop's, and keep that up to date.

    Args:
        task: The task.
        run: How to get to the event loop's thread.
    """
    task._ipython_display_(run)  # pyright: ignore[reportPrivateUsage] - the same


class Handle(Protocol):
    """What IPython hands out for something that it displays."""

    def update(self, obj: Any, /, *, raw: bool) -> None:
        """Show something else in that place."""
        ...


@define(eq=False)
class _Place:
    """One display, and what it shows."""

    handle: Handle
    shown: Bundle


@define(eq=False)
class Page:
    """Where one task is shown. Made on the event loop."""

    _core: Core
    _watch: Watch
    _loop: object = field(factory=anyio.lowlevel.current_token, init=False)
    _places: list[_Place] = field(factory=list[_Place], init=False)
    _follower: object = field(default=None, init=False)
    """What keeps the places up to date, while there is anything to follow."""

    @property
    def over(self) -> bool:
        """Whether nothing will change any more. On any thread."""
        return self._watch.state.terminal or self._core.callbacks.closed

    def html(self, task: Task[Any], *, closed: bool = False) -> str:
        """The task in HTML. On any thread.

        Args:
            task: The task.
            closed: It is not followed any more.
        """
        note = None
        if not self._watch.state.terminal:
            if closed or self._core.callbacks.closed:
                note = "the client is closed; this is the last that it knew"
            elif self._watch.gone:
                note = "the server does not know the task"
        return _html.task_html(task, note)

    def show(self, task: Task[Any], run: Run | None) -> None:
        """Show the task in the present cell, and keep that up to date.

        Args:
            task: The task.
            run: How to get to the event loop's thread; None where this is that thread, as in async programs.
        """
        shown = self._bundle(task)
        handle = _publish(shown, updatable=not self.over)
        if handle is None:
            return
        try:
            (run or self._here)(lambda: self.follow(task, handle, shown))
        except TaskError:
            # The client's event loop has ended since; what is shown remains the last that is known.
            logger.debug("the display of task %r stays as it is", task.task_id, exc_info=True)

    def follow(self, task: Task[Any], handle: Handle, shown: Bundle) -> None:
        """Keep a display up to date. On the event loop.

        Args:
            task: The task.
            handle: Updates the display.
            shown: What it shows.
        """

        def told(status: TaskStatus) -> None:
            # Those who wait for the end wake after this, so that the cell that waits ends with the final state.
            if status.is_terminal:
                self._update(task)

        self._places.append(_Place(handle, shown))
        del self._places[:-_PLACES]
        if self.over:
            self._update(task)
        elif self._follower is not None:
            self._watch.wake()  # The task may have changed since this was shown.
        else:
            self._watch.listeners = (*self._watch.listeners, told)
            # In no task group of the client's: no error here may end it, and its end does not wait for this.
            self._follower = _detached.start(lambda: self._run(task, told), "mcptasks display")

    def _here(self, function: Callable[[], None]) -> None:
        try:
            here = anyio.lowlevel.current_token() == self._loop
        except RuntimeError:
            here = False
        # A display on the thread of some other loop (a subshell of the kernel, a worker) is not kept up to date.
        if here:
            function()

    async def _run(self, task: Task[Any], told: Listener) -> None:
        try:
            with self._core.monitor.interest(self._watch):
                while not self.over:
                    if self._update(task):
                        with anyio.move_on_after(_PAUSE):
                            while not self.over:
                                await self._watch.change()
                    else:
                        await self._watch.change()
        except TaskError:
            logger.debug("the client was closed before task %r could be followed", task.task_id, exc_info=True)
        finally:
            self._watch.listeners = without(self._watch.listeners, told)
            self._follower = None
            self._update(task, closed=True)

    def _update(self, task: Task[Any], *, closed: bool = False) -> bool:
        """Bring all displays up to date; whether there was anything new."""
        news = self._bundle(task, closed=closed)
        late = [place for place in self._places if place.shown != news]
        for place in late:
            place.shown = news
            try:
                # ipykernel sends along which cell an output belongs to, from a context variable. In a context that is
                # copied from an earlier cell, where the client was opened, that is the earlier one, and nbclient drops
                # what is not of the present one. Where the variable is not set ipykernel knows the present cell.
                Context().run(place.handle.update, news, raw=True)
            except Exception:
                logger.debug("a display of task %r could not be updated", task.task_id, exc_info=True)
        return bool(late)

    def _bundle(self, task: Task[Any], *, closed: bool = False) -> Bundle:
        return {"text/plain": repr(task), "text/html": self.html(task, closed=closed)}


def _publish(bundle: Bundle, *, updatable: bool) -> Handle | None:
    """Display something in the present cell; returns what updates it, where that is asked for and possible."""
    display = importlib.import_module("IPython.display").display
    # A terminal would print each update below the last.
    if updatable and in_kernel():
        handle: Handle = display(bundle, raw=True, display_id=True)
        return handle
    display(bundle, raw=True)
    return None
