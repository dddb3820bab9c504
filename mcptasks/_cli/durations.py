"""Durations as people write and read them: `90s`, `5m`, `1h30m`; "3 min". Pure."""

from __future__ import annotations

import math
import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d|w)", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def seconds(text: str) -> float:
    """Read a duration: a number of seconds, or numbers with units (ms, s, m, h, d, w), such as `1h30m`.

    Raises:
        ValueError: The text is no duration.
    """
    given = text.strip()
    if _NUMBER.fullmatch(given):
        found = float(given)
    else:
        parts = list(_PART.finditer(given))
        if not parts or "".join(part[0] for part in parts).replace(" ", "") != given.replace(" ", ""):
            raise ValueError(f"{text!r:.40} is no duration; write 90s, 5m, 2h, 1d or 1h30m")
        found = sum(float(part[1]) * _UNITS[part[2]] for part in parts)
    if not math.isfinite(found):
        raise ValueError("the duration is too long")
    return found


def words(duration: float) -> str:
    """Return a duration in one unit, rounded down, such as "42 s", "3 min", "5 h" or "12 d"."""
    whole = max(int(duration), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size or (unit != "min" and whole >= size) or (unit == "min" and whole >= 100):
            return f"{whole // size} {unit}"
    return f"{whole} s"
