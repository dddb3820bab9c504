"""A plugin of pytest with which several Pythons take turns: each runs a share of the combinations of a test.

    python -m pytest -p tests.helpers.turns --turn 1/2 -m "not interop and not slow"

A Python is one more parameter of a test: what fails hangs on the Python, or on the other parameters, seldom on both. So
each combination runs on one of the Pythons that take turns, and each test on all of them. On each about half of the
async tests run on asyncio, the others on trio. Tests that run on one Python only, the slow ones and those with real
servers, have no turns unless they are marked `interpreter`. The sessions of noxfile.py say who has which turn. Without
the option everything runs.

Of the random examples of a property each Python tries a share as well, and in CI each tries others. A property that
sets its own number of examples keeps that.
"""

from __future__ import annotations

import zlib
from typing import Any

import hypothesis
import pytest

from tests.helpers.backends import Backend
from tests.helpers.selection import take_out

LOOPS = ("anyio_backend", "backend", "style")
"""The parameters that say on which event loop a test runs: those of async tests and of tests of the blocking client.
`style`, in notebooks, says whether the client is async or has an event loop of its own."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say whose turn it is."""
    parser.addoption("--turn", metavar="K/N", help="of the combinations of each test run those of turn K of N")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let hypothesis try a share of its examples, other ones in each turn.

    Raises:
        pytest.UsageError: If the option says no turn.
    """
    if turn := config.getoption("--turn"):
        number, turns = _parsed(str(turn))
        usual = hypothesis.settings.default
        assert usual is not None
        if usual.derandomize and config.getoption("hypothesis_seed") is None:
            # The same examples in each run, and not the same on each Python. Hypothesis reads the option after this.
            config.option.hypothesis_seed = str(number)
        share = hypothesis.settings(usual, max_examples=-(-usual.max_examples // turns), derandomize=False)
        hypothesis.settings.register_profile("turn", share)
        hypothesis.settings.load_profile("turn")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the combinations whose turn it is not, before `-m` chooses, since sessions differ in their `-m`."""
    if turn := config.getoption("--turn"):
        select(config, items, *_parsed(str(turn)))


def _parsed(turn: str) -> tuple[int, int]:
    """The number of a turn, and how many take turns."""
    number, _, turns = turn.partition("/")
    if not (number.isdecimal() and turns.isdecimal() and 1 <= int(number) <= int(turns)):
        raise pytest.UsageError(f"--turn takes K/N with K from 1 to N, such as 1/2; got {turn}")
    return int(number), int(turns)


def select(config: pytest.Config, items: list[pytest.Item], turn: int, turns: int) -> None:
    """Take out of the collected tests those whose turn it is not.

    Args:
        config: What the run is configured with; it is told what is taken out.
        items: The collected tests, of which this removes some.
        turn: Whose turn it is, from 1.
        turns: How many take turns.
    """
    by_test: dict[str, list[pytest.Item]] = {}
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if "interpreter" in marks or marks.isdisjoint(("interop", "slow")):
            by_test.setdefault(item.nodeid.partition("[")[0], []).append(item)
    out: set[pytest.Item] = set()
    for cases in by_test.values():
        others = [case for case in cases if _turn_of(case, turns) != turn]
        # A test of which nothing would be left runs once.
        out.update(others if len(others) < len(cases) else others[1:])
    take_out(config, items, out)


def _turn_of(item: pytest.Item, turns: int) -> int:
    """Whose turn a combination is. This hangs on the names of its values only, so that every Python decides alike.

    Two combinations that differ in the event loop alone belong to different turns.
    """
    callspec: Any = getattr(item, "callspec", None)
    params: dict[str, Any] = {} if callspec is None else callspec.params
    values: list[str | Backend] = [params[name] for name in LOOPS if name in params]
    loops = [value[0] if isinstance(value, tuple) else str(value) for value in values]
    words = item.nodeid.removesuffix("]").replace("[", "-").split("-")
    others = "-".join(word for word in words if word not in loops)
    return (zlib.crc32(others.encode()) + loops.count("trio")) % turns + 1
