"""The seam through which a client reports what it does: the values for its moments, and `Trace`, which takes them.

A part of the client reports a moment in one line and does not know who listens. A moment with a length is a block
inside `Trace.around`; a point in time goes to `Trace.note`. Counters, logs of tasks, spans and metrics are made from
these moments (`_engine/observing.py`).
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol, TypeAlias

from attrs import define, field, frozen

from mcptasks._core.events import Event
from mcptasks._core.models import Kind, TaskReference, TaskStatus
from mcptasks._core.state import TaskState

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
"""Version 00 of the header `traceparent`. Source: W3C Trace Context, section 3.2."""


@frozen
class SpanPlace:
    """The identity of a span to which others belong, as in `traceparent`."""

    trace_id: int
    span_id: int
    flags: int
    """1 if the span is recorded (sampled)."""

    @property
    def traceparent(self) -> str:
        """The value of the header `traceparent`."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.flags:02x}"


def read_traceparent(value: object) -> SpanPlace | None:
    """The span that a `traceparent` names; None if the value is no valid one, which the standard says to ignore."""
    found = _TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else SpanPlace(int(found[1], 16), int(found[2], 16), int(found[3], 16))


@frozen
class InputTimes:
    """When and for how long a task has waited for input. Nanoseconds."""

    rounds: int = 0
    """How often the task began to wait."""
    since: int | None = None
    """When the present wait began, in nanoseconds since 1970; None if the task does not wait."""
    waited: int = 0
    """How long the task has waited in all, without the present wait."""


_NO_INPUT = InputTimes()


@frozen
class Looks:
    """How many statuses of a task the server has sent."""

    polls: int = 0
    pushes: int = 0


_NO_LOOKS = Looks()
"""Shared by all tasks without a status yet, to save memory; `_NO_INPUT` likewise by all tasks that have asked
nothing."""


@frozen
class TaskEnd:
    """How a task ended."""

    status: TaskStatus | None
    """The last status; None if there is none, since the server has forgotten the task."""
    error: str | None
    """The value of `error.type`; None if the task did not fail."""
    at: int
    """When, in nanoseconds since 1970."""
    told: bool = False
    """Whether this client has reported the end, by a span and a duration. If several clients share a store, only one of
    them reports it."""
    takeovers: int | None = None
    """How often the task was taken over from a client that had died, in its whole life; None if no store knows the
    task."""


@define(eq=False, weakref_slot=False)
class TracedTask:
    """The facts about one task that counters, logs and spans need. Implementations of `Trace` write them; `place` is
    also written when a task is read from a store.

    Each idle task has one, so it is small. Times are nanoseconds of this machine's clock since 1970, as in spans.
    """

    reference: TaskReference | None = field(default=None, repr=False)
    place: SpanPlace | None = None
    """The span to which the task belongs: that of the creating call, perhaps in another process; otherwise that of the
    first wait here. None if nobody traces."""
    end: TaskEnd | None = None
    """How the task ended; None as long as it goes on."""
    followed: bool = False
    """Whether this client has created the task, seen it run, or waited for it. A client that only finds a task ended,
    as in a list, does not report the end: the client that followed the task has done that."""
    begun_at: int = 0
    """When the task was created, or taken up; 0 before `Begun`."""
    alive_at: int = 0
    """When the task was last seen before its end; 0 for a task that was taken up and has had no status yet."""
    looks: Looks = _NO_LOOKS
    """How many statuses the server has sent."""
    waits: InputTimes = _NO_INPUT
    """How often and how long the task waited for input."""

    @property
    def task_id(self) -> str:
        """The server's identifier of the task; empty if there is no reference."""
        return "" if self.reference is None else self.reference.task_id

    @property
    def name(self) -> str | None:
        """The tool's or prompt's name; None if that is not known, and for resources, whose URIs may hold secrets."""
        known = self.reference
        return None if known is None or known.kind == "resource" else known.name

    @property
    def kind(self) -> Kind | None:
        """What the task was created from; None if that is not known."""
        return None if self.reference is None else self.reference.kind


# --- moments with a length ----------------------------------------------------------------------------------------


@frozen
class Calling:
    """A request that may create a task is under way."""

    kind: Kind
    name: str


@frozen
class Requesting:
    """A request is under way that is not part of a call or a wait of the program."""

    task: TracedTask | None = None
    """The task that the request is about; None if it serves several, or none."""
    by_program: bool = False
    """Whether the program asked for the request. If not, the client sends it of its own accord."""


@frozen
class Waiting:
    """The program waits for a task."""

    task: TracedTask
    what: Literal["result", "wait"]


@frozen
class Handling:
    """An input handler of the program is answering a question of a task."""

    task: TracedTask
    method: str
    """The question's method, such as "elicitation/create"."""


@frozen
class CallingBack:
    """A callback of the program runs in a task of the client's own."""


Lasting: TypeAlias = Calling | Requesting | Waiting | Handling | CallingBack


@define(eq=False)
class Mark:
    """What the traced code and the tracer tell each other about one moment that has a length (`Lasting`)."""

    place: SpanPlace | None = None
    """The span of the moment; None if there is none."""
    error: str | None = None
    """The fault if something went wrong but nothing was raised, as a value of `error.type`."""


# --- points in time -----------------------------------------------------------------------------------------------


@frozen
class Begun:
    """A task was created (then `call` is the mark of its call), or was taken up."""

    task: TracedTask
    call: Mark | None = None


@frozen
class Changed:
    """An event of a task was applied to its state."""

    task: TracedTask
    event: Event
    before: TaskState
    after: TaskState


@frozen
class EndRecorded:
    """This client must report a task's end, since it, and no other client, has written the end into the store."""

    task: TracedTask
    takeovers: int | None = None
    """See `TaskEnd`."""


@frozen
class Leased:
    """This client took up a task of its store, or found that another client holds the task."""

    event: Literal["taken", "lost"]
    record_id: str
    """The store's name for the task."""
    takeover: bool = False
    """Whether another client held the task when it died."""


@frozen
class Committed:
    """A transaction of the client's store was carried out, or has failed."""

    seconds: float
    """How long that took."""
    failed: bool


@frozen
class Linked:
    """A connection was made."""

    number: int
    """Counts the connections of one client, from 1."""


@frozen
class Uncertain:
    """A call failed that may have reached the server, so that an unknown task may run there."""


@frozen
class Closed:
    """The client has ended."""


Point: TypeAlias = Begun | Changed | EndRecorded | Leased | Committed | Linked | Uncertain | Closed


class Trace(Protocol):
    """Takes all moments of a client. Its methods are called on the event loop, raise nothing, and return at once."""

    @property
    def traces(self) -> bool:
        """Whether spans are made at present, so that it matters to which one a task belongs."""
        ...

    def around(self, moment: Lasting) -> AbstractContextManager[Mark]:
        """Surround a moment with a length. The errors of the block pass through."""
        ...

    def note(self, point: Point) -> None:
        """Take a moment without a length."""
        ...


class _NoTrace:
    """Nobody listens."""

    traces: bool = False

    def around(self, moment: Lasting) -> AbstractContextManager[Mark]:
        """Do nothing but run the block."""
        del moment
        return nullcontext(Mark())

    def note(self, point: Point) -> None:
        """Do nothing."""
        del point


NO_TRACE: Trace = _NoTrace()


def error_type(exc: BaseException) -> str:
    """The value of `error.type` for an exception: the JSON-RPC code of a server's error, or the name of the class. It
    has no words of the error's message."""
    code: Any = getattr(exc, "code", None)
    return str(code) if isinstance(code, int) and not isinstance(code, bool) else type(exc).__name__
