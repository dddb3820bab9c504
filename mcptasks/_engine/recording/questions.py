"""The part of a record for questions and the lease: which questions may be asked, which answers were decided, who may
act.

On 2026-07-28, a question's key means the same question to every client for as long as the task lives, so the store has
the question under that key. On 2025-11-25, a question is a request on one connection, and the client there makes up a
key. A client that takes such a task over and is asked again recognizes the question by its content, as long as its
answer is not acknowledged. A question that it does not recognize gets a name that is new to the task.

A server may refuse an answer that was decided. The question then goes on under another name, so that another answer can
be decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import anyio
from attrs import define, field

from mcptasks._core.exceptions import StoreError
from mcptasks._core.json import as_object
from mcptasks._engine.recording.journal import Decision
from mcptasks._store import writes
from mcptasks._store.backend import Backend
from mcptasks._store.payloads import Payloads
from mcptasks._store.records import Question, new_id
from mcptasks._store.upkeep import Release
from mcptasks._store.writes import Held, Write

T = TypeVar("T")
AnswerT = TypeVar("AnswerT")


class Desk(Protocol):
    """The destination of a record's writes: the journal that has made the record."""

    @property
    def payloads(self) -> Payloads:
        """Seals what goes into the store."""
        ...

    @property
    def holds(self) -> bool:
        """Whether the client's lease holds."""
        ...

    async def read(self, function: Callable[[Backend], T]) -> T:
        """Call a function that only reads the store."""
        ...

    async def commit(self, write: Write[AnswerT], *, keep: bool = False) -> AnswerT:
        """Carry out a write durably; see `Writer.commit`."""
        ...

    def later(self, write: Write[Any], *, again: bool = False) -> None:
        """Carry out a write soon.

        Args:
            write: The write.
            again: Whether to repeat the write if the store is away. If not, the write is lost then.
        """
        ...

    def soon(
        self,
        write: Write[AnswerT],
        told: Callable[[AnswerT], None] | None = None,
        again: Callable[[], Write[Any]] | None = None,
    ) -> anyio.Event:
        """Have a write carried out with the next transaction; if the store is away, when the store is back.

        Args:
            write: The write.
            told: Called with the answer when the write is durable.
            again: Makes the write that is carried out when the store is back; None for the same write.

        Returns:
            An event that is set when the write is durable, or has failed for the first time.
        """
        ...

    def lost(self, record_id: str) -> None:
        """Report to the trace that a lease was lost."""
        ...

    def owe(self, write: Callable[[], Write[Any]], done: Callable[[Any], None] | None = None) -> None:
        """Repeat a write that has failed until the store takes it; then call `done` with the answer. At the end of the
        client there is a last attempt."""
        ...


def present() -> datetime:
    """The time that a write gets."""
    return datetime.now(UTC)


@define(eq=False)
class RecordedQuestions:
    """The questions of one task, and the lease that allows to act on them. `StoredRecord` has the rest of `Record`."""

    id: str
    _desk: Desk = field(repr=False)
    _held: Held | None
    """The lease; None if another client has it."""
    _inherited: bool = field(default=False, kw_only=True, alias="inherited")
    """Whether another client may have asked, and answered, before this one."""
    _names: dict[str, str] = field(factory=dict[str, str], init=False, repr=False)
    """The store's names of the questions that were recorded, by key."""
    _noticed: set[str] = field(factory=set[str], init=False, repr=False)
    """The keys of questions that were recorded as seen."""
    _before: dict[str, Decision] = field(factory=dict[str, Decision], init=False, repr=False)
    """The decisions of other clients, by the store's name."""

    @property
    def holds(self) -> bool:
        """See `Record`."""
        return self._held is not None and self._desk.holds

    # ---- questions ----

    def noticed(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> None:
        """See `Record`. Skips a question that another client may have got over its own connection (2025-11-25), since
        `asked` must look it up first."""
        told = key in self._names or key in self._noticed
        if self._held is None or told or (self._inherited and not lasting):
            return
        self._noticed.add(key)
        self._desk.later(self._asking(self._held, key, request), again=True)

    async def asked(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> Decision | None:
        """See `Record`."""
        held = self._held
        if held is None:
            return Decision(None, held=False)
        if key not in self._names:
            self._names[key] = await self._look_up(key, request, lasting=lasting) if self._inherited else key
        name = self._names[key]
        self._told(await self._desk.commit(self._asking(held, name, request)))
        return self._before.get(name) if self.holds else Decision(None, held=False)

    async def decide(self, key: str, answer: Mapping[str, Any]) -> Decision:
        """See `Record`."""
        if self._held is None or not self.holds:
            return Decision(None, held=False)
        name = self._names.get(key, key)
        sealed = self._desk.payloads.answer(self.id, name, answer)
        decision = await self._desk.commit(writes.Decide(held=self._held, key=name, at=present(), answer=sealed))
        self._told(decision is not None)
        if decision is None or not self.holds:
            return Decision(None, held=False)
        if decision.acknowledged:
            return Decision(None)
        return Decision(self._desk.payloads.read_answer(self.id, name, decision.answer))

    def acknowledged(self, key: str) -> None:
        """See `Record`."""
        if self._held is not None:
            keep, name = self._desk.payloads.keep.answers, self._names.get(key, key)
            self._desk.soon(writes.Acknowledged(held=self._held, key=name, at=present(), keep=keep))

    def answer_refused(self, key: str) -> None:
        """See `Record`."""
        self._names[key] = _new_name(key)

    async def cancel_asked(self) -> bool:
        """See `Record`. If the store is away, the client asks for as long as its lease holds."""
        if self._held is not None and self.holds:
            try:
                self._told(await self._desk.commit(writes.CancelAsked(held=self._held, at=present())))
            except StoreError:
                return self.holds
        return self.holds

    # ---- the lease ----

    async def release(self) -> None:
        """See `Record`."""
        held, self._held = self._held, None
        if held is not None:
            await self._desk.commit(Release(held=held, at=present()))

    def _told(self, holds: bool) -> None:
        """Take in whether the lease still holds, by the answer to a write."""
        if not holds and self._held is not None:
            self._held = None
            self._desk.lost(self.id)

    # ---- what is written, and read ----

    def _words(self, text: str | None) -> bytes | None:
        return self._desk.payloads.words(self.id, text)

    def _asking(self, held: Held, name: str, request: Mapping[str, Any]) -> writes.Asked:
        sealed = self._desk.payloads.request(self.id, name, request)
        return writes.Asked(held=held, key=name, at=present(), request=sealed)

    async def _look_up(self, key: str, request: Mapping[str, Any], *, lasting: bool) -> str:
        """The store's name for a question that another client may have got before. Remembers that client's decision."""
        found = await self._desk.read(lambda backend: backend.questions({self.id}, all_of_them=True))
        payloads = self._desk.payloads
        for each in found:
            known = payloads.read_request(self.id, each.key, each.request)
            open_here = each.acknowledged_at is None and each.key not in self._names.values()
            if each.key == key if lasting else open_here and known is not None and same(known, request):
                self._remember(each, payloads)
                return each.key
        taken = {each.key for each in found}
        return key if lasting or key not in taken else _new_name(key)

    def _remember(self, question: Question, payloads: Payloads) -> None:
        """Remember what another client has decided."""
        if question.acknowledged_at is not None:
            self._before[question.key] = Decision(None)
        elif question.decided_at is not None:
            answer = payloads.read_answer(self.id, question.key, question.answer)
            self._before[question.key] = Decision(answer)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two requests ask the same. Ignores `_meta`, into which a server may put something new each time."""
    return _content(one) == _content(other)


def _content(request: Mapping[str, Any]) -> tuple[object, dict[str, Any]]:
    params = as_object(request.get("params")) or {}
    return request.get("method"), {name: value for name, value in params.items() if name != "_meta"}


def _new_name(key: str) -> str:
    return f"{key}#{new_id()[:8]}"
