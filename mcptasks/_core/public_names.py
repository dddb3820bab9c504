"""Gives public classes and functions their public names in tracebacks, in Python's own errors and in pickles."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast, get_overloads, overload

_PACKAGE = __name__.partition(".")[0]
"""Only subclasses in this package rename methods; a program's own subclass of a public class does not."""


class Named:
    """The base of private classes from which public classes inherit.

    Python's own errors about arguments name a method by the class that defines it, such as
    "Calls.call_tool() got an unexpected keyword argument 'x'". Programs know the class `Client`, but not `Calls`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.partition(".")[0] == _PACKAGE:
            for base in cls.__mro__:
                if issubclass(base, Named) and base is not Named:
                    _rename(base, cls.__qualname__)


def live_in(module: str, *values: type | Callable[..., Any]) -> None:
    """Set `__module__` of classes and functions to the public module from which programs import them.

    Args:
        module: The public module.
        values: Classes and functions that private modules define.
    """
    for value in values:
        # `get_overloads` finds overloads by their module, so they are registered again.
        for each in get_overloads(value) if inspect.isfunction(value) else ():
            each.__module__ = module
            overload(each)
        value.__module__ = module


def _rename(base: type, owner: str) -> None:
    for name, value in vars(base).items():
        if not inspect.isfunction(value) or (name.startswith("_") and not name.endswith("__")):
            continue
        wanted = f"{owner}.{name}"
        for function in _layers(value):
            # `get_overloads` finds overloads by their qualified name, so they are registered again.
            for each in get_overloads(function):
                each.__qualname__ = wanted
                overload(each)
            function.__qualname__ = wanted


def _layers(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """A function, and the functions that it wraps."""
    found = [function]
    while (inner := getattr(found[-1], "__wrapped__", None)) is not None:
        found.append(cast("Callable[..., Any]", inner))
    return found
