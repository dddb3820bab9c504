"""The test server without the wire: its options, its books, the making of tasks, and the listeners to their changes.

`_legacy.py` and `_modern.py` translate between this module and messages.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeAlias

from attrs import field, frozen

from mcptasks.testing._bell import Bell
from mcptasks.testing._callbook import CallBook
from mcptasks.testing._deadline import Deadline
from mcptasks.testing._faults import FaultBook
from mcptasks.testing._jobs import FunctionJob, Host, HostBook, Job, ScriptJob
from mcptasks.testing._offers import Offer, OfferBook
from mcptasks.testing._requests import RequestLog
from mcptasks.testing._script import JSON, Cancelled, Progress, Step, read_script
from mcptasks.testing._state import TaskState
from mcptasks.testing._taskbook import TaskBook
from mcptasks.testing._tasks import ServerTask, TaskOrigin

RELATED_TASK = "io.modelcontextprotocol/related-task"
FASTMCP2_RELATED_TASK = "modelcontextprotocol.io/related-task"

_AGES = 2**53
"""Milliseconds that no test waits for (285,000 years). A ttl may be any number, also one that no float can hold."""

Era: TypeAlias = Literal["modern", "legacy", "dual"]


def _new_id() -> str:
    return uuid.uuid4().hex


@frozen
class Options:
    """How a test server behaves. Replace `server.options` (with `attrs.evolve`) to change it while the server runs."""

    tasks: bool = True
    """False: the server does not support tasks at all."""
    push: Literal["on", "off", "twice", "late"] = "on"
    """Status notifications: each once, none, each twice, or each after the one that should follow it."""
    listen: Literal["on", "unsupported", "no-ids"] = "on"
    """`subscriptions/listen`: served, -32601, or acknowledged without the ids of the tasks."""
    listen_drop_after: int | None = None
    """How many task notifications a listen stream carries before it ends: over HTTP by a cut connection, otherwise by
    an error. None for any number."""
    result_mode: Literal["block", "refuse"] = "block"
    """`tasks/result` before the end of the task: waits, or is refused with -32602 (fastmcp 2 and 3)."""
    input_mode: Literal["result", "push", "push-related"] = "result"
    """2025-11-25 input requests of tasks: sent on the stream of `tasks/result`, or at once, either without a word of
    their task (fastmcp 3) or related to it in `_meta`."""
    related_key: str = RELATED_TASK
    """The key in `_meta` that relates 2025-11-25 messages to a task; fastmcp 2 uses another key."""
    asks: Literal["anybody", "declared"] = "anybody"
    """Which clients a task or call sends input requests to: all, or those that declare the kind of request (for others
    the tool fails)."""
    answers_shown_again: int = 0
    """How many answers to `tasks/get` still list an input request after its answer was accepted (2026-07-28)."""
    creation: Literal["standard", "fastmcp2"] = "standard"
    """The form of the answer that creates a 2025-11-25 task."""
    list_tasks: bool = True
    """Whether 2025-11-25 `tasks/list` is served."""
    page_size: int = 50
    """How many tasks a page of `tasks/list` has."""
    cancel: Literal["on", "ignored", "unsupported"] = "on"
    """`tasks/cancel`: ends the task, is acknowledged without effect, or is answered -32601."""
    name_header: Literal["required", "ignored"] = "required"
    """`Mcp-Name` of a 2026-07-28 request over HTTP about a task: must name the task (otherwise -32020), or is ignored,
    for clients that do not send it (fastmcp 4.1)."""
    poll_interval_ms: object = 100
    """The suggested poll interval: any JSON value, or `ABSENT`."""
    versions: Sequence[str] | None = None
    """The protocol versions that `initialize` accepts; None for all versions of the SDK."""
    version_refusal: Literal["error", "other"] = "error"
    """`initialize` with another version: answered with an error, or with the first of `versions`."""
    new_task_id: Callable[[], str] = field(default=_new_id)
    """Makes the ids of tasks."""


@contextmanager
def given_up_with_its_caller(task: ServerTask) -> Generator[None]:
    """Cancel the task if the block, which waits for a call, is cancelled or raises."""
    try:
        yield
    except BaseException:
        task.apply(Cancelled("The caller went away."))
        raise


class Listener(Protocol):
    """Gets every announced state of every task, and passes on those that concern its client."""

    def announce(self, task: ServerTask, state: TaskState) -> None:
        """A task has a new state. Called from any thread."""
        ...

    def progress(self, task: ServerTask, step: Progress) -> None:
        """A task has reported progress. Called from any thread."""
        ...

    def input_needed(self, task: ServerTask) -> None:
        """The task has open input requests. Called from any thread."""
        ...


class Engine:
    """One test server, without the wire."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.offers = OfferBook()
        self.tasks = TaskBook()
        self.requests = RequestLog()
        self.faults = FaultBook()
        self.hosts = HostBook()
        self.generation = 0
        """How many times the server was restarted."""
        self.restarts = Bell()
        self.calls = CallBook()
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._held: dict[str, TaskState] = {}

    # -- listeners -------------------------------------------------------------

    def add_listener(self, listener: Listener) -> None:
        """Tell this listener of changes from now on."""
        with self._lock:
            self._listeners.append(listener)

    def remove_listener(self, listener: Listener) -> None:
        """Stop telling this listener of changes."""
        with self._lock:
            self._listeners.remove(listener)

    def state_changed(self, task: ServerTask, state: TaskState) -> None:
        """Announce a state, as `options.push` says."""
        if state.input_requests:
            for listener in list(self._listeners):
                listener.input_needed(task)
        for each in self._to_announce(task, state):
            for listener in list(self._listeners):
                listener.announce(task, each)

    def _to_announce(self, task: ServerTask, state: TaskState) -> list[TaskState]:
        if task.origin.plain:
            return []
        match self.options.push:
            case "off":
                return []
            case "on":
                return [state]
            case "twice":
                return [state, state]
            case "late":
                with self._lock:
                    held = self._held.pop(task.task_id, None)
                    if held is None and not state.terminal:
                        self._held[task.task_id] = state
                        return []
                return [state] if held is None else [state, held]

    def progressed(self, task: ServerTask, step: Progress) -> None:
        """Tell the listeners of progress."""
        for listener in list(self._listeners):
            listener.progress(task, step)

    def forgotten(self, task: ServerTask) -> None:
        """Remove the task from the book."""
        self.tasks.discard(task)

    # -- making tasks ------------------------------------------------------------

    def make_task(
        self, offer: Offer, arguments: Mapping[str, Any], declared: JSON, requested_ttl: object = None
    ) -> ServerTask:
        """Make a task and put it into the book; its work has not begun. `declared` are the client's capabilities."""
        ttl = offer.options.get("ttl_ms", requested_ttl)
        number = ttl if isinstance(ttl, int | float) and not isinstance(ttl, bool) else None
        expires = None if number is None else Deadline(min(max(number, -_AGES), _AGES) / 1000)
        return self._make(offer, arguments, ttl, expires, declared, plain=False)

    def _make(
        self,
        offer: Offer,
        arguments: Mapping[str, Any],
        ttl: object,
        expires: Deadline | None,
        declared: JSON,
        *,
        plain: bool,
    ) -> ServerTask:
        now = datetime.now(UTC)
        born_with = offer.options.get("born_input_required", {})
        state = TaskState(
            task_id=self.options.new_task_id(),
            status="input_required" if born_with else "working",
            created_at=now,
            last_updated_at=now,
            ttl_ms=ttl,
            poll_interval_ms=offer.options.get("poll_interval_ms", self.options.poll_interval_ms),
            input_requests=dict(born_with),
        )
        origin = TaskOrigin(
            offer.kind,
            offer.name,
            dict(arguments),
            plain,
            offer.options.get("wrap_result", True),
            declared if self.options.asks == "declared" else None,
        )
        task = ServerTask(origin, state, self)
        self.tasks.add(task, expires)
        if born_with:
            task.check_declared(born_with)
        return task

    def start_work(self, offer: Offer, task: ServerTask, host: Host) -> None:
        """Begin the work behind a task, on the host of the connection that asked for it."""
        job = self._job(offer, task)
        if job is not None:
            self.hosts.start(job, host)

    def _job(self, offer: Offer, task: ServerTask) -> Job | None:
        if offer.function is not None:
            return FunctionJob(task, offer.function, offer.read_arguments(task.arguments))
        if offer.script is None:
            return None
        steps: list[Step] = read_script(offer.script, task.arguments)
        return ScriptJob(task, steps, waits_first=bool(task.state.input_requests))

    def make_call(self, offer: Offer, arguments: Mapping[str, Any], declared: JSON) -> ServerTask:
        """Make the handle of a call without a task; its work has not begun."""
        return self._make(offer, arguments, None, None, declared, plain=True)

    def find(self, task_id: object) -> ServerTask | None:
        """The task of that id; None if the task is unknown, forgotten or past its time to live."""
        return self.tasks.find(task_id)

    def honours_cancel(self, task: ServerTask) -> bool:
        """Whether `tasks/cancel` ends this task."""
        offer = self.offers.find(task.origin.kind, task.origin.name)
        own = offer.options.get("cancel") if offer is not None else None
        return (own or self.options.cancel) == "on"

    # -- restart -------------------------------------------------------------------

    def restart(self, *, keep_tasks: bool) -> None:
        """End every connection, and forget the tasks unless `keep_tasks` is true. For any thread."""
        if not keep_tasks:
            for task in list(self.tasks.values()):
                task.forget()
            self.calls.drop_all()
        with self._lock:
            self._held.clear()
        self.generation += 1
        self.restarts.ring()

    async def next_generation(self, generation: int) -> None:
        """Wait until the server is restarted after that generation."""
        await self.restarts.until(lambda: True if self.generation != generation else None)
