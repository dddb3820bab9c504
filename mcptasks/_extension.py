"""The extension for programs that have an `mcp.Client` or a `fastmcp.Client` of their own."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import anyio
import mcp
import mcp_types
from mcp.client import ClaimContext, ClientExtension, ClientRequestContext, NotificationBinding, ResultClaim

from mcptasks._async.input import InputContext
from mcptasks._async.storing import AnyStore, find_store
from mcptasks._async.task import Task
from mcptasks._core import safe_text
from mcptasks._core.exceptions import TaskInputRequiredError
from mcptasks._core.outcome import Decoding
from mcptasks._core.patience import Patience
from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._engine.creating_calls import Call, Created, shown
from mcptasks._engine.engine import Engine
from mcptasks._engine.home import Home
from mcptasks._engine.lending import Lending, target_of
from mcptasks._engine.options import ClientOptions
from mcptasks._engine.waiting.waiter import Waiter
from mcptasks._telemetry.options import Telemetry
from mcptasks._transport.checks import kind_of
from mcptasks._transport.lent import AnsweredTask
from mcptasks._transport.sdk_client import RAW, bind, claim
from mcptasks._transport.targets import Options, Target, resolve
from mcptasks._wire import modern

OnTask: TypeAlias = "Callable[[Task[Any], Mapping[str, Any] | None], Awaitable[None] | None]"
"""Called with a task and the arguments of the call that became the task."""

_CANCEL_SECONDS = 5.0
"""Seconds that the request to cancel a task may take if no engine knows the task yet; then the request is given up, so
that the program is not held up."""
_DECODING = Decoding(kind="tool", raise_on_error=False, sdk=True)


class TasksExtension(ClientExtension):
    """Makes the `call_tool` of an `mcp.Client` or a `fastmcp.Client` finish task answers by itself (2026-07-28
    connections).

    Write `mcp.Client(..., extensions=[mcptasks.TasksExtension()])`. That client's callbacks answer the task's input
    requests, several at once. If there is no result, the call raises `TaskFailedError`, `TaskCancelledError`,
    `TaskInputRequiredError`, `TaskNotFoundError`, `TaskConnectionError` or `TaskProtocolError`. Cancelling the call
    asks the server to cancel the task.

    On 2025-11-25 connections the SDK does not call extensions, so calls never become tasks there; use
    `mcptasks.Client.as_session()` or `mcptasks.contrib.fastmcp.TaskTransport`.

    Args:
        polling: How often to poll a task.
        target: The server's URL, or a `mcpServers` mapping with the URL. Tasks are then followed over the extension's
            own connection to this URL, which is restored when it is lost, and references name the server. Without
            `target`, all requests go over the client's own session, whose end also ends the call.
        server: Which of several entries of `mcpServers` to use.
        headers: Sent with every HTTP request to `target`.
        auth: A bearer token, or an auth object of httpx2, for `target`.
        endpoint: A name of your own for the server, shown in place of the URL.
        store: Keeps the tasks, so that `mcptasks.Client(target, store=...).recover()` finds them if the program dies: a
            `mcptasks.store.Store`, a path, or a `postgresql://` URL. Needs `target`. A task is written to the store as
            soon as the server has created it.
        on_task: Called with the `Task` and the call's arguments as soon as there is a task; sync or async. The
            arguments are None if the SDK does not show them. The handle works while a call of the session is under way.
            Exceptions of the function are logged. A call that ends waits for the function, for up to 5 s.
        reconnect_timeout: Seconds or a `timedelta`: how long to retry an unreachable server. None for no limit.
        patience: When a task counts as stalled. With None, only a timeout ends a wait.
        telemetry: How to make OpenTelemetry spans and metrics, if the program has configured an OpenTelemetry SDK;
            False for none.

    Raises:
        TypeError: An argument is of an unknown kind.
        ValueError: An argument has an invalid value. No message shows a secret.
    """

    __module__ = "mcptasks"

    identifier = modern.EXTENSION

    def __init__(
        self,
        polling: PollingPolicy | None = None,
        *,
        target: Any = None,
        server: str | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
        endpoint: str | None = None,
        store: AnyStore | str | os.PathLike[str] | None = None,
        on_task: OnTask | None = None,
        reconnect_timeout: float | timedelta | None = 60.0,
        patience: Patience | None = None,
        telemetry: Telemetry | Literal[False] | None = None,
    ) -> None:
        self._own = _own(target, Options(server=server, headers=headers, auth=auth, endpoint=endpoint))
        if store is not None and self._own is None:
            raise ValueError("store= needs target=, the server's URL, under which the tasks are found again")
        if on_task is not None and not callable(on_task):
            raise TypeError(f"on_task must be callable, got {kind_of(on_task)}")
        self._on_task = on_task
        self._options = partial(
            ClientOptions,
            polling=cast("PollingPolicy", polling),
            log_handler=None,
            reconnect_timeout=reconnect_timeout,
            wait_for_server=None,
            host_tasks=False,
            store=partial(find_store, store),
            telemetry=cast("Telemetry", telemetry),
            patience=patience,
        )
        nowhere = Target(endpoint="", connect=_never)
        # Bad input raises an error here, before anything is connected.
        self._options(
            target=lambda: nowhere,
            mode=modern.ERA,
            timeout=None,
            elicitation_handler=None,
            sampling_handler=None,
            roots=None,
        )
        self._lending = Lending(self._engine)
        self._clients = 0
        """How many clients have asked for the bindings."""

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """The claim to the `resultType` of answers that create tasks."""
        return claim(self._finish, AnsweredTask)

    def notifications(self) -> Sequence[NotificationBinding[Any]]:
        """The notifications about tasks, which reach the engines."""
        self._clients += 1
        return bind(self._notified)

    def _notified(self, method: str, params: Mapping[str, Any]) -> None:
        # A notification does not say which client it has come to. With several clients, one server could pretend
        # that another one's task is over.
        for engine in self._lending.engines():
            engine.notified(method, params, believed=self._clients == 1)

    def _engine(self, session: mcp.ClientSession, limit: float | None, learned_as: str) -> Engine:
        """Make an engine for a session; see `Lending`."""
        target = self._own or target_of(session, learned_as)
        ask = partial(_ask, session)
        options = self._options(
            target=lambda: target,
            # With a known version, connecting sends nothing.
            mode=session.protocol_version or modern.ERA,
            timeout=limit,
            elicitation_handler=ask,
            sampling_handler=ask,
            roots=partial(_roots, session),
        )
        return Engine(options, Home(), Task, InputContext)

    async def _finish(self, answer: AnsweredTask, context: ClaimContext) -> mcp_types.CallToolResult:
        """Wait for the task's result, and return it. If the wait is cancelled, the server is asked to cancel the
        task."""
        seen = modern.seen(answer.wire(), "created")
        created = Created(seen, None, None)
        begun: list[Waiter] = []
        try:
            async with self._lending.engine(context.session, context.read_timeout_seconds) as engine:
                value = await engine.calling.follow(
                    _call(context.tool_name, answer.arguments),
                    created,
                    _DECODING,
                    partial(self._began, engine, answer.arguments, begun),
                )
                return cast("mcp_types.CallToolResult", value)
        except _RefusedError as exc:
            raise _unanswered(begun[0], exc) from None
        except (anyio.get_cancelled_exc_class(), Exception):
            if not begun:  # No engine knows the task yet, so nothing else would cancel it.
                await _cancel(context.session, seen.status.task_id)
            raise

    def _began(self, engine: Engine, arguments: Mapping[str, Any] | None, begun: list[Waiter], waiter: Waiter) -> None:
        """Take in a task that an engine follows."""
        begun.append(waiter)
        if self._on_task is not None:
            engine.callbacks.queue(self._on_task, "on_task").call(waiter.handle, arguments)


def _own(target: Any, options: Options) -> Target | None:
    """Return the target of the connections that the extension may make itself.

    Raises:
        TypeError: See `resolve`.
        ValueError: See `resolve`; or the target is no server at a URL, or an option has no meaning without a target.
    """
    if target is None:
        options.refuse("TasksExtension without target=", "server", "headers", "auth", "endpoint")
        return None
    found = resolve(target, options)
    if not found.lasting:
        raise ValueError(f"target= must lead to a URL: another connection to {found.endpoint} would not know the task")
    return found


def _never() -> Any:
    raise AssertionError("nothing is connected")


def _call(name: str, arguments: Mapping[str, Any] | None) -> Call:
    sent = None if arguments is None else dict(arguments)
    return Call(kind="tool", name=name, arguments=sent, task=True, ttl=None, meta=None, shown=shown(arguments, sent))


class _RefusedError(Exception):
    """A callback of the client answers an input request with an error."""


_REQUESTS: Mapping[type[Any], Callable[..., mcp_types.InputRequest]] = {
    mcp_types.ElicitRequestFormParams: mcp_types.ElicitRequest,
    mcp_types.ElicitRequestURLParams: mcp_types.ElicitRequest,
    mcp_types.CreateMessageRequestParams: mcp_types.CreateMessageRequest,
}


async def _ask(session: mcp.ClientSession, context: InputContext, params: Any) -> Any:
    """Have the client's callbacks answer an input request."""
    found = ClientRequestContext(session=session, request_id=context.key or "", meta=params.meta)
    return _answered(await session.dispatch_input_request(found, _REQUESTS[type(params)](params=params)))


async def _roots(session: mcp.ClientSession) -> Sequence[mcp_types.Root]:
    """Have the client's callback list its roots."""
    found = ClientRequestContext(session=session, request_id="roots/list")
    answer = _answered(await session.dispatch_input_request(found, mcp_types.ListRootsRequest()))
    return cast("mcp_types.ListRootsResult", answer).roots


def _answered(answer: mcp_types.InputResponse | mcp_types.ErrorData) -> mcp_types.InputResponse:
    if isinstance(answer, mcp_types.ErrorData):
        raise _RefusedError(answer.message)
    return answer


def _unanswered(waiter: Waiter, refused: _RefusedError) -> TaskInputRequiredError:
    requests = dict(waiter.watch.state.open)
    asked = safe_text.several(requests)
    words = f"the task waits for input ({asked}), and the client has no callback for it: {refused}"
    return TaskInputRequiredError(words, input_requests=requests, reference=waiter.reference)


async def _cancel(session: mcp.ClientSession, task_id: str) -> None:
    """Ask the server to cancel a task. Shielded and bounded."""
    with anyio.move_on_after(_CANCEL_SECONDS, shield=True), suppress(mcp.MCPError, RuntimeError, ValueError):
        await session.send_request(modern.CancelTask(params=modern.TaskParams(task_id=task_id)), RAW)
