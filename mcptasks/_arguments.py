"""Checks of what programs pass in. Each names the value and what would be right. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import timedelta
from typing import Any, cast

from mcptasks._json import as_number
from mcptasks._models import STATUSES, Status


def seconds(value: Any, name: str, *, zero: bool = True) -> float | None:
    """A duration in seconds, or None for none.

    Raises:
        TypeError: Not a number.
        ValueError: Negative, not finite, or zero where that has no meaning.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds or None, got {value!r}")
    number = as_number(value)
    if number is None or number < 0 or (number == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name} must be a finite number of seconds, {least}; got {value!r:.80}")
    return number


def time_to_live(value: Any) -> int | None:
    """A time to live in whole milliseconds, from seconds or a `timedelta`; None for the server's own choice."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    found = seconds(value, "ttl", zero=False)
    return None if found is None else max(round(found * 1000), 1)


def text(value: Any, name: str) -> str:
    """A non-empty string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def mapping(value: Any, name: str) -> dict[str, Any] | None:
    """A mapping with string keys, or None."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in cast("Mapping[Any, Any]", value)):
        raise TypeError(f"{name} must be a mapping with string keys or None, got {value!r}")
    return dict(cast("Mapping[str, Any]", value))


def many(value: Any, *also: type) -> Any:
    """An iterable, or an async one, of the arguments of many calls; or what else may stand there."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, (Iterable, AsyncIterable, *also)):
        raise TypeError(f"arguments must be an iterable of mappings, one for each call; got {value!r:.200}")
    return value


def limit(value: Any) -> int | None:
    """A number of calls, or None for any."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"limit must be a whole number or None, got {value!r}")
    if value < 1:
        raise ValueError(f"limit must be 1 or more, or None; got {value!r:.80}")
    return value


def states(value: Any) -> frozenset[Status] | None:
    """One status or several, or None for "terminal"."""
    if value is None:
        return None
    if isinstance(value, str):
        value = (value,)
    elif not isinstance(value, Iterable):
        raise TypeError(f"state must be a status or several, got {value!r}")
    found = list(cast("Iterable[Any]", value))
    unknown = [state for state in found if state not in STATUSES]
    if unknown or not found:
        named = f"unknown state {unknown[0]!r}" if unknown else "state must not be empty"
        raise ValueError(f"{named}; the states are {', '.join(STATUSES)}")
    return frozenset(found)
