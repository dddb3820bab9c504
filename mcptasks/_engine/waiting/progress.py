"""How far one task is: what the client knows without asking the server, and callbacks for each change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from mcptasks._core.models import TaskStatus
from mcptasks._core.progress import Expectation, TaskProgress, shown
from mcptasks._engine.waiting.subscription import Subscription, queue_for
from mcptasks._engine.waiting.waiter import Waiter


def progress_of(waiter: Waiter) -> TaskProgress | None:
    """How far a task is, as far as this client was told. On any thread; see `Task.progress`."""
    watch = waiter.watch
    reported = None if watch.progress is None else watch.progress.latest
    status = watch.status
    if status is None:
        return reported
    return shown(reported, status.status_message, status.last_updated_at or status.created_at or datetime.now(UTC))


def expectation_of(waiter: Waiter) -> Expectation | None:
    """How much longer a task may take. On any thread; see `Task.expected`."""
    return None if waiter.watch.done else waiter.core.monitor.expectation(waiter.watch)


def elapsed_of(waiter: Waiter) -> timedelta | None:
    """How long a task has run, or ran; None if nobody says when it was created. On any thread.

    The end is the server's word, and so is the beginning if another client created the task.
    """
    status, created = waiter.watch.status, waiter.watch.created
    said = None if status is None else status.created_at
    if status is not None and status.is_terminal:
        last = status.last_updated_at
        return None if said is None or last is None else _between(said, last)
    began = created or said
    return None if began is None else _between(began, datetime.now(UTC))


def _between(began: datetime, end: datetime) -> timedelta | None:
    try:
        return max(end - began, timedelta())
    except TypeError:  # One of the server's two times has a zone, and the other has none.
        return None


def follow_progress(waiter: Waiter, callback: Callable[[TaskProgress], Awaitable[None] | None]) -> Callable[[], None]:
    """Have a callback called with the progress of a task; see `Task.on_progress`.

    Returns:
        A function that removes the callback.
    """
    queue = queue_for(waiter, callback, "progress")
    if waiter.watch.state.terminal:
        return queue.clear
    feed = waiter.watch.feed(waiter.core.callbacks)
    last = progress_of(waiter)

    def tell() -> None:
        nonlocal last
        news = progress_of(waiter)
        if news is not None and news != last:
            last = news
            queue.clear()  # A callback that is slow gets the latest.
            queue.call(news)

    def told(status: TaskStatus) -> None:
        if not status.is_terminal:
            feed.changed()  # A status message counts as progress.

    remove = Subscription(waiter, queue, told, lambda: feed.remove(tell)).begin()
    feed.add(tell)
    return remove
