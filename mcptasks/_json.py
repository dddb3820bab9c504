"""Looking into JSON that may be anything, in a way that type checkers can follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
