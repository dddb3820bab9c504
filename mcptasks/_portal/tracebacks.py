"""Errors that read as if they were raised where the program called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from mcptasks._exceptions import TaskError

MethodT = TypeVar("MethodT", bound=Callable[..., Any])

_MACHINERY = (str(Path(__file__).parent), str(Path(__file__).parent.parent / "_sync"))


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
    """Take the machinery's entries out of an error's traceback; out of our own errors' also the async core's, which
    say nothing that their words do not."""
    exc.__traceback__ = None if isinstance(exc, TaskError) else _without_machinery(exc.__traceback__)


def _without_machinery(traceback: TracebackType | None) -> TracebackType | None:
    entries: list[TracebackType] = []
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_MACHINERY):
            entries.append(traceback)
        traceback = traceback.tb_next
    rest = None
    for entry in reversed(entries):
        rest = TracebackType(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
