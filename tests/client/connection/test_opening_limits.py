"""How long opening takes: `timeout` and `reconnect_timeout` bound it, `wait_for_server` repeats it."""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client, TaskConnectionError
from mcptasks._transport.http import older
from mcptasks._transport.stdio import process
from mcptasks.testing import Delay, Disconnect, Fault, HttpStatus, NoHttpAnswer, TaskServer, serve_http
from tests.helpers.doors import quick_server, refused, sse_server, use
from tests.helpers.pairs import pairwise
from tests.helpers.raw_stdio import raw_server
from tests.helpers.support import LIMIT, connected, make_server
from tests.helpers.worlds import both_worlds

# What is opened ends the wait or not, in whatever mode; the event loop and the world only wait.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])
ALL_MODES = pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
LONG: dict[str, Any] = {"reconnect_timeout": 60}
"""Longer than any test may take."""


@contextmanager
def silent() -> Generator[str]:
    """A server that accepts connections and does not answer: host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def free_port() -> Generator[int]:
    """A port where nobody listens, kept from others."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# --- timeout ------------------------------------------------------------------------------------------------------


@MODES
@pytest.mark.parametrize("kind", ["http", "https", "sse", "stdio"])
async def test_timeout_bounds_opening(kind: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and does not answer ends opening when `timeout` is over: for URLs with TLS and without,
    HTTP+SSE and subprocesses, and for the probe and the handshake together. A subprocess that has never said anything
    is not waited for once more."""
    monkeypatch.setattr(process, "GRACE_SECONDS", 2 * LIMIT)
    with silent() as place:
        targets: dict[str, Any] = {
            "http": f"http://{place}/mcp",
            "https": f"https://{place}/mcp",
            "sse": {"mcpServers": {"a": {"url": f"http://{place}/sse", "type": "sse"}}},
            "stdio": [sys.executable, "-S", "-c", "import time; time.sleep(60)"],
        }
        begun = time.monotonic()
        words = await refused(targets[kind], mode=mode, timeout=0.7, **LONG)
        took = time.monotonic() - begun
    assert "no answer within 0.7 s (timeout)" in words
    assert 0.7 <= took < LIMIT


async def test_the_probe_and_the_handshake_have_one_limit() -> None:
    """A probe that is answered late leaves less time for the handshake."""
    server = quick_server("legacy")
    with serve_http(server) as url:
        server.faults.add("server/discover", Delay(1.0))
        server.faults.add("initialize", Delay(5.5))
        words = await refused(url, timeout=6, **LONG)
    assert "no answer within 6 s (timeout)" in words
    assert server.requests.count("initialize") == 1


async def test_reconnect_timeout_bounds_opening() -> None:
    """So does `reconnect_timeout`; the error says which of them it was."""
    with silent() as place:
        words = await refused(f"http://{place}/mcp", timeout=60, reconnect_timeout=0.3)
    assert "no answer within 0.3 s (reconnect_timeout)" in words


async def test_no_time_at_all() -> None:
    """Limits of 0 are refused: nothing could be opened within them."""
    zeros: list[dict[str, Any]] = [{"timeout": 0}, {"reconnect_timeout": 0}]
    for zero in zeros:
        with pytest.raises(ValueError, match="more than 0"):
            Client("http://localhost/mcp", **zero)


async def test_a_slow_start_within_the_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subprocess that says nothing for a while is waited for as long as `timeout` allows, and may end in its own time
    when it is left, since it was of use."""
    monkeypatch.setattr(process, "GRACE_SECONDS", LIMIT)
    marker = tmp_path / "ended"
    code = "time.sleep(0.5)\ndef end():\n    time.sleep(0.5)\n    open(sys.argv[1], 'w').write('well')\n"
    command = [*raw_server(tmp_path, "legacy", code), str(marker)]
    async with connected(command, limit=3 * LIMIT, timeout=LIMIT, **LONG) as client:
        assert (await client.call_tool("a")).text == "ok"
    assert marker.read_text(encoding="utf-8") == "well"


# --- wait_for_server ----------------------------------------------------------------------------------------------


class Noticed(logging.Handler):
    """Runs something in a thread when the client says that it waits, and keeps what it said."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        super().__init__(logging.INFO)
        self.words: list[str] = []
        self._then = then
        self.thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        if "not there yet" in record.getMessage():
            self.words.append(record.getMessage())
            if self._then is not None:
                self.thread = threading.Thread(target=self._then)
                self.thread.start()


@pytest.fixture
def noticed() -> Generator[Noticed]:
    """What the client says of its waiting."""
    handler = Noticed()
    logger = logging.getLogger("mcptasks")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@asynccontextmanager
async def late(server: TaskServer, handler: Noticed) -> AsyncGenerator[str]:
    """A server that starts when a client has found that it is not there: its URL."""
    done = threading.Event()
    with free_port() as port:

        def serve() -> None:
            with serve_http(server, port=port):
                done.wait()

        handler._then = serve
        try:
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            done.set()
            if handler.thread is not None:
                await anyio.to_thread.run_sync(handler.thread.join)


@ALL_MODES
async def test_a_server_that_starts_later(mode: str, noticed: Noticed) -> None:
    """`wait_for_server` waits for a server whose port is closed at first, in every mode; the log says so once."""
    server = quick_server("legacy" if mode == "legacy" else "modern")
    async with late(server, noticed) as url:
        async with connected(url, mode=mode, wait_for_server=timedelta(seconds=40)) as client:
            await use(client)
        assert len(noticed.words) == 1
        assert noticed.words[0].startswith(f"{url} is not there yet; waiting up to 40 s: ConnectError")


FAULTS: dict[str, Fault] = {
    **{str(status): HttpStatus(status) for status in (502, 503, 504)},
    "503 with a wish": HttpStatus(503, retry_after="1"),
    "reset": Disconnect(),
    "closed": Disconnect(reset=False),
    "silence": NoHttpAnswer(),
}


@MODES
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_gateway_that_has_no_server_yet(fault: str, mode: str, noticed: Noticed) -> None:
    """So it does where a gateway answers in the server's place, or takes connections and drops or keeps them."""
    server = quick_server("legacy")
    with serve_http(server) as url:
        rule = server.faults.add("*", FAULTS[fault], times=2)
        # The limit for silence is that for connecting alone, since a busy machine may take longer for a call.
        async with connected(url, mode=mode, wait_for_server=40, reconnect_timeout=3.0, limit=2 * LIMIT) as client:
            await use(client)
    assert rule.fired == 2
    assert len(noticed.words) == 1


async def test_a_gateway_before_http_sse(noticed: Noticed, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where the server speaks HTTP+SSE."""
    monkeypatch.setattr(older, "_LOOK_SECONDS", LIMIT)
    async with sse_server(quick_server(), ["GET"], outages=[503, 503]) as url:
        async with connected(url, wait_for_server=40) as client:
            await use(client)
        assert len(noticed.words) == 1


@MODES
async def test_a_server_that_does_not_come(mode: str) -> None:
    """When the time is over, the error says what was tried and of what it failed; no earlier, and not much later."""
    with free_port() as port:
        begun = time.monotonic()
        words = await refused(f"http://127.0.0.1:{port}/mcp", mode=mode, wait_for_server=3, **LONG)
        took = time.monotonic() - begun
    assert "ConnectError" in words
    assert "wait_for_server=3 had passed" in words
    assert 3 <= took < LIMIT


async def test_others_that_do_not_come() -> None:
    """So it is at a closed port for HTTP+SSE, and for names that are not known."""
    with free_port() as port:
        entry = {"url": f"http://127.0.0.1:{port}/sse", "type": "sse"}
        words = await refused({"mcpServers": {"a": entry}}, wait_for_server=3, **LONG)
    assert "wait_for_server=3 had passed" in words
    assert "wait_for_server" in await refused("http://nowhere.invalid/mcp", wait_for_server=0.5, **LONG)


async def test_the_wait_bounds_silence_too() -> None:
    """A server that accepts and does not answer is waited for no longer."""
    with silent() as place:
        words = await refused(f"http://{place}/mcp", wait_for_server=0.4, **LONG)
    assert "no answer within 0.4 s (wait_for_server)" in words


@ALL_MODES
async def test_a_version_without_asking(mode: str) -> None:
    """With `wait_for_server` something is asked in every mode, and any answer shows that the server is there."""
    server = make_server("legacy" if mode == "legacy" else "modern")
    server.add_tool("quick", result=1)
    with serve_http(server) as url:
        if mode == "2026-07-28":
            server.faults.add("server/discover", HttpStatus(403))
        async with connected(url, mode=mode, wait_for_server=40) as client:
            await use(client)


async def test_no_wait(noticed: Noticed) -> None:
    """Without it, and with 0, a closed port is an error at once."""
    with free_port() as port:
        options: list[dict[str, Any]] = [{}, {"wait_for_server": None}, {"wait_for_server": 0}]
        for each in options:
            begun = time.monotonic()
            assert "ConnectError" in await refused(f"http://127.0.0.1:{port}/mcp", **each, **LONG)
            assert time.monotonic() - begun < LIMIT
    assert not noticed.words


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
async def test_what_is_not_waited_for(status: int) -> None:
    """An answer that shows that the server is there, and will not have it, is an error at once."""
    server = quick_server("legacy")
    with serve_http(server) as url:
        server.faults.add("*", HttpStatus(status), times=None)
        assert str(status) in await refused(url, wait_for_server=60, **LONG)


async def test_only_the_first_connection_waits(noticed: Noticed) -> None:
    """Later connections are `reconnect_timeout`'s business."""
    server = quick_server("legacy")
    with serve_http(server) as url:
        async with connected(url, wait_for_server=60, reconnect_timeout=3.0) as client:
            await use(client)
            server.faults.add("*", HttpStatus(503), times=None)
            with anyio.fail_after(LIMIT), pytest.raises(TaskConnectionError):
                await client.list_tools()
    assert not noticed.words


async def test_what_wait_for_server_may_be(server: TaskServer) -> None:
    """Seconds or a `timedelta`, for URLs; for what the client starts itself it is a `ValueError`."""
    wrong: list[tuple[Any, Any, type[Exception], str]] = [
        ("http://localhost/mcp", True, TypeError, "wait_for_server must be a number of seconds"),
        ("http://localhost/mcp", "30", TypeError, "wait_for_server must be a number of seconds"),
        ("http://localhost/mcp", -1, ValueError, "wait_for_server must be a finite number of seconds"),
        ("http://localhost/mcp", timedelta(seconds=-1), ValueError, "wait_for_server must be a finite number"),
        ("http://localhost/mcp", float("inf"), ValueError, "wait_for_server must be a finite number of seconds"),
        (["server"], 30, ValueError, "wait_for_server= is for URLs"),
        (server, 30, ValueError, "wait_for_server= is for URLs"),
    ]
    for target, value, kind, words in wrong:
        with pytest.raises(kind, match=words):
            Client(target, wait_for_server=value)


async def test_opening_that_waits_can_be_cancelled() -> None:
    """A cancelled opening ends at once, while it waits too."""
    with free_port() as port, anyio.fail_after(LIMIT):
        with anyio.move_on_after(0.5) as scope:
            async with connected(f"http://127.0.0.1:{port}/mcp", wait_for_server=60):
                raise AssertionError("connected")
        assert scope.cancelled_caught
