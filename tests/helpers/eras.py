"""The fixtures `era` and `server`, for the `conftest.py` of a folder whose tests run in both eras."""

from __future__ import annotations

import pytest

from mcptasks.testing import TaskServer
from tests.helpers.support import ERAS, Era, make_server


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    """The task protocol that is spoken."""
    chosen: Era = request.param
    return chosen


@pytest.fixture
def server(era: Era) -> TaskServer:
    """A server of that era with the tool `work`, which waits to be steered."""
    return make_server(era)
