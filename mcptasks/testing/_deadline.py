"""A deadline for a server that may be used on one event loop after another.

On the event loop where the deadline was set, that loop's clock counts, which may be virtual. On other loops the
machine's clock counts, since the clocks of two loops cannot be compared (each run of trio begins at a time of its own).
"""

from __future__ import annotations

import time

import anyio
import anyio.lowlevel


def _this_loop() -> object:
    token: object = anyio.lowlevel.current_token()
    # Before anyio 4.11 the token is the native one itself; later versions wrap it.
    return getattr(token, "native_token", token)


class Deadline:
    """A deadline some seconds from now. Make it and check it on an event loop."""

    def __init__(self, seconds: float) -> None:
        self._loop = _this_loop()
        self._here = anyio.current_time() + seconds
        self._elsewhere = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        if _this_loop() is self._loop:
            return self._here < anyio.current_time()
        return self._elsewhere < time.monotonic()
