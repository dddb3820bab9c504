"""How long the next run of a tool may take: earlier runs go in, a distribution comes out. Pure.

The exact length of a run is seldom known: the run ended between two polls. So each run is an interval with a weight.
The lengths that fit most of the weight get the mass (a few rounds of Turnbull's estimator for interval-censored
observations). A part of the mass stays spread over all lengths, since the next run may be like none before. All times
are seconds since a task's creation.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from attrs import evolve, frozen

_ROUNDS = 8
"""How many rounds the estimator makes. After them the mass hardly moves, and more rounds would trust a few runs too
much."""
_SLIGHT = 0.02
"""An interval with less than this part of the mass is left out of the distribution, as noise of the estimator."""
_NARROWEST = 1e-3
"""The least width of an interval, in seconds plus the same part of the length: no two runs take exactly equally
long."""
_MARGIN = 0.01
_MARGIN_PART = 0.003
"""By how many seconds, plus what part of its length, a run may be longer than an earlier run and still count as
alike."""
_UNKNOWN = 0.5
"""The weight of the mass that is spread over all lengths, if one fully known run has the weight 1."""
_LEAST_TOLD = 0.3
"""The weight of a run that was over at its first poll, if a run whose length is known has the weight 1."""
_BELOW = 0.7
"""Part of the spread mass that lies below the longest known length. The rest lies above, up to `_BEYOND` times that
length."""
_BEYOND = 2.0
"""See `_BELOW`."""
_STEPS = 24
"""The most steps over which the spread mass is divided evenly. A step is a doubling of the length, unless there are too
many; 24 doublings lead from 0.16 s to a month."""
_FINE = 0.04
_FINE_PART = 0.006
"""A tool's length is known well enough if it is known to within this many seconds, or this part of it if that is
more."""
_COARSE = 1.5
"""In an interval of this many times that width, lengths near those of earlier runs count like the same lengths when
polls are to learn. In a narrower one, the next poll after a miss would come too late for what is learned."""
_DOUBT = 0.35
"""Part of the weight of a remembered run (see `remembered`) that counts for the possibility that the run was
shorter."""
_DOUBTED = 4
"""How many such runs are doubted: the latest, which weigh most."""
_STEADY = 3.0
"""How many times as likely a tool is, before anything is known of its steadiness, to take exactly as long as before
than to take roughly as long."""
_FADING = 0.85
"""The weight of a run in the judgement of a tool's steadiness, as a part of the weight of the run after it."""
_LIKELY = 0.25
"""The end of a run counts as expected if its chance was at least this."""
_TRIFLE = 0.03
"""This is added to the chance of each run, so that one quite unexpected run does not count too much."""
_TINY = 1e-9
"""In place of a length or width of 0 s where a division or a logarithm needs more than 0."""
_DEVIATION = 1.5
"""The standard deviation of a normal distribution, in typical (median) differences from the median."""
_WIDEST = 1.0
"""The widest smoothing, as a part of a length, however much the lengths differ."""
_HEAVY = 0.15
"""An interval with at least this part of the mass counts as one in which earlier runs ended."""
_BELIEVED = 0.7
"""How likely it must be that a run was no shorter than these intervals; then it is remembered as no shorter."""
_WORTH = 0.12
"""A poll is spent on learning where in an interval runs end if the interval has at least this part of the mass."""
_SURE = 0.8
"""Part of such an interval's mass that counts as lying below its middle. The poll then comes in the middle, and the
next one as soon as polls are allowed."""

_UNLIKELY = 0.05
"""Part of the mass that is left out at either end when programs are told how long a run will take."""

Piece: TypeAlias = tuple[float, float, float]
"""A part of the distribution: from this length, to that one, so much mass, evenly."""


@frozen
class Run:
    """How long one run took: more than `low` seconds and at most `high`. The two are the same if the server told the
    time."""

    low: float
    high: float
    least: float = 0.0
    """The lower bound if the run was as long as the runs before it; 0 for none. See `remembered`."""

    @property
    def known_low(self) -> float:
        """The higher of the two lower bounds."""
        return max(self.low, self.least)


@frozen
class Evidence:
    """A run and its weight."""

    run: Run
    weight: float


@frozen
class Lengths:
    """The distribution of the next run's length. Pieces may overlap; their mass is 1 in all."""

    alike: tuple[Piece, ...]
    """The lengths of earlier runs: the intervals that fit most of them."""
    near: tuple[Piece, ...]
    """Lengths that are roughly like those of earlier runs."""
    others: tuple[Piece, ...]
    """Any length."""

    @property
    def known(self) -> tuple[Piece, ...]:
        """The pieces that follow from earlier runs."""
        return (*self.alike, *self.near)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All pieces."""
        return (*self.known, *self.others)


def distribution(evidence: Sequence[Evidence], *, shortest: float, steadiness: float = 0.0) -> Lengths:
    """The distribution of the next run's length.

    Args:
        evidence: The runs that are known, at least one.
        shortest: The shortest length of interest: no poll comes before it.
        steadiness: The result of `steadier` for the earlier runs.
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
    """How much better the exact lengths of earlier runs have foretold the next run than lengths roughly like those.

    The result is the logarithm of the odds, to which later runs contribute more; 0 if nothing is known.

    Args:
        before: The result for the runs before this one.
        run: The run that ended.
        lengths: The distribution that was expected.
    """
    exactly, about = _chance(run, lengths.alike), _chance(run, lengths.near)
    return _FADING * before + math.log((exactly + _TRIFLE) / (about + _TRIFLE))


def expected(run: Run, lengths: Lengths) -> bool:
    """Whether a run has ended where it was likely to."""
    return _inside(lengths.pieces, run.low, run.high) >= _LIKELY


def span(lengths: Lengths, age: float) -> tuple[float, float] | None:
    """The shortest and longest probable length of a run that is this old; None if the run is older than most runs
    became. The longest length is the same at any age, so the remaining time never grows while a run goes on.

    Args:
        lengths: The distribution for its tool.
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
    edges = sorted({0.0, *(edge for low, high, _ in pieces for edge in (low, high))})
    at = bisect_left(edges, wanted, 1, len(edges) - 1, key=lambda edge: _inside(pieces, 0.0, edge))
    # The mass grows evenly between two edges.
    short, long = edges[at - 1], edges[at]
    below, above = _inside(pieces, 0.0, short), _inside(pieces, 0.0, long)
    return short + (long - short) * min((wanted - below) / max(above - below, _TINY), 1.0)


def _whole(pieces: Sequence[Piece]) -> float:
    return sum(mass for _, _, mass in pieces)


def between(pieces: Sequence[Piece], least: float, most: float) -> Iterator[Piece]:
    """The parts of the pieces that lie between these lengths, without parts that are too small to have a mass."""
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
    """The run, with a higher lower bound (`Run.least`) if it was probably as long as the runs before it.

    A poll that finds a run over does not tell how much earlier the run ended. Earlier polls have told that for a steady
    tool. Without this bound, that knowledge would be lost as soon as those runs are forgotten.
    """
    lows = [low for low, high, mass in lengths.alike if low < run.high and run.low < high and mass >= _HEAVY]
    least = min(lows, default=0.0)
    if least <= run.low:
        return run
    possible = _inside(lengths.pieces, run.low, run.high)
    return evolve(run, least=least) if _inside(lengths.pieces, least, run.high) >= _BELIEVED * possible else run


def to_learn(lengths: Lengths, gap: Callable[[float], float], *, near: bool) -> tuple[Piece, ...]:
    """The distribution by which polls halve the intervals in which a steady tool's length lies.

    Two polls may not be closer together than the gap. In a narrower interval, the poll that finds the run soonest comes
    at the end, and never tells more. A poll in the middle tells more, which is worth a little lateness.

    Args:
        lengths: The distribution.
        gap: Returns how many seconds after a poll at some age the next poll may come.
        near: Whether lengths near an interval count as the interval does. They do if runs with the same arguments are
            known, whose lengths differ little.
    """
    found = [*lengths.others]
    for (low, high, mass), about in zip(lengths.alike, lengths.near, strict=True):
        doubt = high - low - margin(high)
        if mass < _WORTH or doubt <= _fine(high):
            found += [(low, high, mass), about]
            continue
        inside, outside = _divided(about, low, high) if near and doubt > _COARSE * _fine(high) else (0.0, [about])
        middle = (low + high) / 2
        after = max(high, middle + gap(middle))
        mass += inside
        found += [*outside, (low, middle, mass * _SURE), (after, after, mass * (1 - _SURE))]
    return tuple(found)


def _divided(about: Piece, low: float, high: float) -> tuple[float, list[Piece]]:
    """The mass of a piece between two lengths within the piece, and the rest of the piece."""
    first, last, mass = about
    density = mass / (last - first)
    rest = [(first, low, density * (low - first)), (high, last, density * (last - high))]
    return density * (high - low), [piece for piece in rest if piece[0] < piece[1]]


def margin(length: float) -> float:
    """Seconds by which a run may be longer than one before and still count as alike."""
    return _MARGIN + _MARGIN_PART * length


def _precision(run: Run) -> float:
    """How precisely the length of a run is known, up to 1; least for a run that was over at its first poll."""
    return max(run.known_low / run.high, _LEAST_TOLD) if run.high > 0 else 1.0


def _fine(length: float) -> float:
    return max(_FINE, _FINE_PART * length)


def _agreed(evidence: Sequence[Evidence]) -> list[Piece]:
    """Intervals that do not overlap, with the part of the weight that each explains.

    Mass can lie only between a beginning of a run's interval and the next end of one: everywhere else, fewer runs fit.
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
    """Mass for the possibility that remembered runs (see `remembered`) were shorter. Polls then come there too, and
    find out if the tool has become quicker."""
    doubted = [each for each in evidence if each.run.least > each.run.low]
    doubted = sorted(doubted, key=_weight)[-_DOUBTED:]
    total = sum(each.weight for each in evidence)
    for each in doubted:
        yield (each.run.low, each.run.least, mass * each.weight / total)


def _weight(evidence: Evidence) -> float:
    return evidence.weight


def _width(evidence: Sequence[Evidence]) -> float:
    """By what part the next run may be longer or shorter than one of these: the typical difference of the logarithms
    from their median. The median ignores runs of quite another length, such as failures at once."""
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
    """Share out the weight of each run over the intervals of its span."""
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
