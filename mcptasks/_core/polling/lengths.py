"""How long the next run of a tool may take: earlier runs go in, a distribution comes out. Pure.

The length of a run is seldom known to the point: the run was not over at one poll, and was at the next. Each run is
therefore an interval, and has a weight. The lengths on which most of the weight can agree get the mass (Turnbull's
estimator for interval-censored observations, a few rounds of it). A part of the mass stays spread over all lengths,
since the next run may be like none before. All times are seconds since a task's creation.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from attrs import evolve, frozen

_ROUNDS = 8
"""Rounds of the estimator. Its mass moves little after these; fewer also keep it from being too sure of a few runs."""
_SLIGHT = 0.02
"""Part of the mass below which an interval is left out of the distribution: noise of the estimator."""
_NARROWEST = 1e-3
"""Seconds, and part of a length, that an interval is wide at the least: no two runs are equally long to the point."""
_MARGIN = 0.01
_MARGIN_PART = 0.003
"""Seconds, and part of a length, by which the next run may be longer than one before and still count as alike."""
_UNKNOWN = 0.5
"""Weight of one run, compared with which the part of the mass that is spread over all lengths is this heavy."""
_LEAST_TOLD = 0.3
"""What a run counts that was over at the first poll, beside one whose length is known."""
_BELOW = 0.7
"""Part of the spread mass that lies below the longest length known. The rest lies above, up to `_BEYOND` times it."""
_BEYOND = 2.0
_STEP = 2.0
"""The spread mass is the same for each doubling of a length."""
_STEPS = 24
"""Doublings at the most over which mass is spread: from 0.16 s to a month."""
_FINE = 0.04
_FINE_PART = 0.006
"""Seconds, and part of a length, to within which it is enough to know how long a tool takes."""
_DOUBT = 0.35
"""Part of the weight of a run that may have been shorter, by which it is not taken to have been as long as before."""
_DOUBTED = 4
"""The latest of such runs whose doubts count."""
_STEADY = 3.0
"""So many times as likely is a tool at first to take exactly as long as before, than somewhat as long."""
_FADING = 0.85
"""How much less a run tells of a tool's steadiness than the one after it."""
_LIKELY = 0.25
"""The chance from which the end of a run counts as expected."""
_TRIFLE = 0.03
"""The chance of anything: what was not expected at all does not prove too much."""
_TINY = 1e-9
_DEVIATION = 1.5
"""The standard deviation of a normal distribution, in typical (median) differences from the median."""
_WIDEST = 1.0
"""Lengths that differ by more than this part are smoothed over no more than this."""
_HEAVY = 0.15
"""Part of the mass that an interval has at the least if runs are remembered to have ended in it."""
_BELIEVED = 0.7
"""How likely it has to be that the run was no shorter than these intervals."""
_WORTH = 0.12
"""Part of the mass that an interval has at the least if a poll is spent on learning where in the interval runs end."""
_SURE = 0.8
"""Part of such an interval's mass that counts as lying below its middle. The poll then comes in the middle, and the
next one as soon as polls are allowed."""

_UNLIKELY = 0.05
"""Part of the mass at either end that is left out where programs are told how long a run will take."""
_BISECTIONS = 40
"""Steps in which the length below which some part of the mass lies is found: to a millionth of a second for a month."""

Piece: TypeAlias = tuple[float, float, float]
"""A part of the distribution: from this length, to that one, so much mass, evenly."""


@frozen
class Run:
    """How long one run took: more than `low` seconds, at most `high`; nearly the same if the server told it."""

    low: float
    high: float
    least: float = 0.0
    """The lower bound that holds if the run was as long as those before it; 0 for none. See `remembered`."""

    @property
    def known_low(self) -> float:
        """The higher one of both lower bounds."""
        return max(self.low, self.least)


@frozen
class Evidence:
    """A run, and how much it counts."""

    run: Run
    weight: float


@frozen
class Lengths:
    """The distribution of the next run's length. Pieces may overlap; their mass is 1 in all."""

    alike: tuple[Piece, ...]
    """Where lengths repeat: intervals on which several runs agree."""
    near: tuple[Piece, ...]
    """Lengths somewhat like those before."""
    others: tuple[Piece, ...]
    """Any length."""

    @property
    def known(self) -> tuple[Piece, ...]:
        """What follows from runs before."""
        return (*self.alike, *self.near)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All of it."""
        return (*self.known, *self.others)


def distribution(evidence: Sequence[Evidence], *, shortest: float, steadiness: float = 0.0) -> Lengths:
    """The distribution of the next run's length.

    Args:
        evidence: The runs that are known, at least one.
        shortest: The shortest length of interest: no poll comes before it.
        steadiness: What `steadier` made of the runs before.
    """
    found = [piece for piece in _agreed(evidence) if piece[2] >= _SLIGHT]
    kept = sum(mass for _, _, mass in found)
    informed = sum(each.weight * _precision(each.run) for each in evidence)
    unknown = _UNKNOWN / (_UNKNOWN + informed)
    smooth = (1 - unknown) / (1 + _STEADY * math.exp(steadiness))
    sharp = 1 - unknown - smooth
    doubts = list(_doubts(evidence, _DOUBT * sharp))
    sharp -= sum(mass for _, _, mass in doubts)
    width = 1 + _width(evidence)
    alike = [(low, high + margin(high), mass / kept * sharp) for low, high, mass in found]
    near = [(low / width, high * width + margin(high), mass / kept * smooth) for low, high, mass in found]
    longest = max(shortest, *(high for _, high, _ in alike))
    return Lengths(tuple(alike), tuple(near), (*doubts, *_spread(shortest, longest, unknown)))


def steadier(before: float, run: Run, lengths: Lengths) -> float:
    """How much better runs were foretold by exactly the lengths before them than by lengths somewhat like those.

    The result is the logarithm of the odds, in which later runs count more. It is 0 if nothing is known.

    Args:
        before: The same before this run.
        run: The run that ended.
        lengths: What was expected.
    """
    exactly, about = _chance(run, lengths.alike), _chance(run, lengths.near)
    return _FADING * before + math.log((exactly + _TRIFLE) / (about + _TRIFLE))


def expected(run: Run, lengths: Lengths) -> bool:
    """Whether a run has ended where it was likely to."""
    return _inside(lengths.pieces, run.low, run.high) >= _LIKELY


def span(lengths: Lengths, age: float) -> tuple[float, float] | None:
    """From which to which length a run that is this old will probably take; None if it is longer than most were.

    The longest is the same at any age, so that the time that is left never grows while a run goes on.

    Args:
        lengths: What is known of its tool.
        age: Seconds since the run was created.
    """
    pieces = lengths.known
    longest = _length_at(pieces, 1 - _UNLIKELY)
    if age > longest:
        return None
    ended = _inside(pieces, 0.0, age) / _whole(pieces)
    return min(max(_length_at(pieces, ended + _UNLIKELY * (1 - ended)), age), longest), longest


def _length_at(pieces: Sequence[Piece], part: float) -> float:
    """The length below which this part of the mass lies."""
    wanted = part * _whole(pieces)
    short, long = 0.0, max(high for _, high, _ in pieces)
    for _ in range(_BISECTIONS):
        middle = (short + long) / 2
        if _inside(pieces, 0.0, middle) < wanted:
            short = middle
        else:
            long = middle
    return long


def _whole(pieces: Sequence[Piece]) -> float:
    return sum(mass for _, _, mass in pieces)


def between(pieces: Sequence[Piece], least: float, most: float) -> Iterator[Piece]:
    """The parts of the pieces that lie between these lengths, but for those too small to have a mass."""
    for low, high, mass in pieces:
        start, end = max(low, least), min(high, most)
        if start < end and (part := mass * (end - start) / (high - low)):
            yield start, end, part


def _chance(run: Run, pieces: Sequence[Piece]) -> float:
    """The part of this mass that lies where the run has ended."""
    total = _whole(pieces)
    return _inside(pieces, run.low, run.high) / total if total else 0.0


def _inside(pieces: Sequence[Piece], least: float, most: float) -> float:
    """How much mass lies between these lengths."""
    inside = 0.0
    for low, high, mass in pieces:
        covered = min(high, most) - max(low, least)
        if covered > 0:
            inside += mass * min(covered / max(high - low, _TINY), 1.0)
    return inside


def remembered(run: Run, lengths: Lengths) -> Run:
    """The run, with what it tells if it was as long as those before it.

    A poll that finds a steady tool over says nothing of how much earlier it may have been over. Without memory, what
    many polls found out would be gone as soon as the runs of that time are.
    """
    lows = [low for low, high, mass in lengths.alike if low < run.high and run.low < high and mass >= _HEAVY]
    least = min(lows, default=0.0)
    if least <= run.low:
        return run
    possible = _inside(lengths.pieces, run.low, run.high)
    return evolve(run, least=least) if _inside(lengths.pieces, least, run.high) >= _BELIEVED * possible else run


def to_learn(lengths: Lengths, gap: Callable[[float], float]) -> tuple[Piece, ...]:
    """The distribution that makes polls halve what is not known of a steady tool's length.

    Polls that find such a run soonest would come at the end of an interval that is narrower than two polls may be
    apart, and nothing more would ever be learned. A poll in its middle tells more, and is worth more than a
    little lateness.

    Args:
        lengths: The distribution.
        gap: How many seconds after a poll at some age the next one may come.
    """
    found = [*lengths.near, *lengths.others]
    for low, high, mass in lengths.alike:
        if mass < _WORTH or high - low - margin(high) <= _fine(high):
            found.append((low, high, mass))
            continue
        middle = (low + high) / 2
        after = max(high, middle + gap(middle))
        found += [(low, middle, mass * _SURE), (after, after, mass * (1 - _SURE))]
    return tuple(found)


def margin(length: float) -> float:
    """Seconds by which a run may be longer than one before and still count as alike."""
    return _MARGIN + _MARGIN_PART * length


def _precision(run: Run) -> float:
    """How much a run tells of its length, up to 1. One that was over at the first poll tells least."""
    return max(run.known_low / run.high, _LEAST_TOLD) if run.high > 0 else 1.0


def _fine(length: float) -> float:
    return max(_FINE, _FINE_PART * length)


def _agreed(evidence: Sequence[Evidence]) -> list[Piece]:
    """Intervals that do not overlap, with the part of the weight that each explains.

    Only where the latest beginning of some runs meets the earliest end of others can mass lie: everywhere else, fewer
    runs would agree.
    """
    runs = [(min(each.run.known_low, each.run.high - _narrowest(each.run.high)), each.run.high) for each in evidence]
    points = sorted([(low, True) for low, _ in runs] + [(high, False) for _, high in runs])
    lows, highs = list[float](), list[float]()
    begun: float | None = None
    for at, begins in points:  # An end comes before a beginning at the same length: `low` itself is excluded.
        if begins:
            begun = at
        elif begun is not None:
            lows.append(begun)
            highs.append(at)
            begun = None
    total = sum(each.weight for each in evidence)
    spans = [
        (bisect_left(lows, low), bisect_right(highs, high), each.weight / total)
        for (low, high), each in zip(runs, evidence, strict=True)
    ]
    return list(zip(lows, highs, _shared_out(spans, len(lows)), strict=True))


def _doubts(evidence: Sequence[Evidence], mass: float) -> Iterator[Piece]:
    """Mass for runs that are remembered to have been as long as those before, and may have been shorter. Polls will
    come there, and find a tool that has become quicker."""
    doubted = [each for each in evidence if each.run.least > each.run.low]
    doubted = sorted(doubted, key=_weight)[-_DOUBTED:]
    total = sum(each.weight for each in evidence)
    for each in doubted:
        yield (each.run.low, each.run.least, mass * each.weight / total)


def _weight(evidence: Evidence) -> float:
    return evidence.weight


def _width(evidence: Sequence[Evidence]) -> float:
    """By what part the next run may be longer or shorter than one of these.

    It is the typical difference of the logarithms from their median, so runs that differ altogether, such as failures
    at once, do not count."""
    logs = [(math.log(max((each.run.known_low + each.run.high) / 2, _TINY)), each.weight) for each in evidence]
    middle = _median(logs)
    spread = _DEVIATION * _median([(abs(log - middle), weight) for log, weight in logs])
    # Middles of wide intervals differ even if all runs were equally long.
    blur = _median(
        [((each.run.high - each.run.known_low) / max(each.run.high, _TINY), each.weight) for each in evidence]
    )
    return min(math.sqrt(max(spread**2 - blur**2 / 12, 0.0)), _WIDEST)


def _median(weighed: Sequence[tuple[float, float]]) -> float:
    """The value below which half of the weight lies."""
    left = sum(weight for _, weight in weighed) / 2
    for value, weight in sorted(weighed):
        left -= weight
        if left <= 0:
            return value
    return max(weighed)[0]


def _shared_out(spans: Sequence[tuple[int, int, float]], count: int) -> list[float]:
    """How the weight of runs is shared out over so many intervals, each run over the intervals of its span."""
    masses = [1 / count] * count
    for _ in range(_ROUNDS if count > 1 else 0):
        shares = [0.0] * count
        for first, end, weight in spans:
            if end - first == 1:
                shares[first] += weight
                continue
            factor = weight / max(sum(masses[first:end]), 1e-12)
            for place in range(first, end):
                shares[place] += masses[place] * factor
        masses = shares
    return masses


def _narrowest(length: float) -> float:
    return _NARROWEST * (1 + length)


def _spread(shortest: float, longest: float, mass: float) -> Iterator[Piece]:
    """Mass that is spread evenly over the logarithms of lengths, from the shortest to twice the longest."""
    count = min(max(round(math.log2(longest / shortest)), 1), _STEPS)
    step = (longest / shortest) ** (1 / count)
    for number in range(count):
        low = shortest * step**number if number else 0.0
        yield (low, shortest * step ** (number + 1), mass * _BELOW / count)
    yield (longest, longest * _BEYOND, mass * (1 - _BELOW))
