"""Errors that read as if they were raised where the program called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeVar, cast

from mcptasks._exceptions import TaskError

MethodT = TypeVar("MethodT", bound=Callable[..., Any])

_MACHINERY = (str(Path(__file__).parent), str(Path(__file__).parent.parent / "_sync"))

_LIBRARIES = {
    *("mcptasks", "mcp", "mcp_types", "anyio", "asyncio", "uvloop", "trio", "outcome", "concurrent", "contextlib"),
    *("threading", "httpx", "httpx2", "httpcore", "httpcore2", "pydantic"),
}
"""Packages whose lines an error about tasks does without."""


def blocking(method: MethodT) -> MethodT:
    """Mark a method whose errors shall read as if they were raised where it is called."""

    @functools.wraps(method)
    def trimmed(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except BaseException as exc:
            # A bare `raise` adds no entry for this frame, so that the caller's is the next.
            trim(exc)
            raise

    return cast("MethodT", trimmed)


def trim(exc: BaseException) -> None:
    """Take the machinery's entries out of an error's traceback; out of our own errors' also those of the async core and
    of what it runs on, which say nothing that their words do not. The program's own lines, such as a handler's, stay.
    """
    drop = _in_library if isinstance(exc, TaskError) else _in_machinery
    exc.__traceback__ = _without(drop, exc.__traceback__)


def _in_machinery(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_MACHINERY)


def _in_library(frame: FrameType) -> bool:
    name: object = frame.f_globals.get("__name__")
    return isinstance(name, str) and name.partition(".")[0] in _LIBRARIES


def _without(drop: Callable[[FrameType], bool], traceback: TracebackType | None) -> TracebackType | None:
    entries: list[TracebackType] = []
    while traceback is not None:
        if not drop(traceback.tb_frame):
            entries.append(traceback)
        traceback = traceback.tb_next
    rest = None
    for entry in reversed(entries):
        rest = TracebackType(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
