"""Many threads share one client, and handles, and the background thread itself."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mcptasks.sync import Client, Task
from mcptasks.testing import Complete, Options, TaskServer
from mcptasks.testing._script import Script
from tests.helpers.blocking import Aside, Backend, begin, connected, make_client
from tests.helpers.support import Era, http
from tests.helpers.threads import LIMIT, eventually, portal_thread, threads

THREADS = 64


def doubling_server(era: Era = "modern") -> TaskServer:
    """A server whose tool `double` takes a moment."""
    server = TaskServer(era=era, options=Options(poll_interval_ms=20))

    def script(arguments: Mapping[str, Any]) -> Script:
        return ["on the way", Complete(2 * arguments["n"], after=0.01)]

    server.add_tool("double", script)
    return server


def in_all_ways(client: Client, n: int) -> list[Any]:
    """The doubles of `n`, by each way to a result."""
    tasks = [client.call_tool("double", {"n": n}, task=True) for _ in range(3)]
    return [
        tasks[0].result(LIMIT).data,
        tasks[1].future().result(LIMIT).data,
        tasks[2].wait(timeout=LIMIT).status,
        [status.status for status in tasks[2].updates()][-1],
        tasks[2].result().data,
        client.call_tool("double", {"n": n}).data,
    ]


def in_two_ways(client: Client, n: int) -> list[Any]:
    """The double of `n`, by a task and by a plain call."""
    task = client.call_tool("double", {"n": n}, task=True)
    return [task.result(LIMIT).data, client.call_tool("double", {"n": n}).data]


@pytest.mark.parametrize("over", ["process", pytest.param("http", marks=pytest.mark.slow)])
def test_sixty_four_threads_share_a_client(backend: Backend, over: str) -> None:
    """64 threads with several calls each, on one client: every one gets its own results.

    The ways to a result, on this side of the transport, are all tried in process."""
    server = doubling_server()
    begin_together = threading.Barrier(THREADS)

    def work(n: int) -> list[Any]:
        begin_together.wait(LIMIT)
        return in_all_ways(client, n) if over == "process" else in_two_ways(client, n)

    def everything() -> list[list[Any]]:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(work, range(THREADS)))

    if over == "process":
        with connected(server, backend) as client:
            found = Aside(everything).value()
        assert found == [[2 * n, 2 * n, "completed", "completed", 2 * n, 2 * n] for n in range(THREADS)]
    else:
        with http(server) as url, connected(url, backend) as client:
            found = Aside(everything).value()
        assert found == [[2 * n, 2 * n] for n in range(THREADS)]


def test_threads_share_a_handle(server: TaskServer, backend: Backend) -> None:
    """Threads that wait for the same task get the same object."""
    with connected(server, backend) as client:
        task, steered = begin(client, server)
        waiting = [Aside(task.result) for _ in range(16)]
        steered.complete("done")
        (result,) = {id(aside.value()): aside.value() for aside in waiting}.values()
        assert result is task.result()


def test_one_thread_serves_all_clients(server: TaskServer, backend: Backend) -> None:
    """Clients that many threads open at the same moment, before there is a background thread, share one."""
    together = threading.Barrier(16)

    def connect() -> Client:
        client = make_client(server, backend)
        together.wait(LIMIT)
        return client.open()

    before = threads()
    clients = [aside.value() for aside in [Aside(connect) for _ in range(16)]]
    try:
        assert len({portal_thread(client) for client in clients}) == 1
        eventually(lambda: len(threads() - before) == 1, "more than one thread was started")
    finally:
        for client in clients:
            client.close()


def test_the_thread_ends_with_the_last_client(server: TaskServer, backend: Backend) -> None:
    """The background thread ends when the last client has closed, not before, and a later client starts a new one."""
    before = threads()
    found: list[threading.Thread] = []
    for _ in range(3):
        first, second = make_client(server, backend).open(), make_client(server, backend).open()
        (thread,) = {each for each in threading.enumerate() if each.ident == portal_thread(first)}
        first.close()
        assert thread.is_alive()
        assert second.list_tools()
        second.close()
        thread.join(LIMIT)
        assert not thread.is_alive()
        found.append(thread)
    assert len(set(found)) == 3
    eventually(lambda: threads() <= before, "threads are left")


def test_each_backend_has_a_thread(server: TaskServer) -> None:
    """Clients of different backends live side by side, and a task crosses from one to the other by its reference."""
    with http(server) as url, connected(url, "asyncio") as one, connected(url, "trio") as other:
        assert portal_thread(one) != portal_thread(other)
        assert threading.get_ident() not in (portal_thread(one), portal_thread(other))
        task, steered = begin(one, server)
        same: Task[Any] = other.resume(task.reference)
        steered.complete("done")
        assert (task.result().data, same.result().data) == ("done", "done")


def test_a_client_is_opened_here_and_closed_there(server: TaskServer, backend: Backend) -> None:
    """Opening, using and closing a client may each happen in another thread."""
    client = make_client(server, backend)
    Aside(client.open).value()
    task, steered = begin(client, server)
    iterator = task.updates()
    assert Aside(lambda: next(iterator).status).value() == "working"
    steered.complete("done")
    assert Aside(lambda: next(iterator).status).value() == "completed"
    Aside(client.close).value()
    assert repr(client).endswith("closed>")


@pytest.mark.slow
def test_clients_come_and_go_in_many_threads(server: TaskServer, backend: Backend) -> None:
    """Threads that open and close clients without pause never meet a background thread that is on its way out."""

    def churn() -> int:
        tools = 0
        for _ in range(25):
            with connected(server, backend) as client:
                tools += len(client.list_tools())
        return tools

    assert [aside.value() for aside in [Aside(churn) for _ in range(8)]] == [25] * 8


class Alone:
    """An input that notes whether two threads ever read it at the same time. The first two items take long enough for a
    second thread to come."""

    def __init__(self, count: int) -> None:
        self.left, self.slow = list(range(count)), 2
        self.inside = 0
        self.shared = threading.Event()

    def __iter__(self) -> Alone:
        return self

    def __next__(self) -> dict[str, int]:
        self.inside += 1
        if self.inside > 1:
            self.shared.set()
        self.slow -= 1
        self.shared.wait(0.3 if self.slow >= 0 else 0.0)
        self.inside -= 1
        if not self.left:
            raise StopIteration
        return {"n": self.left.pop()}


def test_threads_share_a_map(backend: Backend) -> None:
    """Threads that iterate over one `map` get each result once, and never read the input at the same time."""
    server, source = doubling_server(), Alone(20)
    with connected(server, backend) as client, ThreadPoolExecutor(4) as pool:
        results = client.map("double", source, limit=4)
        found: list[Any] = []

        def read() -> None:
            found.extend(result.data for result in results)

        for reader in [pool.submit(read) for _ in range(4)]:
            reader.result(LIMIT)
        assert sorted(found) == [2 * n for n in range(20)]
    assert not source.shared.is_set()
