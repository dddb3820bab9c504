"""Makes calls for an engine that waits for their results elsewhere. Returns references, or values that came at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from attrs import frozen

from mcptasks._async.client import Client
from mcptasks._async.task import Task
from mcptasks._core import argument_checks
from mcptasks._core.exceptions import TaskError
from mcptasks._core.models import TaskReference
from mcptasks._remote.blocking import wait_for
from mcptasks._remote.calls import value_in
from mcptasks._remote.connect import Connect, resolved
from mcptasks._remote.shared import clients


@frozen(kw_only=True)
class Started:
    """The outcome of a call: one of the three fields is set."""

    reference: TaskReference | None = None
    value: Any = None
    error: TaskError | None = None


async def astart(
    connect: Connect,
    tool: str,
    items: Sequence[Mapping[str, Any] | None],
    *,
    keys: Sequence[str] | None = None,
    limit: int | None = None,
    as_type: Any = None,
    whole: bool = False,
) -> list[Started]:
    """Call a tool once for each item. A call that becomes no task is waited for.

    Args:
        connect: How to connect to the server.
        tool: The tool.
        items: The arguments of each call.
        keys: The idempotency key of each call; None for none.
        limit: How many calls may be under way at the same time; None for any number.
        as_type: The type of the values.
        whole: Whether the value of a call is its `ToolResult`.

    Raises:
        ValueError: A variable is missing, the server is a subprocess, or a key or argument is invalid.
        TypeError: An argument has a wrong type.
        TaskConnectionError: The server cannot be reached.
    """
    server = resolved(connect)
    if connect.machine is not None:
        raise ValueError(
            f"{connect.endpoint} is a subprocess, which ends with the process that has started it, and its tasks with "
            "it: workers cannot wait for them; serve it over HTTP"
        )
    if keys is not None and len(keys) != len(items):
        raise ValueError(f"there must be a key for each call: {len(keys)} keys for {len(items)} calls")
    argument_checks.text(tool, "tool")
    sent = [argument_checks.mapping(each, "arguments") for each in items]
    named = [None] * len(items) if keys is None else [argument_checks.key(each) for each in keys]
    limiter = anyio.CapacityLimiter(argument_checks.limit(limit) or max(len(items), 1))
    found: dict[int, Started] = {}

    async def one(client: Client, place: int) -> None:
        async with limiter:
            found[place] = await _started(client, tool, sent[place], named[place], as_type, whole)

    async with clients().using(server) as client, anyio.create_task_group() as group:
        for place in range(len(items)):
            group.start_soon(one, client, place)
    return [found[place] for place in range(len(items))]


async def _started(
    client: Client, tool: str, arguments: Mapping[str, Any] | None, key: str | None, as_type: Any, whole: bool
) -> Started:
    try:
        loose: Any = client  # See `arun`.
        task: Task[Any] = await loose.call_tool(tool, arguments, task=True, key=key, as_type=as_type)
        if not task.returned_immediately:
            return Started(reference=task.reference)
        result: Any = await task.result()
    except TaskError as exc:
        return Started(error=exc)
    return Started(value=value_in(result, whole=whole))


def start(connect: Connect, tool: str, items: Sequence[Mapping[str, Any] | None], **options: Any) -> list[Started]:
    """`astart`, for a thread."""
    return wait_for(lambda: astart(connect, tool, items, **options))


async def acancel(connect: Connect, reference: TaskReference) -> None:
    """Ask the server to cancel a task.

    Raises:
        TaskError: What `Task.cancel` raises.
    """
    async with clients().using(resolved(connect)) as client:
        await client.resume(reference).cancel()


def cancel(connect: Connect, reference: TaskReference) -> None:
    """`acancel`, for a thread."""
    wait_for(lambda: acancel(connect, reference))
