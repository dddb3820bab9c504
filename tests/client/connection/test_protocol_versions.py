"""`mode=` with each protocol version, against servers that refuse others: over HTTP, stdio and in process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from mcptasks import Client, TaskConnectionError
from mcptasks.testing import Options, TaskServer
from tests.helpers.command_line import stand_ins, warm
from tests.helpers.stand_ins import StandIns
from tests.helpers.support import begin, connected, http
from tests.helpers.worlds import TestT, both_worlds

__all__ = ["stand_ins", "warm"]

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

Way = Literal["object", "stdio", "http"]

SCRIPT = """
    import sys
    from mcptasks.testing import Options, TaskServer, serve_stdio

    options = Options(poll_interval_ms=20, versions=sys.argv[2:], version_refusal=sys.argv[1])
    server = TaskServer(era="legacy", options=options)
    server.add_tool("log", support="none", result=1)
    server.add_tool("work", result=2)
    serve_stdio(server)
"""


@pytest.fixture
def script(way: Way, tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    """The command that starts this server over stdio; nothing for the other ways."""
    if way != "stdio":
        return []
    forks: StandIns = request.getfixturevalue("stand_ins")
    return forks.script(tmp_path / "server.py", SCRIPT)


@asynccontextmanager
async def picky(
    way: Way, script: list[str], *versions: str, mode: str, refusal: Literal["error", "other"] = "error"
) -> AsyncGenerator[Client]:
    """A client of a server that speaks these versions only."""
    if way == "stdio":
        target: Any = [*script, refusal, *versions]
        async with connected(target, mode=mode, limit=120, reconnect_timeout=60.0) as client:
            yield client
        return
    options = Options(poll_interval_ms=20, versions=versions, version_refusal=refusal)
    server = TaskServer(era="legacy", options=options)
    server.add_tool("log", support="none", result=1)
    server.add_tool("work", result=2)
    if way == "object":
        async with connected(server, mode=mode) as client:
            yield client
    else:
        with http(server) as url:
            async with connected(url, mode=mode) as client:
                yield client


def ways(*modes: str) -> Callable[[TestT], TestT]:
    """Each mode over each way, but over stdio, where a process has to start, only the first of them."""
    found = [(way, mode) for mode in modes for way in ("object", "http")]
    return pytest.mark.parametrize(("way", "mode"), [("stdio", modes[0]), *found])


@ways(*reversed(HANDSHAKE_PROTOCOL_VERSIONS))
async def test_each_version(way: Way, mode: str, script: list[str]) -> None:
    """A server that refuses all versions but one is spoken to in that one; tasks work where both have them."""
    async with picky(way, script, mode, mode=mode) as client:
        assert client.protocol_version == mode
        assert client.task_support.era == "2025-11-25"
        assert (await client.call_tool("log")).text == "1"
        task = await client.call_tool("work", task=True)
        assert (await task.result()).text == "2"


@ways("auto", "legacy", "2025-11-25")
async def test_a_refusal(way: Way, mode: str, script: list[str]) -> None:
    """The server's words are in the error, and so is the mode that would do."""
    with pytest.raises(TaskConnectionError) as caught:
        async with picky(way, script, "2024-11-05", "2025-03-26", mode=mode):
            raise AssertionError("connected")
    assert "Unsupported protocol version: 2025-11-25" in str(caught.value)
    assert "(the server speaks 2025-03-26, 2024-11-05: give mode='2025-03-26')" in str(caught.value)


@ways("auto", "2025-06-18")
async def test_an_unheard_of_version(way: Way, mode: str, script: list[str]) -> None:
    """So are those of a server that answers with a version that nobody here speaks."""
    with pytest.raises(TaskConnectionError, match="with the protocol version '1999-01-01', which this client does not"):
        async with picky(way, script, "1999-01-01", mode=mode, refusal="other"):
            raise AssertionError("connected")


async def test_another_version_that_will_do() -> None:
    """A server may answer with another version than the one that is offered; it is spoken where both know it."""
    async with picky("http", [], "2025-03-26", mode="2025-06-18", refusal="other") as client:
        assert client.protocol_version == "2025-03-26"
        assert (await client.call_tool("log")).text == "1"


@pytest.mark.parametrize(
    ("mode", "version"),
    [
        ("auto", "2025-11-25"),
        ("legacy", "2025-11-25"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
    ],
)
async def test_later_connections_keep_the_version(mode: str, version: str) -> None:
    """What the first connection came to is offered again when it is lost, and nothing is probed any more."""
    server = TaskServer(era="legacy", options=Options(poll_interval_ms=20))
    server.add_tool("work")
    with http(server) as url:
        async with connected(url, mode=mode) as client:
            task, steered = await begin(client, server)
            server.restart()
            steered.complete("done")
            assert (await task.result()).data == "done"
            await client.call_tool("work", task=True)
            assert client.protocol_version == version
    offers = [request.params["protocolVersion"] for request in server.requests.of("initialize")]
    assert len(offers) > 1
    assert set(offers) == {version}
    assert server.requests.count("server/discover") == (mode == "auto")
