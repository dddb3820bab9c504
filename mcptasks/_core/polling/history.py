"""What was learned of one tool: its latest runs, where to poll the next ones, and the account of polls.
Pure.

Three groups of runs tell how long the next run may take: runs with the same arguments, runs with arguments of about the
same size, and all other runs of the tool. The first group counts most, the last least. The more runs a group has, the
less the groups after it count. Within a group, newer runs count more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal, TypeAlias

from attrs import define, evolve, field, frozen

from mcptasks._core.polling.call_key import CallKey
from mcptasks._core.polling.lengths import (
    Evidence,
    Lengths,
    Run,
    between,
    distribution,
    expected,
    remembered,
    steadier,
    to_learn,
)
from mcptasks._core.polling.placement import Places, places, sooner
from mcptasks._core.polling.rhythm import Rhythm

_ARGUMENTS = 32
"""How many different arguments are remembered of one tool. Beyond that, the arguments whose latest run ended longest
ago are forgotten, to bound the memory."""
_RUNS = 16
"""How many runs are remembered of one tool, whatever the arguments. Beyond that, the oldest is forgotten."""
_RUNS_ALIKE = 16
"""How many runs with the same arguments are remembered; the oldest is forgotten first."""
_FADING = 0.85
"""The weight of a run, as a part of the weight of the run after it. The latest three of many runs then have about 0.4
of the weight of all."""
_NEAR = 0.5
"""Other runs of the tool count half when the runs with the same arguments have this weight together. The same holds for
runs with arguments of another size, when those of the same size have this weight."""
_PLANS = 64
"""How many plans are kept of one tool, for different arguments and intervals. With more, all are forgotten, and made
again when needed."""
_STALE = 8
_STALEST = 16
"""A plan is made anew after some new runs: an eighth (1 / `_STALE`) of the runs since the latest unexpected one, but at
least 1 and at most `_STALEST`. So, shortly after an unexpected run, each run leads to a new plan."""
_SAMPLE = 100
"""About how many watched tasks are learned from at once. If more are watched, the client learns from some of them, the
scouts."""
_LAG = 32
"""A plan may lack one run for this many watched tasks (counted up to `_SAMPLE`), since it takes a millisecond to make a
plan."""
_LEARNERS = 8
"""About how many tasks at once are polled where a poll tells most of a steady tool's length; the others are polled
where a poll finds the end soonest."""
_COHORT = 0.8
"""Part of the scouts that must have ended before the other tasks of a crowd are polled by what the scouts tell."""
_UNSCOUTED = 3000
"""After this many runs of a crowd without a scout among them, the client learns from all tasks until there is a
scout."""
_SAVED = 1000.0
"""The highest balance of a tool's account, in polls. Without a limit, what was saved for hours could be spent at
once."""
_RESERVE = 512
"""For each so many watched tasks, one poll stays in the account as a reserve, since the tasks that are under way may
yet overdraw the account."""
_THRIFTY = 0.8
"""Part of the budget that a plan may spend while the account is empty."""


@frozen
class Ended:
    """A run that ended, as it is kept and can be stored."""

    key: CallKey
    run: Run


Aim: TypeAlias = Literal["find", "learn", "save"]
"""The aim of the polls of a run: to find its end soonest, to learn more of a steady tool, or to save polls."""


@define(eq=False)
class _Count:
    """Counts all runs, including those that are forgotten."""

    seen: int = 0
    changed: int = 0
    """The value of `seen` at the latest run that did not end as expected."""

    def add(self, *, expected: bool) -> None:
        """Count a run."""
        self.seen += 1
        if not expected:
            self.changed = self.seen

    def current(self, seen: int, watched: int) -> bool:
        """Whether a plan that was made after `seen` runs is still recent enough."""
        enough = min(max((self.seen - self.changed) // _STALE, 1), _STALEST)
        return self.seen - seen < max(enough, min(watched, _SAMPLE) // _LAG)


@define(eq=False)
class _Alike:
    """The runs of the same arguments."""

    runs: tuple[Run, ...] = ()
    count: _Count = field(factory=_Count)
    lengths: Lengths | None = None
    """The latest distribution that was made for these arguments."""
    steadiness: float = 0.0
    """See `lengths.steadier`."""


@define(eq=False)
class _Plan:
    """Where to poll, and how many runs were known when that was worked out."""

    lengths: Lengths
    rhythm: Rhythm
    seen: int
    alike: int
    found: dict[Aim, Places | None] = field(factory=dict[Aim, "Places | None"], init=False)

    def places(self, aim: Aim) -> Places | None:
        """Where to poll; None for the usual polls."""
        if aim not in self.found:
            self.found[aim] = self._following(aim) if self.rhythm.follows else self._scouting(aim)
        return self.found[aim]

    def _scouting(self, aim: Aim) -> Places | None:
        lengths, rhythm = self.lengths, self.rhythm
        pieces = lengths.pieces if aim == "find" else to_learn(lengths, rhythm.gap, near=self.alike > 0)
        found = places(pieces, rhythm)
        return found if found is not None and (aim == "learn" or sooner(found, lengths.known)) else None

    def _following(self, aim: Aim) -> Places | None:
        """Place polls by earlier runs alone, without a share for unknown lengths: the scouts find out what has
        changed."""
        known, rhythm = self.lengths.known, self.rhythm
        whole = sum(mass for _, _, mass in known)
        pieces = [(low, high, mass / whole) for low, high, mass in known]
        if aim == "find":
            found = places(pieces, rhythm)
            return found if found is not None and sooner(found, pieces) else None
        if _THRIFTY * rhythm.worth_of(pieces) < 1:
            # Each run takes a poll, so this plan could save nothing. The usual polls do not depend on what may be
            # wrong.
            return None
        return places(pieces, rhythm, share=_THRIFTY)


@define(eq=False)
class History:
    """What was learned of one tool."""

    runs: tuple[Ended, ...] = ()
    count: _Count = field(factory=_Count)
    alike: OrderedDict[str, _Alike] = field(factory=OrderedDict[str, _Alike])
    """The runs by their arguments."""
    lengths: Lengths | None = None
    """The latest distribution for arguments of which no run is known."""
    steadiness: float = 0.0
    """The steadiness that belongs to that distribution; see `lengths.steadier`."""
    account: float = 0.0
    """How many polls were saved on this tool's runs, compared with what the runs are worth (`Rhythm.worth`)."""
    begun: int = 0
    """How many scouts have begun."""
    cohort: int = 0
    """How many scouts had begun when the first run ended."""
    unscouted: int = _UNSCOUTED
    """How many runs came since the last scout."""
    turn: int = 0
    """How many plans scouts have asked for."""
    plans: dict[tuple[str | None, int, Rhythm], _Plan] = field(factory=dict[tuple[str | None, int, Rhythm], _Plan])
    """The plans, by the hash of the arguments (None for unknown ones), their size class, and the rhythm."""
    guesses: dict[tuple[str | None, int], tuple[tuple[Ended, ...], Lengths]] = field(
        factory=dict[tuple[str | None, int], tuple[tuple[Ended, ...], Lengths]]
    )
    """What `guess` has returned, and `runs` at that time, by the hash of the arguments and their size class."""

    @property
    def scouted(self) -> bool:
        """Whether there was a scout lately, so that the client need not learn from the other tasks of a crowd."""
        return self.unscouted < _UNSCOUTED

    @property
    def heeded(self) -> bool:
        """Whether enough scouts have ended to follow them. Short runs end first, so the first few scouts say nothing of
        long runs."""
        return self.count.seen >= _COHORT * self.cohort

    def take(self, ended: Ended) -> None:
        """Remember a run."""
        if not self.count.seen:
            self.cohort = self.begun
        alike = self.alike.setdefault(ended.key.arguments, _Alike())
        self.alike.move_to_end(ended.key.arguments)
        if len(self.alike) > _ARGUMENTS:
            self.alike.popitem(last=False)
        if alike.lengths is not None:
            alike.steadiness = steadier(alike.steadiness, ended.run, alike.lengths)
        elif self.lengths is not None:
            self.steadiness = steadier(self.steadiness, ended.run, self.lengths)
        lengths = alike.lengths or self.lengths
        if lengths is not None:
            ended = evolve(ended, run=remembered(ended.run, lengths))
        foreseen = lengths is not None and expected(ended.run, lengths)
        alike.count.add(expected=foreseen)
        alike.runs = (*alike.runs, ended.run)[-_RUNS_ALIKE:]
        self.count.add(expected=foreseen)
        self.runs = (*self.runs, ended)[-_RUNS:]

    def places(self, key: CallKey, rhythm: Rhythm, watched: int) -> Places | None:
        """Where to poll a run; None for the usual polls."""
        if not self.runs or (rhythm.follows and not self.heeded):
            return None
        alike = self.alike.get(key.arguments)
        which = (None if alike is None else key.arguments, key.size, rhythm)
        plan = self.plans.get(which)
        if plan is None or not (
            self.count.current(plan.seen, watched) and (alike is None or alike.count.current(plan.alike, watched))
        ):
            if len(self.plans) >= _PLANS:
                self.plans.clear()
            plan = self.plans[which] = self._planned(key, alike, rhythm)
        return plan.places(self._aim(rhythm, watched))

    def distribution(self, key: CallKey, alike: _Alike | None, shortest: float) -> Lengths:
        """How long a run may take; see `lengths.distribution`. There is at least one run."""
        known = self if alike is None else alike
        return distribution(list(_evidence(key, alike, self.runs)), shortest=shortest, steadiness=known.steadiness)

    def guess(self, key: CallKey, shortest: float) -> Lengths:
        """How long a run may take. A display asks for each of its tasks several times a second, so the distribution is
        kept until the next run has ended. For any thread; there is at least one run."""
        alike, runs = self.alike.get(key.arguments), self.runs
        which = (None if alike is None else key.arguments, key.size)
        known = self.guesses.get(which)
        if known is None or known[0] is not runs:
            if len(self.guesses) >= _PLANS:
                self.guesses.clear()
            known = self.guesses[which] = runs, self.distribution(key, alike, shortest)
        return known[1]

    def pay(self, key: CallKey, run: Run, polls: int, rhythm: Rhythm) -> None:
        """Book a run: its usual number of polls is added to the account, and the polls that it took are subtracted."""
        alike = self.alike.get(key.arguments)
        lengths = self.lengths if alike is None or alike.lengths is None else alike.lengths
        likely = [] if lengths is None else list(between(lengths.known, run.low, run.high))
        self.account += rhythm.worth_of(likely or [(run.low, run.high, 1.0)]) - polls
        self.account = min(self.account, _SAVED)

    def _aim(self, rhythm: Rhythm, watched: int) -> Aim:
        """The aim of the polls of the next run. Polls of a scout are to find its end soonest, but those of some scouts,
        and of all if few tasks are watched, are to learn most. Other runs save polls while the account is low."""
        if rhythm.follows:
            return "find" if self.account >= watched // _RESERVE else "save"
        self.turn += 1
        return "find" if self.turn % (1 + min(watched, _SAMPLE) // _LEARNERS) else "learn"

    def _planned(self, key: CallKey, alike: _Alike | None, rhythm: Rhythm) -> _Plan:
        known = self if alike is None else alike
        known.lengths = self.distribution(key, alike, rhythm.soonest)
        return _Plan(known.lengths, rhythm, self.count.seen, 0 if alike is None else alike.count.seen)


def _evidence(key: CallKey, alike: _Alike | None, runs: tuple[Ended, ...]) -> Iterator[Evidence]:
    """The runs that tell how long the next run with this key may take, and the weight of each."""
    near = 0.0
    for number, run in enumerate(reversed(() if alike is None else alike.runs)):
        weight = _FADING**number
        near += weight
        yield Evidence(run, weight)
    others = [
        (ended, _FADING**number)
        for number, ended in enumerate(reversed(runs))
        if alike is None or ended.key.arguments != key.arguments
    ]
    of_size = sum(weight for ended, weight in others if ended.key.size == key.size)
    share = _NEAR / (_NEAR + near)
    for ended, weight in others:
        part = 1.0 if ended.key.size == key.size else _NEAR / (_NEAR + of_size)
        yield Evidence(ended.run, weight * share * part)
