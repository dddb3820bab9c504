"""A test that asks for `era` or `server` runs in both eras, one that asks for `world` in both worlds, unless it says
otherwise."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mcptasks.testing import TaskServer
from tests.core import worlds
from tests.core.bridge import BlockingWorld, blocking_threads, follow_calls
from tests.core.support import ERAS, Era, make_server
from tests.core.worlds import ASYNC, World
from tests.portal.watching import eventually

CORE = Path(__file__).parent


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    """The task protocol that is spoken."""
    chosen: Era = request.param
    return chosen


@pytest.fixture
def server(era: Era) -> TaskServer:
    """A server of that era with the tool `work`, which waits to be steered."""
    return make_server(era)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the parameters that are not chosen."""
    chosen: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        params: dict[str, Any] = {}
        if CORE in item.path.parents and isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            params = item.callspec.params
        chosen[worlds.is_chosen(item.nodeid, params)].append(item)
    if chosen[False]:
        config.hook.pytest_deselected(items=chosen[False])
        items[:] = chosen[True]


# The blocking client is the same on every Python but for its portal, which tests/portal is about.
@pytest.fixture(params=["async", pytest.param("blocking", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[World]:
    """The client that the test is run with. Blocking clients leave no thread behind."""
    if request.param == "async":
        yield ASYNC
        return
    is_trio = "anyio_backend" in request.fixturenames and request.getfixturevalue("anyio_backend_name") == "trio"
    blocking = BlockingWorld("trio" if is_trio else "asyncio")
    monkeypatch.setattr(worlds, "present", blocking)
    follow_calls(monkeypatch)
    yield blocking
    eventually(lambda: not blocking_threads(), "a thread of a blocking client is left")
