"""What the tests of the blocking client share: backends, clients that poll often, and threads that cannot hang a test.

How these tests stay deterministic: the test's own thread steers the servers; a test waits for what a thread or
subprocess does, never for a time; and every wait is bounded.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

from mcptasks import TaskStatus, ToolResult
from mcptasks.sync import Client, Task
from mcptasks.testing import ServerTask, TaskServer
from tests.helpers.support import QUICK
from tests.helpers.threads import LIMIT

T = TypeVar("T")

Backend = Literal["asyncio", "uvloop", "trio"]
BACKENDS: tuple[Backend, ...] = ("asyncio", "trio")


@contextmanager
def connected(target: Any, backend: Backend = "asyncio", **options: Any) -> Generator[Client]:
    """A blocking client that polls often and gives up soon, in a `with` block that cannot hang."""
    client = make_client(target, backend, **options)
    with ExitStack() as stack:
        client.__enter__()

        def leave(
            exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
        ) -> None:
            Aside(lambda: client.__exit__(exc_type, exc, traceback)).value()

        stack.push(leave)
        yield client


def make_client(target: Any, backend: Backend = "asyncio", **options: Any) -> Client:
    """Such a client, not opened yet."""
    settings: dict[str, Any] = {"polling": QUICK, "reconnect_timeout": 5.0, **options}
    return Client(target, backend=backend, **settings)


def begin(client: Client, server: TaskServer, **options: Any) -> tuple[Task[ToolResult], ServerTask]:
    """A task that waits to be steered: the client's handle and the server's."""
    loose: Any = client
    task: Task[ToolResult] = loose.call_tool("work", task=True, **options)
    return task, server.next_task_blocking(LIMIT)


class Aside(Generic[T]):
    """A call in a thread of its own. The thread is a daemon, so a call that hangs fails its own test only."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._value: list[T] = []
        self.error: BaseException | None = None
        """The exception that the call raised; None if it raised none."""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._function())
        except BaseException as exc:
            self.error = exc

    @property
    def ident(self) -> int | None:
        """The thread's identity."""
        return self.thread.ident

    def join(self) -> None:
        """Wait for the call to return or raise."""
        self.thread.join(LIMIT)
        if self.thread.is_alive():
            raise AssertionError(f"the call in a thread has not ended:\n{stack_of(self.thread)}")

    def value(self) -> T:
        """The call's return value. Raises the call's exception."""
        self.join()
        if self.error is not None:
            raise self.error
        return self._value[0]


def stack_of(thread: threading.Thread) -> str:
    """A thread's stack, as text."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "".join(traceback.format_stack(frame)) if frame is not None else "(ended)"


class Collector:
    """A status callback that keeps each status and the thread that brought it. Other threads can wait for a status."""

    def __init__(self) -> None:
        self.statuses: list[TaskStatus] = []
        self.threads: set[int] = set()
        self._news = threading.Condition()

    def __call__(self, status: TaskStatus) -> None:
        """Keep it."""
        with self._news:
            self.statuses.append(status)
            self.threads.add(threading.get_ident())
            self._news.notify_all()

    @property
    def messages(self) -> list[str | None]:
        """The messages so far."""
        return [status.status_message for status in self.statuses]

    def until(self, found: Callable[[TaskStatus], bool]) -> None:
        """Wait for such a status."""
        with self._news:
            assert self._news.wait_for(lambda: any(found(status) for status in self.statuses), LIMIT), self.statuses

    def until_message(self, message: str) -> None:
        """Wait for a status with that message."""
        self.until(lambda status: status.status_message == message)

    def until_over(self) -> None:
        """Wait for a terminal status."""
        self.until(lambda status: status.is_terminal)
