"""The choice of one event loop for each test, where a run repeats what another Python does on all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.helpers import turns
from tests.helpers.selection import Told, collected

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
"""
ALL = Counter(test_many=200, test_two_loops=4, test_given_together=3, test_one_loop=1, test_no_loop=3, test_plain=1)
Collect = Callable[[], list[pytest.Item]]


@pytest.fixture
def collect(request: pytest.FixtureRequest, tmp_path: Path) -> Collect:
    """What pytest collects of that module; each time anew, as each process does."""
    path = tmp_path / "test_example.py"
    path.write_text(MODULE, encoding="utf-8")
    return lambda: collected(request.session, path)


def chosen(items: list[pytest.Item], mark: str) -> list[pytest.Item]:
    """Those whose turn it is. The others are reported as deselected."""
    told: Any = Told()
    left = list(items)
    turns.select(told, left, mark)
    assert {*left, *told.out} == {*items}
    assert [item for item in items if item in left] == left
    return left


def names(items: list[pytest.Item]) -> Counter[str]:
    """How often each test function is there."""
    return Counter(item.name.partition("[")[0] for item in items)


def test_one_loop_each(collect: Collect) -> None:
    """Each combination of the other parameters runs once; a test with one event loop, or without any, stays."""
    left = chosen(collect(), turns.ALL)
    assert names(left) == ALL - Counter(test_many=100, test_two_loops=3, test_given_together=1)
    params = [cast(pytest.Function, item).callspec.params for item in left if item.name.startswith("test_many")]
    assert [each["number"] for each in params] == [*range(100)]
    together = [item.name for item in left if item.name.startswith("test_given")]
    assert "test_given_together[trio-2]" in together


def test_both_loops_have_their_turns(collect: Collect) -> None:
    """About half of the tests run on each event loop."""
    left = [item.name for item in chosen(collect(), turns.ALL) if item.name.startswith("test_many")]
    assert 30 < sum("trio" in name for name in left) < 70


def test_every_process_decides_alike(collect: Collect) -> None:
    """The choice depends on nothing but the tests' ids: the workers of one run must agree."""
    first, second = (chosen(collect(), turns.ALL) for _ in range(2))
    assert [item.nodeid for item in first] == [item.nodeid for item in second]


def test_what_was_taken_out_before_has_no_turn(collect: Collect) -> None:
    """A test of which `-m` or `-k` has left one event loop runs on that one."""
    items = [item for item in collect() if item.name.startswith("test_many[") and "trio" in item.name]
    assert len(items) == 100
    assert chosen(items, turns.ALL) == items


def test_marked_ones_only(collect: Collect) -> None:
    """With a mark only tests that have it take turns; without one no test does."""
    items = collect()
    assert names(chosen(items, "interpreter")) == ALL - Counter(test_given_together=1)
    assert chosen(items, turns.NONE) == items
