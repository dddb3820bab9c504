"""The writes that are about owners, leases, and what was learned, and those that people ask for (`Store`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from attrs import field, frozen

from mcptasks._store.records import LearnedRun, Owner, Phase, Question, Row
from mcptasks._store.writes import Held, Write


@frozen(kw_only=True)
class Beat(Write[None]):
    """An owner is alive: its lease begins anew, by the clock of the database. The first beat makes the owner's row."""

    owner: Owner
    lease: float
    """Seconds."""


@frozen(kw_only=True)
class Retire(Write[int]):
    """An owner is gone, by its own word or because its process is dead. Its tasks are free, and its calls that had no
    answer yet are uncertain. Answers how many tasks and calls these are."""

    owner: str


@frozen
class Claimed:
    """One task that was taken."""

    held: Held
    row: Row
    questions: tuple[Question, ...] = ()
    """Its questions that are not acknowledged: what is open is to be asked, what is decided is to be sent."""


@frozen(kw_only=True)
class Claim(Write[list[Claimed]]):
    """Takes tasks that are free: without an owner, or with one whose lease has ended. Oldest first. Tasks that this
    owner holds already are left alone. PostgreSQL does not wait for rows that others are just taking."""

    owner: str
    endpoint: str
    at: datetime
    phases: frozenset[Phase] = frozenset({"created"})
    name: str | None = None
    labels: Mapping[str, str] = field(factory=dict[str, str])
    ids: tuple[str, ...] | None = None
    """Only these records."""
    limit: int | None = None


@frozen(kw_only=True)
class Release(Write[bool]):
    """Gives a task back, for others to take."""

    held: Held
    at: datetime


# ---- what people do ----


@frozen(kw_only=True)
class Settle(Write[Literal["settled", "certain", "taken"]]):
    """A person knows what became of an uncertain call: a task with this id, or nothing. Answers "certain" if the
    call is not uncertain, and "taken" if another record has the task."""

    id: str
    at: datetime
    task_id: str | None
    kind: str | None = None
    name: str | None = None
    era: str | None = None
    expires_at: datetime | None = None


@frozen
class Forget(Write[int]):
    """Deletes records, with everything that belongs to them; not those of calls that are just being made. Answers how
    many there were."""

    ids: tuple[str, ...]


@frozen(kw_only=True)
class Purge(Write[int]):
    """Deletes the records of some phases that have not changed since a time. Answers how many there were."""

    before: datetime
    phases: frozenset[Phase]


# ---- what was learned ----


@frozen
class Learned(Write[None]):
    """A run of a tool was seen. The latest 8 runs of each tool stay, and 256 tools of each endpoint."""

    lazy: ClassVar[bool] = True

    run: LearnedRun


@frozen(kw_only=True)
class EraKnown(Write[None]):
    """Which protocol an endpoint speaks, so that the next client need not ask."""

    lazy: ClassVar[bool] = True

    endpoint: str
    era: str
    at: datetime
