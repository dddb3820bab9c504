"""Which of all combinations of a test's parameters run: few, in which every pair of values still meets.

What a test looks at hangs on one of its parameters or on two of them together: a generation and a transport, a fault
and the request that it hits. So any two values of two parameters meet in a combination that runs. Three at once do not:
a test whose outcome hangs on three parameters together is not marked.

All tests of tests/interop are chosen like this, since a real server takes its time, and so are tests that are marked
`pairwise`. Values that are given together, in one `parametrize` with several names, count as one.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Hashable, Mapping, Sequence

import pytest

from tests.helpers.selection import take_out

pairwise = pytest.mark.pairwise
"""Run a test with few combinations of its parameters, in which every pair of values meets. For tests whose parameters
are independent of each other; the place of the mark says why they are."""

ENOUGH = 3
"""From so many parameters that vary, fewer combinations than all hold every pair."""


def chosen(cases: Sequence[Mapping[str, Hashable]], name: str) -> list[bool]:
    """Say for each combination of one test whether it runs.

    The combination that brings most pairs together which have not met is the next to run, until all that can meet have
    met. Combinations that are left out of `cases` need not be there: no pair is asked for that is in none of them.

    Args:
        cases: The combinations, as the value of each parameter; all that there are.
        name: The test's name. It decides between combinations that are equally good, so that tests differ in what they
            leave out. Every Python decides alike.
    """
    varying = [each for each in cases[0] if any(case[each] != cases[0][each] for case in cases)]
    if len(varying) < ENOUGH:
        return [True] * len(cases)
    pairs = [frozenset(itertools.combinations([(each, case[each]) for each in varying], 2)) for case in cases]
    order = sorted(range(len(cases)), key=lambda number: zlib.crc32(f"{name} {number}".encode()))
    left = frozenset[object]().union(*pairs)
    runs = [False] * len(cases)
    while left:
        best = max(order, key=lambda number: len(pairs[number] & left))
        runs[best] = True
        left -= pairs[best]
    return runs


def select(config: pytest.Config, items: list[pytest.Item], everywhere: frozenset[object]) -> None:
    """Take out of the collected tests the combinations that are not chosen.

    Args:
        config: What the run is configured with; it is told what is taken out.
        items: The collected tests, of which this removes some.
        everywhere: The paths of files all of whose tests are chosen like this, marked or not.
    """
    by_test: dict[tuple[object, str], list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            by_test.setdefault((item.parent, item.originalname), []).append(item)
    out: set[pytest.Item] = set()
    for (_, name), cases in by_test.items():
        first = cases[0]
        if first.path in everywhere or first.get_closest_marker("pairwise") is not None:
            runs = chosen([_values(case) for case in cases], name)
            out.update(case for case, is_chosen in zip(cases, runs, strict=True) if not is_chosen)
    take_out(config, items, out)


def _values(item: pytest.Function) -> dict[str, Hashable]:
    """The value of each parameter, as its identity; those that are given together count as one."""
    values: dict[str, Hashable] = {name: id(value) for name, value in item.callspec.params.items()}
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0]
        first, *others = (name.strip() for name in names.split(",")) if isinstance(names, str) else names
        if others and first in values:
            values[first] = tuple(values.pop(name, None) for name in (first, *others))
    return values
