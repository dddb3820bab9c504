"""How long the runs of a tool take, one after the other: families of lengths, each the same for the same seed. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeAlias

from attrs import frozen


@frozen
class Run:
    """One run that is to come."""

    length: float
    """Seconds."""
    group: str = ""
    """What a schedule that knows the distribution knows of it: the phase of the family, or the arguments."""
    arguments: int = 0
    """Which arguments it is called with."""


Family: TypeAlias = Callable[[random.Random, int], Iterator[Run]]
"""Takes the source of chance, and how many tasks run at once. The more there are, the more runs pass until a change."""


def constant(_rng: random.Random, _at_once: int) -> Iterator[Run]:
    """Each run takes as long."""
    return (Run(7.3) for _ in count())


def nearly_constant(rng: random.Random, _at_once: int) -> Iterator[Run]:
    """Runs differ by a percent."""
    return (Run(7.3 * rng.uniform(0.995, 1.005)) for _ in count())


def two_values(rng: random.Random, _at_once: int) -> Iterator[Run]:
    """Half of the runs take 3 s, half take 9 s."""
    return (Run(rng.choice((3.0, 9.0))) for _ in count())


def uniform(rng: random.Random, _at_once: int) -> Iterator[Run]:
    """Anything from 5 to 15 s."""
    return (Run(rng.uniform(5, 15)) for _ in count())


def lognormal(sigma: float) -> Family:
    """A median of 8 s, and the given standard deviation of the logarithm."""

    def runs(rng: random.Random, _at_once: int) -> Iterator[Run]:
        return (Run(rng.lognormvariate(math.log(8), sigma)) for _ in count())

    return runs


def by_argument(rng: random.Random, _at_once: int) -> Iterator[Run]:
    """Six sets of arguments, each with a length of its own from 2 to 22 s."""
    lengths = (2.0, 4.1, 7.3, 11.2, 16.4, 22.0)
    for _ in count():
        which = rng.randrange(len(lengths))
        yield Run(lengths[which], f"arguments {which}", which)


def drift(rng: random.Random, at_once: int) -> Iterator[Run]:
    """From 5 s to 11 s and back, half a percent a run if there is one at once, with half a percent of noise."""
    half = 160 if at_once == 1 else 8 * at_once
    for number in count():
        part = abs(number % (2 * half) - half) / half
        yield Run(5 * 2.2 ** (1 - part) * rng.uniform(0.995, 1.005))


def change(_rng: random.Random, at_once: int) -> Iterator[Run]:
    """Twenty runs of 4 s (or two a worker), then as many of 8 s, then of 3 s, and so on."""
    for number in count():
        phase = number // (20 if at_once == 1 else 2 * at_once)
        yield Run((4.0, 8.0, 3.0)[phase % 3], f"phase {phase}")


def cold_start(_rng: random.Random, _at_once: int) -> Iterator[Run]:
    """One run of 40 s, then all take 5 s."""
    yield Run(40.0, "cold")
    yield from (Run(5.0, "warm") for _ in count())


def heavy_tail(rng: random.Random, _at_once: int) -> Iterator[Run]:
    """A Pareto distribution from 4 s on: a tenth takes more than 18 s."""
    return (Run(min(4 * rng.paretovariate(1.5), 600.0)) for _ in count())


def failures(rng: random.Random, _at_once: int) -> Iterator[Run]:
    """Each fifth run fails within 50 ms; the others take 8 s, more or less."""
    return (Run(0.05 if rng.random() < 0.2 else rng.lognormvariate(math.log(8), 0.1)) for _ in count())


FAMILIES: dict[str, Family] = {
    "constant": constant,
    "nearly constant": nearly_constant,
    "two values": two_values,
    "uniform": uniform,
    "lognormal, sigma 0.1": lognormal(0.1),
    "lognormal, sigma 0.3": lognormal(0.3),
    "lognormal, sigma 1": lognormal(1.0),
    "by argument": by_argument,
    "drift": drift,
    "change": change,
    "cold start": cold_start,
    "heavy tail": heavy_tail,
    "failures at once": failures,
}
