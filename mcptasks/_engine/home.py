"""The process, thread and event loop to which a client belongs. Using the client elsewhere raises an error at once."""

from __future__ import annotations

import os
import threading

from attrs import field, frozen

from mcptasks._core.exceptions import TaskConnectionError, TaskError, TaskStateError
from mcptasks._core.models import TaskReference
from mcptasks._eventloop import EventLoop


@frozen(eq=False)
class Home:
    """The process, thread and event loop in which this object is made."""

    _loop: EventLoop = field(factory=EventLoop.present, init=False)
    _thread: threading.Thread = field(factory=threading.current_thread, init=False)
    _pid: int = field(factory=os.getpid, init=False)

    def check(self, reference: TaskReference | None = None) -> None:
        """Raise an error in another place: a wait here for an event there might never end.

        Args:
            reference: The task in question, for the error.

        Raises:
            TaskStateError: Another event loop runs here, or none, or the client's event loop has ended.
            TaskConnectionError: This process is a fork of the client's.
        """
        if not (self._loop.is_here() and os.getpid() == self._pid):
            raise self._error(reference)

    def is_lost(self) -> bool:
        """Whether the event loop has ended, so that nothing on it can be closed any more. False in a fork."""
        return os.getpid() == self._pid and self._loop.has_ended()

    def is_own_process(self) -> bool:
        """Whether this is the process in which the client was made."""
        return os.getpid() == self._pid

    def _error(self, reference: TaskReference | None) -> TaskError:
        if os.getpid() != self._pid:
            return TaskConnectionError(inherited(self._pid), reference=reference)
        which = f"the {self._loop.backend} event loop of thread {self._thread.name!r}"
        if self._loop.has_ended():
            words = (
                f"this client was opened on {which}, which has ended: open a new Client on this event loop, and take"
                " tasks up with its resume(task.reference)"
            )
        else:
            here = threading.current_thread()
            where = "here is another one" if here is self._thread else f"this is thread {here.name!r}"
            words = (
                f"this client belongs to {which}, and {where}: use it there"
                f" ({_WAYS[self._loop.backend]}), or open another Client here"
            )
        return TaskStateError(words, reference=reference)


_WAYS = {"asyncio": "asyncio.run_coroutine_threadsafe()", "trio": "trio.from_thread.run()"}
"""How another thread can call a function on the client's event loop."""


def inherited(pid: int) -> str:
    """Return the words of the error in a forked child that uses a client of its parent."""
    return (
        f"this client was opened in process {pid}, and a fork of it cannot use it: open a new Client in this process,"
        " and take tasks up with its resume(task.reference)"
    )
