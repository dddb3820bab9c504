"""The tasks of a test server: each one a handle that a test can look at and steer from any thread.

State changes here are synchronous and know nothing of protocols or connections; whoever must hear of them is
told through the two callbacks that a task is made with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from attrs import evolve, frozen

from mcptasks.testing._bell import Bell
from mcptasks.testing._results import Kind, shape_result, tool_error
from mcptasks.testing._script import (
    ABSENT,
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

INTERNAL_ERROR = -32603


class TaskEvents(Protocol):
    """Who is told of what happens to a task."""

    def state_changed(self, task: ServerTask, state: TaskState) -> None:
        """The task has a new state, or a test wants this one announced."""
        ...

    def progressed(self, task: ServerTask, step: Progress) -> None:
        """The work reports progress."""
        ...

    def forgotten(self, task: ServerTask) -> None:
        """The server no longer knows the task."""
        ...


class ClientLink(Protocol):
    """The way to the client that a task's work is for."""

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> JSON:
        """Send a request to the client; its raw result."""
        ...


@frozen
class TaskOrigin:
    """What was asked for when the task was made."""

    kind: Kind
    name: str
    arguments: Mapping[str, Any]
    plain: bool = False
    """A call without a task: it is steered like one, but has no id on the wire."""
    wrap_result: bool = True


class ServerTask:
    """One task of a `TaskServer`. Every method may be called from any thread."""

    def __init__(self, origin: TaskOrigin, state: TaskState, events: TaskEvents) -> None:
        self.origin = origin
        self.cancel_requested = False
        """Whether a client has asked for cancellation, honoured or not."""
        self.known = True
        """False once the server has forgotten the task."""
        self.answers: dict[str, JSON] = {}
        """The answers to input requests that have arrived, by key."""
        self.received: list[dict[str, Any]] = []
        """Every message with answers that was accepted, as it came, also those that changed nothing.

        2026-07-28: the `inputResponses` of each `tasks/update` (or repeated call). 2025-11-25: `{key: result}` for each
        answer, `{key: {"error": {"code": ..., "message": ...}}}` where the client answered an error.
        """
        self.client: ClientLink | None = None
        """The way to the client that last named the task."""
        self._state = state
        self._events = events
        self._lock = threading.RLock()
        self._bell = Bell()
        self._asked: set[str] = set(state.input_requests)
        self._claimed: dict[str, JSON] = {}
        self._shown_again: dict[str, tuple[JSON, int]] = {}

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
        """All of the present state, frozen."""
        return self._state

    @property
    def status(self) -> Status:
        """The present status, in the words of 2026-07-28."""
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
        """Report `input_required` until all of these requests are answered, in place of those open till now."""
        self._do(NeedInput(requests, message, reuse=reuse))

    def withdraw(self, *keys: str) -> None:
        """Take back open requests, or all of them; `working` again when none is left."""
        with self._lock:
            open_requests = self._state.input_requests
            left = {key: open_requests[key] for key in open_requests if keys and key not in keys}
        self._leave_open(left)

    def complete(self, value: object = None) -> None:
        """End well, with this value."""
        self._do(Complete(value))

    def fail(self, message: str, *, code: int | None = None, data: object = None) -> None:
        """End badly: the tool reports an error or, with a `code`, the request fails with a JSON-RPC error."""
        self._do(ToolFailure(message) if code is None else ProtocolFailure(code, message, data))

    def cancelled(self, message: str | None = None) -> None:
        """End as cancelled."""
        self._do(Cancelled(message))

    def forget(self) -> None:
        """Make the server forget the task, whatever its state."""
        self.apply(Forgotten())

    def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Send a progress notification to the client that made the task, if it asked for them."""
        self.apply(Progress(progress, total, message))

    def set_poll_interval(self, poll_interval_ms: object) -> None:
        """Suggest another poll interval from now on; any JSON value, or `ABSENT`."""
        with self._lock:
            self._state = evolve(self._state, poll_interval_ms=poll_interval_ms)

    def push(self, status: Status | None = None, message: str | None = None) -> None:
        """Announce a state without being in it: the present one, or one that is late, early or made up."""
        state = self._state
        if status is not None:
            state = evolve(state, status=status, status_message=message)
        self._events.state_changed(self, state)

    def _do(self, step: Step) -> None:
        if not self.apply(step):
            raise RuntimeError(f"the task has ended already: {self!r}")

    def apply(self, step: Step) -> bool:
        """Take one step of a script; False when the task has ended already."""
        match step:
            case Working(message):
                return self._change(status="working", status_message=message, input_requests={})
            case NeedInput(requests, message):
                asked = dict(requests) if step.reuse else self._check_keys(requests)
                self._asked.update(asked)
                for key in asked:
                    self.answers.pop(key, None)
                return self._change(status="input_required", status_message=message, input_requests=asked)
            case Complete(value):
                result = shape_result(self.origin.kind, self.name, value, wrap=self.origin.wrap_result)
                return self._change(status="completed", status_message=None, result=result, input_requests={})
            case ToolFailure(message):
                if self.origin.kind != "tool":
                    return self.apply(ProtocolFailure(INTERNAL_ERROR, message))
                return self._change(
                    status="completed", status_message=message, result=tool_error(message), input_requests={}
                )
            case ProtocolFailure(code, message, data):
                error: JSON = {"code": code, "message": message}
                if data is not None:
                    error["data"] = data
                return self._change(status="failed", status_message=message, error=error, input_requests={})
            case Cancelled(message):
                return self._change(status="cancelled", status_message=message, input_requests={})
            case Progress():
                self._events.progressed(self, step)
                return True
            case Forgotten():
                self.known = False
                self._events.forgotten(self)
                self._bell.ring()
                return True

    def _check_keys(self, requests: Mapping[str, JSON]) -> dict[str, JSON]:
        still_open = self._state.input_requests
        # A request that stays open beside new ones is not asked anew.
        kept = {key: still_open[key] for key in requests if key in still_open and still_open[key] == requests[key]}
        reused = sorted(self._asked.intersection(requests) - kept.keys())
        if reused:
            raise ValueError(f"input keys are unique for the life of a task, used before: {reused}")
        return {**requests, **kept}

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
        """A client asks for cancellation."""
        self.cancel_requested = True
        self._bell.ring()
        if honour:
            self.apply(Cancelled("Cancelled at the client's request."))

    def answer(self, responses: Mapping[str, Any], *, shown_again: int = 0) -> None:
        """A client answers input requests; keys that nobody asks for are ignored.

        The answered requests stand in the next `shown_again` looks at the task all the same.
        """
        with self._lock:
            self.received.append(dict(responses))
            open_requests = dict(self._state.input_requests)
            fresh = {key: value for key, value in responses.items() if key in open_requests}
            if self._state.status != "input_required" or (open_requests and not fresh):
                return
            self.answers.update(fresh)
            if shown_again:
                self._shown_again.update({key: (open_requests[key], shown_again) for key in fresh})
        self._leave_open({key: request for key, request in open_requests.items() if key not in fresh})

    def _leave_open(self, left: dict[str, JSON]) -> None:
        message = self._state.status_message if left else None
        self._change(status="input_required" if left else "working", status_message=message, input_requests=left)

    def refuse(self, key: str, told: JSON, message: str) -> None:
        """A client answers an input request with an error or with nonsense, which is the end of the task."""
        with self._lock:
            self.received.append({key: told})
        self.apply(ToolFailure(f"The client gave no input: {message}"))

    def look(self) -> TaskState:
        """The state that a client is told, which may lag behind its answers; counts the look."""
        with self._lock:
            state, again = self._state, self._shown_again
            if not again:
                return state
            self._shown_again = {key: (request, left - 1) for key, (request, left) in again.items() if left > 1}
        shown = {key: request for key, (request, _) in again.items()}
        return evolve(state, status="input_required", input_requests={**shown, **state.input_requests})

    def claim_input(self) -> dict[str, JSON]:
        """The open requests that nobody sends to the client yet; they now are the caller's to send."""
        with self._lock:
            open_requests = self._state.input_requests
            # By identity: another request under the same key is another question.
            mine = {key: each for key, each in open_requests.items() if self._claimed.get(key, ABSENT) is not each}
            self._claimed.update(mine)
            return mine

    def release_input(self, key: str, request: JSON) -> None:
        """Give back a claimed request: it is answered, withdrawn, or somebody else's to send."""
        with self._lock:
            if self._claimed.get(key) is request:
                del self._claimed[key]
        self._bell.ring()

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> JSON:
        """Send any request to the client that last named the task (2025-11-25); its raw result, or an `MCPError`."""
        if self.client is None:
            raise RuntimeError(f"no client has named the task yet: {self!r}")
        return await self.client.request(method, params)

    # -- waiting ---------------------------------------------------------------

    async def wait_for(self, condition: Callable[[ServerTask], object]) -> None:
        """Wait until `condition(task)` is true; looked at after every change."""
        await self._bell.until(lambda: True if condition(self) else None)

    def wait_for_blocking(self, condition: Callable[[ServerTask], object], timeout: float = 5.0) -> None:
        """The same from a plain thread; raises `TimeoutError`."""
        self._bell.until_blocking(lambda: True if condition(self) else None, timeout)

    async def wait_cancel_requested(self) -> None:
        """Wait until a client has asked for cancellation."""
        await self.wait_for(lambda task: task.cancel_requested)
