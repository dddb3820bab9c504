"""Tasks that this client hosts for a server (2025-11-25): the options, and the book of one connection's tasks.

Source: specification 2025-11-25, basic/utilities/tasks. Pure: times go in, what is to be done comes out; no I/O and no
clock. Statuses change by the state machine that the requesting side uses (`_state.advance`).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, cast

from attrs import define, evolve, field, frozen

from mcptasks import _arguments
from mcptasks._models import Status, TaskStatus
from mcptasks._state import Cancelled, Emit, Failed, Finish, Finished, Outcome, Seen, TaskState, advance

HostedKind: TypeAlias = Literal["elicitation", "sampling"]
"""What a server may ask for as a task."""

RequestId: TypeAlias = "str | int"
"""Names a request of the server."""

KINDS: tuple[HostedKind, ...] = ("elicitation", "sampling")
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
PAGE = 50
"""How many tasks one page of `tasks/list` holds."""
MOST_WAITING = 1000
"""How many `tasks/result` may wait at a time."""
_SHORTEST, _LONGEST = timedelta(milliseconds=1), timedelta(days=365 * 1000)

# --- options ------------------------------------------------------------------------------------------------------


def _duration(value: Any, name: str) -> timedelta:
    number = _arguments.seconds(value.total_seconds() if isinstance(value, timedelta) else value, name, zero=False)
    if number is None:
        raise TypeError(f"{name} must be a number of seconds or a timedelta, got None")
    return max(timedelta(seconds=min(number, _LONGEST.total_seconds())), _SHORTEST)


def _ttl(value: float | timedelta) -> timedelta:
    return _duration(value, "ttl")


def _poll_interval(value: float | timedelta) -> timedelta:
    return _duration(value, "poll_interval")


def _kinds(value: Any) -> tuple[HostedKind, ...]:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Iterable):
        raise TypeError(f"kinds must be some of {', '.join(KINDS)}; got {value!r:.80}")
    found = list(cast("Iterable[Any]", value))
    unknown = [kind for kind in found if kind not in KINDS]
    if unknown or not found:
        named = f"unknown kind {unknown[0]!r:.80}" if unknown else "kinds must not be empty"
        raise ValueError(f"{named}; the kinds are {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in found)


def _limit(value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"limit must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"limit must be 1 or more, got {value!r}")
    return value


@frozen(kw_only=True)
class HostTasks:
    """How a client hosts tasks for a server that asks by them (`Client(host_tasks=...)`, 2025-11-25)."""

    kinds: tuple[HostedKind, ...] = field(default=KINDS, converter=_kinds)
    """Which questions may be tasks: "elicitation", "sampling" or both; one without a handler is left out."""
    ttl: timedelta = field(default=timedelta(hours=1), converter=_ttl)
    """The most that a task is kept after its creation, in seconds or as a timedelta; what the server asks beyond that
    is lowered. After it the task and its result are forgotten, and a handler that still runs is cancelled."""
    limit: int = field(default=100, converter=_limit)
    """How many tasks are kept at most. The one that finished first makes room; while all of them are unfinished, the
    server is refused."""
    poll_interval: timedelta = field(default=timedelta(seconds=1), converter=_poll_interval)
    """How long the server is asked to wait between two looks, in seconds or as a timedelta."""


def hosting(value: Any, handles: Iterable[HostedKind]) -> HostTasks | None:
    """The options for a `host_tasks` argument, with the kinds that have a handler; None for no hosting.

    Raises:
        TypeError: Neither a bool nor `HostTasks`.
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
        raise ValueError(f"host_tasks needs somebody who answers: give {needed} too")
    return evolve(options, kinds=kinds)


# --- what goes in and comes out -----------------------------------------------------------------------------------


class Refusal(Exception):
    """What the server asks cannot be; it is told so with this JSON-RPC error."""

    def __init__(self, message: str, code: int = INVALID_PARAMS) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@frozen
class Instant:
    """One moment, by both clocks."""

    clock: float
    """Seconds of a clock that never jumps."""
    wall: datetime
    """The time of day, for the server to read."""


@frozen
class Changed:
    """Tell the server of a task's new status."""

    status: TaskStatus


@frozen
class Settled:
    """A task is over: its handler has nothing to do any more, and those who wait get the outcome."""

    task_id: str
    outcome: Outcome
    waiting: tuple[RequestId, ...]


@frozen
class Dropped:
    """A task was forgotten before it was over: the same, but there is no outcome."""

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
    """The tasks of one connection. Another connection's server finds nothing here, whatever id it names."""

    options: HostTasks
    _new_id: Callable[[], str] = _new_id
    _tasks: dict[str, _Hosted] = field(factory=dict[str, _Hosted], init=False, repr=False)
    _numbers: int = field(default=0, init=False)
    _secret: bytes = field(factory=lambda: secrets.token_bytes(16), init=False, repr=False)

    def create(self, now: Instant, ttl: timedelta | None) -> TaskStatus:
        """A new task that works.

        Raises:
            Refusal: There are as many unfinished tasks as there may be.
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
        """Some of the tasks in the order of their creation, and where the next ones begin; None after the last.

        Raises:
            Refusal: That cursor was never given.
        """
        after = -1 if cursor is None else self._place(cursor)
        left = [task for task in self._tasks.values() if task.sequence > after and task.expires > now.clock]
        page = left[:PAGE]
        more = self._cursor(page[-1].sequence) if len(left) > len(page) else None
        return [task.status for task in page], more

    def want(self, now: Instant, task_id: str, request: RequestId) -> Outcome | None:
        """The outcome of a task; None where the request has to wait for it.

        Raises:
            Refusal: There is no such task, or too many wait already.
        """
        task = self._find(now, task_id)
        if task.state.outcome is None:
            # The SDK, too, lets a repeated id take the place of the request before.
            self.give_up(request)
            if sum(len(each.waiting) for each in self._tasks.values()) >= MOST_WAITING:
                raise Refusal("too many requests wait for results already", INTERNAL_ERROR)
            task.waiting.append(request)
        return task.state.outcome

    def give_up(self, request: object) -> bool:
        """Let a request wait no longer; whether it did."""
        for task in self._tasks.values():
            for waiting in task.waiting:
                if str(waiting) == str(request):
                    task.waiting.remove(waiting)
                    return True
        return False

    def cancel(self, now: Instant, task_id: str) -> tuple[TaskStatus, tuple[Effect, ...]]:
        """Cancel a task for good.

        Raises:
            Refusal: There is no such task, or it is over.
        """
        task = self._find(now, task_id)
        if task.state.terminal:
            raise Refusal(f"the task is over already: {task.status.status}")
        effects = self._advance(now, task, "cancelled", "cancelled by request", None)
        return task.status, effects

    def finish(self, now: Instant, task_id: str, outcome: Finished | Failed) -> tuple[Effect, ...]:
        """A task's handler came to its end. That of a task that is over, or forgotten, changes nothing."""
        task = self._tasks.get(task_id)
        if task is None:
            return ()
        if isinstance(outcome, Failed):
            return self._advance(now, task, "failed", outcome.message, outcome)
        return self._advance(now, task, "completed", None, outcome)

    def expire(self, now: Instant) -> tuple[Effect, ...]:
        """Forget the tasks whose time is over."""
        gone = [task for task in self._tasks.values() if task.expires <= now.clock]
        for task in gone:
            del self._tasks[task.status.task_id]
        return tuple(Dropped(task.status.task_id, tuple(task.waiting)) for task in gone if not task.state.terminal)

    @property
    def next_expiry(self) -> float | None:
        """When `expire` has something to do next, by the clock of `Instant.clock`; None for never."""
        return min((task.expires for task in self._tasks.values()), default=None)

    def _advance(
        self, now: Instant, task: _Hosted, status: Status, message: str | None, outcome: Outcome | None
    ) -> tuple[Effect, ...]:
        found = evolve(task.status, status=status, status_message=message, last_updated_at=now.wall)
        task.state, effects = advance(task.state, Seen(found, "polled", outcome))
        done: list[Effect] = []
        for effect in effects:
            # The outcome always comes with the status, so that the machine has nothing else to ask for.
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
            raise Refusal("no such task: it never was one of this connection, or its time is over")
        return task

    def _make_room(self) -> None:
        if len(self._tasks) < self.options.limit:
            return
        finished = [task for task in self._tasks.values() if task.finished is not None]
        if not finished:
            raise Refusal(f"this client works on {len(self._tasks)} tasks, which is all it can", INTERNAL_ERROR)
        del self._tasks[min(finished, key=lambda task: task.finished or 0).status.task_id]

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _cursor(self, sequence: int) -> str:
        return f"{sequence}.{hmac.digest(self._secret, str(sequence).encode(), 'sha256').hex()}"

    def _place(self, cursor: str) -> int:
        number = cursor.partition(".")[0]
        # Taken for a number only if the whole of it was made here.
        if number.isascii() and number.isdigit() and len(number) < 20:
            own = self._cursor(int(number))
            if hmac.compare_digest(cursor.encode("utf-8", "surrogatepass"), own.encode()):
                return int(number)
        raise Refusal("unknown cursor: start again without one")


def describe(outcome: Failed | Cancelled) -> tuple[int, str, Any]:
    """Code, message and data of the JSON-RPC error for a task without a result."""
    if isinstance(outcome, Failed):
        return outcome.code, outcome.message, outcome.data
    return INTERNAL_ERROR, "the task was cancelled; there is no result", None
