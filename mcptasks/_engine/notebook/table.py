"""Shows many tasks in one display of a notebook, and keeps it up to date until all are over or their clients close."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from contextvars import Context
from typing import Any, Protocol

import anyio
from attrs import define, field

from mcptasks import _eventloop
from mcptasks._core.exceptions import TaskError
from mcptasks._engine.core import TaskCore
from mcptasks._engine.notebook.stop_button import in_kernel
from mcptasks._engine.watching.watch import Effects, Watch

logger = logging.getLogger("mcptasks")

PAUSE = 1.0
"""Fewest seconds between two updates of a display. The final state is shown at once, so there may be two updates in a
second."""
_TICK = 5.0
"""Fewest seconds between two updates in which only the times have changed."""
_SLOWER = 20
"""After a while, the pause between two updates of the times is the age of the display divided by this."""
_SLOWEST = 60.0
"""Most seconds between two updates of the times."""

Bundle = dict[str, str]
"""The content of a display, by MIME type."""


class Handle(Protocol):
    """IPython's handle on a display."""

    def update(self, obj: Any, /, *, raw: bool) -> None:
        """Replace the content of the display."""
        ...


def publish(bundle: Bundle, *, updatable: bool) -> Handle | None:
    """Display a bundle in the present cell. Return its handle, if `updatable` and if the display can be updated."""
    display = importlib.import_module("IPython.display").display
    # In a terminal, IPython would print each update below the one before.
    if updatable and in_kernel():
        handle: Handle = display(bundle, raw=True, display_id=True)
        return handle
    display(bundle, raw=True)
    return None


def publish_here(bundle: Bundle, *, updatable: bool) -> Handle | None:
    """Display a bundle in the cell that runs now. For any thread, if a blocking call in that cell waits for this.

    Runs in an empty context, for the reason that `update` gives.
    """
    return Context().run(publish, bundle, updatable=updatable)


def update(handle: Handle, bundle: Bundle) -> None:
    """Replace the content of a display. Does not raise.

    ipykernel takes the cell to which an output belongs from a context variable. In a context that was copied in an
    earlier cell, in which the client was opened, the variable names that earlier cell, and nbclient drops the output.
    In an empty context the variable is not set, and ipykernel uses the present cell.
    """
    try:
        Context().run(handle.update, bundle, raw=True)
    except Exception:
        logger.debug("a display could not be updated", exc_info=True)


def tick(age: float) -> float:
    """Return the seconds until the displayed times are updated although nothing else has changed.

    Args:
        age: Seconds since the display began.
    """
    return min(max(_TICK, age / _SLOWER), _SLOWEST)


@define(eq=False)
class Followed:
    """One task of a table: the part of a task that a table needs."""

    core: TaskCore
    watch: Watch

    @property
    def over(self) -> bool:
        """Whether there is nothing more to follow. On any thread."""
        return self.watch.state.terminal or self.core.callbacks.closed

    @contextmanager
    def watched(self) -> Generator[None]:
        """A block in which the task is watched, and in which its watch also wakes for progress."""
        feed, wake = self.watch.progress, self.watch.wake
        with self.core.monitor.interest(self.watch):
            if feed is not None:
                feed.add(wake)
            try:
                yield
            finally:
                if feed is not None:
                    feed.remove(wake)


@define(eq=False)
class Table:
    """One display of many tasks."""

    _bundle: Callable[[bool], Bundle]
    """Returns the content. Its argument says whether the display is kept up to date."""
    _tasks: list[Followed]
    _is_open: Callable[[], bool] = lambda: False
    """Whether more tasks may come (`add`)."""
    _stack: ExitStack | None = field(default=None, init=False)
    """Ends the subscriptions to the tasks; None while there are none."""
    _handle: Handle | None = field(default=None, init=False)
    _is_followed: bool = field(default=False, init=False)
    _changed: anyio.Event = field(factory=anyio.Event, init=False)
    """Set when something has changed since the latest update."""

    @property
    def over(self) -> bool:
        """Whether there is nothing more to follow. On any thread."""
        return not self._is_open() and all(task.over for task in self._tasks)

    def publish(self) -> bool:
        """Show the table in the present cell. Return whether there is something to follow. For the thread of the
        cell."""
        over = self.over
        self._handle = publish_here(self._bundle(not over), updatable=not over)
        return self._handle is not None

    def follow(self) -> None:
        """Keep the table up to date from now on. For the thread of the tasks' event loop."""
        # Not in a task group of a client: an error here must not end the client, and its end need not wait for this.
        if not self._is_followed:
            self._is_followed = True
            _eventloop.start(self._run, "mcptasks display")

    def add(self, task: Followed) -> None:
        """Show one more task. For the thread of the tasks' event loop."""
        self._tasks.append(task)
        if self._stack is not None:
            self._watch(task, self._stack)
        self._changed.set()

    def refresh(self) -> None:
        """Show news that no task tells of. For the thread of the tasks' event loop."""
        if self._is_followed:
            self._ring(())

    async def _run(self) -> None:
        began = anyio.current_time()
        try:
            with ExitStack() as self._stack:
                for task in self._tasks:
                    self._watch(task, self._stack)
                while not self.over:
                    self._changed = anyio.Event()
                    self._update()
                    await anyio.sleep(PAUSE)
                    with anyio.move_on_after(tick(anyio.current_time() - began)):
                        await self._changed.wait()
        except TaskError:
            logger.debug("a client was closed before its tasks could be followed", exc_info=True)
        finally:
            self._stack = None
            self._update(last=True)
            for task in self._tasks:
                self._await_verdict(task)

    def _watch(self, task: Followed, stack: ExitStack) -> None:
        if not task.over:
            stack.enter_context(task.watched())
            task.watch.observe(self._ring)
            stack.callback(task.watch.unobserve, self._ring)

    def _ring(self, _effects: Effects) -> None:
        self._changed.set()
        if self.over:
            self._update(last=True)  # Waiters wake after this, so a cell that waits ends with the final table.

    def _await_verdict(self, task: Followed) -> None:
        """Update the table once more when a finished task's result is known. Perhaps nobody ever fetches the result, so
        nothing waits for this update."""

        def changed(_effects: Effects) -> None:
            if task.watch.state.verdict is not None:
                task.watch.unobserve(changed)
                self._update(last=True)

        if task.watch.state.verdict is None and not task.core.callbacks.closed:
            task.watch.observe(changed)

    def _update(self, *, last: bool = False) -> None:
        if self._handle is not None:
            update(self._handle, self._bundle(not last))
