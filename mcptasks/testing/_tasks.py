"""The tasks of a test server: handles that a test can read and steer from any thread.

State changes are synchronous and independent of protocols and connections. Each task tells its `TaskEvents` of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from attrs import evolve, frozen

from mcptasks.testing._bell import Bell
from mcptasks.testing._declared import undeclared
from mcptasks.testing._endings import ended_by
from mcptasks.testing._questions import Questions
from mcptasks.testing._results import Kind
from mcptasks.testing._script import (
    JSON,
    Cancelled,
    Complete,
    Forgotten,
    NeedInput,
    Progress,
    ProtocolFailure,
    Step,
    ToolFailure,
    Working,
)
from mcptasks.testing._state import Status, TaskState


class TaskEvents(Protocol):
    """Gets the events of a task."""

    def state_changed(self, task: ServerTask, state: TaskState) -> None:
        """The task has a new state, or a test wants a state announced."""
        ...

    def progressed(self, task: ServerTask, step: Progress) -> None:
        """The work reports progress."""
        ...

    def forgotten(self, task: ServerTask) -> None:
        """The server no longer knows the task."""
        ...


class ClientLink(Protocol):
    """The way to the client of a task."""

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> JSON:
        """Send a request to the client and return the raw result."""
        ...


@frozen
class TaskOrigin:
    """The call from which a task was made."""

    kind: Kind
    name: str
    arguments: Mapping[str, Any]
    plain: bool = False
    """Whether this is a call without a task, which a test steers like a task, but which has no id on the wire."""
    wrap_result: bool = True
    declared: JSON | None = None
    """The client's capabilities, if only declared input requests may be sent; None to send any."""


class ServerTask:
    """One task of a `TaskServer`. Every method may be called from any thread.

    `set_working`, `need_input`, `complete`, `fail` and `cancelled` raise `RuntimeError` if the task has ended already.
    """

    def __init__(self, origin: TaskOrigin, state: TaskState, events: TaskEvents) -> None:
        self.origin = origin
        self.cancel_requested = False
        """Whether a client has asked for cancellation, honoured or not."""
        self.known = True
        """False once the server has forgotten the task."""
        self.answers: dict[str, JSON] = {}
        """The answers to input requests that have come, by key."""
        self.received: list[dict[str, Any]] = []
        """All answers that were accepted, unchanged, even those that had no effect.

        2026-07-28: the `inputResponses` of each `tasks/update` (or repeated call). 2025-11-25: `{key: result}` for each
        answer, and `{key: {"error": {"code": ..., "message": ...}}}` if the client answered with an error.
        """
        self.client: ClientLink | None = None
        """The way to the client that last named the task; None before that."""
        self._state = state
        self._events = events
        self._lock = threading.RLock()
        self._bell = Bell()
        self._questions = Questions(state.input_requests)

    @property
    def task_id(self) -> str:
        """The id on the wire."""
        return self._state.task_id

    @property
    def name(self) -> str:
        """The name of the tool or prompt, or the URI of the resource."""
        return self.origin.name

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments of the call."""
        return self.origin.arguments

    @property
    def state(self) -> TaskState:
        """The current state, as a frozen value."""
        return self._state

    @property
    def status(self) -> Status:
        """The current status, as 2026-07-28 calls it."""
        return self._state.status

    @property
    def done(self) -> bool:
        """Whether the task has ended, or is forgotten."""
        return self._state.terminal or not self.known

    def __repr__(self) -> str:
        return f"<ServerTask {self.task_id} {self.name!r} {self.status}>"

    # -- steering ------------------------------------------------------------

    def set_working(self, message: str | None = None) -> None:
        """Report `working`, with a message."""
        self._do(Working(message))

    def need_input(self, requests: Mapping[str, JSON], message: str | None = None, *, reuse: bool = False) -> None:
        """Report `input_required` until all of these requests are answered. They replace the open ones. Raises
        `ValueError` if a key was used before and `reuse` is false."""
        self._do(NeedInput(requests, message, reuse=reuse))

    def withdraw(self, *keys: str) -> None:
        """Withdraw the open requests with these keys, or all without keys; `working` again if none is left."""
        with self._lock:
            open_requests = self._state.input_requests
            left = {key: open_requests[key] for key in open_requests if keys and key not in keys}
        self._leave_open(left)

    def complete(self, value: object = None) -> None:
        """Complete the task with this value."""
        self._do(Complete(value))

    def fail(self, message: str, *, code: int | None = None, data: object = None) -> None:
        """Fail the task: the tool reports an error or, with a `code`, the request fails with a JSON-RPC error."""
        self._do(ToolFailure(message) if code is None else ProtocolFailure(code, message, data))

    def cancelled(self, message: str | None = None) -> None:
        """End the task as cancelled."""
        self._do(Cancelled(message))

    def forget(self) -> None:
        """Make the server forget the task, whatever its state."""
        self.apply(Forgotten())

    def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Send a progress notification to the client that created the task, if the client asked for progress."""
        self.apply(Progress(progress, total, message))

    def set_poll_interval(self, poll_interval_ms: object) -> None:
        """Suggest another poll interval from now on; any JSON value, or `ABSENT`."""
        with self._lock:
            self._state = evolve(self._state, poll_interval_ms=poll_interval_ms)

    def push(self, status: Status | None = None, message: str | None = None) -> None:
        """Announce the current state again or, with a `status`, a state that the task is not in."""
        state = self._state
        if status is not None:
            state = evolve(state, status=status, status_message=message)
        self._events.state_changed(self, state)

    def _do(self, step: Step) -> None:
        if not self.apply(step):
            raise RuntimeError(f"the task has ended already: {self!r}")

    def apply(self, step: Step) -> bool:
        """Take one step of a script; returns False if the task has ended already."""
        match step:
            case Working(message):
                return self._change(status="working", status_message=message, input_requests={})
            case NeedInput(requests, message):
                if self.check_declared(requests):
                    return True
                with self._lock:
                    asked = self._questions.ask(requests, self._state.input_requests, reuse=step.reuse)
                for key in asked:
                    self.answers.pop(key, None)
                return self._change(status="input_required", status_message=message, input_requests=asked)
            case Complete() | ToolFailure() | ProtocolFailure() | Cancelled():
                origin = self.origin
                changes = ended_by(step, origin.kind, origin.name, wrap_result=origin.wrap_result)
                return self._change(input_requests={}, **changes)
            case Progress():
                self._events.progressed(self, step)
                return True
            case Forgotten():
                self.known = False
                self._events.forgotten(self)
                self._bell.ring()
                return True

    def check_declared(self, requests: Mapping[str, JSON]) -> bool:
        """End the task if its client does not declare one of these input requests; returns whether the task ended."""
        words = None if self.origin.declared is None else undeclared(self.origin.declared, requests.values())
        return words is not None and self.apply(ToolFailure(words))

    def _change(self, **changes: Any) -> bool:
        with self._lock:
            if self._state.terminal:
                return False
            self._state = state = evolve(self._state, last_updated_at=datetime.now(UTC), **changes)
        self._bell.ring()
        self._events.state_changed(self, state)
        return True

    # -- what clients do to it -----------------------------------------------

    def request_cancel(self, *, honour: bool) -> None:
        """Handle a client's request for cancellation, and end the task if `honour` is true."""
        self.cancel_requested = True
        self._bell.ring()
        if honour:
            self.apply(Cancelled("Cancelled at the client's request."))

    def answer(self, responses: Mapping[str, Any], *, shown_again: int = 0) -> None:
        """Take a client's answers to input requests; unknown keys are ignored.

        The next `shown_again` (a number) answers to `tasks/get` still list the answered requests.
        """
        with self._lock:
            self.received.append(dict(responses))
            open_requests = dict(self._state.input_requests)
            fresh = {key: value for key, value in responses.items() if key in open_requests}
            if self._state.status != "input_required" or (open_requests and not fresh):
                return
            self.answers.update(fresh)
            self._questions.show_again({key: open_requests[key] for key in fresh}, shown_again)
        self._leave_open({key: request for key, request in open_requests.items() if key not in fresh})

    def _leave_open(self, left: dict[str, JSON]) -> None:
        message = self._state.status_message if left else None
        self._change(status="input_required" if left else "working", status_message=message, input_requests=left)

    def refuse(self, key: str, told: JSON, message: str) -> None:
        """Take a client's error, or invalid answer, to an input request, and fail the task."""
        with self._lock:
            self.received.append({key: told})
        self.apply(ToolFailure(f"The client gave no input: {message}"))

    def look(self) -> TaskState:
        """The state that `tasks/get` shows, which may still list answered requests; counts the poll."""
        with self._lock:
            return self._questions.shown(self._state)

    def claim_input(self) -> dict[str, JSON]:
        """Claim the open requests that nobody sends to the client yet; the caller has to send them."""
        with self._lock:
            return self._questions.claim(self._state.input_requests)

    def release_input(self, key: str, request: JSON) -> None:
        """Give back a claimed request, which was answered or withdrawn, or which another caller has to send."""
        with self._lock:
            self._questions.release(key, request)
        self._bell.ring()

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> JSON:
        """Send any request to the client that last named the task (2025-11-25), and return the raw result.

        Raises an error of the client as an `MCPError`.
        """
        if self.client is None:
            raise RuntimeError(f"no client has named the task yet: {self!r}")
        return await self.client.request(method, params)

    # -- waiting ---------------------------------------------------------------

    async def wait_for(self, condition: Callable[[ServerTask], object]) -> None:
        """Wait until `condition(task)` is true, which is checked after every change."""
        await self._bell.until(lambda: True if condition(self) else None)

    def wait_for_blocking(self, condition: Callable[[ServerTask], object], timeout: float | timedelta = 30.0) -> None:
        """Like `wait_for`, for a thread without an event loop. Raises `TimeoutError` after `timeout`, seconds or a
        `timedelta`."""
        self._bell.until_blocking(lambda: True if condition(self) else None, timeout)

    async def wait_cancel_requested(self) -> None:
        """Wait until a client has asked for cancellation."""
        await self.wait_for(lambda task: task.cancel_requested)
