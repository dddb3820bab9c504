"""Remembers the tasks to which one client's program has handles. The engine works on waiters; `make` turns a waiter
into a handle, and comes from the surface (`_async`)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import anyio

from mcptasks._core.models import TaskReference
from mcptasks._core.outcome import Decoding
from mcptasks._core.trace import Begun, SpanPlace, Trace
from mcptasks._engine.core import TaskCore
from mcptasks._engine.recording.journal import Record
from mcptasks._engine.waiting.waiter import Waiter
from mcptasks._engine.watching.monitor import Monitor
from mcptasks._engine.watching.watch import Watch

_REMEMBERED = 10_000
"""How many unfinished tasks a client remembers for `list_tasks` although the program has dropped their handles. With
more, the task that was added first is forgotten. 10,000 tasks take about 30 MB."""

MakeHandle = Callable[[Waiter], Any]
"""Makes a handle from a waiter."""


class Handles:
    """The tasks of one client.

    Args:
        core: The client's parts.
        monitor: Has the tasks.
        make: Makes handles.
        resumed: Makes the record of a task that already exists; see `Journal.resumed`.
    """

    def __init__(
        self, core: TaskCore, monitor: Monitor, make: MakeHandle, resumed: Callable[[TaskReference], Record]
    ) -> None:
        self._core = core
        self._monitor = monitor
        self.make = make
        self._resumed = resumed
        self._known: WeakValueDictionary[str, Waiter] = WeakValueDictionary()
        self._unfinished: OrderedDict[str, Waiter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def trace(self) -> Trace:
        """Gets the moments of `_core/trace.py`."""
        return self._core.connection.trace

    @property
    def any_unfinished(self) -> bool:
        """Whether any known task is not over."""
        return any(not waiter.watch.done for waiter in self._known.values())

    def all(self) -> list[Any]:
        """Return handles on all known tasks."""
        return [waiter.handle for waiter in list(self._known.values())]

    def known(self, task_id: str) -> Any:
        """Return the handle on a task; None if the task is not known."""
        waiter = self._known.get(task_id)
        return None if waiter is None else waiter.handle

    def of(self, watch: Watch) -> Any:
        """Return the handle on a watched task."""
        waiter = self._known.get(watch.task_id)
        return (waiter or self.find(watch.reference or TaskReference(task_id=watch.task_id))).handle

    def find(
        self, reference: TaskReference, decoding: Decoding | None = None, *, place: SpanPlace | None = None
    ) -> Waiter:
        """Return a waiter for a task that already exists. If this client has one that knows as much, return that one.

        Args:
            reference: Names the task.
            decoding: How to read the result; None for the known way, or the default.
            place: The span to which the task belongs; None if it is not known. A known task keeps its span.
        """
        known = self._known.get(reference.task_id)
        if known is not None and (known.reference.kind is not None or reference.kind is None):
            if decoding is None or decoding == known.decoding:
                return known
            return Waiter(self._core, self, known.watch, known.reference, decoding)
        watch = self._monitor.find(reference.task_id)
        if watch is None:
            record = self._resumed(reference)
            watch = Watch(reference.task_id, anyio.current_time(), reference=reference, record=record)
            watch.trace.place = place
            self.trace.note(Begun(watch.trace))
            self._monitor.register(watch)
        else:
            watch.refer(reference)
        return self.add(Waiter(self._core, self, watch, reference, decoding or Decoding(kind=reference.kind)))

    def add(self, waiter: Waiter) -> Waiter:
        """Remember a task. An unfinished task stays remembered when the program drops its handle."""
        task_id = waiter.watch.task_id
        self._known[task_id] = waiter
        if not waiter.watch.done:
            self._unfinished[task_id] = waiter
            if len(self._unfinished) > _REMEMBERED:
                self._unfinished.popitem(last=False)
        return waiter

    def consider(self, watch: Watch) -> None:
        """If a task is over, or the server does not know it, remember it only as long as the program has its handle."""
        if watch.state.terminal or watch.polling.gone:
            self._unfinished.pop(watch.task_id, None)
