"""Waiting that works between threads and event loops: whoever changes state rings, and every waiter checks again.

The bell does not hold the state. A waiter may be a coroutine on asyncio or trio, or a plain thread. Any thread may
ring.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import anyio
import anyio.lowlevel

T = TypeVar("T")


def _hop_to_this_loop() -> Callable[[Callable[[], None]], None]:
    """A function that runs a callback on the event loop of the caller, from any thread, without blocking."""
    owner = threading.get_ident()
    token: object = anyio.lowlevel.current_token()
    # Before anyio 4.11 the token is the native one itself; later versions wrap it.
    native = getattr(token, "native_token", token)
    schedule: Callable[[Callable[[], None]], object]
    schedule = getattr(native, "call_soon_threadsafe", None) or getattr(native, "run_sync_soon")  # noqa: B009

    def hop(callback: Callable[[], None]) -> None:
        if threading.get_ident() == owner:
            callback()
            return
        try:
            schedule(callback)
        except RuntimeError:
            # asyncio: "Event loop is closed"; trio: RunFinishedError. Nobody waits there any more.
            return

    return hop


class Bell:
    """Wakes all waiters, in any thread or event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakers: list[Callable[[], None]] = []

    def ring(self) -> None:
        """Make every waiter check again. For any thread."""
        with self._lock:
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    def _add(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wakers.append(wake)

    def _discard(self, wake: Callable[[], None]) -> None:
        with self._lock:
            if wake in self._wakers:
                self._wakers.remove(wake)

    async def until(self, look: Callable[[], T | None]) -> T:
        """Wait until `look()` returns a value other than None, and return the value."""
        hop = _hop_to_this_loop()
        while True:
            event = anyio.Event()

            def wake(event: anyio.Event = event) -> None:
                hop(event.set)

            # Registered before `look`, so that no change in between is missed.
            self._add(wake)
            try:
                found = look()
                if found is not None:
                    return found
                await event.wait()
            finally:
                self._discard(wake)

    def until_blocking(self, look: Callable[[], T | None], timeout: float | timedelta) -> T:
        """Like `until`, for a thread without an event loop. Raises `TimeoutError` after `timeout`, seconds or a
        `timedelta`."""
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        deadline = time.monotonic() + seconds
        while True:
            event = threading.Event()
            self._add(event.set)
            try:
                found = look()
                if found is not None:
                    return found
                if not event.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"nothing of the kind within {seconds} s")
            finally:
                self._discard(event.set)
