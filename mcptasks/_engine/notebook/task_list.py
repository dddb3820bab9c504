"""A list of tasks that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, SupportsIndex, TypeVar, cast, overload

from mcptasks._core import html, safe_text
from mcptasks._engine.notebook.display import Page, Run, page_of
from mcptasks._engine.notebook.table import Table

HandleT = TypeVar("HandleT")
OtherT = TypeVar("OtherT")

_REPR = 10_000
"""How many characters the text form of a list has; the rest is cut off. That is several screens of tasks."""


class TaskList(list[HandleT]):
    """A list of async or blocking tasks, which a notebook shows as a table. Slices, sums and copies of it are such
    lists, too; `sorted()` and `list()` make plain lists."""

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> HandleT: ...

    @overload
    def __getitem__(self, index: slice, /) -> TaskList[HandleT]: ...

    def __getitem__(self, index: SupportsIndex | slice, /) -> HandleT | TaskList[HandleT]:
        found = super().__getitem__(index)
        return TaskList(cast("list[HandleT]", found)) if isinstance(index, slice) else cast("HandleT", found)

    @overload
    def __add__(self, other: list[HandleT], /) -> TaskList[HandleT]: ...

    @overload
    def __add__(self, other: list[OtherT], /) -> TaskList[HandleT | OtherT]: ...

    def __add__(self, other: list[Any], /) -> TaskList[Any]:
        return TaskList(super().__add__(other))

    def copy(self) -> TaskList[HandleT]:
        """Return another list of the same tasks."""
        return TaskList(self)

    def __repr__(self) -> str:
        return safe_text.short(self, _REPR)

    def _repr_html_(self) -> str:
        return html.tasks_html(self)

    def _ipython_display_(self) -> None:
        show_tasks(self)


def show_tasks(tasks: Sequence[Any]) -> None:
    """Show tasks as a table in the present cell, and keep the table up to date until all tasks are over.

    Args:
        tasks: Async or blocking tasks. Other items that a program has put into the list are shown as they are.
    """
    handles = [task for task in tasks if isinstance(getattr(task, "_page", None), Page)]

    def bundle(followed: bool) -> dict[str, str]:
        now = datetime.now(UTC) if followed else None
        return {"text/plain": safe_text.short(tasks, _REPR), "text/html": html.tasks_html(tasks, now)}

    table = Table(bundle, [page_of(task).followed for task in handles])
    if table.publish() and handles:
        run_of(handles[0])(table.follow)


run_of: Callable[[Any], Run] = attrgetter("_on_loop")
"""Returns a function that calls a function on the thread of a task's event loop."""
