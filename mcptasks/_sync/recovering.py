# Generated from mcptasks/_async/recovering.py by `nox -s generate`. Do not edit: change the source and run that again.
"""`Client.recover`, `claims` and `release`: the tasks of a store, which earlier clients have left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcptasks._core.iterators import BlockingResults
from mcptasks._portal.facade import blocking
from mcptasks._sync.maps import Maps
from mcptasks._sync.task import Task

if TYPE_CHECKING:
    from mcptasks._store.recovery import Recovery


class Recovers(Maps):
    """The part of `Client` that takes over tasks of a store."""

    @blocking
    def recover(self, *, labels: Mapping[str, str] | None = None, limit: int | None = None) -> Recovery[Task[Any]]:
        """Take over the tasks of this server that earlier clients of the store have left.

        These are the tasks that no live client holds: those of programs that have ended or were killed. The tasks of a
        program that was killed on this machine are free at once; on another machine they are free when its lease has
        run out (`Store(lease=...)`). From then on this client holds the tasks: only this client calls handlers for
        their input requests, answers and cancels. Nothing is sent to the server, except for `tasks/list` if a call is
        uncertain (2025-11-25).

        If an earlier client had decided an answer and could not deliver it, this client sends that answer, and nobody
        is asked again. A server that ties tasks to a session (fastmcp 2.14) no longer knows them: their results raise
        `TaskNotFoundError`, and in the store their phase is "forgotten".

        Args:
            labels: Only tasks and calls that have all of these labels.
            limit: How many tasks to take at most, the oldest first; None for all.

        Returns:
            The tasks, and the uncertain calls, of which nobody knows whether they were carried out.

        Raises:
            ValueError: The client has no store, or `limit` is not positive.
            TypeError: `labels` is not a mapping of strings, or `limit` is not a number.
            StoreError: The store cannot be read or written.
            TaskConnectionError: The server cannot be reached.
        """
        return self._recovered(Task, self._call(lambda: self._inner.recover(labels=labels, limit=limit)))

    @blocking
    def claims(
        self, *, labels: Mapping[str, str] | None = None, limit: int | None = None
    ) -> BlockingResults[Task[Any]]:
        """Iterate over tasks as they become free: first the tasks that are free now, then the tasks of clients that
        end, die, or release them. So any number of processes can share the tasks of a store, and one process at a time
        holds each task.

        The iteration waits for more tasks until the client is closed. A cancelled step loses no task.

        Args:
            labels: Only tasks that have all of these labels.
            limit: How many handed out tasks may be unfinished at the same time. At the limit, the iteration waits. None
                for no limit.

        Raises:
            ValueError: The client has no store, or `limit` is not positive.
            TypeError: `labels` is not a mapping of strings, or `limit` is not a number.
            StoreError: The store cannot be read or written; a later step may succeed.
        """
        return self._iterate_handles(Task, lambda: self._inner.claims(labels=labels, limit=limit))

    @blocking
    def release(self, task: Task[Any]) -> None:
        """Give a task back to the store, so that another client may take it. The handle can still wait and read. If a
        handler is at work on a question of the task, its answer is dropped.

        Args:
            task: A task of this client.

        Raises:
            TypeError: `task` is not a task.
            ValueError: The client has no store.
            StoreError: The store cannot be written.
        """
        self._call(lambda: self._inner.release(self._inner_of(task)))
