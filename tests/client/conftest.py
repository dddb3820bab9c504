"""A test that asks for `era` or `server` runs in both eras, one that asks for `world` in both worlds, unless it says
otherwise."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import worlds
from tests.helpers.bridge import BlockingWorld, blocking_threads, follow_calls
from tests.helpers.eras import era, server
from tests.helpers.threads import eventually
from tests.helpers.worlds import ASYNC, World

__all__ = ["era", "server"]

CLIENT = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the parameters that are not chosen."""
    chosen: dict[bool, list[pytest.Item]] = {True: [], False: []}
    here = {path for path in {item.path for item in items} if CLIENT in path.parents}
    for item in items:
        params: dict[str, Any] = {}
        if item.path in here and isinstance(item, pytest.Function) and hasattr(item, "callspec"):
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
