"""Serves a test server over HTTP on loopback, from a thread of its own, for async and blocking tests."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
from types import TracebackType
from typing import Any

import anyio
import anyio.lowlevel
import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from mcptasks.testing._asgi import TaskServerApp
from mcptasks.testing._server import TaskServer

START_LIMIT = 60.0
"""Seconds that the server has to start; then `start` raises. Only a server that hangs takes so long: a busy machine
needs a few seconds."""
STOP_LIMIT = 60.0
"""Seconds that the server has to stop; then `stop` raises. As with `START_LIMIT`, only a server that hangs takes so
long."""

Peer = tuple[str, int]


class _Transports:
    """The open TCP connections, by the client's address."""

    def __init__(self) -> None:
        self._open: dict[Peer, asyncio.Transport] = {}

    def protocol_class(self) -> type[asyncio.Protocol]:
        """A subclass of uvicorn's HTTP protocol that registers its connections here."""
        connections = self._open

        class Registered(H11Protocol):
            """uvicorn's protocol with registered connections."""

            def connection_made(self, transport: Any) -> None:
                """Register the connection."""
                peer = transport.get_extra_info("peername")
                if peer is not None:
                    connections[peer[0], peer[1]] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                """Forget the connection."""
                peer = self.transport.get_extra_info("peername")
                if peer is not None:
                    connections.pop((peer[0], peer[1]), None)
                super().connection_lost(exc)

        return Registered

    def cut(self, scope: Scope, reset: bool) -> bool:
        """End the connection that a request came on: by a TCP reset, or after what was sent has gone out."""
        client = scope["client"]
        transport = self._open.get((client[0], client[1]))
        if transport is None:
            # The client has closed the connection before.
            return True
        if not reset:
            transport.close()
            return True
        sock = transport.get_extra_info("socket")
        # With SO_LINGER of zero seconds, the kernel sends RST and not FIN.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return True

    def abort_all(self) -> None:
        """End the remaining connections, such as those that were made while the server was stopping."""
        for transport in list(self._open.values()):
            transport.abort()


async def _let_callbacks_run() -> None:
    """Give the event loop the few turns in which asyncio makes or closes a connection."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


class serve_http:  # noqa: N801 - used like a function: `with serve_http(server) as url:`
    """Serve a `TaskServer` over HTTP; as a context manager, it gives the URL.

    The server runs in a background thread with an asyncio loop of its own, so the test may run on asyncio, on trio, or
    without an event loop. `stop()` and `start()` stop the server and start it again on the same port. On Linux, within
    the `with` block, the system gives that port to no other program meanwhile.
    """

    def __init__(
        self,
        server: TaskServer,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/mcp",
        json_response: bool = False,
        stateless: bool = False,
    ) -> None:
        """Prepare to serve.

        Args:
            server: the server.
            host: the address to listen on.
            port: the port; 0 for a free one.
            path: the path of the MCP endpoint.
            json_response: whether to answer 2025-11-25 requests with JSON bodies, not with event streams.
            stateless: whether to serve 2025-11-25 without sessions.
        """
        self._host = host
        self._port = port
        self._path = path
        self._transports = _Transports()
        self._app = TaskServerApp(
            server,
            path=path,
            json_response=json_response,
            stateless=stateless,
            cutter=self._transports.cut,
        )
        self._kept: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """The URL of the endpoint; valid once the server has started."""
        return f"http://{self._host}:{self._port}{self._path}"

    def __enter__(self) -> str:
        """Start, and return the URL; see `start` for the errors."""
        if self._thread is not None:
            raise RuntimeError("already started")
        self._kept = self._keep_port()
        try:
            self.start()
        except BaseException:
            self._give_port_back()
            raise
        return self.url

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        try:
            self.stop()
        finally:
            self._give_port_back()

    def start(self) -> None:
        """Begin to listen and to serve; after `stop()`, on the same port. Raises `RuntimeError` if the server runs
        already or does not start within 60 s, and `OSError` if the port cannot be used."""
        if self._thread is not None:
            raise RuntimeError("already started")
        sock = self._listen()
        self._port = sock.getsockname()[1]
        self._started.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, args=(sock,), name="mcptasks-test-server", daemon=True)
        self._thread.start()
        if not self._started.wait(START_LIMIT) or self._failure is not None:
            failure = self._failure
            self._thread.join(STOP_LIMIT)
            self._thread = None
            raise RuntimeError(f"the test server did not start on {self.url}") from failure

    def stop(self) -> None:
        """Cut all connections and stop listening; does nothing if the server is not running. Raises `RuntimeError` if
        the server does not stop within 60 s."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(STOP_LIMIT)
        if thread.is_alive():
            raise RuntimeError(f"the test server on {self.url} did not stop")

    def _keep_port(self) -> socket.socket | None:
        """Bind the port, so that the system gives it to no other program between `stop()` and `start()`. This socket
        does not listen, so connections are refused then. None except on Linux, where two sockets may be bound to one
        port."""
        if sys.platform != "linux":
            return None
        sock = self._bind()
        self._port = sock.getsockname()[1]
        return sock

    def _give_port_back(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio turns Nagle's algorithm, which costs 40 ms a request, off only for sockets that name their protocol.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._host, self._port))
        except OSError:
            sock.close()
            raise
        return sock

    def _listen(self) -> socket.socket:
        sock = self._bind()
        try:
            sock.listen(2048)
        except OSError:
            sock.close()
            raise
        return sock

    def _run(self, sock: socket.socket) -> None:
        try:
            anyio.run(self._serve, sock, backend="asyncio")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - `start` raises it
            self._failure = error
        finally:
            sock.close()
            self._started.set()

    async def _serve(self, sock: socket.socket) -> None:
        config = uvicorn.Config(
            self._app,
            http=self._transports.protocol_class(),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await server.startup(sockets=[sock])
        await server.on_tick(0)
        self._started.set()
        await self._stop.wait()
        # First stop accepting: asyncio loses a connection that is being made while its server closes.
        self._loop.remove_reader(sock.fileno())
        await _let_callbacks_run()
        self._app.cut_all()
        await server.shutdown(sockets=[sock])
        self._transports.abort_all()
        await _let_callbacks_run()
