"""A list of tasks that a notebook shows as a table."""

from __future__ import annotations

from typing import TypeVar

from mcptasks import _html

HandleT = TypeVar("HandleT")


class TaskList(list[HandleT]):
    """A list of async or of blocking tasks; nothing but a list, except in a notebook."""

    def _repr_html_(self) -> str:
        return _html.tasks_html(self)
