"""`Client(..., backend=...)`: the event loop of the background thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcptasks.sync import Client
from mcptasks.testing import TaskServer
from tests.helpers.blocking import begin, connected, make_client
from tests.helpers.support import http
from tests.helpers.threads import LIMIT, threads
from tests.portal.programs import Program

pytestmark = pytest.mark.slow


def test_asyncio_is_the_default(server: TaskServer) -> None:
    """Without a word about it, the event loop is asyncio's own."""
    with Client(server) as client:
        assert client.backend == "asyncio"
        loop = client._run(asyncio.get_running_loop)
        assert type(loop).__module__.startswith("asyncio")


def test_trio(server: TaskServer) -> None:
    """On request it is trio."""
    import sniffio

    with connected(server, "trio") as client:
        assert client.backend == "trio"
        assert client._run(sniffio.current_async_library) == "trio"


@pytest.mark.parametrize("over", ["process", "http"])
def test_uvloop(server: TaskServer, over: str) -> None:
    """On request it is uvloop, where that is installed; beside an asyncio one, tasks go the same way on both."""
    with http(server) as url:
        target: Any = server if over == "process" else url
        with connected(target, "uvloop") as client, connected(target, "asyncio") as other:
            assert client.backend == "uvloop"
            assert type(client._run(asyncio.get_running_loop)).__module__.startswith("uvloop")
            assert not type(other._run(asyncio.get_running_loop)).__module__.startswith("uvloop")
            for each in (client, other):
                task, steered = begin(each, server)
                future = task.future()
                steered.complete("done")
                assert task.result(LIMIT).data == future.result(LIMIT).data == "done"


@pytest.mark.parametrize("wrong", ["curio", "", "Asyncio", None, 7, ["trio"]])
def test_unknown(server: TaskServer, wrong: Any) -> None:
    """Another backend is a `ValueError` that names the choices, before anything is started."""
    before = threads()
    with pytest.raises(ValueError, match=r"'asyncio', 'uvloop',? (or )?'trio'") as caught:
        make_client(server, wrong)
    assert repr(wrong) in str(caught.value)
    assert threads() <= before


def test_asyncio_needs_nothing_else() -> None:
    """Where neither uvloop nor trio is installed, either is an error that says what to install, before anything is
    started; the default backend works. In a fresh Python, where nothing has imported them."""
    with Program("missing.py", "uvloop", "trio", "asyncio") as program:
        for backend in ("uvloop", "trio"):
            words = " ".join(program.expect("error"))
            assert backend in words
            assert "install" in words
            assert program.expect("threads") == ["1"]
        assert program.expect("works") == ["asyncio"]
        program.expect("threads")
        program.ends_well()
