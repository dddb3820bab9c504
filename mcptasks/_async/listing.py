"""A list of tasks that a notebook shows as a table."""

from __future__ import annotations

from typing import Any, SupportsIndex, TypeVar, cast, overload

from mcptasks import _html

HandleT = TypeVar("HandleT")
OtherT = TypeVar("OtherT")


class TaskList(list[HandleT]):
    """A list of async or of blocking tasks; nothing but a list, except in a notebook. Its parts and copies are shown
    there in the same way, but for what `sorted()` and `list()` make, which are plain lists."""

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
        """Another list of the same tasks."""
        return TaskList(self)

    def _repr_html_(self) -> str:
        return _html.tasks_html(self)
