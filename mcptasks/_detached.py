"""Starts what no task group owns. Outside the portal, this is the one place that tells the backends apart."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio.lowlevel


def start(function: Callable[[], Coroutine[Any, Any, None]], name: str) -> object:
    """Run a function in a task of its own on the running event loop. It must catch its own errors.

    Returns:
        The task, to be held on to: asyncio itself does not.
    """
    token: object = anyio.lowlevel.current_token()
    # anyio before 4.11 hands out the loop itself, later ones wrap it.
    native: Any = getattr(token, "native_token", token)
    # The starter's context is not kept: a task that lives longer would hand its variables to everything that follows.
    context = contextvars.Context()
    if hasattr(native, "create_task"):
        return context.run(native.create_task, function(), name=name)
    import trio

    return trio.lowlevel.spawn_system_task(function, name=name, context=context)


def finalizer() -> Callable[[Callable[[], None]], None]:
    """A function that has others called soon, in a task of the present event loop. It is for `__del__`: it may be
    called in any thread, never waits, and does nothing once the loop has ended."""
    token: object = anyio.lowlevel.current_token()
    native: Any = getattr(token, "native_token", token)

    def soon(function: Callable[[], None]) -> None:
        async def run() -> None:
            function()

        with suppress(RuntimeError):  # The loop has ended.
            if hasattr(native, "create_task"):
                # In a mere callback of asyncio's no library could tell which event loop this is.
                native.call_soon_threadsafe(lambda: native.create_task(run()))
            else:
                native.run_sync_soon(function)

    return soon
