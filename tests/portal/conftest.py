"""Each test of the blocking client runs on both kinds of portal, and leaves no thread behind."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from mcptasks.testing import TaskServer
from tests.helpers.blocking import BACKENDS, Backend
from tests.helpers.command_line import warm
from tests.helpers.support import Era, make_server
from tests.helpers.threads import eventually, threads

__all__ = ["warm"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """The event loop of the background thread."""
    chosen: Backend = request.param
    return chosen


@pytest.fixture
def era() -> Era:
    """The task protocol that is spoken; a test parametrises it where the answer may differ."""
    return "modern"


@pytest.fixture
def server(era: Era) -> TaskServer:
    """A server with the tool `work`, which waits to be steered."""
    return make_server(era)


@pytest.fixture(autouse=True)
def no_thread_left() -> Generator[None]:
    """A thread that outlives the last client is a leak, whatever the test was about."""
    before = threads()
    yield
    eventually(lambda: threads() <= before, f"threads are left: {threads() - before}")
