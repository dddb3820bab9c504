"""Shows a task in a notebook, and keeps the display up to date until the task is over or the client closes.

The first display is made on the thread of the cell, and every update on the event loop's thread. IPython is imported
only when IPython itself asks for a display. An exception from updating a display does not get past this module.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Protocol

import anyio
import anyio.lowlevel
from attrs import define, field

from mcptasks import _eventloop
from mcptasks._core import html, safe_text
from mcptasks._core.events import Finished
from mcptasks._core.exceptions import TaskError
from mcptasks._core.html import Shown
from mcptasks._core.state import TaskState
from mcptasks._core.verdicts import error_words, reports_error
from mcptasks._engine.core import TaskCore
from mcptasks._engine.notebook.table import PAUSE, Bundle, Followed, Handle, publish, tick, update
from mcptasks._engine.watching.watch import Effects, Observer, Watch, emitted

logger = logging.getLogger("mcptasks")

_PLACES = 32
"""How many displays of one task are kept up to date: the latest ones. A cell that runs again leaves its old display
behind."""

Run = Callable[[Callable[[], None]], None]
"""Calls a function on the event loop's thread, and waits for its end."""


class Displayed(Shown, Protocol):
    """A handle on a task, as a notebook shows it. IPython calls these methods by their names."""

    def _repr_html_(self) -> str: ...
    def _ipython_display_(self, run: Run | None = None) -> None: ...


def html_of(task: Displayed) -> str:
    """Return a task in HTML, as far as it is known. For any thread, without I/O."""
    return task._repr_html_()  # pyright: ignore[reportPrivateUsage] - IPython's name, for all to call


arguments_of: Callable[[Displayed], str] = attrgetter("_shown_arguments")
"""Returns a task's arguments for people to read, without secrets; empty if there are none, or none are known."""

elapsed_of: Callable[[Displayed], timedelta | None] = attrgetter("_elapsed")
"""Returns how long a task has run, or ran; None if that is not known."""


page_of: Callable[[Displayed], Page] = attrgetter("_page")
"""Returns the displays of a task."""


def show(task: Displayed, run: Run) -> None:
    """Show a task in the present cell, on a thread that is not the event loop's, and keep the display up to date.

    Args:
        task: The task.
        run: Calls a function on the event loop's thread.
    """
    task._ipython_display_(run)  # pyright: ignore[reportPrivateUsage] - the same


@define(eq=False)
class _Place:
    """One display, and its present content."""

    handle: Handle
    shown: Bundle


@define(eq=False)
class Page:
    """The displays of one task. Made on the event loop's thread."""

    _core: TaskCore
    _watch: Watch
    _loop: object = field(factory=anyio.lowlevel.current_token, init=False)
    _places: list[_Place] = field(factory=list[_Place], init=False)
    _follower: object = field(default=None, init=False)
    """The task that keeps the displays up to date; None while there is nothing to follow."""
    _awaits_verdict: bool = field(default=False, init=False)

    @property
    def followed(self) -> Followed:
        """The task, for a table of many."""
        return Followed(self._core, self._watch)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to follow. For any thread."""
        return self._watch.state.terminal or self._core.callbacks.closed

    @property
    def final(self) -> bool:
        """Whether the display will not change any more. For any thread. On 2025-11-25 a completed task may change once
        more: when its result is fetched and reports an error."""
        return self.over and (self._watch.state.verdict is not None or self._core.callbacks.closed)

    def html(self, task: Shown, *, closed: bool = False) -> str:
        """Return the task in HTML. For any thread.

        Args:
            task: The task.
            closed: Whether the task is no longer followed.
        """
        note = None
        if not self._watch.state.terminal:
            if closed or self._core.callbacks.closed:
                note = "the client is closed; this is the last that it knew"
            elif self._watch.polling.gone:
                note = "the server does not know the task"
        elif self._watch.state.verdict == "failed":
            note = _said_later(self._watch.state)
        return html.task_html(task, note, None if self.over or closed else datetime.now(UTC))

    def show(self, task: Shown, run: Run | None) -> None:
        """Show the task in the present cell, and keep the display up to date.

        Args:
            task: The task.
            run: Calls a function on the event loop's thread; None if this is that thread, as in async programs.
        """
        shown = self._bundle(task)
        handle = publish(shown, updatable=not self.final)
        if handle is None:
            return
        try:
            (run or self.here)(lambda: self.follow(task, handle, shown))
        except TaskError:
            # The client's event loop has ended meanwhile. The display stays as it is.
            logger.debug("the display of task %s stays as it is", safe_text.short(task.task_id), exc_info=True)

    def follow(self, task: Shown, handle: Handle, shown: Bundle) -> None:
        """Keep a display up to date. For the event loop's thread.

        Args:
            task: The task.
            handle: IPython's handle, which updates the display.
            shown: The display's present content.
        """

        def told(effects: Effects) -> None:
            # Waiters wake after this, so a cell that waits for the task ends with the final display.
            if any(status.is_terminal for status in emitted(effects)):
                self._update(task)

        self._places.append(_Place(handle, shown))
        del self._places[:-_PLACES]
        if self.over:
            self._update(task)
            self._await_verdict(task)
        elif self._follower is not None:
            self._watch.wake()  # The task may have changed since the display was made.
        else:
            self._watch.observe(told)
            # Not in a task group of the client: an error here must not end the client, and its end need not wait for
            # this.
            self._follower = _eventloop.start(lambda: self._run(task, told), "mcptasks display")

    def here(self, function: Callable[[], None]) -> None:
        """Call a function, if this is the thread of the task's event loop."""
        try:
            here = anyio.lowlevel.current_token() == self._loop
        except RuntimeError:
            here = False
        # A display on the thread of another event loop (a subshell of the kernel, a worker) is not kept up to date.
        if here:
            function()

    async def _run(self, task: Shown, told: Observer) -> None:
        try:
            with self.followed.watched():
                began, changed = anyio.current_time(), True
                while not self.over:
                    self._update(task)
                    if not changed or not await self._pause():
                        with anyio.move_on_after(tick(anyio.current_time() - began)) as waiting:
                            await self._watch.change()
                        changed = not waiting.cancelled_caught
        except TaskError:
            logger.debug(
                "the client was closed before task %s could be followed", safe_text.short(task.task_id), exc_info=True
            )
        finally:
            self._watch.unobserve(told)
            self._follower = None
            self._update(task, closed=True)
            self._await_verdict(task)

    async def _pause(self) -> bool:
        """Wait a moment, so that one update shows several changes. Return whether there were any."""
        changed = False
        with anyio.move_on_after(PAUSE):
            while not self.over:
                await self._watch.change()
                changed = True
        return changed or self.over

    def _await_verdict(self, task: Shown) -> None:
        """Update the display of a finished task once more when its result is known. Perhaps nobody ever fetches the
        result, so nothing waits for this update."""

        def changed(_effects: Effects) -> None:
            if self._watch.state.verdict is not None:
                self._watch.unobserve(changed)
                self._awaits_verdict = False
                self._update(task)

        if not self.final and not self._awaits_verdict:
            self._awaits_verdict = True
            self._watch.observe(changed)

    def _update(self, task: Shown, *, closed: bool = False) -> None:
        """Update all displays."""
        news = self._bundle(task, closed=closed)
        late = [place for place in self._places if place.shown != news]
        for place in late:
            place.shown = news
            update(place.handle, news)

    def _bundle(self, task: Shown, *, closed: bool = False) -> Bundle:
        return {"text/plain": repr(task), "text/html": self.html(task, closed=closed)}


def _said_later(state: TaskState) -> str | None:
    """Return the words for a result that reports an error although the status said "completed" (2025-11-25); otherwise
    None."""
    if state.status is None or not isinstance(state.outcome, Finished) or not reports_error(state.outcome.result):
        return None
    words = error_words(state.outcome.result)
    if state.status.status == "completed":
        return "the server calls it completed, but the tool reports an error" + (f": {words}" if words else "")
    return words if words != state.status.status_message else None
