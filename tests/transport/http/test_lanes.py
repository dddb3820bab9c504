"""Connections of their own: reused, bounded, given back however a request ends, and closed when they are old."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import SocketAttribute, SocketStream, TaskGroup
from mcp import MCPError

from mcptasks import Client
from mcptasks._transport.http import lanes
from mcptasks._transport.http.lanes import Lanes
from mcptasks._transport.http.senders import OwnSender

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def never_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no connection is closed for its age, unless a test says so."""
    monkeypatch.setattr(lanes, "_IDLE_SECONDS", 3600.0)


class Web:
    """A web server that counts. `/held` is answered when it is told to be, `/last` is the last answer on its
    connection, which the server closes after it."""

    def __init__(self) -> None:
        self.url = ""
        self.open: set[int] = set()
        """The connections."""
        self.most = 0
        """How many there were at once at most."""
        self.asked: list[tuple[int, str]] = []
        """Which connection asked for which path."""
        self.go = anyio.Event()
        self._count = 0
        self._changed = anyio.Event()

    @property
    def connections(self) -> int:
        """How many were made."""
        return self._count

    async def serve(self, stream: SocketStream) -> None:
        """One connection."""
        self._count += 1
        number = self._count
        self.open.add(number)
        self.most = max(self.most, len(self.open))
        try:
            async with stream:
                while await self._answer(stream, number):
                    pass
        finally:
            self.open.discard(number)
            self._tell()

    async def _answer(self, stream: SocketStream, number: int) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            try:
                head += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return False
        path = head.split()[1].decode()
        self.asked.append((number, path))
        self._tell()
        if path.endswith("/held"):
            await self.go.wait()
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return not path.endswith("/last")

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until_asked(self, count: int) -> None:
        """Wait for so many requests in all."""
        while len(self.asked) < count:
            await self._changed.wait()

    async def until_open(self, count: int) -> None:
        """Wait until so many connections are open."""
        while len(self.open) != count:
            await self._changed.wait()


@asynccontextmanager
async def web() -> AsyncGenerator[Web]:
    """Such a server."""
    server = Web()
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(await anyio.create_tcp_listener(local_host="127.0.0.1"))
        group = await stack.enter_async_context(anyio.create_task_group())
        server.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        group.start_soon(listener.serve, server.serve)
        with anyio.fail_after(120):
            yield server
        group.cancel_scope.cancel()


async def hold(group: TaskGroup, client: httpx2.AsyncClient, server: Web, count: int, *, arrive: int) -> None:
    """Have so many requests made that are held, and wait until those have arrived that can."""
    for _ in range(count):
        group.start_soon(client.get, f"{server.url}/held")
    await server.until_asked(arrive)


async def at_once(client: httpx2.AsyncClient, server: Web, count: int) -> None:
    """So many requests that are under way at the same moment."""
    server.go = anyio.Event()
    async with anyio.create_task_group() as group:
        await hold(group, client, server, count, arrive=len(server.asked) + count)
        server.go.set()


async def test_one_after_the_other() -> None:
    """Requests that do not overlap share one connection."""
    async with web() as server, httpx2.AsyncClient(transport=Lanes(8, secure=False)) as client:
        for _ in range(5):
            assert (await client.get(server.url)).text == "ok"
        assert server.connections == 1


async def test_at_once() -> None:
    """Those that do overlap have one each, which later ones use: the one that became idle last is the first to be."""
    async with web() as server, httpx2.AsyncClient(transport=Lanes(8, secure=False)) as client:
        await at_once(client, server, 5)
        assert server.connections == 5
        for _ in range(20):
            await client.get(server.url)
        assert (server.connections, len(server.open)) == (5, 5)
        assert len({number for number, _ in server.asked[5:]}) == 1


async def test_limit() -> None:
    """No more connections than allowed are open at once; all requests are answered."""
    async with web() as server, httpx2.AsyncClient(transport=Lanes(3, secure=False)) as client:
        async with anyio.create_task_group() as group:
            await hold(group, client, server, 20, arrive=3)
            await anyio.wait_all_tasks_blocked()
            assert len(server.asked) == 3
            server.go.set()
        assert (len(server.asked), server.most) == (20, 3)


async def test_taken_until_closed() -> None:
    """A connection is free when its response is closed, and once only, however often it is closed."""
    async with (
        web() as server,
        httpx2.AsyncClient(transport=Lanes(1, secure=False)) as client,
        anyio.create_task_group() as group,
    ):
        for asked in (1, 3):
            async with client.stream("GET", server.url) as response:
                group.start_soon(client.get, server.url)
                await anyio.wait_all_tasks_blocked()
                assert len(server.asked) == asked
            await server.until_asked(asked + 1)
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            await response.stream.aclose()
        assert server.most == 1


async def test_closed_by_the_server() -> None:
    """A connection that the server has closed meanwhile costs no request; a new one takes its place."""
    async with web() as server, httpx2.AsyncClient(transport=Lanes(2, secure=False)) as client:
        for count in range(1, 4):
            assert (await client.get(f"{server.url}/last")).text == "ok"
            await server.until_open(0)
            assert server.connections == count
        assert (await client.get(server.url)).text == "ok"


async def test_given_up() -> None:
    """A request that is cancelled, waiting for a connection or for its answer, leaves nothing taken."""
    async with web() as server, httpx2.AsyncClient(transport=Lanes(1, secure=False)) as client:
        async with anyio.create_task_group() as group:
            await hold(group, client, server, 3, arrive=1)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert (await client.get(server.url)).text == "ok"
        server.go.set()
        await server.until_open(1)


async def test_refused() -> None:
    """Connections that cannot be made leave nothing taken."""
    async with httpx2.AsyncClient(transport=Lanes(1, secure=False)) as client:
        for _ in range(3):
            with pytest.raises(httpx2.ConnectError):
                await client.get("http://127.0.0.1:9")


async def test_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was idle for longer than servers keep a connection is closed at the next request."""
    async with web() as server, httpx2.AsyncClient(transport=Lanes(8, secure=False)) as client:
        await at_once(client, server, 5)
        await client.get(server.url)
        assert len(server.open) == 5
        monkeypatch.setattr(lanes, "_IDLE_SECONDS", -1.0)
        async with client.stream("GET", server.url):
            await server.until_open(1)


async def test_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many connections that are not needed any more few stay open, though nothing is sent that might close them."""
    monkeypatch.setattr(lanes, "_IDLE", 3)
    async with web() as server, httpx2.AsyncClient(transport=Lanes(8, secure=False)) as client:
        await at_once(client, server, 8)
        await server.until_open(3)
        await at_once(client, server, 8)
        assert (len(server.asked), server.connections) == (16, 13)


async def test_left() -> None:
    """At the end all connections are closed, also one that is in use."""
    async with web() as server:
        transport = Lanes(8, secure=False)
        async with httpx2.AsyncClient(transport=transport) as client:
            await at_once(client, server, 3)
            response = await client.send(client.build_request("GET", server.url), stream=True)
            assert len(server.open) == 3
        await server.until_open(0)
        await response.aclose()


async def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names a proxy, requests go through it."""
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with web() as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        async with anyio.create_task_group() as group:
            group.start_soon(Client("http://tasks.example/mcp").open)
            await server.until_asked(1)
            group.cancel_scope.cancel()
        assert {path for _, path in server.asked} == {"http://tasks.example/mcp"}


@pytest.mark.parametrize(("url", "read"), [("http://127.0.0.1:9/mcp", 0), ("https://127.0.0.1:9/mcp", 1)])
async def test_authorities(url: str, read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's certificates are read once, and only for an https:// address: the server's, or one that an auth
    object asks. Without them no certificate is trusted."""
    made: list[ssl.SSLContext] = []
    create = httpx2.create_ssl_context

    def counted(*arguments: Any, **named: Any) -> ssl.SSLContext:
        if not arguments and not named:
            made.append(create())
            return made[-1]
        return create(*arguments, **named)

    class Auth(httpx2.Auth):
        """Asks elsewhere first."""

        async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
            yield httpx2.Request("GET", "https://127.0.0.1:9/token", extensions=request.extensions)

    monkeypatch.setattr(httpx2, "create_ssl_context", counted)
    sender = OwnSender(httpx2.URL(url), None, None)
    with pytest.raises(MCPError):
        await sender.send("POST", httpx2.URL(url), {}, b"")
    assert len(made) == read
    asking = OwnSender(httpx2.URL(url), None, Auth())
    made.clear()
    for _ in range(2):
        with pytest.raises(MCPError):
            await asking.send("POST", httpx2.URL(url), {}, b"")
    assert len(made) == 1 - read
    for each in (sender, asking):
        await each.aclose()


async def test_no_certificate_is_trusted_without_authorities() -> None:
    """Connections that are made without the system's certificates still verify what they are shown."""
    context = Lanes(1, secure=False)._tls
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.get_ca_certs() == []
