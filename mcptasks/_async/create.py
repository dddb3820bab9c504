"""The calls that may create a task: whether to ask for one, the call itself, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mcp
from attrs import define
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import METHOD_NOT_FOUND

from mcptasks._async.callbacks import CallbackQueue
from mcptasks._async.connection import Link
from mcptasks._async.core import Core
from mcptasks._async.tools import task_support
from mcptasks._exceptions import TaskFailedError
from mcptasks._models import Kind
from mcptasks._state import Seen
from mcptasks._wire import handshake, modern
from mcptasks._wire.parsing import RESULT_KEY, STASH_KEY


@define(kw_only=True)
class Call:
    """One call of a program."""

    kind: Kind
    name: str
    arguments: dict[str, Any] | None
    task: bool
    ttl: int | None
    """Milliseconds, or None for the server's choice."""
    meta: dict[str, Any] | None
    progress: CallbackQueue | None = None
    """Gets the progress of the call."""

    def follow(self, queue: CallbackQueue) -> None:
        """Have the call's progress reported."""
        self.progress = queue


@define
class Created:
    """What a call came to: a task, or a result at once."""

    seen: Seen | None
    result: Any
    immediate_response: str | None
    release: Callable[[], None]
    """To be called when no more progress is of interest."""


async def create(core: Core, call: Call) -> Created:
    """Make a call, once.

    Raises:
        TaskFailedError: The server's own error.
        TaskConnectionError: The connection broke; the message says whether the call may have arrived.
        TaskProtocolError: The answer makes no sense.
        TaskTimeoutError: No answer within the client's timeout for a request.
    """
    augment = await _augmentation(core, call)
    try:
        with core.questions.call(creates=augment is not None):
            return await core.connection.once(lambda link: _send(link, call, augment))
    except mcp.MCPError as exc:
        if augment is not None and call.kind != "tool" and exc.code == METHOD_NOT_FOUND:
            # fastmcp's word for a resource or prompt that cannot be a task; it was not run (seen on 2.14 and 3).
            return await _plainly(core, call)
        raise _failed(exc) from exc


async def _plainly(core: Core, call: Call) -> Created:
    try:
        with core.questions.call(creates=False):
            return await core.connection.once(lambda link: _send(link, call, None))
    except mcp.MCPError as exc:
        raise _failed(exc) from exc


def _failed(exc: mcp.MCPError) -> TaskFailedError:
    return TaskFailedError(exc.message, code=exc.code, data=exc.data)


async def _augmentation(core: Core, call: Call) -> dict[str, Any] | None:
    """The `task` field, where the protocol, the server and the tool allow or demand one (2025-11-25)."""
    link = await core.connection.link()
    capabilities = link.session.server_capabilities
    tasks = capabilities.tasks if capabilities is not None else None
    if link.era != "2025-11-25" or link.interceptor is None or tasks is None:
        return None
    wanted = call.task
    if call.kind == "tool":
        requests = tasks.requests
        if requests is None or requests.tools is None or requests.tools.call is None:
            return None
        try:
            support = task_support(await core.tools.get(call.name))
        except TaskFailedError as exc:
            if exc.code != METHOD_NOT_FOUND:
                raise
            return None  # No list, so no tool says that it may be a task.
        wanted = support == "required" or (call.task and support == "optional")
    if not wanted:
        return None
    return {} if call.ttl is None else {"ttl": call.ttl}


async def _send(link: Link, call: Call, augment: dict[str, Any] | None) -> Created:
    meta: Any = dict(call.meta or {})
    queue, release = call.progress, _nothing
    callback: ProgressFnT | None = None
    if augment is not None:
        meta[handshake.AUGMENT_KEY] = augment
    if queue is not None and link.interceptor is not None and link.era == "2025-11-25":
        # The SDK follows progress until the creating answer only; the protocol has it go on for the task's life.
        interceptor = link.interceptor
        token = meta["progressToken"] = interceptor.follow_progress(queue.call)

        def release() -> None:
            interceptor.forget_progress(token)

    elif queue is not None:

        async def report(progress: float, total: float | None, message: str | None) -> None:
            queue.call(progress, total, message)

        callback = report

    if link.interceptor is not None and call.kind == "tool":
        meta[handshake.KEEP_KEY] = True
    try:
        if call.kind == "tool":
            answer: Any = await link.client.call_tool(
                call.name, call.arguments, progress_callback=callback, meta=meta or None
            )
        elif call.kind == "resource":
            answer = await link.client.read_resource(
                call.name, meta=meta or None, cache_mode="bypass" if call.task else "use"
            )
        else:
            answer = await link.client.get_prompt(call.name, call.arguments, meta=meta or None)
    except BaseException:
        release()
        raise
    return _read(link, answer, release)


def _nothing() -> None:
    """There is no progress to be released."""


def _read(link: Link, answer: Any, release: Callable[[], None]) -> Created:
    meta: Mapping[str, Any] = answer.meta or {}
    if STASH_KEY not in meta:
        release()
        return Created(None, meta.get(RESULT_KEY, answer), None, _nothing)
    hint = meta.get(handshake.IMMEDIATE_RESPONSE_KEY)
    dialect = modern if link.era == "2026-07-28" else handshake
    seen = dialect.seen(meta[STASH_KEY], "created")
    return Created(seen, None, hint if isinstance(hint, str) else None, release)
