"""How a command is stopped from outside: by Ctrl-C, SIGTERM or SIGHUP, at once, and by a second Ctrl-C at any time.

A first signal cancels the work, so that connections are closed properly. A second Ctrl-C ends the process at once.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING

from attrs import define

from mcptasks._cli.exits import Exit

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

GOODBYE = 3
"""Seconds for closing connections after a signal. After that, the process ends at once, and its subprocesses with
it."""
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Ended(KeyboardInterrupt):
    """A signal other than SIGINT ended the command before it had begun to send anything.

    A `KeyboardInterrupt`, since event loops let only that pass from wherever it is raised.
    """

    def __init__(self, number: int) -> None:
        self.number = number


@define
class Leaving:
    """What to do when somebody stops the command."""

    words: Callable[[], Iterable[str]] = lambda: ("stopped",)
    """Says what becomes of the work, and how to come back to it."""
    last_act: Callable[[], Awaitable[None]] | None = None
    """Done before connections are closed, such as cancelling the task if that was asked for."""
    limit: int | None = None
    """Seconds for closing connections; None for `GOODBYE`, and 0 for no limit."""


async def until_stopped(work: Callable[[], Awaitable[None]], leaving: Leaving, say: Callable[[str], None]) -> int:
    """Do the work of a command until it is over or a signal stops it.

    Args:
        work: The work. A signal cancels it.
        leaving: What to do then.
        say: Writes a line for people.

    Returns:
        The number of the signal; 0 if there was none.

    Raises:
        KeyboardInterrupt: Ctrl-C came where no signal can be waited for (Windows), or before that was possible.
    """
    import anyio

    numbers = _heeded()
    if not numbers:
        await work()
        return 0
    stopped: list[int] = []
    failures: list[Exception] = []

    async def listen(*, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(*numbers) as received:
            task_status.started()
            stopped.append(await anext(aiter(received)))
            for line in leaving.words():
                say(line)
        # Not before: leaving the receiver takes out whatever handler there is.
        end_at_once(Exit(128 + stopped[0]))
        await _leave(leaving, stopped[0])
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            await group.start(listen)
            try:
                await work()
            except Exception as exc:  # noqa: BLE001 - raised below: the task group would wrap it
                failures.append(exc)
            group.cancel_scope.cancel()
    except BaseExceptionGroup as exc:
        if exc.subgroup(KeyboardInterrupt) is not None:
            raise KeyboardInterrupt from None  # On trio, Ctrl-C before the receiver was there.
        raise
    if failures and not stopped:
        raise failures[0]
    return stopped[0] if stopped else 0


def _heeded() -> list[signal.Signals]:
    """Return the signals that end a command in order.

    A signal that the caller ignores, as nohup does, stays ignored. Windows has none: asyncio cannot wait for a signal
    there.
    """
    if sys.platform == "win32":
        return []
    numbers = [signal.Signals[name] for name in _SIGNALS]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


async def _leave(leaving: Leaving, number: int) -> None:
    """Do the last act, and see to it that closing does not take long, whatever a server does."""
    import anyio

    if leaving.last_act is not None:
        with anyio.move_on_after(GOODBYE):
            await leaving.last_act()
    limit = GOODBYE if leaving.limit is None else leaving.limit
    if limit and sys.platform != "win32":
        signal.signal(signal.SIGALRM, _ending(Exit(128 + number)))
        signal.alarm(limit)
        # Python drops the handler while it ends, and the alarm would kill the process then, with another code. What is
        # registered here runs before that, and after the last thread has ended.
        atexit.register(signal.alarm, 0)


def end_at_once(code: Exit) -> None:
    """Have Ctrl-C end the process with this code from here on, unless the caller ignores Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _ending(code))


def _ending(code: Exit) -> Callable[[int, FrameType | None], None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        os._exit(code)

    return end


def end_in_silence() -> None:
    """Have Ctrl-C end the process without a word from here on, since the command has done its work."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
