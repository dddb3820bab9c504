"""Runs a command's work on an event loop, stops it on signals, and prints its errors.

On Ctrl-C, SIGTERM or SIGHUP, the command prints at once what becomes of the task, closes its connections within a few
seconds, and ends. The work goes on at the server.
"""

from __future__ import annotations

import signal
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

from mcptasks._cli import untrusted
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, of_exception, tell
from mcptasks._cli.screen import OutputError, Screen, drop_output
from mcptasks._cli.setting import Setting
from mcptasks._cli.stopping import Leaving, end_at_once, until_stopped

__all__ = ["Leaving", "run"]

Body = Callable[[], Awaitable[Exit]]


def run(setting: Setting, body: Body, leaving: Leaving | None = None) -> Exit:
    """Run the work of a command, print the errors of the library, and return the exit code.

    Args:
        setting: The options of the command.
        body: The work.
        leaving: What to say and to do when the command is stopped.
    """
    import anyio

    codes: list[Exit] = []

    async def work() -> None:
        codes.append(await _told(setting, body))

    async def guarded() -> None:
        number = await until_stopped(work, leaving or Leaving(), setting.screen.say)
        if number:
            codes[:] = [Exit(128 + number)]
        # While the event loop ends, an interrupt that is raised anywhere would show as a traceback.
        end_at_once(codes[0])

    before = signal.getsignal(signal.SIGINT)
    try:
        with told_warnings(setting.screen):
            anyio.run(guarded)
    except KeyboardInterrupt:
        if not codes:
            raise
    finally:
        if before is not None:  # A handler that is not Python's cannot be put back.
            signal.signal(signal.SIGINT, before)
    return codes[0]


@contextmanager
def told_warnings(screen: Screen) -> Generator[None]:
    """Inside the block, a warning is printed as one line for people, without this program's file and source line.

    Args:
        screen: Where the line goes.
    """

    def tell_warning(message: Warning | str, *_where: Any, **_more: Any) -> None:
        screen.say(f"warning: {untrusted.message(str(message))}", "yellow")

    before = warnings.showwarning
    warnings.showwarning = tell_warning
    try:
        yield
    finally:
        warnings.showwarning = before


async def _told(setting: Setting, body: Body) -> Exit:
    """Run the work, and print an error that has a meaning for the user."""
    try:
        try:
            return await body()
        except ExceptionGroup as group:
            # A task group wraps even a single error of its task.
            raise _first(group) from None
    except Exception as exc:
        code = _code(setting, exc)
        if code is None:
            raise
        return code


def _first(group: ExceptionGroup[Exception]) -> Exception:
    inner: Any = group.exceptions[0]
    return _first(cast("ExceptionGroup[Exception]", inner)) if isinstance(inner, ExceptionGroup) else inner


def _code(setting: Setting, error: Exception) -> Exit | None:
    """Print an error, and return the exit code; None for an error that is a defect of this program."""
    from mcptasks import TaskError

    screen = setting.screen
    if isinstance(error, BrokenPipeError):
        drop_output()
        return Exit.PIPE
    if isinstance(error, OutputError):
        drop_output()
        screen.say(f"error: {error}")
        return Exit.FAILED
    if isinstance(error, Failure):
        return tell(screen, error)
    if isinstance(error, TaskError | ValueError | TypeError | OSError):
        return tell(screen, of_exception(error))
    return None
