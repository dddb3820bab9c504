"""`run` and `follow`: `arun` and `afollow` for threads, on the background thread of `mcptasks.sync`.

The background thread stays while it has a shared client.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from attrs import define

from mcptasks._core.models import TaskReference
from mcptasks._portal import registry
from mcptasks._portal.call import Call, calling
from mcptasks._portal.portal import Portal, current_portal
from mcptasks._portal.tracebacks import blocking
from mcptasks._remote.calls import BEAT_SECONDS, Beat, Heartbeat, afollow, arun
from mcptasks._remote.connect import Connect
from mcptasks._remote.shared import clients

T = TypeVar("T")


@blocking
def run(
    connect: Connect,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    timeout: float | timedelta | None = None,
    as_type: Any = None,
    whole: bool = False,
    detach: bool = False,
    heartbeat: Heartbeat | None = None,
    heartbeat_every: float = BEAT_SECONDS,
) -> Any:
    """Call a tool and wait for its value, on any thread. All calls of a process to one server share a client.

    The arguments and errors are those of `arun`. An interrupt of the thread, such as Ctrl-C or the time limit of an
    engine, counts as a cancellation. `heartbeat` is called on a worker thread.
    """
    return wait_for(
        lambda: arun(
            connect,
            tool,
            arguments,
            key=key,
            timeout=timeout,
            as_type=as_type,
            whole=whole,
            detach=detach,
            heartbeat=_on_a_thread(heartbeat),
            heartbeat_every=heartbeat_every,
        )
    )


@blocking
def follow(
    connect: Connect | None,
    reference: TaskReference | str | Mapping[str, Any],
    *,
    timeout: float | timedelta | None = None,
    whole: bool = False,
    detach: bool = False,
    heartbeat: Heartbeat | None = None,
    heartbeat_every: float = BEAT_SECONDS,
) -> Any:
    """Wait for the value of a task that exists, on any thread. All waits of a process for one server share a client.

    The arguments and errors are those of `afollow`. An interrupt of the thread, such as Ctrl-C or the time limit of an
    engine, counts as a cancellation. `heartbeat` is called on a worker thread.
    """
    return wait_for(
        lambda: afollow(
            connect,
            reference,
            timeout=timeout,
            whole=whole,
            detach=detach,
            heartbeat=_on_a_thread(heartbeat),
            heartbeat_every=heartbeat_every,
        )
    )


@define(eq=False)
class _Lease:
    """A lease of the background thread that may pass from a call to the shared clients."""

    taken: bool = False


def wait_for(function: Callable[[], Awaitable[T]]) -> T:
    """Run an async function on the background thread, and keep the thread while it has shared clients."""
    if current_portal() is not None:
        raise RuntimeError(
            "a blocking call on the event loop's own thread would wait for itself for ever; use arun() or afollow()"
        )
    lease, kept = object(), _Lease()
    try:
        portal = registry.acquire("asyncio", lease)
        registry.acquire("asyncio", kept)
        try:
            return Call(portal, lambda: _work(portal, function, lease, kept)).wait()
        finally:
            portal.join_if_stopping()
    finally:
        registry.release(lease)
        if not kept.taken:
            registry.release(kept)


async def _work(portal: Portal, function: Callable[[], Awaitable[T]], lease: object, kept: _Lease) -> T:
    calling.set(None)  # The client outlives this call.
    try:
        return await function()
    finally:
        shared = clients()
        if len(shared) and shared.when_empty is None:
            kept.taken = True
            portal.closers[kept] = shared.close

            def let_go() -> None:
                portal.closers.pop(kept, None)
                registry.release(kept)

            shared.when_empty = let_go
        elif not kept.taken:
            registry.release(kept)
        registry.release(lease)


def _on_a_thread(heartbeat: Heartbeat | None) -> Heartbeat | None:
    """The program's heartbeat function, wrapped so that it is called on a worker thread, where it may block."""
    if heartbeat is None or not callable(heartbeat) or inspect.iscoroutinefunction(heartbeat):
        return heartbeat
    function, context = heartbeat, contextvars.copy_context()

    async def on_worker_thread(beat: Beat) -> None:
        portal = current_portal()
        assert portal is not None
        await portal.workers.run(function, beat, context=context.copy())

    return on_worker_thread
