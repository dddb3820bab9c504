"""Runs a coroutine on either backend with a clock that jumps whenever all tasks wait, also if they use sockets on
loopback.

Sockets between parts of one process are ready almost at once. So the clock jumps when for a few real milliseconds no
socket was ready and no task could run. It stands still otherwise: a slow machine, or a process that was stopped for
seconds, makes no deadline pass. Worker threads do not hold the clock up: code that uses them must not have a deadline
here.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import pytest
import trio
import trio.testing

from tests.helpers.worlds import TestT

ValueT = TypeVar("ValueT")

PATIENCE = 0.004
"""Real seconds without any activity before the clock jumps."""


class _FrozenSelector(selectors.DefaultSelector):
    """Waits for sockets for a moment, and then skips all of the time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait like `selectors`, but for no real time that the clock knows of."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        # The system may let the time pass without a look at the sockets if this process was stopped meanwhile.
        ready = super().select(min(timeout, PATIENCE)) or super().select(0)
        if not ready:
            self.now += timeout
        return ready


class _FrozenLoop(asyncio.SelectorEventLoop):
    """An event loop on the clock of that selector, which stands still while code runs."""

    def __init__(self) -> None:
        self._frozen = _FrozenSelector()
        super().__init__(self._frozen)

    def time(self) -> float:
        """Skipped seconds alone."""
        return self._frozen.now

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait until the threads have ended, however long that takes: the clock would jump over a limit meanwhile."""
        await super().shutdown_default_executor()


on_frozen_clocks = pytest.mark.parametrize(
    "anyio_backend",
    [
        pytest.param(("asyncio", {"loop_factory": _FrozenLoop}), id="asyncio"),
        pytest.param(("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}), id="trio"),
    ],
)
"""Run an async test on both backends, on a clock that stands still while code runs, and jumps whenever all tasks wait.
Client and server have to share the event loop."""


def run_virtually(backend: str, function: Callable[..., Awaitable[ValueT]], *args: Any) -> ValueT:
    """Run a coroutine function to its end on "asyncio" or "trio" in virtual time."""
    if backend == "trio":
        # Not by `anyio.run`: the oldest supported anyio (4.10) drops the clock, and a virtual hour would be a real one.
        return trio.run(function, *args, clock=trio.testing.MockClock(autojump_threshold=PATIENCE))
    return anyio.run(function, *args, backend=backend, backend_options={"loop_factory": _FrozenLoop})


def virtual() -> Callable[[TestT], TestT]:
    """Run the test on trio with a clock that jumps whenever all tasks wait."""
    import trio.testing

    clock = trio.testing.MockClock(autojump_threshold=0)
    params = [pytest.param(("trio", {"clock": clock}), id="virtual")]
    return lambda test: pytest.mark.anyio(pytest.mark.parametrize("anyio_backend", params)(test))
