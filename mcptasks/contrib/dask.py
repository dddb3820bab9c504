"""Dask distributed: the program makes the calls, and the cluster waits for their results.

Needs the extra `dask`. A worker gets only the reference of a task. If the worker is killed, another worker waits for
the same task.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from mcptasks._core.models import TaskReference
from mcptasks._core.safe_text import line
from mcptasks._remote.starting import Started, cancel, start
from mcptasks._transport.checks import kind_of
from mcptasks.contrib._packages import need
from mcptasks.remote import Connect, afollow

need(__name__, "distributed", least=(2026, 8), below=2028, extra="dask")

from distributed import Client, Future, get_worker  # noqa: E402 - the version is checked before
from distributed.worker_state_machine import SecedeEvent  # noqa: E402

logger = logging.getLogger("mcptasks")

_INSTANT = 0.01
"""Seconds that we report to Dask as the duration of a wait, since a wait takes none of the worker's computing time."""


def submit(
    dask: Client,
    connect: Connect,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    as_type: Any = None,
    timeout: float | timedelta | None = None,
    whole: bool = False,
    detach: bool = False,
    **options: Any,
) -> Future:
    """Call a tool now, and have the cluster wait for its value.

    Returns as soon as the server has answered the call: with a task, or, if it makes no task, when the tool is done.
    The future raises the errors of the call. A wait occupies none of a worker's threads.

    Args:
        dask: The blocking client of the cluster.
        connect: How to connect to the server, from here and from the workers.
        tool: The tool.
        arguments: The tool's arguments.
        key: Dask's key of the future. With `Connect(store=...)` also the idempotency key: a restarted program that
            submits the same call gets the existing task.
        as_type: The type of the value, if the server answers at once; a worker returns the value as it came.
        timeout: Seconds or a `timedelta` that a worker waits; the work goes on after that.
        whole: Return the `ToolResult`, with all content blocks, in place of its `data`.
        detach: Leave the task running if the future is cancelled, or the Dask client closed. By default the server is
            asked to cancel it.
        options: Further arguments of Dask's `Client.submit`, such as `workers=` or `retries=`.

    Raises:
        ValueError: A variable of the environment is missing, or the server is a subprocess, whose tasks the workers
            cannot reach. Nothing was sent.
        TypeError: An argument has a wrong type. Nothing was sent.
    """
    return map(
        dask,
        connect,
        tool,
        [arguments],
        keys=None if key is None else [key],
        as_type=as_type,
        timeout=timeout,
        whole=whole,
        detach=detach,
        **options,
    )[0]


def map(  # noqa: A001 - Dask's own name
    dask: Client,
    connect: Connect,
    tool: str,
    arguments: Iterable[Mapping[str, Any] | None],
    *,
    keys: Sequence[str] | None = None,
    limit: int | None = None,
    as_type: Any = None,
    timeout: float | timedelta | None = None,
    whole: bool = False,
    detach: bool = False,
    **options: Any,
) -> list[Future]:
    """Call a tool now, once for each item, and have the cluster wait for the values.

    Args:
        dask: The blocking client of the cluster.
        connect: How to connect to the server, from here and from the workers.
        tool: The tool.
        arguments: The arguments of each call.
        keys: The key of each call, see `submit`.
        limit: How many calls are made at the same time; None for no limit beside the client's own.
        as_type: See `submit`, also for the arguments that follow.
        timeout: Seconds or a `timedelta` that a worker waits.
        whole: Give the `ToolResult` in place of its `data`.
        detach: Leave a task running if its future is cancelled.
        options: Further arguments of Dask's `Client.submit`.

    Returns:
        The futures, in the order of the items.

    Raises:
        ValueError: See `submit`; or there are not as many keys as items, or `limit` is not positive.
        TypeError: An argument has a wrong type. Nothing was sent.
    """
    if not isinstance(dask, Client):
        raise TypeError(f"dask must be a distributed.Client, not {kind_of(dask)}")
    if dask.asynchronous:
        raise TypeError(
            "dask must be a blocking distributed.Client: with an asynchronous one, make the call with mcptasks.Client "
            "and submit mcptasks.remote.afollow"
        )
    items = list(arguments)
    names = [f"{tool}-{uuid.uuid4().hex}" for _ in items] if keys is None else list(keys)
    started = start(
        connect,
        tool,
        items,
        keys=None if keys is None or connect.store is None else names,
        limit=limit,
        as_type=as_type,
        whole=whole,
    )
    found = list[Future]()
    for name, each in zip(names, started, strict=True):
        future = _submitted(dask, connect, name, each, timeout=timeout, whole=whole, options=options)
        if each.reference is not None and not detach:
            future.add_done_callback(partial(_ended, connect, each.reference))
        found.append(future)
    return found


def _submitted(
    dask: Client,
    connect: Connect,
    name: str,
    started: Started,
    *,
    timeout: Any,
    whole: bool,
    options: Mapping[str, Any],
) -> Future:
    if started.reference is None:
        return dask.submit(_given, started.value, started.error, key=name, pure=False, **options)
    return dask.submit(
        _follow, connect, started.reference, name, timeout=timeout, whole=whole, key=name, pure=False, **options
    )


async def _follow(connect: Connect, reference: Any, key: str, *, timeout: Any, whole: bool) -> Any:
    """Wait on a worker's event loop, so that its threads stay free for other work."""
    event = SecedeEvent(key=key, compute_duration=_INSTANT, stimulus_id=f"mcptasks-{uuid.uuid4().hex}")
    get_worker().handle_stimulus(event)
    # If a worker is closed, the task goes on, and the next worker waits for it.
    return await afollow(connect, reference, timeout=timeout, whole=whole, detach=True)


def _given(value: Any, error: Exception | None) -> Any:
    """Return a value that came without a task, or raise the error that came."""
    if error is not None:
        raise error
    return value


def _ended(connect: Connect, reference: TaskReference, future: Future) -> None:
    """Ask the server to cancel the task of a future that was cancelled. Dask calls this in a thread of its own."""
    if future.status != "cancelled":
        return
    try:
        cancel(connect, reference)
    except Exception as exc:  # noqa: BLE001 - Dask would log a traceback, and nobody could catch the error
        logger.warning("could not ask to cancel the task of %s: %s", line(future.key), line(str(exc)))
