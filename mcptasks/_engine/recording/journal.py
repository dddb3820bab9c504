"""The seam between the engine and `_store`: what one client and its tasks tell a store, and ask it.

Two protocols: a `Journal` for each open client, a `Record` for each call and the task that came of it. A watch has its
record (`watch.record`). A client without a store uses those of `nowhere.py`, which keep nothing.

An async method returns when the store has what it was told, so the caller takes the next step only then. A plain method
returns at once; what it was told is written soon, and may be lost with the process.

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

If the store is away, most async methods raise `StoreError`. The methods that record what became of a call raise
nothing: the program gets its task, result or error. What they and plain methods were told is written when the store is
back, except statuses, cancellations, runs and protocols, which are lost.
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
    """An earlier call with the same key."""

    record: Record
    reference: TaskReference
    """The task of the earlier call, or a reference that stands for an immediate answer."""
    created_at: datetime
    """When the call was first recorded."""
    outcome: Outcome | None = field(default=None, repr=False)
    """The outcome of the earlier call, if the store has kept it."""
    traceparent: str | None = field(default=None, repr=False)
    """The span of that call; None if nobody traced."""


@frozen
class Decision:
    """The answer to send to a question."""

    answer: Mapping[str, Any] | None = field(repr=False)
    """The answer that was decided first, which every client sends. None if nothing is to be sent."""
    held: bool = True
    """Whether this client may still act for the task. If not, another client answers, and this client's answer is
    dropped."""


@frozen(kw_only=True)
class Taken:
    """A task that was free, and that this client has taken over."""

    record: Record
    reference: TaskReference
    questions: Mapping[str, Mapping[str, Any]] = field(factory=dict[str, Mapping[str, Any]], repr=False)
    """The questions without a decided answer, by key, as the server sent them."""
    traceparent: str | None = field(default=None, repr=False)
    """The span of the call that created the task; None if nobody traced."""


@frozen
class Origin:
    """The part of a store's record that matters for a task that this client has not taken over."""

    traceparent: str | None = field(repr=False)
    """The span of the call that created the task; None if nobody traced."""


@frozen(kw_only=True)
class Rest:
    """The contents of a store besides free tasks."""

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
    """Seconds from the task's creation to the latest time at which it was seen to run."""
    high: float
    """Seconds from the task's creation to the time at which it was seen to be over."""
    least: float
    """The lower bound in seconds if the run was as long as the runs before it; see `lengths.Run.least`."""
    arguments: str | None = field(default=None, repr=False)
    """The hash of the arguments, as `Journal.keyed` returns it; None if it is not known."""
    size: int = 0
    """Size class of the arguments; see `CallKey.size`."""


MayRepeat: TypeAlias = Callable[[], Awaitable[bool]]
"""Whether a call may be sent again if nobody knows whether it was carried out before."""


Recorded: TypeAlias = Callable[[int], None]
"""Called when this client has written the end of a task into the store, with the number of times that the task was
taken over from a client that had died. The store takes the end from one client only."""


class Record(Protocol):
    """The store's record of one call and its task. A client without a store uses `NO_RECORD`."""

    @property
    def id(self) -> str | None:
        """The id of the record in the store; None if there is no store."""
        ...

    @property
    def holds(self) -> bool:
        """Whether this client may act for the task, as far as it knows without asking the store. To act is to put the
        task's questions to handlers, decide answers, and have the task cancelled. Waiting and reading need no
        permission."""
        ...

    # ---- the creating call ----

    async def created(
        self, status: TaskStatus, era: Era, expires_at: datetime | None, traceparent: str | None = None
    ) -> None:
        """Record that the server made a task of the call.

        Args:
            status: The task's first status.
            era: The task protocol.
            expires_at: When the server may forget the task; None for never or not known.
            traceparent: The span of the call, for clients that take the task up; None if nobody traces.
        """
        ...

    async def immediate(self, result: Any, era: Era) -> None:
        """Record that the server answered at once with this result."""
        ...

    async def refused(self, error: str) -> None:
        """Record that the call had no effect: the server answered with an error, or the call cannot have arrived."""
        ...

    async def uncertain(self, error: str) -> None:
        """Record that the call may have arrived, and no answer came."""
        ...

    def given_up(self, error: str, *, sent: bool) -> None:
        """Record that the program, or the end of the client, has cancelled the call.

        Args:
            error: The reason, for people.
            sent: Whether the call may have arrived. If so, the record is "uncertain", otherwise as in `refused`.
        """
        ...

    # ---- the life of a task ----

    def seen(self, status: TaskStatus, expires_at: datetime | None = None) -> None:
        """Record a status that does not end the task. A status in which nothing has changed that the store keeps is not
        written."""
        ...

    def over(self, status: TaskStatus | None, outcome: Outcome | None, recorded: Recorded | None = None) -> None:
        """Record that the work has ended. Called a second time when the outcome is known, if it was not known at first.

        Args:
            status: The latest status, if any; not a terminal one if the outcome came first.
            outcome: The outcome, if it is known.
            recorded: Called when the end is durable, for each call of this method. Not called if another client holds
                the task, since then that client records the end.
        """
        ...

    def forgotten(self, error: str, recorded: Recorded | None = None) -> None:
        """Record that the server does not know the task any more. See `over` for `recorded`."""
        ...

    async def settled(self) -> None:
        """Wait until the end that was told is durable. Raises nothing if the store is away, so that a waiter gets its
        result."""
        ...

    # ---- questions ----

    def noticed(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> None:
        """Record a question that this client has seen and that any client may answer; see `asked` for the arguments."""
        ...

    async def asked(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> Decision | None:
        """Record that a question is about to be put to a handler.

        Args:
            key: The question's key.
            request: The question as the server sent it.
            lasting: Whether the key means the same question to every client (2026-07-28). If not, this client has made
                up the key for a request on its connection (2025-11-25), and a question that the server asks again is
                recognized by its content.

        Returns:
            None to ask the handler. Otherwise the answer to send instead, which was decided before, or a decision to
            send nothing.
        """
        ...

    async def decide(self, key: str, answer: Mapping[str, Any]) -> Decision:
        """Record a handler's answer to a question, after `asked`; returns the answer to send."""
        ...

    def acknowledged(self, key: str) -> None:
        """Record that the server has the answer to a question, or does not ask the question any more."""
        ...

    def answer_refused(self, key: str) -> None:
        """Note that the server refuses the decided answer and still asks, so that another answer may be decided."""
        ...

    async def cancel_asked(self) -> bool:
        """Record that the client is about to ask the server to cancel the task; returns whether it may ask."""
        ...

    # ---- leases ----

    async def taken(self) -> Record:
        """Take the task if it is free and this record, as one from `Journal.resumed`, has not asked for it yet.

        Returns:
            The record to use from now on; this one if there was nothing to take.
        """
        ...

    async def origin(self) -> Origin | None:
        """Look up the task of a record from `Journal.resumed`; None if the store does not know the task, and for other
        records."""
        ...

    async def release(self) -> None:
        """Give the task back to the store, for other clients to take."""
        ...


class Pool(Protocol):
    """The tasks of one server that clients have left in a store."""

    @property
    def closed(self) -> bool:
        """Whether the client is closed."""
        ...

    async def take(self, labels: Mapping[str, str], limit: int | None) -> list[Taken]:
        """Take tasks that are free, oldest first. A write that has begun is finished even if the caller is cancelled.

        Args:
            labels: Take only tasks that have all of these labels.
            limit: How many tasks to take at most; None for all.
        """
        ...

    async def rest(self, labels: Mapping[str, str]) -> Rest:
        """Read what the store has besides free tasks."""
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
            mark: The result of `mark` before the latest `take`.
        """
        ...

    async def mark(self) -> object:
        """The present position in the store's changes, for `freed`."""
        ...


class Journal(Protocol):
    """One client's part in a store."""

    @property
    def keeps(self) -> bool:
        """Whether there is a store."""
        ...

    @property
    def pool(self) -> Pool | None:
        """The tasks that clients have left in the store; None if there is no store."""
        ...

    @property
    def on_holding(self) -> list[Callable[[], None]]:
        """Called when the client may act for its tasks again, after it could not renew its lease for a while."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Inside the block, keep the client's lease, and write what is told. At the end of the block, everything told
        is written, and the client's tasks become free.

        Raises:
            StoreError: The store cannot be opened or written.
        """
        ...

    # ---- what is known of the server ----

    async def era(self) -> Era | None:
        """Which task protocol the server spoke last; None if that is not known."""
        ...

    def speaks(self, era: Era) -> None:
        """Record which task protocol the server speaks."""
        ...

    async def timings(self) -> Sequence[Timing]:
        """How long the server's tools took, oldest first."""
        ...

    def keyed(self, arguments: str) -> str:
        """The hash of a call's arguments, mixed with the store's secret key, for `Timing`; unchanged before `timings`
        was called."""
        ...

    def learned(self, timing: Timing) -> None:
        """Record a run of a tool that was seen from its beginning to its end."""
        ...

    # ---- calls and tasks ----

    def calling(self) -> AbstractContextManager[None]:
        """A context in which a call is from its sending until its answer is recorded. While several calls are in it,
        what is told waits a moment to be written with what the others tell."""
        ...

    async def intend(self, intent: Intent, may_repeat: MayRepeat) -> Record | Earlier:
        """Record that a call is about to be sent. If its key belongs to an earlier call, nothing is to be sent.

        If another client has a call with the same key under way, this method waits until that call has its answer.

        Args:
            intent: The call.
            may_repeat: Called if nobody knows whether the earlier call was carried out.

        Returns:
            The record of the call, which is to be sent now; or the earlier call.

        Raises:
            TaskKeyError: The key belongs to a call of another tool or with other arguments.
            TaskUncertainError: The call may have been carried out before, and may not be sent again.
            StoreError: The store cannot be written, or has not kept the result of the earlier call.
        """
        ...

    def resumed(self, reference: TaskReference) -> Record:
        """The record of a task that exists already. It takes the task over when somebody waits (`Record.taken`)."""
        ...

    async def adopt(self, reference: TaskReference) -> Record:
        """Take over a task that exists already, if it is free. Record the task if the store does not know it."""
        ...
