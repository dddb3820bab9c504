"""Makes the stop button of a notebook end an `await` at once.

During an `await` in a cell, ipykernel's handler of SIGINT only adds a callback to the event loop, without waking the
loop (seen in ipykernel 6.29 to 7.4, `_cancel_on_sigint`). A loop that waits for a silent server would notice the stop
at its next event, perhaps minutes later. So while a client is open on the loop of a kernel, we wake that loop often.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import anyio

PULSE = 0.1
"""Seconds between two wake-ups of the event loop. A stop is noticed at most this late, which feels immediate."""


async def pulse() -> None:
    """Wake the event loop every `PULSE` seconds, until cancelled. Returns at once if no notebook's cells run on this
    loop."""
    if in_kernel() and threading.current_thread() is threading.main_thread():
        while True:  # noqa: ASYNC110 - waking up is the purpose
            await anyio.sleep(PULSE)


def in_kernel() -> bool:
    """Whether this process is the kernel of a notebook. Imports nothing, since a kernel has already imported
    IPython."""
    ipython: Any = sys.modules.get("IPython")
    get_ipython = getattr(ipython, "get_ipython", None)
    return getattr(get_ipython and get_ipython(), "kernel", None) is not None
