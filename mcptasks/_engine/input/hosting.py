"""Runs tasks for the server (2025-11-25): calls the handlers, answers the server's requests, and notifies it of
changes.

`_core/hosted_tasks.py` decides what to do. Each connection has a host of its own, since a task belongs to the session
in which it was created. The reader of the connection hands requests over, and a task that does nothing else sends the
answers. So a server that does not read its answers holds up neither the reading nor a cancellation.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup
from attrs import define, field
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, RequestId

from mcptasks._core.events import Failed, Finished, Outcome
from mcptasks._core.exceptions import TaskProtocolError
from mcptasks._core.hosted_tasks import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Changed,
    Dropped,
    Effect,
    HostBook,
    HostTasks,
    Instant,
    Refusal,
    Settled,
    describe,
)
from mcptasks._engine.input import answers, handlers
from mcptasks._transport.intercept import Send
from mcptasks._wire import hosted, legacy

logger = logging.getLogger("mcptasks")

Answer: TypeAlias = Callable[[Mapping[str, Any], str], Awaitable[dict[str, Any]]]
"""Has the program's handler answer a request (`{"method": ..., "params": ...}`) for the hosted task with that id."""

_OUTBOX = "outbox"
_EXPIRY = "expiry"


def _now() -> Instant:
    return Instant(anyio.current_time(), datetime.now(UTC))


@define(eq=False)
class Hosting:
    """Hosts the tasks of one connection, from `open` to `close`. It cannot be opened again."""

    options: HostTasks
    """The program's options. There must be a handler for each of their kinds."""
    _group: TaskGroup
    """The task group in which handlers and the two loops run."""
    _answer: Answer
    _book: HostBook = field(init=False)
    _scopes: dict[str, anyio.CancelScope] = field(factory=dict[str, anyio.CancelScope], init=False)
    """The scopes of all that runs: handlers by the ids of their tasks, and the host's two loops."""
    _outbox: deque[SessionMessage] = field(factory=deque[SessionMessage], init=False)
    _posted: anyio.Event = field(factory=anyio.Event, init=False)
    _changed: anyio.Event = field(factory=anyio.Event, init=False)
    _open: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._book = HostBook(self.options)

    # --- what the interceptor calls -------------------------------------------------------------------------------

    @property
    def capability(self) -> dict[str, Any]:
        """The capability that the client declares under `tasks`."""
        return hosted.capability(self.options.kinds)

    def open(self, send: Send) -> None:
        """Begin to send answers, and to expire tasks."""
        self._open = True
        self._spawn(_OUTBOX, self._send, send)
        self._spawn(_EXPIRY, self._expire)

    def close(self) -> None:
        """Cancel every task and send nothing more."""
        self._open = False
        for scope in list(self._scopes.values()):
            scope.cancel()

    def takes(self, message: JSONRPCRequest) -> bool:
        """Whether a request is for the host."""
        if message.method in hosted.ABOUT_TASKS:
            return True
        return hosted.AUGMENTABLE.get(message.method) in self.options.kinds and hosted.wants_task(message.params)

    def request(self, message: JSONRPCRequest) -> None:
        """Serve a request for which `takes` returned True."""
        if not self._open:
            return
        now = _now()
        self._do(self._book.expire(now))
        try:
            self._serve(now, message)
        except Refusal as exc:
            self._refuse(message.id, exc.code, exc.message)

    def give_up(self, request_id: object) -> bool:
        """Note that the server cancelled a request. Return whether the request was for the host."""
        return self._book.give_up(request_id)

    # --- requests -------------------------------------------------------------------------------------------------

    def _serve(self, now: Instant, message: JSONRPCRequest) -> None:
        params = message.params
        match message.method:
            case "tasks/get":
                self._reply(message.id, hosted.task(self._book.get(now, hosted.task_id(params))))
            case "tasks/result":
                task_id = hosted.task_id(params)
                outcome = self._book.want(now, task_id, message.id)
                if outcome is not None:
                    self._tell(message.id, task_id, outcome)
            case "tasks/list":
                statuses, cursor = self._book.page(now, hosted.cursor(params))
                more = {} if cursor is None else {"nextCursor": cursor}
                self._reply(message.id, {"tasks": [hosted.task(status) for status in statuses], **more})
            case "tasks/cancel":
                status, effects = self._book.cancel(now, hosted.task_id(params))
                self._do(effects)
                self._reply(message.id, hosted.task(status))
            case _:
                self._create(now, message)

    def _create(self, now: Instant, message: JSONRPCRequest) -> None:
        ttl = hosted.requested_ttl(message.params)
        request = hosted.question(message.method, message.params)
        try:
            answers.parse(request)
        except TaskProtocolError as exc:
            raise Refusal(str(exc)) from None
        status = self._book.create(now, ttl)
        logger.debug("the server began a task: %s", message.method)
        self._reply(message.id, {"task": hosted.task(status)})
        self._spawn(status.task_id, self._handle, status.task_id, request)
        self._changed.set()

    async def _handle(self, task_id: str, request: Mapping[str, Any]) -> None:
        kind = hosted.AUGMENTABLE[request["method"]]
        outcome: Finished | Failed = Failed(INTERNAL_ERROR, f"the client's {kind} handler gave up")
        try:
            outcome = Finished(await self._answer(request, task_id))
        except answers.RefusalError as exc:
            outcome = Failed(exc.error.code, exc.error.message, exc.error.data)
        except handlers.passing():
            raise
        except BaseException as exc:
            logger.exception("the %s handler failed", kind)
            # Only the type, since the error's text may hold a secret of the program.
            outcome = Failed(INTERNAL_ERROR, f"the client's {kind} handler failed: {type(exc).__name__}")
        finally:
            # If the server cancelled the task, or its time was over, this changes nothing.
            self._do(self._book.finish(_now(), task_id, outcome))

    async def _expire(self) -> None:
        while True:
            self._changed = anyio.Event()
            due = self._book.next_expiry
            with anyio.CancelScope(deadline=math.inf if due is None else due):
                await self._changed.wait()
            self._do(self._book.expire(_now()))

    # --- effects --------------------------------------------------------------------------------------------------

    def _do(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Changed(status):
                    logger.debug("a task of the server is %s", status.status)
                    params = hosted.task(status)
                    self._post(JSONRPCNotification(jsonrpc="2.0", method=legacy.NOTIFICATION, params=params))
                case Settled(task_id, outcome, waiting):
                    self._stop(task_id)
                    for request_id in waiting:
                        self._tell(request_id, task_id, outcome)
                case Dropped(task_id, waiting):
                    self._stop(task_id)
                    for request_id in waiting:
                        self._refuse(request_id, INVALID_PARAMS, "the task's time is over")

    def _tell(self, request_id: RequestId, task_id: str, outcome: Outcome) -> None:
        if isinstance(outcome, Finished):
            self._reply(request_id, hosted.related(outcome.result, task_id))
        else:
            self._refuse(request_id, *describe(outcome))

    def _reply(self, request_id: RequestId, result: dict[str, Any]) -> None:
        self._post(JSONRPCResponse(jsonrpc="2.0", id=request_id, result=result))

    def _refuse(self, request_id: RequestId, code: int, message: str, data: Any = None) -> None:
        self._post(JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message, data=data)))

    def _post(self, message: JSONRPCResponse | JSONRPCError | JSONRPCNotification) -> None:
        if self._open:
            self._outbox.append(SessionMessage(message))
            self._posted.set()

    async def _send(self, send: Send) -> None:
        try:
            while True:
                self._posted = anyio.Event()
                while self._outbox:
                    await send(self._outbox.popleft())
                await self._posted.wait()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            logger.debug("the connection of the hosted tasks is gone")
        except Exception:
            # For example, an error of the program's own transport. It must not end the client.
            logger.exception("could not send to the server")
        finally:
            self.close()

    # --- what runs ------------------------------------------------------------------------------------------------

    def _spawn(self, key: str, function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self._scopes[key] = anyio.CancelScope()
        self._group.start_soon(self._run, key, function, *arguments)

    async def _run(self, key: str, function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        try:
            with self._scopes[key]:
                await function(*arguments)
        finally:
            del self._scopes[key]

    def _stop(self, task_id: str) -> None:
        scope = self._scopes.get(task_id)
        if scope is not None:
            scope.cancel()
