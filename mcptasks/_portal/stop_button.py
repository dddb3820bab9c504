"""Lets a notebook's stop button end a blocking wait even in a cell that has an `await` in it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

from mcptasks._engine.notebook.stop_button import in_kernel


@contextmanager
def stop_raises() -> Generator[None]:
    """Make SIGINT raise KeyboardInterrupt inside this block, in the kernel of a notebook.

    While ipykernel runs a cell with an `await`, its SIGINT handler only adds a callback to the event loop of this
    thread (`_cancel_on_sigint`). During a blocking wait, that loop runs no callbacks. In plain cells, and outside of
    kernels, nothing changes.
    """
    raises = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or not in_kernel():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is raises or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, raises)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
