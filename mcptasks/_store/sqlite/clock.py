"""The clock by which leases in a file are measured.

On Linux it is the time since the machine was started, which goes on while the machine sleeps and which nobody sets. The
boot's id ends every lease of before a restart at once. Elsewhere, and if several machines share the file, the clock is
the wall clock, and leases get a margin.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MARGIN = 15.0
"""Seconds that a lease lasts longer if it is measured by wall clocks, which jump and differ between machines."""


@frozen
class LeaseClock:
    """Tells the time, and which run of the clock it is."""

    now: Callable[[], float]
    boot: str
    margin: float = 0.0
    """Seconds that every lease lasts longer than it says."""


def lease_clock(*, shared: bool) -> LeaseClock:
    """The clock for a file.

    Args:
        shared: Whether several machines may use the file.
    """
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    if shared or boottime is None:
        return wall_clock()
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return wall_clock()
    return LeaseClock(lambda: time.clock_gettime(boottime), boot)


def wall_clock() -> LeaseClock:
    """The clock that all machines have."""
    return LeaseClock(time.time, "", _MARGIN)
