"""Makes the tracebacks of errors begin at the program's call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

from mcptasks._core.exceptions import TaskError, TtlIgnoredWarning
from mcptasks._core.tracebacks import in_library, without

MethodT = TypeVar("MethodT", bound=Callable[..., Any])

_MACHINERY = (str(Path(__file__).parent), str(Path(__file__).parent.parent / "_sync"))


def blocking(method: MethodT) -> MethodT:
    """Decorate a method so that the tracebacks of its errors begin at the program's call."""

    @functools.wraps(method)
    def trimmed(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except BaseException as exc:
            # A bare `raise` adds no entry for this frame, so the caller's entry comes next.
            trim(exc)
            raise

    return cast("MethodT", trimmed)


def trim(exc: BaseException) -> None:
    """Take library lines out of an error's traceback.

    From any error, the lines of this folder and of `_sync` are taken out. From our own errors and their causes, all
    lines of this package and of the libraries below it are taken out: the messages say all that a program needs. The
    program's own lines, such as a handler's, stay.
    """
    if not isinstance(exc, TaskError | TtlIgnoredWarning):
        exc.__traceback__ = without(_in_machinery, exc.__traceback__)
        return
    left: list[BaseException | None] = [exc]
    known: set[int] = set()
    while left:
        each = left.pop()
        if each is not None and id(each) not in known:
            known.add(id(each))
            each.__traceback__ = without(in_library, each.__traceback__)
            left += [each.__cause__, each.__context__]


def _in_machinery(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_MACHINERY)
