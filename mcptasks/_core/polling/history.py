"""What is known of one tool: its latest runs, where to poll the next ones, and the account of polls. Pure.

What is known of the same arguments counts more than what is known of arguments of a like size, and that more than what
is known of the tool. The more runs are known of the nearer, the less the farther counts. Newer runs count more.
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
"""Different arguments that are remembered of one tool. The ones that ended longest ago make room."""
_RUNS = 16
"""Runs that are remembered of one tool, whatever its arguments."""
_RUNS_ALIKE = 16
"""Runs that are remembered of the same arguments."""
_FADING = 0.85
"""How much less a run counts than the one after it. Three runs then have 0.39 of the weight of all that came before."""
_NEAR = 0.5
"""Weight of runs of the same arguments at which other runs of the tool count half; the same for sizes."""
_PLANS = 64
"""Plans that are kept of one tool, for different arguments and intervals. When there are more, all are forgotten."""
_STALE = 8
_STALEST = 16
"""A plan is drawn up anew when there are an eighth more runs since the last that ended otherwise than expected, and
when it does not know the latest 16. After few runs, that is each time."""
_SAMPLE = 100
"""Tasks that are learned from at once at the most, about: of more, there are scouts."""
_LAG = 32
"""A plan may be behind by this part of the tasks that are watched: to draw it up takes a millisecond."""
_LEARNERS = 8
"""Up to so many tasks at once, all are polled where that tells most of a steady tool; of more, so many at once."""
_COHORT = 0.8
"""The part of the scouts that have to end before the others of a crowd are polled by what the scouts tell."""
_NEWS_AT = frozenset({1, 2, 4, 8, 16, 128})
"""After these numbers of runs of a tool, the polls of its tasks under way are planned anew. Each time about twice as
much is known as before, so a new plan is worth its cost; after 16 runs plans hardly change."""
_UNSCOUTED = 3000
"""After so many runs in a crowd without a scout, the others are learned from."""
_SAVED = 1000.0
"""Polls that are kept to a tool's credit at the most: what was saved for hours is not spent at once."""
_RESERVE = 512
"""One poll for so many tasks that are watched stays in the account: they may yet overdraw it."""
_THRIFTY = 0.8
"""The part of the budget that is spent while the account has nothing left."""


@frozen
class Ended:
    """A run that ended, as it is kept and can be stored."""

    key: CallKey
    run: Run


Aim: TypeAlias = Literal["find", "learn", "save"]
"""What polls are placed for: to find a run soonest, to learn more of a steady tool, or to save polls."""


@define(eq=False)
class _Count:
    """Counts runs, also those that are forgotten."""

    seen: int = 0
    changed: int = 0
    """What `seen` was when a run last ended otherwise than expected."""

    def add(self, *, expected: bool) -> None:
        """Count a run."""
        self.seen += 1
        if not expected:
            self.changed = self.seen

    def current(self, seen: int, watched: int) -> bool:
        """Whether what was concluded after so many runs still holds."""
        enough = min(max((self.seen - self.changed) // _STALE, 1), _STALEST)
        return self.seen - seen < max(enough, min(watched, _SAMPLE) // _LAG)


@define(eq=False)
class _Alike:
    """The runs of the same arguments."""

    runs: tuple[Run, ...] = ()
    count: _Count = field(factory=_Count)
    lengths: Lengths | None = None
    """The distribution that was last concluded from them."""
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
        found = places(lengths.pieces if aim == "find" else to_learn(lengths, rhythm.gap), rhythm)
        return found if found is not None and (aim == "learn" or sooner(found, lengths.known)) else None

    def _following(self, aim: Aim) -> Places | None:
        """Polls are placed by what is known alone: the scouts find out what has changed."""
        known, rhythm = self.lengths.known, self.rhythm
        whole = sum(mass for _, _, mass in known)
        pieces = [(low, high, mass / whole) for low, high, mass in known]
        if aim == "find":
            found = places(pieces, rhythm)
            return found if found is not None and sooner(found, pieces) else None
        if _THRIFTY * rhythm.worth_of(pieces) < 1:
            # Each run takes a poll, so nothing can be saved. The usual polls spend nothing on what is unsure.
            return None
        return places(pieces, rhythm, share=_THRIFTY)


@define(eq=False)
class History:
    """What is known of one tool."""

    runs: tuple[Ended, ...] = ()
    count: _Count = field(factory=_Count)
    alike: OrderedDict[str, _Alike] = field(factory=OrderedDict[str, _Alike])
    """The runs by their arguments."""
    lengths: Lengths | None = None
    """The distribution that was last concluded for arguments that are not known."""
    steadiness: float = 0.0
    """The same for it."""
    account: float = 0.0
    """How many polls fewer were made of this tool's runs than polling at the interval and today's early polls make."""
    begun: int = 0
    """How many scouts have begun."""
    cohort: int = 0
    """How many scouts had begun when the first run ended."""
    unscouted: int = _UNSCOUTED
    """How many runs came since the last scout."""
    turn: int = 0
    """Counts the plans that were asked for."""
    plans: dict[tuple[str | None, int, Rhythm], _Plan] = field(factory=dict[tuple[str | None, int, Rhythm], _Plan])
    """What follows, by arguments (None for unknown ones), their size class, and circumstances."""

    @property
    def scouted(self) -> bool:
        """Whether scouts tell enough of a crowd of this tool's runs."""
        return self.unscouted < _UNSCOUTED

    @property
    def heeded(self) -> bool:
        """Whether the scouts tell of long runs too. Short runs end first, so the first few that end tell too little."""
        return self.count.seen >= _COHORT * self.cohort

    def news(self, *, follows: bool) -> bool:
        """Whether the latest run tells so much that the polls of tasks under way are planned anew.

        A crowd that does not heed the scouts yet is not planned anew: nothing would move its polls.

        Args:
            follows: Whether the tasks belong to a crowd and are no scouts.
        """
        return self.count.seen in _NEWS_AT and (self.heeded or not follows)

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
        """Where to poll a run."""
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

    def pay(self, key: CallKey, run: Run, polls: int, rhythm: Rhythm) -> None:
        """Settle the account for a run that took so many polls."""
        alike = self.alike.get(key.arguments)
        lengths = self.lengths if alike is None or alike.lengths is None else alike.lengths
        likely = [] if lengths is None else list(between(lengths.known, run.low, run.high))
        self.account += rhythm.worth_of(likely or [(run.low, run.high, 1.0)]) - polls
        self.account = min(self.account, _SAVED)

    def _aim(self, rhythm: Rhythm, watched: int) -> Aim:
        """What the polls of the next run are for. Of many scouts at once, one in a few is polled where that tells most.
        The others save polls while the account has none left."""
        if rhythm.follows:
            return "find" if self.account >= watched // _RESERVE else "save"
        self.turn += 1
        return "find" if self.turn % (1 + min(watched, _SAMPLE) // _LEARNERS) else "learn"

    def _planned(self, key: CallKey, alike: _Alike | None, rhythm: Rhythm) -> _Plan:
        known = self if alike is None else alike
        known.lengths = self.distribution(key, alike, rhythm.soonest)
        return _Plan(known.lengths, rhythm, self.count.seen, 0 if alike is None else alike.count.seen)


def _evidence(key: CallKey, alike: _Alike | None, runs: tuple[Ended, ...]) -> Iterator[Evidence]:
    """The runs that tell of the next one with this key, and how much each counts."""
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
