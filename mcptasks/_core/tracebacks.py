"""Makes errors easier to read: the root of nested exception groups, and tracebacks without library lines. Pure."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType, TracebackType
from typing import cast

_LIBRARIES = {
    *("mcptasks", "mcp", "mcp_types", "anyio", "asyncio", "uvloop", "trio", "outcome", "concurrent", "contextlib"),
    *("threading", "httpx", "httpx2", "httpcore", "httpcore2", "pydantic"),
}
"""Packages whose frames are left out of tracebacks, since they tell a program's author nothing."""


def leaves(exc: BaseException) -> list[BaseException]:
    """The errors in nested exception groups; only the error itself if it is not a group."""
    found: list[BaseException] = []
    left = [exc]
    while left:
        exc = left.pop()
        if isinstance(exc, BaseExceptionGroup):
            left.extend(reversed(cast("BaseExceptionGroup[BaseException]", exc).exceptions))
        else:
            found.append(exc)
    return found


def root_cause(exc: BaseException) -> BaseException:
    """The first error in nested exception groups, made fit to be shown as a cause.

    Removes its own causes, and all lines of its traceback but the program's own, such as those of an auth object.
    """
    cause = leaves(exc)[0]
    cause.__cause__ = cause.__context__ = None
    return cause.with_traceback(without(in_library, cause.__traceback__))


def in_library(frame: FrameType) -> bool:
    """Whether a frame runs code of this package or of a package that it uses."""
    name: object = frame.f_globals.get("__name__")
    return isinstance(name, str) and name.partition(".")[0] in _LIBRARIES


def without(drop: Callable[[FrameType], bool], traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without some of its frames."""
    entries: list[TracebackType] = []
    while traceback is not None:
        if not drop(traceback.tb_frame):
            entries.append(traceback)
        traceback = traceback.tb_next
    rest = None
    for entry in reversed(entries):
        rest = TracebackType(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
