"""What every test shares: the backends, the marks that follow from a file's place, and hypothesis' settings."""

from __future__ import annotations

import ast
import gc
import importlib
import itertools
import os
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import hypothesis
import hypothesis.strategies
import pytest

from tests.helpers import pairs
from tests.helpers.backends import ASYNCIO, TRIO, Backend

TESTS = Path(__file__).parent
INTEROP = TESTS / "interop"
TESTING = TESTS / "testing"
ALONE = tuple(
    TESTS / place
    for place in (
        "interop/test_many.py",
        "notebooks",
        "portal/test_exit.py",
        "portal/test_interrupts.py",
    )
)
"""Where the processor is kept busy, or what matters is how soon something happens."""
SLOW_BY_PLACE = frozenset({TESTS / "client", INTEROP, TESTING})
"""Where the mark that makes a test slow need not stand in its file: the place gives it, or the fixture `world`."""
INTERPRETER = (TESTS / "portal", TESTS / "notebooks")
"""Threads, signals, forks, the end of a program, notebooks: what a Python may do in its own way. All of these tests run
on the oldest Python and on the newest."""


# A slow machine is no bug: hypothesis sets no deadline for an example, and does not complain of slow ones. In CI each
# run tries the same examples: a change fails by what it changes.
hypothesis.settings.register_profile(
    "mcptasks",
    deadline=None,
    print_blob=True,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("mcptasks")


@pytest.fixture(scope="module", params=[pytest.param(ASYNCIO, id="asyncio"), pytest.param(TRIO, id="trio")])
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run each test that is marked `anyio` on asyncio and on trio."""
    backend: Backend = request.param
    return backend


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect no garbage while tests are read. There is hardly any, and looking for it takes a quarter of that time."""
    gc.disable()
    try:
        _read_a_share(session.config)
        return (yield)
    finally:
        gc.enable()


def _read_a_share(config: pytest.Config) -> None:
    """Import a share of the test modules, each worker another one, before all of them are read in their order.

    pytest rewrites the assertions of a module and keeps the result in a file. In a new checkout eight workers that go
    through the modules in one order would each rewrite all of them, which is half of the time of reading.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args != config.getini("testpaths") or _needs(config.option.markexpr, {"alone"}):
        return
    number = int(worker["workerid"].removeprefix("gw"))
    found = (path for path in sorted(TESTS.rglob("test_*.py")) if not pytest_ignore_collect(path, config))
    for path in list(found)[number :: worker["workercount"]]:
        name = ".".join(path.relative_to(TESTS.parent).with_suffix("").parts)
        # pytest imports what is not there yet, and reports what it fails of.
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(name)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the thousands of tests that `-m` cannot choose: reading all tests takes a process 8 s.

    For `-m "alone and ..."` these are the files of other places, and for `-m "... (slow or interop)"` those that do not
    have the word."""
    if _needs(config.option.markexpr, {"alone"}):
        near = any(collection_path in (place, *place.parents) or place in collection_path.parents for place in ALONE)
        return None if near else True
    if _needs(config.option.markexpr, {"slow", "interop"}) and _says_what_is_slow(collection_path):
        return None if "slow" in collection_path.read_text(encoding="utf-8") else True
    return None


def _says_what_is_slow(path: Path) -> bool:
    """Whether this is a file of tests whose slow ones are marked in the file itself."""
    return path.match("test_*.py") and SLOW_BY_PLACE.isdisjoint(path.parents)


def _needs(chosen: str, marks: set[str]) -> bool:
    """Whether an expression of marks chooses nothing that has none of these marks."""
    expression = ast.parse(chosen.strip() or "all", mode="eval").body
    others = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)} - marks
    given = (itertools.compress(others, which) for which in itertools.product((True, False), repeat=len(others)))
    return not any(_chooses(expression, frozenset(names)) for names in given)


def _chooses(expression: ast.expr, marks: frozenset[str]) -> bool:
    """Whether an expression of marks chooses a test that has these."""
    match expression:
        case ast.Name(id=name):
            return name in marks
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _chooses(operand, marks)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_chooses(value, marks) for value in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_chooses(value, marks) for value in values)
        case _:
            return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies in certain places, and take out combinations that are not chosen, before `-m` chooses."""
    # Once for each file: every worker of a run does this for all of its thousands of tests.
    marks = {path: _marks_of(path) for path in {item.path for item in items}}
    for item in items:
        for mark in marks[item.path]:
            item.add_marker(mark)
    _check_slow(items)
    pairs.select(config, items, frozenset(path for path in marks if INTEROP in path.parents))


def _check_slow(items: list[pytest.Item]) -> None:
    """Fail where a run of the slow tests would leave one out, since its file does not say that it is slow."""
    silent = {path for path in {item.path for item in items} if _says_what_is_slow(path)}
    silent = {path for path in silent if "slow" not in path.read_text(encoding="utf-8")}
    for item in items:
        if item.path in silent and item.get_closest_marker("slow") is not None:
            raise pytest.UsageError(f"{item.nodeid} is slow, and its file does not have this word")


def _marks_of(path: Path) -> list[pytest.MarkDecorator]:
    """The marks that follow from where a test file lies."""
    places = {path, *path.parents}
    marks: list[pytest.MarkDecorator] = []
    if INTEROP in places:
        marks.append(pytest.mark.interop)
    if TESTING in places:
        marks.append(pytest.mark.slow)
    if not places.isdisjoint(ALONE):
        marks.append(pytest.mark.alone)
    if not places.isdisjoint(INTERPRETER):
        marks.append(pytest.mark.interpreter)
    return marks


@hypothesis.settings(max_examples=1)
@hypothesis.given(hypothesis.strategies.none())
def _nothing(_: None) -> None:
    """Runs hypothesis once."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take the thousands of collected tests out of what the garbage collector looks through.

    They live until the end of the run. With them one `gc.collect()` takes a fifth of a second, and some tests ask for
    hundreds.
    """
    # Hypothesis makes its random number generator when it is first needed, and could not see then who holds on to it.
    _nothing()
    gc.collect()
    gc.freeze()
