"""Lets the stop button of a notebook end an `await` at once.

For the time of an `await` in a cell, ipykernel's handler of SIGINT does no more than add a callback to the event loop,
in a way that does not wake it (seen in ipykernel 6.29 to 7.4, `_cancel_on_sigint`). A loop that waits for a server
that has nothing to say would notice the stop at its next event, minutes later. So while a client is open on the loop
of a kernel, something happens there often enough.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import anyio

PULSE = 0.1
"""Seconds between two events: how late a stop is noticed at most."""


async def pulse() -> None:
    """Wake the event loop now and then, for ever; ends at once where no notebook's cells run on this loop."""
    if in_kernel() and threading.current_thread() is threading.main_thread():
        while True:  # noqa: ASYNC110 - it waits for nothing: to wake up is the purpose
            await anyio.sleep(PULSE)


def in_kernel() -> bool:
    """Whether this process is the kernel of a notebook. Imports nothing: a kernel has imported IPython already."""
    ipython: Any = sys.modules.get("IPython")
    get_ipython = getattr(ipython, "get_ipython", None)
    return getattr(get_ipython and get_ipython(), "kernel", None) is not None
