"""The line of the program that made a call, and warnings that point to that line."""

from __future__ import annotations

import inspect
import sys
import warnings
from contextvars import ContextVar
from types import FrameType
from typing import Any

from attrs import field, frozen

from mcptasks._core.tracebacks import in_library

calling_thread: ContextVar[int | None] = ContextVar("calling_thread", default=None)
"""The identifier of the thread whose blocking call the current code serves; None in async programs."""


@frozen
class Line:
    """A line of the program."""

    path: str
    number: int
    module: str
    told: dict[Any, Any] = field(repr=False, eq=False)
    """The module's `__warningregistry__`, in which Python notes the warnings that were shown."""


def present_line() -> Line:
    """The line of the program that the current code serves.

    That is the nearest line of the program on the stack, or on the stack of the thread that waits in a blocking call.
    If an event loop runs the call in a task of its own, the result is the line that runs the event loop.
    """
    found = _nearest(inspect.currentframe())
    thread = calling_thread.get()
    if found is None and thread is not None:
        # `sys._current_frames` is documented, and private in name only.
        frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        found = _nearest(frames.get(thread))
    if found is None:
        return Line("<program>", 1, "<program>", {})
    told = found.f_globals.setdefault("__warningregistry__", {})
    return Line(found.f_code.co_filename, found.f_lineno, str(found.f_globals.get("__name__")), told)


def warn(message: Warning, line: Line) -> None:
    """Warn at a line of the program.

    Raises:
        Warning: The message itself, if the program turns such warnings into errors.
    """
    warnings.warn_explicit(message, type(message), line.path, line.number, line.module, line.told)


def _nearest(frame: FrameType | None) -> FrameType | None:
    while frame is not None and in_library(frame):
        frame = frame.f_back
    return frame
