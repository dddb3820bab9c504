"""A plugin of pytest with which each test runs on one event loop: tests take turns with asyncio and trio.

    python -m pytest -p tests.helpers.turns --in-turn all -m "not interop and not slow"

For a run that repeats on another Python what the newest Python does on every event loop. So each test meets each Python
and each event loop, and each event loop is used on each Python. The sessions of noxfile.py say which runs these are.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable
from typing import Any

import pytest

from tests.helpers.backends import Backend
from tests.helpers.selection import take_out

LOOPS = ("anyio_backend", "backend", "style")
"""The parameters that say on which event loop a test runs: those of async tests and of tests of the blocking client.
`style`, in notebooks, says whether the client is async or has an event loop of its own."""
ALL = "all"
NONE = "none"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which tests take turns."""
    parser.addoption(
        "--in-turn", default=NONE, metavar="MARK", help=f"run tests with this mark, or {ALL!r}, on one event loop each"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests whose turn it is not, after `-m` and `-k`: what these leave of a test has a turn."""
    select(config, items, str(config.getoption("--in-turn")))


def select(config: pytest.Config, items: list[pytest.Item], mark: str) -> None:
    """Take out of the chosen tests those whose turn it is not.

    Args:
        config: What the run is configured with; it is told what is taken out.
        items: The chosen tests, of which this removes some.
        mark: Only tests with this mark take turns; `ALL` for every test.
    """
    by_test: dict[Hashable, dict[str, list[pytest.Item]]] = {}
    for item in items:
        if mark != ALL and item.get_closest_marker(mark) is None:
            continue
        if isinstance(item, pytest.Function) and (loop := _loop_of(item)):
            by_test.setdefault(_without_loop(item), {}).setdefault(loop, []).append(item)
    out: set[pytest.Item] = set()
    for loops in by_test.values():
        first = next(iter(loops.values()))[0]
        # Every process decides alike.
        turn = zlib.crc32(first.nodeid.encode()) % len(loops)
        for loop in sorted(loops)[:turn] + sorted(loops)[turn + 1 :]:
            out.update(loops[loop])
    take_out(config, items, out)


def _loop_of(item: pytest.Function) -> str:
    """The names of the event loops with which a test runs; none if no parameter says so."""
    params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    values: list[str | Backend] = [params[name] for name in LOOPS if name in params]
    return " ".join(str(value[0] if isinstance(value, tuple) else value) for value in values)


def _without_loop(item: pytest.Function) -> Hashable:
    """What tells a test from others, but for its event loop."""
    others = [(name, id(value)) for name, value in item.callspec.params.items() if name not in LOOPS]
    return (item.parent, item.originalname, *sorted(others))
