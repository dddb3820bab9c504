"""Closes the connection of an object when the object is garbage, without a warning."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def when_dropped(owner: object, close: Callable[[], object]) -> weakref.finalize[..., object]:
    """Have a function called when an object is collected, unless the process was forked meanwhile.

    `__del__` alone does not suffice. The garbage collector finalizes the objects of one cycle in any order, and a
    connection that is finalized before it was closed warns. Callbacks of weak references come before all finalizers
    (PEP 442), and this one keeps the connection alive until then.

    Args:
        owner: The object.
        close: Closes the connection, and refers to it alone.

    Returns:
        The finalizer; its `detach()` revokes the call.
    """
    found = weakref.finalize(owner, _close, os.getpid(), close)
    # At the end of the program another thread may be at work on the connection; `__del__` comes later.
    found.atexit = False
    return found


def _close(pid: int, close: Callable[[], object]) -> None:
    if pid == os.getpid():
        close()
