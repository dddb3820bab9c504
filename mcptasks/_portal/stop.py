"""Lets the stop button of a notebook end a blocking wait in a cell that has an `await` in it, too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

from mcptasks._async.pulse import in_kernel


@contextmanager
def stop_raises() -> Generator[None]:
    """Have SIGINT raise KeyboardInterrupt inside this block, in the kernel of a notebook.

    While ipykernel runs a cell with an `await`, its handler of SIGINT only adds a callback to the event loop of this
    thread (`_cancel_on_sigint`), and a loop under a blocking wait calls nobody. In plain cells, and outside of
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
