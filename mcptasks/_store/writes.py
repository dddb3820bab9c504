"""Every change that the holder of a task makes, as a frozen value. `upkeep.py` and `deliveries.py` have the others.

`Backend.apply` carries writes out and answers each one. A write about one task names the lease that allows it (`Held`).
It is refused once another owner has taken the task, and answers False then. The writes of a batch are carried out in
order and in one transaction: all of them, or none.

| write | durable before | answer |
| --- | --- | --- |
| `Intend` | the call is sent | the lease, or the record that has the key already |
| `Retry` | the call is sent again | the lease, or None |
| `Adopt` | a task that came from elsewhere is looked after | the row, and the lease if it was free |
| `Created` | the handle is returned | where the task is recorded, and whether the lease holds |
| `Immediate`, `Refused`, `Uncertain`, `Over`, `Forgotten` | the program is told | whether the lease holds |
| `StatusSeen`, `CancelAsked` | nothing (lazy) | the same |
| `Asked` | a handler is called | the same |
| `Decide` | the answer is sent | the answer that everybody sends, or None |
| `Acknowledged` | nothing | whether the lease holds |
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Generic, Literal, TypeVar

from attrs import field, frozen

from mcptasks._store.records import Row, Sealed

AnswerT = TypeVar("AnswerT", covariant=True)  # noqa: PLC0105 - it is the answer that varies


class Write(Generic[AnswerT]):
    """A change of the store, generic in what `Backend.apply` answers to it."""

    __slots__ = ()

    lazy: ClassVar[bool] = False
    """Whether the write may wait for the next durable commit, and may be lost with the process."""


@frozen
class Held:
    """The lease on one task: proof that this owner may write about it."""

    id: str
    """The id of the record."""
    owner: str
    fence: int


# ---- the creating call ----


@frozen
class Intended:
    """The answer to `Intend`."""

    held: Held | None
    """The lease on the new record; None if the key is taken and nothing was written."""
    row: Row | None = None
    """The record that has the key already; None if the key is new."""


@frozen(kw_only=True)
class Intend(Write[Intended]):
    """A call is about to be sent. Inserts the record, unless the endpoint has one with the same key."""

    id: str
    """The id of the new record, made by the caller (`records.new_id`)."""
    owner: str
    endpoint: str
    at: datetime
    era: str | None = None
    kind: str | None = None
    name: str | None = None
    label: str | None = None
    key: str | None = None
    labels: Mapping[str, str] = field(factory=dict[str, str])
    digest: str | None = None
    arguments: Sealed | None = None
    traceparent: str | None = None


@frozen(kw_only=True)
class Retry(Write[Held | None]):
    """A recorded call is about to be sent once more. Its phase must be `refused` or `uncertain`, or `intended` by an
    owner that is dead. The answer is None if somebody was faster."""

    id: str
    fence: int
    """The fence of the record that the caller has read."""
    owner: str
    at: datetime


@frozen(kw_only=True)
class Placed:
    """The answer to `Created`: the id is recorded in any case."""

    held: Held
    """The lease on the record that has the task now: a further record (`Created.spare`) if somebody else has sent the
    call again meanwhile."""
    ours: bool
    """Whether the lease holds. If not, this process may read the task and must not answer or cancel it."""


@frozen(kw_only=True)
class Created(Write[Placed]):
    """The server made a task. An id is recorded even if the lease was lost meanwhile, so that no task is lost."""

    held: Held
    spare: str
    """The id of a further record (`records.new_id`), in case somebody else has sent the call again meanwhile."""
    task_id: str
    at: datetime
    status: str | None = None
    message: Sealed | None = None
    expires_at: datetime | None = None
    era: str | None = None
    traceparent: str | None = None
    """The trace context of the call (W3C); None leaves the record's as it is."""


@frozen
class Adopted:
    """The answer to `Adopt`."""

    row: Row
    """The record, as it is now."""
    held: Held | None
    """The lease; None if another live owner holds the task, or the task is over."""
    takeover: bool = False
    """Whether the lease was given, and another owner held the task when it died."""


@frozen(kw_only=True)
class Adopt(Write[Adopted]):
    """A task that exists already is to be looked after (`Client.resume`). It is taken if it is free, and recorded if
    it is new."""

    id: str
    """The id of the record if the task is new to the store."""
    owner: str
    endpoint: str
    task_id: str
    at: datetime
    era: str | None = None
    kind: str | None = None
    name: str | None = None
    label: str | None = None
    expires_at: datetime | None = None


@frozen(kw_only=True)
class Immediate(Write[bool]):
    """The server answered the call at once, without a task."""

    held: Held
    at: datetime
    status: Literal["completed", "failed", "cancelled"] = "completed"
    result: Sealed | None = None
    error: Sealed | None = None
    era: str | None = None


@frozen(kw_only=True)
class Refused(Write[bool]):
    """The call had no effect: the server refused it, or it cannot have arrived."""

    held: Held
    at: datetime
    error: Sealed | None = None


@frozen(kw_only=True)
class Uncertain(Write[bool]):
    """The call may have arrived, and no answer came."""

    held: Held
    at: datetime
    error: Sealed | None = None


# ---- the life of a task ----


@frozen(kw_only=True)
class StatusSeen(Write[bool]):
    """A status that does not end the task. The latest wins."""

    lazy: ClassVar[bool] = True

    held: Held
    at: datetime
    status: str
    message: Sealed | None = None
    expires_at: datetime | None = None


@frozen(kw_only=True)
class Over(Write[bool]):
    """The work is over. Questions that are still open are closed, and their words go unless they are kept."""

    held: Held
    at: datetime
    status: Literal["completed", "failed", "cancelled"]
    message: Sealed | None = None
    result: Sealed | None = None
    """The result if it is kept; None otherwise, or if it comes with a later `Over`."""
    error: Sealed | None = None
    keep: bool = False
    """Whether the words of questions and answers stay (`Keep.answers`)."""


@frozen(kw_only=True)
class Forgotten(Write[bool]):
    """The server does not know the task any more."""

    held: Held
    at: datetime
    error: Sealed | None = None
    keep: bool = False


@frozen(kw_only=True)
class CancelAsked(Write[bool]):
    """The server is about to be asked to cancel the task."""

    lazy: ClassVar[bool] = True

    held: Held
    at: datetime


# ---- questions ----


@frozen(kw_only=True)
class Asked(Write[bool]):
    """A question was seen. A question that is known already stays as it is."""

    held: Held
    key: str
    at: datetime
    request: Sealed | None = None


@frozen(kw_only=True)
class Decision:
    """The answer to `Decide`: what everybody sends."""

    answer: Sealed | None
    """The answer that was decided first; None if it was wiped, which says that the server has it."""
    ours: bool
    """Whether it is the answer of this very write."""
    acknowledged: bool
    """Whether the server has it already, so that nothing need be sent."""


@frozen(kw_only=True)
class Decide(Write[Decision | None]):
    """A question gets its answer, unless it has one: the first answer stands. The answer to this write is None
    if the lease is lost; then nothing may be sent."""

    held: Held
    key: str
    at: datetime
    answer: Sealed


@frozen(kw_only=True)
class Acknowledged(Write[bool]):
    """The server has the answer to a question, or asks it no more. The words of both go unless they are kept."""

    held: Held
    key: str
    at: datetime
    keep: bool = False
    """Whether the words stay (`Keep.answers`)."""
