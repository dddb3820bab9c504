"""What every test shares: the backends, the marks that follow from a file's place, and hypothesis' settings."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import hypothesis
import hypothesis.strategies
import pytest

from tests.helpers import marks, pairs
from tests.helpers.backends import ASYNCIO, TRIO, Backend

TESTS = Path(__file__).parent

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
    reader = _second_reader(session.config)
    try:
        return (yield)
    finally:
        gc.enable()
        if reader is not None:
            os.waitpid(reader, 0)


def _second_reader(config: pytest.Config) -> int | None:
    """A process that reads the later half of the test modules, if the run forks and no run has compiled them yet.

    pytest rewrites the assertions of a module and keeps the result in a file. In a new checkout that is half of the
    time of reading.
    """
    if not config.getoption("--forks", 0) or config.args != config.getini("testpaths"):
        return None
    paths = [path for path in sorted(TESTS.rglob("test_*.py")) if marks.may_be_chosen(config.option.markexpr, path)]
    kept = f"{sys.implementation.cache_tag}-pytest-{pytest.__version__}.pyc"
    if not paths or (paths[-1].parent / "__pycache__" / f"{paths[-1].stem}.{kept}").exists():
        return None
    reader = os.fork()
    if reader == 0:
        try:
            for path in paths[len(paths) // 2 :]:
                # The first process reports why an import fails.
                with suppress(Exception, pytest.skip.Exception):
                    importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))
        finally:
            os._exit(0)
    return reader


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what `-m` can choose nothing of, unless it is named."""
    named = {config.invocation_params.dir / argument.partition("::")[0] for argument in config.args}
    if collection_path in named or collection_path.name == "conftest.py":
        return None
    return None if marks.may_be_chosen(config.option.markexpr, collection_path) else True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies in certain places, and take out combinations that are not chosen, before `-m` chooses."""
    # Once for each file, not for each of thousands of tests.
    by_path = {path: marks.marks_of(path) for path in {item.path for item in items}}
    for item in items:
        for mark in by_path[item.path]:
            item.add_marker(mark)
    pairs.select(config, items, frozenset(path for path in by_path if marks.INTEROP in path.parents))


@hypothesis.settings(max_examples=1)
@hypothesis.given(hypothesis.strategies.integers())
def _nothing(_: int) -> None:
    """Runs hypothesis once."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take the thousands of collected tests out of what the garbage collector looks through.

    They live until the end of the run. With them one `gc.collect()` takes a fifth of a second, and some tests ask for
    hundreds.
    """
    # Hypothesis makes its random number generator when it is first needed, and could not see then who holds on to it.
    # Then too it looks for constants in all modules: once here, and not in each process that is forked.
    _nothing()
    gc.collect()
    gc.freeze()
