"""Numbers from samples, and the plans of loads. Pure: nothing here measures anything."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Any


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which a part of the sample lies (0.5 for the median), between neighbours in proportion.

    Raises:
        ValueError: There are no values, or the part is not from 0 to 1.
    """
    if not values:
        raise ValueError("no values")
    if not 0 <= part <= 1:
        raise ValueError(f"a part is from 0 to 1, got {part!r}")
    ordered = sorted(values)
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median_and_p90(values: Sequence[float]) -> tuple[float, float]:
    """Both."""
    return percentile(values, 0.5), percentile(values, 0.9)


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """The ratio of the medians."""
    return statistics.median(ours) / statistics.median(other)


def paired_ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """The median of the ratios of what was measured in turn: whatever the machine did meanwhile hit both alike."""
    return statistics.median(mine / its for mine, its in zip(ours, other, strict=True))


def plan(
    group: str, count: int, seconds: float | tuple[float, float], over: float, *, tools: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    """Tasks that start one after the other over some seconds, for the load `latency`.

    Args:
        group: Under which name they are evaluated.
        count: How many.
        seconds: How long each works; a range for seeded random lengths.
        over: The seconds over which they start, at seeded random moments.
        tools: The tools, in turn.
        seed: The same seed gives the same plan.
    """
    rng = random.Random(f"{group} {seed}")
    tasks: list[dict[str, Any]] = []
    for number in range(count):
        length = round(rng.uniform(*seconds), 3) if isinstance(seconds, tuple) else seconds
        at = round(rng.uniform(0, over), 3)
        tasks.append({"at": at, "tool": tools[number % len(tools)], "seconds": length, "group": group})
    return tasks
