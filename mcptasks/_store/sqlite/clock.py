"""The clock by which leases in a file are measured.

On Linux the clock is the time since the machine was started, which runs on while the machine sleeps and which nobody
can set. The boot's id makes every lease from before a restart end at once. On other systems, and if several machines
share the file, the clock is the wall clock, and leases get a margin.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MARGIN = 15.0
"""Seconds by which a lease is prolonged if wall clocks measure it, since wall clocks jump and differ between
machines."""


@frozen
class LeaseClock:
    """A clock for leases, and the identity of its present run."""

    now: Callable[[], float]
    boot: str
    margin: float = 0.0
    """Seconds by which every lease is prolonged."""


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
    """The wall clock, which all machines have."""
    return LeaseClock(time.time, "", _MARGIN)
