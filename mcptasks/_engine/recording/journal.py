"""What one client and its tasks tell a store, and what they get to know: the seam between the engine and `_store`.

Two protocols: a `Journal` for each open client, a `Record` for each call and the task that came of it. A watch has its
record (`watch.record`). A client without a store has those of `nowhere.py`, which keep nothing and cost nothing.

An async method returns when what it was told is durable: whoever awaits it goes on with the next step only then. A
plain method returns at once; what it was told is written soon, and may be lost with the process.

| moment | told by | what must wait for it |
| --- | --- | --- |
| a call is about to be sent | `Journal.intend` | the sending |
| the server has answered it | `Record.created`, `immediate` | the handle, or the value |
| it has failed | `Record.refused`, `uncertain` | the error |
| a plain call was given up | `Record.given_up` | nothing |
| a status was seen | `Record.seen` | nothing |
| the work is over, or the server knows no such task | `Record.over`, `forgotten`, then `settled` | the outcome |
| a question was seen | `Record.noticed` | nothing |
| a question is about to be put to a handler | `Record.asked` | the handler |
| a handler has answered | `Record.decide` | the sending of the answer |
| the server has the answer | `Record.acknowledged` | nothing |
| the server is about to be asked to cancel | `Record.cancel_asked` | the asking |
| a task that exists already gets somebody who waits for it | `Record.taken` | nothing |
| free tasks are taken, a task is given back | `Pool.take`, `Record.release` | the handle; nothing |

If the store is away, async methods raise `StoreError`, and plain ones lose what they are told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from attrs import field, frozen

from mcptasks._core.events import Outcome
from mcptasks._core.models import Era, Kind, TaskReference, TaskStatus


@frozen(kw_only=True)
class Intent:
    """A call that is about to be sent."""

    kind: Kind
    name: str
    arguments: Mapping[str, Any] | None = field(default=None, repr=False)
    label: str | None = None
    key: str | None = None
    labels: Mapping[str, str] = field(factory=dict[str, str])


@frozen(kw_only=True)
class Earlier:
    """The call with the same key that was made before."""

    record: Record
    reference: TaskReference
    """Names its task, or stands for a call that was answered at once."""
    created_at: datetime
    """When the call was first recorded."""
    outcome: Outcome | None = field(default=None, repr=False)
    """What it came to, if the store kept that."""
    traceparent: str | None = field(default=None, repr=False)
    """The span of that call; None if nobody traced."""


@frozen
class Decision:
    """What is to be sent to a question."""

    answer: Mapping[str, Any] | None = field(repr=False)
    """What every client sends: the answer that was decided first. None if nothing is to be sent."""
    held: bool = True
    """Whether this client may still act for the task. If not, another one answers, and this answer is dropped."""


@frozen(kw_only=True)
class Taken:
    """A task that was free, and is this client's to look after from now on."""

    record: Record
    reference: TaskReference
    questions: Mapping[str, Mapping[str, Any]] = field(factory=dict[str, Mapping[str, Any]], repr=False)
    """The questions by key to which no answer was decided, as the server sent them."""
    traceparent: str | None = field(default=None, repr=False)
    """The span of the call that created the task; None if nobody traced."""


@frozen
class Origin:
    """What a store knows of a task that this client does not look after."""

    traceparent: str | None = field(repr=False)
    """The span of the call that created the task; None if nobody traced."""


@frozen(kw_only=True)
class Rest:
    """What a store has beside free tasks."""

    uncertain: tuple[Any, ...] = ()
    """The records (`mcptasks.store.TaskRecord`) of calls of which nobody knows whether they were carried out."""
    elsewhere: int = 0
    """How many tasks other clients hold."""


@frozen(kw_only=True)
class Timing:
    """How long one run of a tool took."""

    kind: Kind
    name: str
    low: float
    """Seconds after its creation at which it was still seen to run."""
    high: float
    """Seconds after its creation at which it was seen to be over."""
    least: float
    """Seconds that it took at least, by what was known of the runs before it."""
    arguments: str | None = field(default=None, repr=False)
    """What `Journal.keyed` makes of the hash of the arguments; None if that is not known."""
    size: int = 0
    """Size class of the arguments."""


MayRepeat: TypeAlias = Callable[[], Awaitable[bool]]
"""Whether a call may be sent again if nobody knows whether it was carried out before."""


Recorded: TypeAlias = Callable[[], None]
"""Is told that this client has written the end of a task into the store, which takes that of one client only."""


class Record(Protocol):
    """One call, and the task that came of it, as the store knows them. Not of a call without a store: `NO_RECORD`."""

    @property
    def id(self) -> str | None:
        """The store's name for it; None if there is no store."""
        ...

    @property
    def holds(self) -> bool:
        """Whether this client may act for the task, as far as is known without asking: put its questions, decide
        answers, have it cancelled. Waiting and reading go on without."""
        ...

    # ---- the creating call ----

    async def created(
        self, status: TaskStatus, era: Era, expires_at: datetime | None, traceparent: str | None = None
    ) -> None:
        """The server made a task of the call.

        Args:
            status: Its first status.
            era: The protocol.
            expires_at: When the server may forget it; None for never or not known.
            traceparent: The span of the call, for clients that take the task up; None if nobody traces.
        """
        ...

    async def immediate(self, result: Any, era: Era) -> None:
        """The server answered at once with this result."""
        ...

    async def refused(self, error: str) -> None:
        """The call had no effect: the server answered with an error, or the call cannot have arrived."""
        ...

    async def uncertain(self, error: str) -> None:
        """The call may have arrived, and no answer came."""
        ...

    def given_up(self, error: str, *, sent: bool) -> None:
        """The program or the end of the client has cancelled the call.

        Args:
            error: Why, for people.
            sent: Whether the call may have arrived: then the server was asked to cancel it.
        """
        ...

    # ---- the life of a task ----

    def seen(self, status: TaskStatus, expires_at: datetime | None = None) -> None:
        """A status was seen that does not end the task. Nothing is written if the program could not tell it from the
        one before."""
        ...

    def over(self, status: TaskStatus | None, outcome: Outcome | None, recorded: Recorded | None = None) -> None:
        """The work has ended. Told again when the outcome is known, if it was not at first.

        Args:
            status: The latest status, if any; not a terminal one if the outcome came first.
            outcome: The outcome, if it is known.
            recorded: Called when the end is durable, each time that it is told. Not called if another client holds the
                task: then the end is for that one to record.
        """
        ...

    def forgotten(self, error: str, recorded: Recorded | None = None) -> None:
        """The server does not know the task any more. See `over` for `recorded`."""
        ...

    async def settled(self) -> None:
        """Wait until the end that was told is durable. Raises nothing if the store is away: who waits for a result
        gets it."""
        ...

    # ---- questions ----

    def noticed(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> None:
        """A question was seen, whoever may answer it; see `asked` for the arguments."""
        ...

    async def asked(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> Decision | None:
        """A question is about to be put to a handler.

        Args:
            key: The question's key.
            request: The question as the server sent it.
            lasting: Whether the key means the same question to every client (2026-07-28). Otherwise it was made up for
                a request on this client's connection (2025-11-25), and a question that the server asks again is known
                by its words.

        Returns:
            None if the handler is to be asked. Otherwise what is to be done instead: send the answer that was decided
            before, or nothing.
        """
        ...

    async def decide(self, key: str, answer: Mapping[str, Any]) -> Decision:
        """A handler has answered a question; what is to be sent. Told after `asked`."""
        ...

    def acknowledged(self, key: str) -> None:
        """The server has the answer to a question, or asks it no more."""
        ...

    def answer_refused(self, key: str) -> None:
        """The server refuses the answer that was decided, and still asks: another one may be decided."""
        ...

    async def cancel_asked(self) -> bool:
        """The server is about to be asked to cancel the task; whether this client may ask."""
        ...

    # ---- leases ----

    async def taken(self) -> Record:
        """Take the task if it is free and its record does not say yet who looks after it.

        Returns:
            The record to go on with: this one, if there was nothing to take.
        """
        ...

    async def origin(self) -> Origin | None:
        """Look up a task whose record does not say yet who looks after it; None if the store does not know the task,
        or the record says it."""
        ...

    async def release(self) -> None:
        """Give the task back to the store, for other clients to take."""
        ...


class Pool(Protocol):
    """The tasks at one server that clients have left in a store."""

    @property
    def closed(self) -> bool:
        """Whether the client is closed."""
        ...

    async def take(self, labels: Mapping[str, str], limit: int | None) -> list[Taken]:
        """Take tasks that are free, oldest first. What has begun is finished if the caller is cancelled.

        Args:
            labels: Only those that have all of these labels.
            limit: At most so many; None for all.
        """
        ...

    async def rest(self, labels: Mapping[str, str]) -> Rest:
        """Find what there is beside free tasks."""
        ...

    async def known(self, task_ids: Collection[str]) -> frozenset[str]:
        """Which of these tasks the store has a record of."""
        ...

    async def end(self) -> None:
        """Wait until the client is closed."""
        ...

    async def freed(self, mark: object) -> None:
        """Wait until a task may have become free, or the client is closed.

        Args:
            mark: What `mark` said before the latest `take`.
        """
        ...

    async def mark(self) -> object:
        """Where the store stands now, for `freed`."""
        ...


class Journal(Protocol):
    """One client's part in a store."""

    @property
    def keeps(self) -> bool:
        """Whether there is a store."""
        ...

    @property
    def pool(self) -> Pool | None:
        """The tasks that others have left; None if there is no store."""
        ...

    @property
    def on_holding(self) -> list[Callable[[], None]]:
        """Called when the client may act for its tasks again, after it could not renew its lease for a while."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Keep the client's lease and carry out what is told, inside the block. At its end what was told is written,
        and the client's tasks are free.

        Raises:
            StoreError: The store cannot be opened or written.
        """
        ...

    # ---- what is known of the server ----

    async def era(self) -> Era | None:
        """Which task protocol the server spoke last; None if that is not known."""
        ...

    def speaks(self, era: Era) -> None:
        """The server speaks this one."""
        ...

    async def timings(self) -> Sequence[Timing]:
        """How long the server's tools took, oldest first."""
        ...

    def keyed(self, arguments: str) -> str:
        """The hash of a call's arguments as `Timing` has it: made with the store's key, once `timings` was asked."""
        ...

    def learned(self, timing: Timing) -> None:
        """A run of a tool was seen from its beginning to its end."""
        ...

    # ---- calls and tasks ----

    def calling(self) -> AbstractContextManager[None]:
        """A context in which a call is from its sending until its answer is recorded. While several calls are in it,
        what is told waits a moment to be written with what the others tell."""
        ...

    async def intend(self, intent: Intent, may_repeat: MayRepeat) -> Record | Earlier:
        """A call is about to be sent. If its key belongs to a call that was made before, nothing is to be sent.

        A call with the same key that another client has just under way is waited for, until it has its answer.

        Args:
            intent: The call.
            may_repeat: Asked if nobody knows whether the call with this key was carried out.

        Returns:
            The record of the call, which is to be sent now; or what the call before came to.

        Raises:
            TaskKeyError: The key belongs to a call of another tool or with other arguments.
            TaskUncertainError: The call may have been carried out before, and may not be sent again.
            StoreError: The store cannot be written, or has not kept what the call before came to.
        """
        ...

    def resumed(self, reference: TaskReference) -> Record:
        """The record of a task that exists already, for a handle that somebody may wait for: see `Record.taken`."""
        ...

    async def adopt(self, reference: TaskReference) -> Record:
        """A task that exists already is to be looked after. It is taken if it is free, and recorded if it is new."""
        ...
