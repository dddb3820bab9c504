"""An HTTP/1.1 reverse proxy for tests that breaks chosen JSON-RPC requests in chosen ways.

It stands in front of one MCP server on loopback and runs on an event loop in a thread of its own, so tests on asyncio,
on trio and blocking ones use it alike. It reads the JSON-RPC method of each POST, answers it with the next scripted
fault for that method if there is one, and passes everything else through, event streams unbuffered. What the faults
look like on the wire is in `fault_answers.py`, and how HTTP is spoken in `fault_http.py`.

Every upstream request has a connection of its own. That is slow, but no fault can leak from one request into another.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import attrs
import h11

from tests.interop.fault_answers import KINDS, Kind, invent, spoil
from tests.interop.fault_http import (
    CHUNK,
    Request,
    fetch,
    next_event,
    open_upstream,
    read_request,
    reset,
    send,
    without_hops,
)

WhenDown = Literal["reset", "502"]


@attrs.frozen
class Seen:
    """One request that reached the proxy: its method, the task it names, when, and the fault it got."""

    method: str
    task_id: str | None
    at: float
    fault: Kind | None


@attrs.define
class _Plan:
    kind: Kind
    times: int
    skip: int
    retry_after: str | None
    after_upstream: bool
    once_per_task: bool
    hit: set[str | None] = attrs.field(factory=set[str | None])


class FaultProxy:
    """The proxy and its controls; every method may be called from any thread.

    `with FaultProxy(server_url) as proxy:` and give `proxy.url` to the client under test.
    """

    def __init__(self, upstream: str, *, when_down: WhenDown = "reset") -> None:
        """`when_down`: what clients see while nobody listens at `upstream`."""
        self.when_down: WhenDown = when_down
        self._lock = threading.Lock()
        self._upstream = upstream
        self._plans: dict[str, deque[_Plan]] = {}
        self._seen: list[Seen] = []
        self._passed_on = 0
        self._failures: list[BaseException] = []
        self._clients: set[asyncio.StreamWriter] = set()
        self._release: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._port = 0
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    # Controls

    @property
    def url(self) -> str:
        """The address to give to clients: the same path as upstream, on the proxy's port."""
        return f"http://127.0.0.1:{self._port}{urlsplit(self.upstream).path}"

    @property
    def upstream(self) -> str:
        """The server's address. It may be changed at any time; requests that run keep the old one."""
        with self._lock:
            return self._upstream

    @upstream.setter
    def upstream(self, url: str) -> None:
        with self._lock:
            self._upstream = url

    def fail(
        self,
        method: str,
        *,
        kind: Kind,
        times: int = 1,
        skip: int = 0,
        retry_after: str | None = None,
        after_upstream: bool = False,
        once_per_task: bool = False,
    ) -> None:
        """Answer the next `times` requests of `method` with a fault, after letting `skip` of them pass.

        `method` is a JSON-RPC method, `"response"` for a client's answer to a request of the server, or the HTTP method
        `"GET"` or `"DELETE"`. Faults for one method come in the order in which they were given. `after_upstream` lets
        the server see and answer the request first, so that only the answer is lost. `once_per_task` spares a task that
        had its fault, so that the faults spread over all tasks.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(KINDS)}")
        with self._lock:
            plan = _Plan(kind, times, skip, retry_after, after_upstream, once_per_task)
            self._plans.setdefault(method, deque()).append(plan)

    def clear(self) -> None:
        """Forget all faults that are still to come, and let go of the requests that are held without an answer."""
        with self._lock:
            self._plans.clear()
        self._call(self._release_held)

    def drop_connections(self) -> None:
        """Reset every connection that is open now, event streams included, as a failing network does."""
        self._call(self._reset_all)

    @property
    def seen(self) -> list[Seen]:
        """Every request so far, in order of arrival."""
        with self._lock:
            return list(self._seen)

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each method arrived."""
        return Counter(request.method for request in self.seen)

    def injected(self, method: str) -> int:
        """How many requests of this method got a fault."""
        return sum(1 for request in self.seen if request.method == method and request.fault is not None)

    @property
    def passed_on(self) -> int:
        """How many requests were sent on to the server."""
        with self._lock:
            return self._passed_on

    def wait_for(self, condition: Callable[["FaultProxy"], bool], timeout: float = 120.0) -> None:
        """Block until `condition(proxy)` holds. For blocking tests; async ones call it in a worker thread."""
        deadline = time.monotonic() + timeout
        while not condition(self):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not seen within {timeout} s; requests so far: {dict(self.counts)}")
            time.sleep(0.005)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        if not self._started.wait(60):
            raise RuntimeError("the fault proxy did not start")
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stop is not None:
            self._call(self._stop.set)
        self._thread.join(60)
        if self._thread.is_alive():
            raise RuntimeError("the fault proxy did not stop")
        if self._failures and exc is None:
            raise RuntimeError("the fault proxy itself failed") from self._failures[0]

    # The event loop in the thread

    def _call(self, function: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._release = asyncio.Event()
        server = await asyncio.start_server(self._serve_client, "127.0.0.1", 0, backlog=2048)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        self._reset_all()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _release_held(self) -> None:
        if self._release is not None:
            self._release.set()
            self._release = asyncio.Event()

    def _reset_all(self) -> None:
        for writer in list(self._clients):
            reset(writer)

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        connection = h11.Connection(h11.SERVER)
        try:
            while (request := await read_request(connection, reader)) is not None:
                await self._answer(request, connection, reader, writer)
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    break
                connection.start_next_cycle()
        except (OSError, h11.RemoteProtocolError):
            # The client or the server went away in the middle: nothing is left to answer, and the `finally` closes.
            writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()
        except Exception as failure:
            self._failures.append(failure)
            writer.transport.abort()
        finally:
            self._clients.discard(writer)
            writer.close()

    def _next_fault(self, request: Request) -> _Plan | None:
        with self._lock:
            plans = self._plans.get(request.method)
            chosen: _Plan | None = None
            while plans and chosen is None:
                plan = plans[0]
                if plan.once_per_task and request.task_id in plan.hit:
                    break
                if plan.skip > 0:
                    plan.skip -= 1
                    break
                if plan.times <= 0:
                    plans.popleft()
                    continue
                plan.times -= 1
                plan.hit.add(request.task_id)
                chosen = plan
            kind = chosen.kind if chosen else None
            self._seen.append(Seen(request.method, request.task_id, time.monotonic(), kind))
            return chosen

    async def _answer(
        self, request: Request, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        plan = self._next_fault(request)
        if plan is None or plan.after_upstream or plan.kind == "truncated":
            with self._lock:
                self._passed_on += 1
        if plan is None:
            await self._unless_gone(self._relay(request, connection, writer), connection, reader)
            return
        if plan.after_upstream or plan.kind == "truncated":
            real = await fetch(self.upstream, request)
        else:
            real = None
        if plan.kind == "reset":
            reset(writer)
        elif plan.kind == "silence":
            assert self._release is not None
            await self._unless_gone(self._release.wait(), connection, reader)
            writer.transport.abort()
        elif plan.kind == "truncated":
            assert real is not None
            await send(connection, writer, spoil(real))
            writer.close()
        else:
            await send(connection, writer, invent(plan.kind, request.rpc_id, plan.retry_after))

    async def _unless_gone(
        self, work: Coroutine[Any, Any, object], connection: h11.Connection, reader: asyncio.StreamReader
    ) -> None:
        """Do `work`, but give it up when the client closes its end, or an abandoned stream would stay open upstream."""

        async def until_closed() -> None:
            while data := await reader.read(CHUNK):
                connection.receive_data(data)

        working, watching = asyncio.create_task(work), asyncio.create_task(until_closed())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ConnectionResetError("the client went away")
            working.result()
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def _relay(self, request: Request, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, from_upstream, to_upstream = await open_upstream(self.upstream, request)
        except OSError:
            if self.when_down == "reset":
                reset(writer)
            else:
                await send(connection, writer, invent("502", request.rpc_id, None))
            return
        try:
            while True:
                event = await next_event(upstream, from_upstream)
                if isinstance(event, h11.Response):
                    writer.write(connection.send(without_hops(event)) or b"")
                elif isinstance(event, h11.Data):
                    writer.write(connection.send(h11.Data(data=bytes(event.data))) or b"")
                elif isinstance(event, h11.EndOfMessage):
                    writer.write(connection.send(h11.EndOfMessage()) or b"")
                    await writer.drain()
                    return
                elif isinstance(event, h11.ConnectionClosed):
                    raise ConnectionResetError("the server closed its connection in mid-answer")
                await writer.drain()
        finally:
            to_upstream.close()
