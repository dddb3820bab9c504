"""Looks into unchecked JSON in a way that type checkers can follow. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from typing import Any, cast


def as_object(value: Any) -> Mapping[str, Any] | None:
    """The value if it is a JSON object, else None."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def as_list(value: Any) -> list[Any] | None:
    """The value if it is a JSON array, else None."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def as_number(value: Any) -> float | None:
    """The value if it is a finite JSON number that a float can hold, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def weight(value: Any, limit: int) -> int:
    """Roughly how many characters a JSON value takes; exact enough to bound what is kept.

    Stops counting above `limit`, so that the time is bounded too.
    """
    total = 0
    rest = [value]
    while rest and total <= limit:
        item = rest.pop()
        total += 8
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, Mapping):
            for key, inner in islice(cast("Mapping[Any, Any]", item).items(), max(limit - total, 0)):
                rest += (key, inner)
            total += 8 * len(cast("Mapping[Any, Any]", item))
        elif isinstance(item, list | tuple):
            rest += islice(cast("list[Any]", item), max(limit - total, 0))
            total += 8 * len(cast("list[Any]", item))
        elif isinstance(item, int):
            total += item.bit_length() // 3
    return total


def kind_of(value: Any) -> str:
    """The type of a JSON value, with an article; for errors, which show no values."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case Mapping():
            return "an object"
        case _:
            return f"a {type(value).__name__}"
