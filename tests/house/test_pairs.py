"""The choice among the combinations of a test's parameters."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import pairs
from tests.helpers.pairs import chosen
from tests.helpers.selection import Told, collected

Case = dict[str, str]


def product(*sizes: int) -> list[Case]:
    """All combinations of parameters with so many values."""
    return [
        {name: f"{name}{number}" for name, number in zip("abcde", numbers, strict=False)}
        for numbers in itertools.product(*map(range, sizes))
    ]


def running(cases: list[Case], name: str) -> list[Case]:
    """The combinations that run."""
    return [case for case, runs in zip(cases, chosen(cases, name), strict=True) if runs]


def met(cases: list[Case]) -> set[frozenset[tuple[str, str]]]:
    """The pairs of values that meet."""
    return {frozenset(pair) for case in cases for pair in itertools.combinations(case.items(), 2)}


SIZES = [(3, 2, 2), (2, 2, 2), (3, 10, 2), (2, 3, 2, 2), (1, 3, 2, 2), (2, 4, 2, 3, 2), (14, 2, 2, 2), (5, 5, 5)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", ["test_one", "test_other"])
def test_every_pair_meets(sizes: tuple[int, ...], name: str) -> None:
    """Any two values of two parameters meet in a combination that runs; fewer run than all, and not many more than the
    two longest parameters have pairs."""
    cases = product(*sizes)
    runs = running(cases, name)
    assert met(runs) == met(cases)
    longest, second, *_ = sorted(sizes, reverse=True)
    assert longest * second <= len(runs) <= min(len(cases) * 2 // 3, longest * second * 1.5)


def test_combinations_that_are_not_there() -> None:
    """A pair that is in no combination is not asked for; every other one meets."""
    cases = [case for case in product(3, 2, 2, 3) if (case["a"], case["b"]) != ("a1", "b1") and case["d"] != "d2"]
    runs = running(cases, "test_one")
    assert met(runs) == met(cases)
    assert len(runs) < len(cases)


@pytest.mark.parametrize("sizes", [(7,), (3, 2), (3, 1, 2)])
def test_pairs_alone_all_run(sizes: tuple[int, ...]) -> None:
    """Where no more than two parameters vary all combinations run."""
    assert all(chosen(product(*sizes), "test_one"))


def test_turns() -> None:
    """What one test leaves out another one runs."""
    cases = product(3, 2, 2)
    runs = [chosen(cases, f"test_{number}") for number in range(20)]
    assert all(any(together) for together in zip(*runs, strict=True))


MODULE = """
import pytest

@pytest.mark.pairwise
@pytest.mark.parametrize("era", ["old", "new"])
@pytest.mark.parametrize(("way", "form"), [("x", 1), ("x", 2), ("y", 1)])
@pytest.mark.parametrize("loop", ["a", "b"])
def test_marked(era, way, form, loop):
    pass

@pytest.mark.parametrize("era", ["old", "new"])
@pytest.mark.parametrize("way", ["x", "y"])
@pytest.mark.parametrize("loop", ["a", "b"])
def test_not_marked(era, way, loop):
    pass
"""


@pytest.fixture
def items(request: pytest.FixtureRequest, tmp_path: Path) -> list[pytest.Item]:
    """What pytest collects of that module."""
    path = tmp_path / "test_example.py"
    path.write_text(MODULE, encoding="utf-8")
    return collected(request.session, path)


def test_only_what_is_marked(items: list[pytest.Item]) -> None:
    """Of a marked test few combinations are left, in which values that are given together count as one; a test that is
    not marked keeps all. What is taken out is reported."""
    told: Any = Told()
    left = list(items)
    pairs.select(told, left, frozenset())
    names = [item.name.removesuffix("]").split("[") for item in left]
    marked = [dict(enumerate(values.split("-"))) for name, values in names if name == "test_marked"]
    assert len(marked) == 6
    assert len({(case[0], case[1], case[2]) for case in marked}) == 6
    assert len({(case[1], case[2], case[3]) for case in marked}) == 6
    assert [name for name, _ in names].count("test_not_marked") == 8
    assert {*left, *told.out} == {*items}


def test_a_whole_folder(items: list[pytest.Item]) -> None:
    """Of a file that is named few combinations are left of each test, marked or not."""
    told: Any = Told()
    pairs.select(told, items, frozenset({items[0].path}))
    assert len(items) == 6 + 4
