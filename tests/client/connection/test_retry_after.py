"""Retry-After: the server's wish holds back every read and call of the client, no longer than its patience lasts.

In virtual time the answers of a web server stand in JSON-RPC errors, as the faults that the client's own HTTP layer
makes of them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest
from mcp.server.context import CallNext, HandlerResult

from mcptasks import Client, PollingPolicy, TaskConnectionError, TaskTimeoutError
from mcptasks._core.faults import Fault
from mcptasks.testing import HttpStatus, RpcError, TaskServer
from tests.helpers.support import POLLED, Era, Recorder, begin, connected, http, make_server, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

OFTEN = PollingPolicy(first=0.1, default_interval=0.1, jitter=0, learn=False)
BUSY = pytest.mark.parametrize("status", [429, 503])


def busy(status: int, seconds: float) -> RpcError:
    """The answer of a web server that wants to be left alone for so long."""
    fault = Fault(action="retry", meaning="connection", reason="busy", retry_after=seconds, status=status)
    return RpcError(-32603, "busy", fault)


class Times:
    """When the server was asked, by method, in seconds from the beginning."""

    def __init__(self, server: TaskServer) -> None:
        self.server = server
        self.begin = anyio.current_time()
        self._asked: list[tuple[float, str]] = []
        server.middleware.insert(0, self._note)

    async def _note(self, ctx: Any, call_next: CallNext) -> HandlerResult:
        self._asked.append((self.now, ctx.method))
        return await call_next(ctx)

    @property
    def now(self) -> float:
        """The present time."""
        return anyio.current_time() - self.begin

    def of(self, *methods: str) -> list[float]:
        """When one of these was asked for."""
        return [time for time, method in self._asked if method in methods]


async def refused(client: Client, times: Times, answer: RpcError) -> float:
    """Have the server refuse a call, and return when the call has failed."""
    times.server.faults.add("tools/call", answer)
    with pytest.raises(TaskConnectionError, match="busy"):
        await client.call_tool("work", task=True)
    return times.now


@virtual_clock()
@BUSY
async def test_every_read_waits(era: Era, status: int) -> None:
    """After one answer with Retry-After, nothing is read about any task until that time has passed; then all goes
    on."""
    server = make_server(era, poll_interval_ms=100, **POLLED)
    times = Times(server)
    async with connected(server, limit=100, polling=OFTEN, reconnect_timeout=60) as client:
        begun = [await begin(client, server) for _ in range(5)]
        for task, _ in begun:
            task.on_status_change(Recorder())
        await anyio.sleep(2)
        server.faults.add("tasks/get", busy(status, 7.0))
        await server.faults.wait_fired(server.faults.pending[0])
        hit = times.now
        for number, (_, steered) in enumerate(begun):
            steered.complete(number)
        await anyio.sleep(1)  # Until the client has the answer that asks for a pause.
        async with anyio.create_task_group() as calls:
            calls.start_soon(partial(client.call_tool, "work", task=True))
            for number, (task, _) in enumerate(begun):
                assert (await task.result()).data == number
    reads = times.of("tasks/get", "tasks/result")
    # Those that were on their way at that moment had been sent.
    assert [time for time in reads if hit + 0.01 < time < hit + 6.99] == []
    assert 7.0 - 1e-6 <= min(time for time in reads if time > hit + 0.01) - hit < 7.2
    (*_, created) = times.of("tools/call")
    assert hit + 7.0 - 1e-6 <= created < hit + 7.2


@virtual_clock()
@BUSY
async def test_one_look_does_not_wait(era: Era, status: int) -> None:
    """Whoever wants one look at once gets it, while all others wait for the server's time."""
    server = make_server(era, poll_interval_ms=100, **POLLED)
    times = Times(server)
    async with connected(server, limit=100, polling=OFTEN, reconnect_timeout=60) as client:
        task, steered = await begin(client, server)
        task.on_status_change(Recorder())
        rule = server.faults.add("tasks/get", busy(status, 30.0))
        await server.faults.wait_fired(rule)
        hit = times.now
        await anyio.sleep(1)
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=0)
        steered.complete("done")
        assert (await task.wait(timeout=0)).status == "completed"
        assert times.now == pytest.approx(hit + 1)


@virtual_clock()
@BUSY
async def test_no_longer_than_patience(era: Era, status: int) -> None:
    """A server that wants more time than the client's patience is not reached: every waiter is told so in time, and who
    asks again later is answered as soon as the server's time is over."""
    server = make_server(era, poll_interval_ms=100, **POLLED)
    times = Times(server)
    async with connected(server, limit=200, polling=OFTEN, reconnect_timeout=3.0) as client:
        begun = [await begin(client, server) for _ in range(3)]
        hits: list[float] = []

        async def wait(task: Any) -> None:
            with pytest.raises(TaskConnectionError) as caught:
                await task.result()
            assert caught.value.reference == task.reference
            hits.append(times.now)

        rule = server.faults.add("tasks/get", busy(status, 10.0))
        hit = times.now
        async with anyio.create_task_group() as waiters:
            for task, _ in begun:
                waiters.start_soon(wait, task)
            await server.faults.wait_fired(rule)
            hit = times.now
        assert all(time <= hit + 3.2 for time in hits)
        count = server.requests.count("tasks/get")
        with pytest.raises(TaskConnectionError, match="asks clients to wait"):
            await begun[0][0].status()
        assert server.requests.count("tasks/get") == count
        await anyio.sleep_until(times.begin + hit + 8.0)
        begun[0][1].complete("done")
        assert (await begun[0][0].result()).data == "done"
        assert hit + 10.0 <= times.now < hit + 10.5


@virtual_clock()
@BUSY
async def test_a_refused_call(era: Era, status: int) -> None:
    """A call that is refused with Retry-After fails at once. The next call is sent when that time has passed."""
    server = make_server(era, poll_interval_ms=100, **POLLED)
    times = Times(server)
    async with connected(server, limit=100, polling=OFTEN, reconnect_timeout=60) as client:
        hit = await refused(client, times, busy(status, 5.0))
        assert times.of("tools/call")[0] == pytest.approx(hit)
        await client.call_tool("work", task=True)
    assert 5.0 - 1e-6 <= times.of("tools/call")[1] - hit < 5.2


@virtual_clock()
@BUSY
async def test_a_call_waits_no_longer_than_patience(era: Era, status: int) -> None:
    """A call is given up, and certainly not sent, if the server wants more time than the client's patience."""
    server = make_server(era, poll_interval_ms=100, **POLLED)
    times = Times(server)
    async with connected(server, limit=100, polling=OFTEN, reconnect_timeout=3.0) as client:
        hit = await refused(client, times, busy(status, 10.0))
        with pytest.raises(TaskConnectionError, match="wait too long, so that the request was not sent"):
            await client.call_tool("work", task=True)
        assert times.now - hit == pytest.approx(3.0, abs=0.1)
        assert len(times.of("tools/call")) == 1
        await anyio.sleep_until(times.begin + hit + 8.0)
        await client.call_tool("work", task=True)
    assert times.of("tools/call")[1] - hit == pytest.approx(10.0, abs=0.2)


@virtual_clock()
async def test_the_longest_wish_counts() -> None:
    """A shorter wish that comes later does not shorten an earlier one; two minutes are the most that is obeyed."""
    server = make_server("modern", poll_interval_ms=100, **POLLED)
    times = Times(server)
    async with connected(server, limit=1000, polling=OFTEN, reconnect_timeout=500) as client:
        (one, first), (two, second) = [await begin(client, server) for _ in range(2)]
        long = server.faults.add("tasks/get", busy(503, 1e6), task_id=first.task_id)
        short = server.faults.add("tasks/get", busy(503, 1.0), task_id=second.task_id)
        for task in (one, two):
            task.on_status_change(Recorder())
        await server.faults.wait_fired(long)
        await server.faults.wait_fired(short)
        hit = times.now
        second.complete("done")
        assert (await two.result()).data == "done"
        assert 119.9 <= times.now - hit < 121


@pytest.mark.slow
@BUSY
async def test_over_http(era: Era, status: int) -> None:
    """Over HTTP, too, the header holds back the reads of every task."""
    server = make_server(era, poll_interval_ms=20, **POLLED)
    with http(server) as url:
        async with connected(url) as client:
            begun = [await begin(client, server) for _ in range(3)]
            rule = server.faults.add("tasks/get", HttpStatus(status, retry_after="1"))
            asked = anyio.current_time()
            for task, _ in begun:
                task.on_status_change(Recorder())
            await server.faults.wait_fired(rule)
            looks = [server.requests.count("tasks/get")]
            async with anyio.create_task_group() as waiters:
                for task, _ in begun:
                    waiters.start_soon(task.result)
                while True:
                    count = server.requests.count("tasks/get")
                    if anyio.current_time() >= asked + 1:
                        break
                    looks.append(count)
                    await anyio.sleep(0.05)
                for number, (_, steered) in enumerate(begun):
                    steered.complete(number)
            # Without the pause there would be more than a hundred. Some were sent before the client had the answer.
            assert looks[-1] - looks[0] <= 10
            for number, (task, _) in enumerate(begun):
                assert (await task.result()).data == number
