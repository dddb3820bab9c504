"""The result of `Client.recover`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import field, frozen

from mcptasks._store.records import TaskRecord

if TYPE_CHECKING:
    # `models` imports pydantic; see `records`.
    from mcptasks._core.models import TaskReference

TaskT = TypeVar("TaskT")


@frozen(kw_only=True)
class Recovery(Generic[TaskT]):
    """The tasks of one server that earlier clients of a store have left, and its uncertain calls."""

    __module__ = "mcptasks.store"

    tasks: tuple[TaskT, ...] = ()
    """Handles on the tasks that nobody held, oldest first. This client holds them now. The input requests that were
    open are in `Task.input_requests` (2026-07-28)."""
    uncertain: tuple[TaskRecord, ...] = ()
    """The calls of which nobody knows whether the server carried them out, newest first; see `Store.settle`."""
    elsewhere: int = 0
    """How many tasks other clients hold."""
    candidates: tuple[TaskReference, ...] = field(default=(), repr=False)
    """Tasks that the server lists (2025-11-25), that the store does not know, and that are not older than the oldest
    uncertain call. Each of them may belong to an uncertain call. `Store.settle` joins a call with its task."""
