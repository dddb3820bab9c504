"""Tasks that this client hosts for a server (2025-11-25): the options, and the book of one connection's tasks.

Source: specification 2025-11-25, basic/utilities/tasks. Pure: times come in as arguments, and effects go out. Statuses
change by the same state machine that the requesting side uses (`state.advance`).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from attrs import define, evolve, field, frozen

from mcptasks._core import argument_checks
from mcptasks._core.events import Cancelled, Emit, Failed, Finish, Finished, Outcome, Seen
from mcptasks._core.models import Status, TaskStatus
from mcptasks._core.state import TaskState, advance

HostedKind: TypeAlias = Literal["elicitation", "sampling"]
"""The kinds of requests that a server may send as a task."""

RequestId: TypeAlias = "str | int"
"""The JSON-RPC id of a server's request."""

KINDS: tuple[HostedKind, ...] = ("elicitation", "sampling")
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
PAGE = 50
"""How many tasks one page of `tasks/list` holds; a cursor leads to the others. A page stays small on the wire."""
MOST_WAITING = 1000
"""How many `tasks/result` requests may wait at a time; the next is refused. Without a limit, a server could fill this
client's memory."""
_SHORTEST, _LONGEST = timedelta(milliseconds=1), timedelta(days=365 * 1000)
"""The bounds of the durations in the options; a duration outside is moved to the bound. The protocol counts whole
milliseconds, and a longer `timedelta` could overflow when it is added to a date."""

# --- options ------------------------------------------------------------------------------------------------------


def _duration(value: Any, name: str) -> timedelta:
    number = argument_checks.seconds(value, name, zero=False)
    if number is None:
        raise TypeError(f"{name} must be a number of seconds or a timedelta, got None")
    return max(timedelta(seconds=min(number, _LONGEST.total_seconds())), _SHORTEST)


def _ttl(value: float | timedelta) -> timedelta:
    return _duration(value, "ttl")


def _poll_interval(value: float | timedelta) -> timedelta:
    return _duration(value, "poll_interval")


def _kinds(value: Any) -> tuple[HostedKind, ...]:
    return argument_checks.some_of(value, KINDS, "kinds", "kind")


def _limit(value: Any) -> int:
    return argument_checks.whole(value, "limit")


@frozen(kw_only=True)
class HostTasks:
    """How a client hosts tasks for a server: requests that the server sends as tasks (`Client(host_tasks=...)`,
    2025-11-25).

    Raises:
        TypeError: A value has a wrong type.
        ValueError: A time is not more than 0, the limit is less than 1, or a kind is unknown.
    """

    __module__ = "mcptasks"

    kinds: tuple[HostedKind, ...] = field(default=KINDS, converter=_kinds)
    """Which requests may be tasks: "elicitation", "sampling" or both. A kind without a handler is left out."""
    ttl: timedelta = field(default=timedelta(hours=1), converter=_ttl)
    """The longest time that a task is kept after its creation, in seconds or as a timedelta; a longer time that the
    server asks for is lowered to this. The client then forgets the task and its result, and cancels a handler that
    still runs."""
    limit: int = field(default=100, converter=_limit)
    """How many tasks are kept at most. Beyond that, the task that finished first makes room; if none is finished, the
    client refuses the server's request."""
    poll_interval: timedelta = field(default=timedelta(seconds=1), converter=_poll_interval)
    """How long the server is asked to wait between two polls, in seconds or as a timedelta."""


def hosting(value: Any, handles: Iterable[HostedKind]) -> HostTasks | None:
    """The options for a `host_tasks` argument, with only the kinds that have a handler; None if the client hosts no
    tasks.

    Raises:
        TypeError: The value is neither a bool nor `HostTasks`.
        ValueError: None of the kinds has a handler.
    """
    if value is None or value is False:
        return None
    options = HostTasks() if value is True else value
    if not isinstance(options, HostTasks):
        raise TypeError(f"host_tasks must be True, False or HostTasks(...), got {value!r:.80}")
    able = set(handles)
    kinds = tuple(kind for kind in options.kinds if kind in able)
    if not kinds:
        needed = " or ".join(f"{kind}_handler" for kind in options.kinds)
        raise ValueError(f"host_tasks needs a handler that answers: give {needed} too")
    return evolve(options, kinds=kinds)


# --- what goes in and comes out -----------------------------------------------------------------------------------


class Refusal(Exception):
    """A server's request cannot be met; the client answers with this JSON-RPC error."""

    def __init__(self, message: str, code: int = INVALID_PARAMS) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@frozen
class Instant:
    """One moment by two clocks."""

    clock: float
    """Seconds of a monotonic clock."""
    wall: datetime
    """The time of day, for the server."""


@frozen
class Changed:
    """Tell the server of a task's new status."""

    status: TaskStatus


@frozen
class Settled:
    """A task has ended: stop its handler, and answer the waiting requests with the outcome."""

    task_id: str
    outcome: Outcome
    waiting: tuple[RequestId, ...]


@frozen
class Dropped:
    """A task was forgotten before it ended: stop its handler, and answer the waiting requests with an error."""

    task_id: str
    waiting: tuple[RequestId, ...]


Effect: TypeAlias = Changed | Settled | Dropped

# --- the book -----------------------------------------------------------------------------------------------------


@define
class _Hosted:
    state: TaskState
    sequence: int
    expires: float
    finished: int | None = None
    waiting: list[RequestId] = field(factory=list["RequestId"])

    @property
    def status(self) -> TaskStatus:
        assert self.state.status is not None
        return self.state.status


def _new_id() -> str:
    return secrets.token_urlsafe(24)


@define
class HostBook:
    """The tasks of one connection. Other connections have books of their own, so no id leads from one to another."""

    options: HostTasks
    _new_id: Callable[[], str] = _new_id
    _tasks: dict[str, _Hosted] = field(factory=dict[str, _Hosted], init=False, repr=False)
    _numbers: int = field(default=0, init=False)
    _secret: bytes = field(factory=lambda: secrets.token_bytes(16), init=False, repr=False)

    def create(self, now: Instant, ttl: timedelta | None) -> TaskStatus:
        """Make a task with the status "working".

        Raises:
            Refusal: The book is full of unfinished tasks.
        """
        self._make_room()
        granted = self.options.ttl if ttl is None else min(ttl, self.options.ttl)
        status = TaskStatus(
            task_id=self._new_id(),
            status="working",
            created_at=now.wall,
            last_updated_at=now.wall,
            ttl=granted,
            poll_interval=self.options.poll_interval,
        )
        state, _ = advance(TaskState(), Seen(status, "created"))
        self._tasks[status.task_id] = _Hosted(state, self._number(), now.clock + granted.total_seconds())
        return status

    def get(self, now: Instant, task_id: str) -> TaskStatus:
        """A task's status.

        Raises:
            Refusal: There is no such task.
        """
        return self._find(now, task_id).status

    def page(self, now: Instant, cursor: str | None) -> tuple[list[TaskStatus], str | None]:
        """A page of the tasks, in the order of their creation, and the cursor of the next page; None after the last.

        Raises:
            Refusal: The cursor is not one that this book has made.
        """
        after = -1 if cursor is None else self._place(cursor)
        left = [task for task in self._tasks.values() if task.sequence > after and task.expires > now.clock]
        page = left[:PAGE]
        more = self._cursor(page[-1].sequence) if len(left) > len(page) else None
        return [task.status for task in page], more

    def want(self, now: Instant, task_id: str, request: RequestId) -> Outcome | None:
        """The outcome of a task; None if the request has to wait for the outcome.

        Raises:
            Refusal: There is no such task, or too many requests are waiting.
        """
        task = self._find(now, task_id)
        if task.state.outcome is None:
            # A request with a repeated id replaces the earlier one, as in the SDK.
            self.give_up(request)
            if sum(len(each.waiting) for each in self._tasks.values()) >= MOST_WAITING:
                raise Refusal("too many requests wait for results already", INTERNAL_ERROR)
            task.waiting.append(request)
        return task.state.outcome

    def give_up(self, request: object) -> bool:
        """Forget a waiting request; returns whether the request was waiting."""
        for task in self._tasks.values():
            for waiting in task.waiting:
                if str(waiting) == str(request):
                    task.waiting.remove(waiting)
                    return True
        return False

    def cancel(self, now: Instant, task_id: str) -> tuple[TaskStatus, tuple[Effect, ...]]:
        """Cancel a task.

        Raises:
            Refusal: There is no such task, or the task has ended.
        """
        task = self._find(now, task_id)
        if task.state.terminal:
            raise Refusal(f"the task is over already: {task.status.status}")
        effects = self._advance(now, task, "cancelled", "cancelled by request", None)
        return task.status, effects

    def finish(self, now: Instant, task_id: str, outcome: Finished | Failed) -> tuple[Effect, ...]:
        """Record that a task's handler has ended. Changes nothing if the task has ended or was forgotten before."""
        task = self._tasks.get(task_id)
        if task is None:
            return ()
        if isinstance(outcome, Failed):
            return self._advance(now, task, "failed", outcome.message, outcome)
        return self._advance(now, task, "completed", None, outcome)

    def expire(self, now: Instant) -> tuple[Effect, ...]:
        """Forget the tasks whose time to live has passed."""
        gone = [task for task in self._tasks.values() if task.expires <= now.clock]
        for task in gone:
            del self._tasks[task.status.task_id]
        return tuple(Dropped(task.status.task_id, tuple(task.waiting)) for task in gone if not task.state.terminal)

    @property
    def next_expiry(self) -> float | None:
        """The next time, by `Instant.clock`, at which `expire` has something to do; None if there are no tasks."""
        return min((task.expires for task in self._tasks.values()), default=None)

    def _advance(
        self, now: Instant, task: _Hosted, status: Status, message: str | None, outcome: Outcome | None
    ) -> tuple[Effect, ...]:
        found = evolve(task.status, status=status, status_message=message, last_updated_at=now.wall)
        task.state, effects = advance(task.state, Seen(found, "polled", outcome))
        done: list[Effect] = []
        for effect in effects:
            # No other effects: the outcome comes with the status, so the machine asks for nothing.
            if isinstance(effect, Emit):
                done.append(Changed(effect.status))
            elif isinstance(effect, Finish):
                task.finished = self._number()
                done.append(Settled(found.task_id, effect.outcome, tuple(task.waiting)))
                task.waiting.clear()
        return tuple(done)

    def _find(self, now: Instant, task_id: str) -> _Hosted:
        task = self._tasks.get(task_id)
        if task is None or task.expires <= now.clock:
            raise Refusal("no such task: it was never made on this connection, or its time to live has passed")
        return task

    def _make_room(self) -> None:
        if len(self._tasks) < self.options.limit:
            return
        finished = [task for task in self._tasks.values() if task.finished is not None]
        if not finished:
            raise Refusal(f"this client works on {len(self._tasks)} tasks, and takes no more", INTERNAL_ERROR)
        del self._tasks[min(finished, key=lambda task: task.finished or 0).status.task_id]

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _cursor(self, sequence: int) -> str:
        return f"{sequence}.{hmac.digest(self._secret, str(sequence).encode(), 'sha256').hex()}"

    def _place(self, cursor: str) -> int:
        number = cursor.partition(".")[0]
        # The number counts only if the signature proves that this book made the cursor.
        if number.isascii() and number.isdigit() and len(number) < 20:
            own = self._cursor(int(number))
            if hmac.compare_digest(cursor.encode("utf-8", "surrogatepass"), own.encode()):
                return int(number)
        raise Refusal("unknown cursor: start again without one")


def describe(outcome: Failed | Cancelled) -> tuple[int, str, Any]:
    """The code, message and data of the JSON-RPC error that stands for a task's missing result."""
    if isinstance(outcome, Failed):
        return outcome.code, outcome.message, outcome.data
    return INTERNAL_ERROR, "the task was cancelled; there is no result", None
