"""The seam through which a client tells what it does: the values for its moments, and `Trace`, which takes them.

A part of the client tells a moment in one line and knows nobody who listens. Some moments have a length: the part goes
through `Trace.around`. The others are points in time, told by `Trace.note`. Counters, logs, spans and metrics are made
of nothing else (`_engine/observing.py`).
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
    """A span that others belong to, as `traceparent` names it."""

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
    """How often it began to wait."""
    since: int | None = None
    """Since when it waits, as a time since 1970; None if it does not."""
    waited: int = 0
    """For how long it has waited, before `since`."""


_NO_INPUT = InputTimes()


@frozen
class Looks:
    """How often a server told of a task."""

    polls: int = 0
    pushes: int = 0


_NO_LOOKS = Looks()
"""Shared by the tasks that nobody has looked at yet, as `_NO_INPUT` is by those that have asked nothing."""


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
    """Whether this client has told of the end, by a span and a duration. Of several clients of a store one does."""


@define(eq=False, weakref_slot=False)
class TracedTask:
    """What is kept of one task for those who are told of it. Implementations of `Trace` write it; the place is also
    written by who learns it from a store.

    Each idle task has one, so it is small. Times are nanoseconds of this machine's clock since 1970, as in spans.
    """

    reference: TaskReference | None = field(default=None, repr=False)
    place: SpanPlace | None = None
    """The span that the task belongs to: that of the creating call, also one of another process; else of the first wait
    here. None if nobody traces."""
    end: TaskEnd | None = None
    """How the task ended; None as long as it goes on."""
    followed: bool = False
    """Whether this client has created the task, seen it run, or waited for it. A client that merely finds a task over,
    as in a list, tells nothing of its end: whoever followed the task has done that."""
    begun_at: int = 0
    """When the task was created, or taken up; 0 before that is told."""
    alive_at: int = 0
    """When the task was last seen not to be over; 0 for a task that was taken up, before the first look."""
    looks: Looks = _NO_LOOKS
    """How often the server told of the task."""
    waits: InputTimes = _NO_INPUT
    """How the task waited for input."""

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
    """A request is under way that no call or wait of the program surrounds."""

    task: TracedTask | None = None
    """The task that the request is about; None if it serves several, or none."""
    by_program: bool = False
    """Whether the program asked for it; else the client sends it of its own accord."""


@frozen
class Waiting:
    """The program waits for a task."""

    task: TracedTask
    what: Literal["result", "wait"]


@frozen
class Handling:
    """An input handler of the program works at a question of a task."""

    task: TracedTask
    method: str
    """The question's method, such as "elicitation/create"."""


@frozen
class CallingBack:
    """A callback of the program runs in a task of the client's own."""


Lasting: TypeAlias = Calling | Requesting | Waiting | Handling | CallingBack


@define(eq=False)
class Mark:
    """What the part that is traced, and who traces it, tell each other about one moment with a length."""

    place: SpanPlace | None = None
    """The span of the moment; None if there is none."""
    error: str | None = None
    """What went wrong though nothing was raised, as a value of `error.type`."""


# --- points in time -----------------------------------------------------------------------------------------------


@frozen
class Begun:
    """A task was created (with the mark of its call), or is taken up."""

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
    """It is for this client to tell of a task's end: it has written the end into its store, and no other client has."""

    task: TracedTask


@frozen
class Leased:
    """A task of a store was taken up by this client, or turned out to be another client's by now."""

    event: Literal["taken", "lost"]
    record_id: str
    """The store's name for the task."""


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
    """A call has failed that may have reached the server: perhaps there is a task that nobody knows."""


@frozen
class Closed:
    """The client has ended."""


Point: TypeAlias = Begun | Changed | EndRecorded | Leased | Committed | Linked | Uncertain | Closed


class Trace(Protocol):
    """Is told of everything. Called on the event loop; raises nothing, and returns at once."""

    @property
    def traces(self) -> bool:
        """Whether spans are made at present, so that it matters to which one a task belongs."""
        ...

    def around(self, moment: Lasting) -> AbstractContextManager[Mark]:
        """Go through a moment with a length: a block to enter. Its errors pass through."""
        ...

    def note(self, point: Point) -> None:
        """Take a point in time."""
        ...


class _NoTrace:
    """Nobody listens."""

    traces: bool = False

    def around(self, moment: Lasting) -> AbstractContextManager[Mark]:
        """Nothing but the block."""
        del moment
        return nullcontext(Mark())

    def note(self, point: Point) -> None:
        """Nothing."""
        del point


NO_TRACE: Trace = _NoTrace()


def error_type(exc: BaseException) -> str:
    """The value of `error.type` for an exception: the JSON-RPC code of a server's error, else the class. No words."""
    code: Any = getattr(exc, "code", None)
    return str(code) if isinstance(code, int) and not isinstance(code, bool) else type(exc).__name__
