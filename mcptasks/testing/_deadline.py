"""A time by which something is over, for a server that may be used on one event loop after another.

On the loop where it was set, the loop's clock counts, which may be virtual. The clocks of different loops cannot be
compared (each run of trio begins at a time of its own), so elsewhere the machine's clock counts.
"""

from __future__ import annotations

import time

import anyio
import anyio.lowlevel


def _this_loop() -> object:
    token: object = anyio.lowlevel.current_token()
    # anyio before 4.11 hands out the loop itself, later ones wrap it.
    return getattr(token, "native_token", token)


class Deadline:
    """So many seconds from now. To be made and looked at on an event loop."""

    def __init__(self, seconds: float) -> None:
        self._loop = _this_loop()
        self._here = anyio.current_time() + seconds
        self._elsewhere = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        if _this_loop() is self._loop:
            return self._here < anyio.current_time()
        return self._elsewhere < time.monotonic()
