"""Sends calls that may create a task: prepares them, foresees whether a task can come, and reads the answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

import anyio
import mcp
from attrs import define, field, frozen
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import METHOD_NOT_FOUND
from mcp_types.jsonrpc import MISSING_REQUIRED_CLIENT_CAPABILITY

from mcptasks._core import argument_checks, safe_text, task_text
from mcptasks._core.argument_checks import IDEMPOTENCY_KEY, AskForTask, OnUncertain, TaskMode
from mcptasks._core.carried import NOTHING, Carried
from mcptasks._core.causes import harmless
from mcptasks._core.events import Seen
from mcptasks._core.exceptions import TaskError, TaskFailedError, TaskProtocolError, TaskUnsupportedError
from mcptasks._core.models import Kind, TaskReference
from mcptasks._core.program_line import Line, present_line
from mcptasks._core.progress import TaskProgress
from mcptasks._core.results import unfinished
from mcptasks._core.state import TaskState
from mcptasks._core.trace import Calling, Mark, Uncertain
from mcptasks._core.verdicts import reports_error
from mcptasks._engine.callbacks import Callback, Callbacks
from mcptasks._engine.connection.errors import is_unsent
from mcptasks._engine.connection.link import Link
from mcptasks._engine.connection.tool_list import task_support
from mcptasks._engine.core import Core
from mcptasks._engine.recording.journal import Record
from mcptasks._engine.recording.nowhere import NO_RECORD
from mcptasks._engine.watching.progress_feed import ProgressFeed
from mcptasks._engine.watching.watch import Watch
from mcptasks._wire import envelope
from mcptasks._wire.dialect import Dialect
from mcptasks._wire.unfit import Unfit


@define(kw_only=True)
class Call:
    """One call of the program."""

    kind: Kind
    name: str
    arguments: dict[str, Any] | None
    task: bool
    """Whether the program wants a handle."""
    mode: TaskMode | None = None
    """What the program says of a task; None to leave that to the server."""
    carried: Carried = NOTHING
    """What stays with the task."""
    ttl: int | None
    """How many milliseconds the server should keep the task; None for the server's choice."""
    line: Line | None = None
    """The program's line with the call, for warnings about `ttl`; None if the program gave no `ttl`."""
    meta: dict[str, Any] | None
    label: str | None = None
    """The program's own name for the call."""
    shown: str = ""
    """The arguments for people to read, without secrets."""
    progress: ProgressFeed | None = None
    """Gets the reports of progress; None if the server is not asked for them."""
    key: str | None = None
    """The idempotency key."""
    labels: Mapping[str, str] = field(factory=dict[str, str])
    """The program's labels, by which it finds the call again in its store."""
    on_uncertain: OnUncertain = "raise"
    record: Record = field(default=NO_RECORD, init=False)
    """The call's record in the store; a stand-in that keeps nothing if the client has no store."""
    sent: bool = field(default=False, init=False)
    """Whether the server may have begun to carry out the call."""
    came: Created | None = field(default=None, init=False)
    """The task or result; None until the server has answered."""

    def watch(
        self, reference: TaskReference, *, created: datetime | None = None, state: TaskState | None = None
    ) -> Watch:
        """Make the watch for the task, or for the call itself if it is no task.

        Args:
            reference: Names the task or call.
            created: When the task was created, by this machine's wall clock; None if the server has no task.
            state: The task's first state.
        """
        return Watch(
            reference.task_id,
            anyio.current_time(),
            reference=reference,
            arguments=self.arguments or {},
            shown=self.shown,
            created=created,
            state=state or TaskState(),
            carried=self.carried,
            record=self.record,
            progress=self.progress,
        )

    def follow(self, callbacks: Callbacks, handler: Callback | None = None) -> None:
        """Ask the server to report the call's progress.

        Args:
            callbacks: The client's callbacks.
            handler: Called with progress, total and message of each report; None if only the handle wants them.
        """
        feed = self.progress = self.progress or ProgressFeed(callbacks)
        if handler is None:
            return
        queue = callbacks.queue(handler, f"progress handler of {self.name!r}")
        last: TaskProgress | None = None

        def tell() -> None:
            nonlocal last
            if feed.latest is not None and feed.latest is not last:  # The news may also be a status message.
                last = feed.latest
                queue.call(last.progress, last.total, last.message)

        feed.add(tell)


def prepared(
    kind: Kind,
    name: str,
    arguments: Mapping[str, Any] | None,
    task: AskForTask,
    ttl: float | timedelta | None,
    meta: Mapping[str, Any] | None,
    label: str | None = None,
    key: str | None = None,
    labels: Mapping[str, str] | None = None,
    on_uncertain: OnUncertain = "raise",
    *,
    carried: Carried = NOTHING,
) -> Call:
    """Check a program's call, and copy it as it will be sent. Later changes to the program's arguments have no effect.

    Raises:
        TypeError: An argument has a wrong type; the message names the argument.
        ValueError: A value cannot be sent; the message names its place.
    """
    mode = argument_checks.task_mode(task)
    if mode == "forbid" and ttl is not None:
        raise ValueError('ttl= is for tasks: it has no meaning with task="forbid"')
    read = argument_checks.prompt if kind == "prompt" else argument_checks.mapping
    sent = read(arguments, "arguments")
    return Call(
        kind=kind,
        name=argument_checks.text(name, "uri" if kind == "resource" else "name"),
        arguments=sent,
        task=mode in ("prefer", "require"),
        mode=mode,
        carried=carried,
        ttl=argument_checks.time_to_live(ttl),
        line=None if ttl is None else present_line(),
        meta=argument_checks.meta(meta),
        label=argument_checks.label(label),
        shown=shown(arguments, sent),
        key=argument_checks.key(key),
        labels=argument_checks.labels(labels),
        on_uncertain=argument_checks.on_uncertain(on_uncertain),
    )


def shown(arguments: Any, sent: dict[str, Any] | None) -> str:
    """Return the arguments of a call for people to read, without secrets.

    Args:
        arguments: The program's arguments.
        sent: The arguments as they are sent.
    """
    return task_text.arguments_text(sent, task_text.secrets_of(arguments)) if sent else ""


@define
class Created:
    """The server's answer to a call: a task, or a result at once."""

    seen: Seen | None
    result: Any
    immediate_response: str | None
    mark: Mark | None = None
    """The call's moment in the trace, to which the task belongs."""


@frozen
class Prospect:
    """Whether a call can become a task, as far as that is known before it is sent."""

    who: Literal["asked", "server", "nobody"]
    """Who decides that the call becomes a task. "asked": the client, which asks for one (2025-11-25). "server": the
    server (2026-07-28). "nobody": the call cannot become a task."""
    augment: dict[str, Any] | None = None
    """The `task` field of the request; None if the client does not ask for a task."""


_NO_TASK = Prospect("nobody")


def foresee(call: Call, dialect: Dialect, *, offered: bool, support: str) -> Prospect:
    """Decide whether a call can become a task. Pure.

    Args:
        call: The call.
        dialect: The connection's dialect.
        offered: Whether the server makes tasks of this kind of call; see `Dialect.offers`.
        support: The tool's support for tasks; see `task_support`. Only used if the client asks for tasks (2025-11-25).

    Raises:
        TaskUnsupportedError: The program demands a task and the call cannot become one, or the program forbids a task
            and the tool only runs as one.
    """
    prospect = _foresee(call, dialect, offered=offered, support=support)
    if call.mode == "require" and prospect.who == "nobody":
        never = f"the tool is never a task (taskSupport {safe_text.short(support, 40)})"
        raise _unsupported(call, never if offered else f"the server makes no tasks of {call.kind}s")
    if call.mode == "forbid" and offered and dialect.client_asks and support == "required":
        raise _unsupported(call, "the tool runs as a task only (taskSupport 'required')")
    return prospect


def _unsupported(call: Call, why: str) -> TaskUnsupportedError:
    return TaskUnsupportedError(f"{call.kind} {call.name!r}, task={call.mode!r}: {why}; nothing was carried out")


def _foresee(call: Call, dialect: Dialect, *, offered: bool, support: str) -> Prospect:
    if not offered:
        return _NO_TASK
    if not dialect.client_asks:
        return _NO_TASK if call.mode == "forbid" else Prospect("server")
    wanted = call.task
    if call.kind == "tool":
        wanted = support == "required" or (call.task and support == "optional")
    if call.mode == "forbid":
        wanted = False
    return Prospect("asked", {} if call.ttl is None else {"ttl": call.ttl}) if wanted else _NO_TASK


async def create(core: Core, call: Call) -> Created | None:
    """Send a call, once. Return None if the program wants a task and the call cannot become one. Then the server has
    carried out nothing, and the caller makes the call with `plainly`.

    Raises:
        TaskFailedError: The server answered with an error.
        TaskConnectionError: The connection broke. The message says whether the call may have arrived.
        TaskProtocolError: The answer is invalid.
        TaskTimeoutError: No answer within the client's timeout for a request.
        TaskUnsupportedError: See `foresee`.
        TtlIgnoredWarning: `ttl` cannot be sent, and the program turns warnings into errors.
    """
    prospect = await _prospect(core, call)
    augment = prospect.augment
    if augment is None:
        core.keeping.not_sent(call)
    if call.task and prospect.who == "nobody":
        return None
    try:
        with core.questions.call(call.carried, creates=augment is not None):
            return await _once(core, call, augment)
    except mcp.MCPError as exc:
        if augment is not None and call.kind != "tool" and exc.code == METHOD_NOT_FOUND:
            # fastmcp answers so for a resource or prompt that cannot be a task. It was not run (seen on 2.14 and 3).
            call.sent = False
            if call.mode == "require":
                said = safe_text.short(exc.message, 200)
                raise _unsupported(call, f"the server does not make a task of it: {said}") from harmless(exc)
            core.keeping.answered(call)
            return None
        raise _refused(call, exc) from harmless(exc)


def _refused(call: Call, exc: mcp.MCPError) -> TaskError:
    if call.mode == "forbid" and exc.code == MISSING_REQUIRED_CLIENT_CAPABILITY:
        return _unsupported(call, "the server carries it out as a task only")
    return _failed(exc)


async def plainly(core: Core, call: Call) -> Created:
    """Send a call once, without asking for a task; see `create` for the errors."""
    try:
        with core.questions.call(call.carried, creates=False):
            return await _once(core, call, None)
    except mcp.MCPError as exc:
        raise _refused(call, exc) from harmless(exc)


async def _once(core: Core, call: Call, augment: dict[str, Any] | None) -> Created:
    with core.connection.trace.around(Calling(call.kind, call.name)) as mark:
        try:
            created = await core.connection.once(lambda link: _send(link, call, augment))
        except TaskError as exc:
            if may_have_arrived(call, exc):
                core.connection.trace.note(Uncertain())
            raise
        created.mark = mark
        if created.seen is None and reports_error(created.result):
            mark.error = "tool_error"
        return created


def may_have_arrived(call: Call, error: Exception) -> bool:
    """Whether a failed call may have been carried out. If the server answered with an error, it has refused the
    call."""
    return call.sent and not is_unsent(error) and not isinstance(error, TaskFailedError)


def _failed(exc: mcp.MCPError) -> TaskFailedError:
    return TaskFailedError(exc.message, code=exc.code, data=exc.data)


async def _prospect(core: Core, call: Call) -> Prospect:
    link = await core.connection.link()
    dialect = link.dialect
    offered = dialect.offers(call.kind, link.declared)
    support = "forbidden"
    if offered and call.kind == "tool" and dialect.client_asks:
        try:
            support = task_support(await core.tools.get(call.name))
        except TaskFailedError as exc:
            if exc.code != METHOD_NOT_FOUND:
                raise
            # Without a tool list, no tool says that it supports tasks.
    return foresee(call, dialect, offered=offered, support=support)


async def _send(link: Link, call: Call, augment: dict[str, Any] | None) -> Created:
    meta: Any = {**(call.meta or {}), **({} if call.key is None else {IDEMPOTENCY_KEY: call.key})}
    feed = call.progress
    callback: ProgressFnT | None = None
    link.check_headers(call.carried.headers)
    interceptor = link.interceptor
    own = None if interceptor is None or not call.carried.headers else interceptor.keep_headers(call.carried.headers)
    envelope.mark(
        meta,
        augment=augment,
        keep=interceptor is not None and call.kind == "tool",
        forbid=interceptor is not None and call.mode == "forbid",
        headers=own,
    )
    if feed is not None and link.interceptor is not None and link.dialect.lasting_progress:
        # The SDK follows progress until the creating answer only. In the protocol, reports go on until the task is
        # over.
        token = meta["progressToken"] = link.interceptor.follow_progress(feed.report)
        feed.on_end = partial(link.interceptor.forget_progress, token)
    elif feed is not None:

        async def report(progress: float, total: float | None, message: str | None) -> None:
            feed.report(progress, total, message)

        callback = report

    call.sent = True
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
    except BaseException as exc:
        if feed is not None and feed.on_end is not None:
            feed.on_end()
            feed.on_end = None
        if isinstance(exc, mcp.MCPError) and isinstance(exc.data, Unfit):
            return _odd(exc.data.raw)
        raise
    finally:
        if own is not None and interceptor is not None:
            interceptor.forget_headers(own)
    return _read(link, answer, feed)


def _odd(raw: Mapping[str, Any]) -> Created:
    """Read a resource or prompt that the SDK refuses as a whole: the valid parts are the result."""
    fault = unfinished(raw)
    if fault is not None:
        raise TaskProtocolError(f"the server's answer makes no sense: {fault}", raw_result=raw)
    return Created(None, raw, None)


def _read(link: Link, answer: Any, feed: ProgressFeed | None) -> Created:
    content = envelope.unwrap(answer)
    if content.creating is None:
        if feed is not None:
            feed.end()
        return Created(None, content.result, None)
    seen = link.dialect.created(content.creating.task)
    return Created(seen, None, content.creating.immediate_response)
