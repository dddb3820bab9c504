"""The tasks of one client to which somebody has a handle, by id, and the pushes that came before their tasks were known
(`early.py`)."""

from __future__ import annotations

from weakref import WeakValueDictionary

import anyio

from mcptasks._core.events import Seen
from mcptasks._engine.watching.early import Early
from mcptasks._engine.watching.watch import Watch


class Known:
    """Finds tasks by id. A task stays here only as long as something else refers to its watch."""

    def __init__(self) -> None:
        self._watches: WeakValueDictionary[str, Watch] = WeakValueDictionary()
        self._early = Early()

    def add(self, watch: Watch) -> Seen | None:
        """Add a task. Return the latest push that came before the task was known, if it was kept."""
        self._watches[watch.task_id] = watch
        watch.polling.announced = self._early.questions(watch.task_id)
        push, came = self._early.take(watch.task_id)
        watch.polling.again = came and push is None
        return push

    def add_early(self, push: Seen) -> None:
        """Keep a push for a task that is not known yet."""
        self._early.add(push)

    def forget_early(self) -> None:
        """Forget the pushes for unknown tasks."""
        self._early.clear()

    def find(self, task_id: str) -> Watch | None:
        """Return the task with that id; None if it is not known."""
        return self._watches.get(task_id)

    async def expected(self, task_id: str, seconds: float) -> Watch | None:
        """Return the task with that id. Wait up to `seconds` for a task whose creating answer is still under way."""
        with anyio.move_on_after(seconds):
            while task_id not in self._watches:
                await self._early.arrival()
        return self._watches.get(task_id)

    def everyone(self) -> list[Watch]:
        """Return all known tasks."""
        return list(self._watches.values())
