"""The values that a store holds and hands out: tasks, questions, owners, runs. Frozen, without I/O.

Phases of a task::

    intended ── created ── over          the server made a task; it ended
       │           └────── forgotten     the server does not know the task any more
       ├── immediate                     the server answered at once, without a task
       ├── refused                       the call had no effect
       └── uncertain                     nobody knows whether the call arrived

A call that is `intended` and whose owner is dead may have been carried out, so readers see it as `uncertain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from attrs import field, frozen

from mcptasks._core import safe_text

if TYPE_CHECKING:
    # `models` imports pydantic, and a command that lists tasks must not wait for that.
    from mcptasks._core.models import Era, Kind, Status, TaskReference

Phase: TypeAlias = Literal["intended", "created", "immediate", "refused", "uncertain", "over", "forgotten"]
"""How far a call has come, as far as the store knows."""

PHASES: tuple[Phase, ...] = ("intended", "created", "immediate", "refused", "uncertain", "over", "forgotten")
OPEN: frozenset[Phase] = frozenset({"intended", "created", "uncertain"})
"""The phases of tasks that somebody may still have to look after; the others are final."""

Sealed: TypeAlias = bytes
"""A payload as a row holds it: JSON, encrypted if the store has a codec. `payloads.Payloads` makes and reads it."""


def new_id() -> str:
    """A new id of a record: 32 random hexadecimal digits."""
    import secrets  # Who only lists tasks needs no new id, and would wait for this import.

    return secrets.token_hex(16)


@frozen(kw_only=True)
class Keep:
    """Which payloads stay in the store. By default, no payload stays longer than it is needed.

    Credentials and headers are never stored, whatever is chosen here.
    """

    __module__ = "mcptasks.store"

    arguments: bool = False
    """Whether the arguments of calls are kept. If not, the store has only a digest, which tells two calls apart. Nobody
    can guess the arguments from the digest without its key: a file beside an SQLite store; in the database with
    PostgreSQL."""
    results: bool = False
    """Whether results are kept, for `Store.result` and for a second call with the same key."""
    answers: bool = False
    """Whether questions and answers are kept after the server has acknowledged an answer. Until then they are always
    kept, so that a process that takes the task over sends the same answer."""


@frozen(kw_only=True)
class QuestionRecord:
    """One question (input request) of a task."""

    __module__ = "mcptasks.store"

    key: str = field(repr=safe_text.short)
    """The key of the question, unique for the life of the task."""
    request: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    """The question as the server sent it; None once the answer is acknowledged, unless `Keep.answers` is set."""
    answer: Any = field(default=None, repr=False, hash=False)
    """The decided answer; None before the decision and, unless `Keep.answers` is set, after the server has acknowledged
    it."""
    asked_at: datetime
    """When a client first saw the question."""
    decided_at: datetime | None = None
    """When the answer was decided; None before that."""
    decided_by: str | None = None
    """The owner that decided the answer."""
    acknowledged_at: datetime | None = None
    """When a client learned that the server has the answer, or does not ask any more; None before that."""

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided an answer and the server still waits for one."""
        return self.decided_at is None and self.acknowledged_at is None


@frozen(kw_only=True)
class TaskRecord:
    """What a store knows of one call. Plain data: it pickles, and `repr` shows no payload."""

    __module__ = "mcptasks.store"

    id: str
    """The store's own name for the call: 32 hexadecimal digits. A unique beginning is enough for `Store.get`."""
    endpoint: str = field(repr=safe_text.short)
    """The server, as in `TaskReference.endpoint`."""
    era: Era | None = None
    """The task protocol of the connection that made the call."""
    kind: Kind | None = None
    """"tool", "resource" or "prompt"; None if it is not known (a task resumed by its id alone)."""
    name: str | None = field(default=None, repr=safe_text.short)
    """The tool's or prompt's name, or the resource's URI."""
    label: str | None = field(default=None, repr=safe_text.short)
    """The program's own word for the task (`label=`)."""
    key: str | None = field(default=None, repr=safe_text.short)
    """The idempotency key of the call (`key=`), unique for the endpoint in this store."""
    labels: Mapping[str, str] = field(factory=dict[str, str], repr=safe_text.short, hash=False)
    """The program's labels on the call, by which it finds the call again (`labels=`)."""
    phase: Phase
    """How far the call has come."""
    task_id: str | None = field(default=None, repr=safe_text.short)
    """The server's identifier of the task; None if there is none, or none yet."""
    status: Status | None = None
    """The latest status seen."""
    message: str | None = field(default=None, repr=False)
    """The server's words on that status."""
    error: str | None = field(default=None, repr=False)
    """Why the call failed, was refused or is uncertain; None otherwise."""
    questions: tuple[QuestionRecord, ...] = field(default=(), repr=False, hash=False)
    """The questions that are not acknowledged, oldest first."""
    created_at: datetime
    """When the call was first recorded."""
    updated_at: datetime
    """When this record last changed."""
    over_at: datetime | None = None
    """When a client saw the end of the work, or learned that the call had no effect; None before that."""
    expires_at: datetime | None = None
    """When the server may forget the task; None if never or not known."""
    cancel_asked_at: datetime | None = None
    """When a client asked the server to cancel the task."""
    owner: str | None = None
    """The client that holds the task, or held it last; None if nobody does. See `lease_until`."""
    lease_until: datetime | None = None
    """Until when the owner holds the task without a further sign of life, by this machine's clock; None if nobody holds
    it."""
    arguments_digest: str | None = field(default=None, repr=False)
    """A digest by which the store sees whether two calls have the same arguments; see `Keep.arguments`."""
    has_arguments: bool = False
    """Whether the store kept the arguments."""
    has_result: bool = False
    """Whether the store kept the result, for `Store.result`."""
    fence: int = field(default=0, repr=False)
    """How often the task has changed hands."""
    traceparent: str | None = field(default=None, repr=False)
    """The trace context of the call (W3C), or None."""

    @property
    def reference(self) -> TaskReference | None:
        """The task's reference, for `Client.resume`; None if there is no task, or its id is not known."""
        from mcptasks._core.models import TaskReference

        if self.task_id is None:
            return None
        return TaskReference(
            task_id=self.task_id,
            kind=self.kind,
            name=self.name,
            endpoint=self.endpoint or None,
            era=self.era,
            expires_at=self.expires_at,
            label=self.label,
        )

    @property
    def is_free(self) -> bool:
        """Whether no live client holds the task."""
        return self.lease_until is None


EventKind: TypeAlias = Literal["over", "failed", "forgotten", "uncertain", "question"]
"""The kinds of events of `Store.finished`."""


@frozen(kw_only=True)
class TaskEvent:
    """One event for a consumer of `Store.finished`."""

    __module__ = "mcptasks.store"

    kind: EventKind
    """"over": the work succeeded or was cancelled (`record.status`), also if the server answered at once. "failed": the
    work failed, or the server refused the call. "forgotten": the server does not know the task any more. "uncertain":
    nobody knows whether the call was carried out. "question": the task asks something."""
    record: TaskRecord
    """The task, as it was when the event was found: at most about a second before the event is handed out."""
    question: QuestionRecord | None = None
    """The question; None for other events."""


@frozen(kw_only=True)
class Question:
    """A question as its row holds it."""

    task: str
    """The id of the record."""
    key: str
    request: Sealed | None
    answer: Sealed | None
    asked_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    acknowledged_at: datetime | None


class Row(NamedTuple):
    """A task as its row holds it: as `TaskRecord`, with the payloads sealed and without questions.

    A tuple, since ten thousand of them are made at once.
    """

    id: str
    endpoint: str
    era: str | None
    kind: str | None
    name: str | None
    label: str | None
    key: str | None
    labels: Mapping[str, str]
    digest: str | None
    phase: Phase
    task_id: str | None
    status: str | None
    message: Sealed | None
    error: Sealed | None
    created_at: datetime
    updated_at: datetime
    over_at: datetime | None
    expires_at: datetime | None
    cancel_asked_at: datetime | None
    owner: str | None
    lease_left: float | None
    """Seconds for which the owner still holds the task; None if nobody holds it."""
    fence: int
    has_arguments: bool
    has_result: bool
    traceparent: str | None
    takeovers: int
    """How often a client took the task over from another that had died."""


@frozen(kw_only=True)
class Owner:
    """A client that holds tasks, or did."""

    owner: str
    """Unique for each opening of a client."""
    host: str
    """The machine's name, for people."""
    scene: str
    """Where a process id identifies a process: the boot and the process namespace. Empty if that is not known."""
    process: str
    """The process id and start time, by which another process of the same scene sees at once that the owner is dead."""
    lease_left: float = 0.0
    """Seconds for which the lease still holds; 0 or less if it has ended."""


@frozen(kw_only=True)
class LearnedRun:
    """How long one run of a tool took, for `RunTimes`."""

    endpoint: str
    kind: str
    name: str
    low: float
    """Seconds from the task's creation to the latest time at which it was seen to run."""
    high: float
    """Seconds from the task's creation to the time at which it was seen to be over."""
    least: float
    """The lower bound in seconds if the run was as long as the runs before it; see `lengths.Run.least`."""
    arguments: str | None = None
    """Tells equal arguments from others; made with the store's key, so that nobody can guess the arguments from it."""
    size: int = 0
    """Size class of the arguments; see `CallKey.size`."""
    at: datetime


@frozen(kw_only=True)
class Query:
    """Which tasks a reader wants. A field that is None excludes nothing."""

    endpoint: str | None = None
    phases: frozenset[Phase] | None = None
    name: str | None = None
    labels: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    """Labels that a task must have, with these values."""
    since: datetime | None = None
    """Only tasks that were recorded at this time or later."""
    limit: int | None = 1000
    after: str | None = None
    """The id of the last task of the page before."""
