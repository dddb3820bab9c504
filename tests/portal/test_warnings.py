"""A warning of a blocking call points at the program's line, though it is given on the background thread."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

import pytest

from mcptasks import TtlIgnoredWarning
from mcptasks.testing import TaskServer
from tests.helpers.blocking import BACKENDS, Backend, connected

each_backend = pytest.mark.parametrize("backend", BACKENDS)


def untasked() -> TaskServer:
    """A server that has never heard of tasks."""
    server = TaskServer()
    server.options = type(server.options)(tasks=False)
    server.add_tool("work", result="x")
    return server


def next_line() -> int:
    """The number of the line after the one that calls."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno + 1


def places(caught: list[warnings.WarningMessage]) -> list[tuple[str, int]]:
    """Where warnings of ours point. What an earlier test has left may be collected, and warn, at any time."""
    return [(each.filename, each.lineno) for each in caught if each.category is TtlIgnoredWarning]


@each_backend
def test_a_call(backend: Backend) -> None:
    """The line of a call is that of the call."""
    with connected(untasked(), backend) as client, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = next_line()
        client.call_tool("work", task=True, ttl=60)
    assert places(caught) == [(__file__, line)]


@each_backend
def test_map(backend: Backend) -> None:
    """That of `map` is where it is called."""
    with connected(untasked(), backend) as client, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = next_line()
        results = client.map("work", [None, None], ttl=60)
        assert len(list(results)) == 2
    assert places(caught) == [(__file__, line)]


@pytest.mark.filterwarnings("error")
def test_as_an_error() -> None:
    """Where warnings are errors the call raises it, with the program's line only, and the client goes on."""
    with connected(untasked()) as client:
        with pytest.raises(TtlIgnoredWarning, match="ttl was not sent") as caught:
            client.call_tool("work", task=True, ttl=60)
        assert [Path(str(entry.path)) for entry in caught.traceback] == [Path(__file__)]
        assert client.call_tool("work").data == "x"
