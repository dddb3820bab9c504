"""The writes behind `Store.finished(consumer=)`: what a consumer was not told yet, and that it was told."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from mcptasks._store.records import EventKind, Owner, Question, Row
from mcptasks._store.writes import Write


@frozen(kw_only=True)
class Pending:
    """One thing that a consumer was not told yet."""

    kind: EventKind
    row: Row
    question: Question | None = None
    """The question, if it is one."""

    @property
    def mark(self) -> str:
        """What tells this event from others of the same task."""
        if self.question is not None:
            return f"question:{self.question.key}"
        return "uncertain" if self.kind == "uncertain" else "end"


@frozen(kw_only=True)
class Next(Write["list[Pending] | None"]):
    """Asks what a consumer was not told yet, oldest first. None if another live process asks for the same consumer;
    otherwise the consumer belongs to this owner for the length of the lease, which each asking prolongs."""

    consumer: str
    owner: Owner
    lease: float
    """Seconds."""
    limit: int = 100


@frozen(kw_only=True)
class Told(Write[bool]):
    """A consumer has dealt with an event. False if the consumer belongs to another process by now."""

    consumer: str
    owner: str
    task: str
    mark: str
    at: datetime
