"""The writes behind `Store.finished(consumer=)`: they ask for the events that a consumer was not told yet, and note
which events it was told."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from mcptasks._store.records import EventKind, Owner, Question, Row
from mcptasks._store.writes import Write


@frozen(kw_only=True)
class Pending:
    """One event that a consumer was not told yet."""

    kind: EventKind
    row: Row
    question: Question | None = None
    """The question, if the event is a question."""

    @property
    def mark(self) -> str:
        """Distinguishes this event from other events of the same task."""
        if self.question is not None:
            return f"question:{self.question.key}"
        return "uncertain" if self.kind == "uncertain" else "end"


@frozen(kw_only=True)
class Next(Write["list[Pending] | None"]):
    """Asks for the events that a consumer was not told yet, oldest first. The answer is None if the consumer belongs to
    another live process. Otherwise the consumer belongs to this owner until the lease ends; each `Next` prolongs the
    lease."""

    consumer: str
    owner: Owner
    lease: float
    """Seconds."""
    limit: int = 100


@frozen(kw_only=True)
class Told(Write[bool]):
    """Notes that a consumer has dealt with an event. The answer is False if the consumer belongs to another process by
    now."""

    consumer: str
    owner: str
    task: str
    mark: str
    at: datetime
