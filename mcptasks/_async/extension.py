"""The extension for programs that have an `mcp.Client` of their own."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import anyio
import mcp
import mcp_types
from mcp.client import ClaimContext, ClientExtension, ClientRequestContext, NotificationBinding, ResultClaim
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from mcptasks._async.answers import formed, parse
from mcptasks._async.errors import describe
from mcptasks._async.requests import RAW, stash_created
from mcptasks._exceptions import TaskCancelledError, TaskFailedError, TaskInputRequiredError, TaskProtocolError
from mcptasks._faults import PATIENCE, judge
from mcptasks._input import NO_QUESTIONS, InputAnswered
from mcptasks._models import TaskReference, TaskStatus
from mcptasks._outcome import first_problem
from mcptasks._schedule import PollingPolicy, attempt_limit, next_look, retry_delay
from mcptasks._state import Cancelled, Failed, Seen
from mcptasks._wire import handshake, modern

_ReadT = TypeVar("_ReadT")
_REQUEST: TypeAdapter[Any] = TypeAdapter(mcp_types.InputRequest)

_FAILURES = 10
_CANCEL_SECONDS = 5.0


class TasksExtension(ClientExtension):
    """Makes the `call_tool` of an `mcp.Client` finish task answers by itself (2026-07-28 connections).

    `mcp.Client(..., extensions=[mcptasks.TasksExtension()])`. What a task asks in its midst is put to the callbacks of
    that client. Where there is no result to be had, the call raises
    `TaskFailedError`, `TaskCancelledError`, `TaskInputRequiredError`, `TaskNotFoundError`, `TaskConnectionError` or
    `TaskProtocolError`. A call that is cancelled asks the server to cancel. The connection is the SDK's own: a reset
    ends it.

    Args:
        polling: How to space the looks at a task.
    """

    identifier = modern.EXTENSION

    def __init__(self, polling: PollingPolicy | None = None) -> None:
        self._policy = polling or PollingPolicy()

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """The `resultType` that this extension answers for."""
        return (ResultClaim(result_type=modern.RESULT_TYPE, model=modern.CreatedTask, resolve=self._finish),)

    async def _finish(self, created: modern.CreatedTask, context: ClaimContext) -> mcp_types.CallToolResult:
        """The task's result. Abandoned, it asks the server to cancel."""
        try:
            return await self._result(created, context)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_CANCEL_SECONDS, shield=True):
                task_id = modern.seen(created.wire(), "created").status.task_id
                request = modern.CancelTask(params=modern.TaskParams(task_id=task_id))
                with suppress(mcp.MCPError):
                    await context.session.send_request(request, RAW)
            raise

    async def _result(self, created: modern.CreatedTask, context: ClaimContext) -> mcp_types.CallToolResult:
        event = modern.seen(created.wire(), "created")
        reference = TaskReference(task_id=event.status.task_id, kind="tool", name=context.tool_name, era="2026-07-28")
        since = anyio.current_time()
        if event.status.status != "working":
            # A creating answer holds neither outcome nor input requests ("Task Creation").
            event = await self._look(event.status.task_id, context, reference)
        questions = NO_QUESTIONS
        while not event.status.is_terminal:
            reused = questions.reused(event.status)
            if reused is not None:
                words = f"the server uses the key {reused!r:.80} of an earlier question for another one"
                raise TaskProtocolError(words, reference=reference)
            questions = questions.seen(event.status)
            for key, request in questions.shown(event.status).input_requests.items():
                await self._answer(key, request, event.status, context, reference)
                questions = questions.after(InputAnswered(key))
            interval = event.status.poll_interval
            await anyio.sleep(
                next_look(
                    self._policy,
                    age=anyio.current_time() - since,
                    interval=None if interval is None else interval.total_seconds(),
                    remaining=None,
                    pushed=False,
                    spread=random.random(),
                )
            )
            event = await self._look(event.status.task_id, context, reference)
        match event.outcome:
            case Failed(code, message, data):
                raise TaskFailedError(message, code=code, data=data, reference=reference)
            case Cancelled() | None:
                raise TaskCancelledError("the task was cancelled", reference=reference)
            case finished:
                try:
                    return mcp_types.CallToolResult.model_validate(finished.result, by_name=False)
                except ValidationError as exc:
                    raise TaskProtocolError(
                        f"the task's result is not one of tools/call: {first_problem(exc)}", reference=reference
                    ) from exc

    async def _answer(
        self, key: str, request: Any, status: TaskStatus, context: ClaimContext, reference: TaskReference
    ) -> None:
        """Have the client's callbacks answer a question, and tell the server.

        Raises:
            TaskInputRequiredError: The client has no callback for it, or the callback refuses.
            ValueError: The answer does not keep to the question's form; names the field.
        """
        _, params = parse(request)
        found = _REQUEST.validate_python(request, by_name=False)
        meta = None if params is None else params.meta
        told = await context.session.dispatch_input_request(
            ClientRequestContext(session=context.session, request_id=key, meta=meta), found
        )
        if isinstance(told, mcp_types.ErrorData):
            asked = ", ".join(map(repr, status.input_requests))
            raise TaskInputRequiredError(
                f"the task waits for input ({asked:.200}), and the client has no callback for it: {told.message}",
                input_requests=status.input_requests,
                reference=reference,
            )
        if isinstance(told, mcp_types.ElicitResult):
            answer = formed(request, told)  # with the form's defaults, and checked, which the SDK does not do
        else:
            answer = told.model_dump(mode="json", by_alias=True, exclude_none=True)
        update = modern.UpdateParams(task_id=status.task_id, input_responses={key: answer})
        await self._ask(modern.UpdateTask(params=update), context, reference, lambda raw: raw)

    async def _look(self, task_id: str, context: ClaimContext, reference: TaskReference) -> Seen:
        request = modern.GetTask(params=modern.TaskParams(task_id=task_id))
        return await self._ask(request, context, reference, lambda raw: modern.seen(raw, "polled", expected_id=task_id))

    async def _ask(
        self, request: Any, context: ClaimContext, reference: TaskReference, read: Callable[[Any], _ReadT]
    ) -> _ReadT:
        """Send something that may be sent twice, until it is answered."""
        limit = attempt_limit(wire_timeout=context.read_timeout_seconds, remaining=None)
        failures = nonsense = 0
        while True:
            retry_after: float | None = None
            try:
                return read(await context.session.send_request(request, RAW, request_read_timeout_seconds=limit))
            except mcp.MCPError as exc:
                fault = judge(exc.code, exc.message, exc.data)
                failures += 1
                if fault.action == "raise" or failures >= _FAILURES:
                    error = describe(fault, exc)
                    error.reference = reference
                    raise error from exc
                retry_after = fault.retry_after
            except TaskProtocolError as exc:
                failures += 1
                nonsense += 1
                if nonsense >= PATIENCE:
                    exc.reference = reference
                    raise
            await anyio.sleep(retry_delay(failures, retry_after=retry_after, spread=random.random()))


class _Params(BaseModel):
    """The params of a task notification, as they came."""

    model_config = ConfigDict(extra="allow")


class ClientTasksExtension(ClientExtension):
    """What `mcptasks.Client` gives its own `mcp.Client`: creating answers are carried out of `call_tool`, and
    notifications handed on where no transport could be watched (a server object run by the SDK)."""

    identifier = modern.EXTENSION

    def __init__(self, notify: Callable[[str, dict[str, Any]], None]) -> None:
        self._notify = notify

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """The `resultType` of creating answers."""
        return (ResultClaim(result_type=modern.RESULT_TYPE, model=modern.CreatedTask, resolve=stash_created),)

    def notifications(self) -> Sequence[NotificationBinding[Any]]:
        """The task notifications of both eras."""
        methods = (modern.NOTIFICATION, handshake.NOTIFICATION)
        return [NotificationBinding(method=m, params_type=_Params, handler=self._handler(m)) for m in methods]

    def _handler(self, method: str) -> Callable[[_Params], Awaitable[None]]:
        async def handler(params: _Params) -> None:
            self._notify(method, dict(params.model_extra or {}))

        return handler
