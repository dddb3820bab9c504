"""Starts a task for a caller that may be cancelled meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from mcptasks import Client, Task, TaskError, ToolResult

_GRACE = 4.0
"""Seconds that a call gets, after its caller was cancelled, to return the id of its task, so that the task can be
cancelled. Servers answer at once with a task, unless they are busy."""
_CANCEL = 5.0
"""Seconds that the request to cancel a task may take; then it is given up."""


async def start(client: Client, name: str, arguments: Mapping[str, Any] | None, key: str) -> Task[ToolResult]:
    """Call a tool as a task, or find the task of the call with the same key.

    If the caller is cancelled before the server has answered, the task is cancelled as soon as it is known.

    Args:
        client: An open client with a store.
        name: The tool.
        arguments: Its arguments.
        key: The idempotency key.

    Raises:
        Exception: What `Client.call_tool` raises.
    """
    came = list[Task[ToolResult] | Exception]()
    over, scope = anyio.Event(), anyio.CancelScope(shield=True)

    async def call() -> None:
        try:
            with scope:
                came.append(await client.call_tool(name, arguments, task=True, key=key))
        except Exception as exc:  # noqa: BLE001 - the caller raises it
            came.append(exc)
        over.set()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            try:
                await over.wait()
            finally:
                scope.deadline = anyio.current_time() + _GRACE
    except anyio.get_cancelled_exc_class():
        if came and isinstance(came[0], Task):
            await cancel(came[0])
        raise
    (found,) = came
    if isinstance(found, Exception):
        raise found
    return found


async def cancel(task: Task[Any]) -> None:
    """Ask the server to cancel a task, although the caller is being cancelled. Takes at most `_CANCEL` seconds."""
    with anyio.move_on_after(_CANCEL, shield=True):
        try:
            await task.cancel()
        except TaskError:
            return  # The task is over, or the server cannot be reached: nothing more can be done here.
