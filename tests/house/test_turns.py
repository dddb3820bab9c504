"""Turns: each Python runs a share of the combinations of every test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import turns
from tests.helpers.selection import Told, collected

ROOT = Path(__file__).parent.parent.parent
MODULE = """
import pytest

loops = pytest.mark.parametrize("anyio_backend", [("asyncio", {}), ("trio", {})], ids=["asyncio", "trio"])

@loops
@pytest.mark.parametrize("number", range(100))
def test_many(anyio_backend, number):
    pass

@loops
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_two_loops(anyio_backend, backend):
    pass

@pytest.mark.interpreter
@pytest.mark.parametrize(("backend", "number"), [("asyncio", 1), ("trio", 2), ("trio", 1)])
def test_given_together(backend, number):
    pass

@pytest.mark.parametrize("anyio_backend", [("trio", {})], ids=["virtual"])
def test_one_loop(anyio_backend):
    pass

@pytest.mark.parametrize("number", range(3))
def test_no_loop(number):
    pass

def test_plain():
    pass

@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
def test_slow(number):
    pass

@pytest.mark.slow
@pytest.mark.interpreter
@pytest.mark.parametrize("number", range(20))
def test_slow_anywhere(number):
    pass
"""
ALL = Counter(test_many=200, test_two_loops=4, test_given_together=3, test_one_loop=1, test_no_loop=3, test_plain=1)
ALL.update(test_slow=2, test_slow_anywhere=20)
Collect = Callable[[], list[pytest.Item]]


@pytest.fixture
def collect(request: pytest.FixtureRequest, tmp_path: Path) -> Collect:
    """What pytest collects of that module; each time anew."""
    path = tmp_path / "test_example.py"
    path.write_text(MODULE, encoding="utf-8")
    return lambda: collected(request.session, path)


def chosen(items: list[pytest.Item], turn: int, number: int = 2) -> list[pytest.Item]:
    """Those whose turn it is. The others are reported as deselected."""
    told: Any = Told()
    left = list(items)
    turns.select(told, left, turn, number)
    assert {*left, *told.out} == {*items}
    assert [item for item in items if item in left] == left
    return left


def names(items: list[pytest.Item]) -> Counter[str]:
    """How often each test function is there."""
    return Counter(item.name.partition("[")[0] for item in items)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_each_combination_runs(collect: Collect, number: int) -> None:
    """Each combination has its turn; one alone, or a test without parameters, is run by all. Each test runs in each
    turn."""
    items = collect()
    shares = [chosen(items, turn, number) for turn in range(1, number + 1)]
    assert {item for share in shares for item in share} == {*items}
    for share in shares:
        assert names(share).keys() == ALL.keys()
        assert names(share)["test_one_loop"] == names(share)["test_plain"] == 1
    many = [item for share in shares for item in share if item.name.startswith("test_many")]
    assert len(many) == ALL["test_many"]


def test_loops_have_different_turns(collect: Collect) -> None:
    """What runs on one event loop in one turn runs on the other one in the next. Each turn has both."""

    def on(loop: str, turn: int) -> set[str]:
        items = chosen(collect(), turn)
        return {item.name.replace(loop, "") for item in items if "many" in item.name and loop in item.name}

    assert on("asyncio", 1) == on("trio", 2)
    assert on("trio", 1) == on("asyncio", 2)
    assert 30 < len(on("trio", 1)) < 70


def test_every_python_decides_alike(collect: Collect) -> None:
    """The choice depends on nothing but the tests' ids, and not on what else is there."""
    whole = [item.nodeid for item in chosen(collect(), 1)]
    part = [item for item in collect() if "-9" not in item.name]
    assert [item.nodeid for item in chosen(part, 1)] == [name for name in whole if "-9" not in name]


def test_what_runs_on_one_python_has_no_turn(collect: Collect) -> None:
    """A slow test runs in every turn, unless it is marked for several Pythons."""
    shares = [names(chosen(collect(), turn)) for turn in (1, 2)]
    assert [share["test_slow"] for share in shares] == [2, 2]
    assert sum(share["test_slow_anywhere"] for share in shares) == 20


PROPERTY = """
from hypothesis import given, strategies

@given(strategies.integers())
def test_numbers(number):
    print("tried", number)
"""


@pytest.mark.once
def test_examples_of_a_property_are_shared(tmp_path: Path) -> None:
    """Each turn tries its share of the examples. In CI these are other ones in each turn, and the same in each run."""
    (tmp_path / "test_property.py").write_text(PROPERTY, encoding="utf-8")

    def tried(turn: str) -> list[str]:
        command = [sys.executable, "-m", "pytest", "-s", "-p", turns.__name__, "--turn", turn, "test_property.py"]
        environment = {**os.environ, "CI": "1", "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return [line for line in run.stdout.splitlines() if "tried" in line]

    first, again, second = tried("1/2"), tried("1/2"), tried("2/2")
    assert len(first) == len(second) == 50
    assert first == again != second
