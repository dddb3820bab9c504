"""The writes about owners, leases, run times and protocols, and the writes that people ask for (`Store`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from attrs import field, frozen

from mcptasks._store.records import LearnedRun, Owner, Phase, Question, Row
from mcptasks._store.writes import Held, Write


@frozen(kw_only=True)
class Beat(Write[None]):
    """A sign of life of an owner: its lease begins anew, by the clock of the database. The first beat makes the owner's
    row."""

    owner: Owner
    lease: float
    """Seconds."""


@frozen(kw_only=True)
class Retire(Write[int]):
    """Deletes an owner that has ended, or whose process is dead. Its tasks become free, and its calls without an answer
    become uncertain. The answer is the number of these tasks and calls."""

    owner: str
    dead: bool = False
    """Whether the process is dead. If so, its tasks keep the owner's name: who takes one takes it over."""


@frozen
class Claimed:
    """One task that was taken."""

    held: Held
    row: Row
    """The record as it was before."""
    questions: tuple[Question, ...] = ()
    """The task's questions without an acknowledged answer. An open question is to be asked, a decided answer is to be
    sent."""

    @property
    def takeover(self) -> bool:
        """Whether another owner held the task when it died. If not, nobody held it, or this owner did."""
        return self.row.owner not in (None, self.held.owner)

    @property
    def takeovers(self) -> int:
        """How often the task was taken over from a client that had died, with this time."""
        return self.row.takeovers + self.takeover


@frozen(kw_only=True)
class Claim(Write[list[Claimed]]):
    """Takes free tasks, oldest first: tasks without an owner, or with an owner whose lease has ended. Tasks that this
    owner holds already are not taken. PostgreSQL skips rows that others are taking at the moment."""

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
    """Records what a person knows of an uncertain call: that it created the task with this id, or nothing. The answer
    is "certain" if the call is not uncertain, and "taken" if another record has the task."""

    id: str
    at: datetime
    task_id: str | None
    kind: str | None = None
    name: str | None = None
    era: str | None = None
    expires_at: datetime | None = None


@frozen
class Forget(Write[int]):
    """Deletes records, with everything that belongs to them, except those of calls that are under way. The answer is
    the number of deleted records."""

    ids: tuple[str, ...]


@frozen(kw_only=True)
class Purge(Write[int]):
    """Deletes the records of some phases that have not changed since a time. The answer is the number of deleted
    records."""

    before: datetime
    phases: frozenset[Phase]


# ---- what was learned ----


@frozen
class Learned(Write[None]):
    """Records a run of a tool. The latest 8 runs of each tool stay, and 256 tools of each endpoint."""

    lazy: ClassVar[bool] = True

    run: LearnedRun


@frozen(kw_only=True)
class EraKnown(Write[None]):
    """Records which protocol an endpoint speaks, so that the next client need not ask."""

    lazy: ClassVar[bool] = True

    endpoint: str
    era: str
    at: datetime
