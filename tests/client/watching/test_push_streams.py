"""Streams of pushes in unusual weather: slow, silent, refused, dropped, and shared by tasks that come and go."""

from __future__ import annotations

from functools import partial
from itertools import count

import anyio
import pytest

from mcptasks.testing import Delay, Drop, RpcError, TaskServer
from tests.helpers.pushing import MOST_STREAMS, Streams, follow_pushed, over, push_until_seen, target_of
from tests.helpers.support import (
    LIMIT,
    LONG_INTERVAL,
    PUSH_ONLY,
    Era,
    Recorder,
    begin,
    connected,
    http,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]


@over
async def test_a_waiter_is_pushed_to(era: Era, over: str) -> None:
    """A waiter without any callback gets its result by push, where nothing else would look for an hour."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    async with target_of(server, over) as target, connected(target, polling=PUSH_ONLY) as client:
        # 2025-11-25 pushes go to the connection, so that one task shows that they arrive.
        await follow_pushed(client, server)
        task, steered = await begin(client, server)

        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            for n in count():
                # The look may take these words back; the same ones again would then be taken for old ones.
                steered.push("working", f"for the waiter {n}")
                await anyio.sleep(0.01)
                if task.last_status is not None and task.last_status.status_message is not None:
                    break
            steered.complete("done")
        assert (await task).data == "done"
        # A push that is seen before the look that follows the acknowledgement makes that look needless.
        assert server.requests.count("tasks/get", task.task_id) <= 1


@modern_only
async def test_what_happened_before_the_acknowledgement(server: TaskServer) -> None:
    """A task that ended before its stream was acknowledged is found by the look that follows."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    server.faults.add("subscriptions/listen", Delay(0.05))
    async with connected(server, polling=PUSH_ONLY) as client:
        task, steered = await begin(client, server)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await server.requests.wait_for("subscriptions/listen")
            steered.complete("done")
        assert (await task).data == "done"


@modern_only
async def test_pushes_for_strangers(server: TaskServer) -> None:
    """One client's streams carry nothing about the tasks of another."""
    async with connected(server) as one, connected(server) as two:
        _, _, told = await follow_pushed(one, server)
        _, other, told_two = await follow_pushed(two, server, "for two")
        await push_until_seen(other, told_two, "for two again")
        assert set(told.messages) <= {"pushed", None}


@virtual_clock()
async def test_calls_at_once_share_streams() -> None:
    """Fifty calls at once, each awaited by itself, cost five streams at the most."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    async with connected(server, polling=PUSH_ONLY) as client:

        async def work() -> None:
            task = await client.call_tool("work", task=True)
            assert (await task).data == "done"

        async with anyio.create_task_group() as calls:
            for _ in range(50):
                calls.start_soon(work)
            begun = [await server.next_task() for _ in range(50)]
            await server.requests.wait_for("tasks/get", len(begun))
            for steered in begun:
                steered.complete("done")
        assert 1 <= server.requests.count("subscriptions/listen") <= MOST_STREAMS


@modern_only
async def test_old_streams_stay_until_the_new_one_is_acknowledged(server: TaskServer) -> None:
    """While the stream that shall replace the others is not acknowledged, those go on."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    streams = Streams(server)
    server.faults.add("subscriptions/listen", Drop(), skip=4)
    async with connected(server, polling=PUSH_ONLY) as client:
        followed = [await follow_pushed(client, server) for _ in range(4)]
        assert streams.open == 4
        task, _ = await begin(client, server)
        task.on_status_change(Recorder())
        await server.requests.wait_for("subscriptions/listen", 5)
        for _, steered, told in followed:
            await push_until_seen(steered, told, "still here")
        assert streams.open == MOST_STREAMS


@virtual_clock()
async def test_a_stream_closes_after_the_end() -> None:
    """The stream of a task that is over is closed, and a stream with other tasks is not."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    streams = Streams(server)
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        begun = [await begin(client, server) for _ in range(2)]
        for task, _ in begun:
            task.on_status_change(Recorder())
        await streams.until_open(1)
        begun[0][1].complete()
        await begun[0][0]
        await anyio.sleep(20)
        assert streams.open == 1
        begun[1][1].complete()
        await begun[1][0]
        await anyio.sleep(20)
        assert streams.open == 0


@over
async def test_streams_end_with_the_client(over: str) -> None:
    """Leaving a client ends its streams at the server."""
    server = make_server("modern")
    streams = Streams(server)
    async with target_of(server, over) as target:
        async with connected(target) as client:
            await follow_pushed(client, server)
            assert streams.open == 1
        with anyio.fail_after(LIMIT):
            await streams.until_open(0)


@modern_only
async def test_a_listen_that_is_never_answered(server: TaskServer) -> None:
    """Where the server leaves the wish for a stream unanswered, tasks are polled."""
    server.faults.add("subscriptions/listen", Drop(), times=None)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        await server.requests.wait_for("subscriptions/listen")
        for n in range(3):
            steered.set_working(f"step {n}")
            await told.until_message(f"step {n}")
        steered.complete("done")
        assert (await task).data == "done"
        assert client.task_support.push is None


async def test_polling_while_streams_drop() -> None:
    """While a dropped stream is away, tasks are polled at the server's interval."""
    server = make_server("modern", listen_drop_after=2)
    with http(server) as url:
        async with connected(url) as client:
            task, steered = await begin(client, server)
            told = Recorder()
            task.on_status_change(told)
            await server.requests.wait_for("subscriptions/listen")
            for n in range(20):
                steered.set_working(f"step {n}")
                await told.until_message(f"step {n}")
            steered.complete("done")
            assert (await task).data == "done"
            assert server.requests.count("subscriptions/listen") < 20


async def test_what_happened_during_a_restart(era: Era) -> None:
    """The end of a task while its stream is away is found soon, without the long interval of the server."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    with http(server) as url:
        async with connected(url, polling=PUSH_ONLY) as client:
            task, steered, _ = await follow_pushed(client, server)
            server.restart(keep_tasks=True)
            steered.complete("done")
            assert (await task).data == "done"


@virtual_clock()
@pytest.mark.parametrize("how", ["no-ids", "unanswered"])
async def test_streams_that_cover_nothing_do_not_pile_up(how: str) -> None:
    """Where the server never agrees to any task, the number of streams stays small, whatever number of tasks comes."""
    server = make_server("modern", listen="no-ids" if how == "no-ids" else "on", poll_interval_ms=200)
    streams = Streams(server)
    if how == "unanswered":
        server.faults.add("subscriptions/listen", Drop(), times=None)
    async with connected(server, limit=100) as client:
        for _ in range(20):
            task, steered = await begin(client, server)
            told = Recorder()
            task.on_status_change(told)
            steered.set_working("half")
            await told.until_message("half")
            await anyio.sleep(0.1)
        assert 1 <= streams.most <= MOST_STREAMS
        if how == "no-ids":
            assert server.requests.count("subscriptions/listen") <= MOST_STREAMS


@virtual_clock()
async def test_no_ids_is_known_as_no_push() -> None:
    """Where the server acknowledges a stream without `taskIds`, it is known not to push."""
    server = make_server("modern", listen="no-ids")
    async with connected(server) as client:
        task, _ = await begin(client, server)
        task.on_status_change(Recorder())
        await server.requests.wait_for("subscriptions/listen")
        await anyio.sleep(1)
        assert client.task_support.push is False


@virtual_clock()
async def test_an_acknowledgement_counts_for_its_own_stream() -> None:
    """Old streams go on until the stream that replaces them is acknowledged, also while another one is being made."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    server.faults.add("subscriptions/listen", Delay(1), skip=3)
    server.faults.add("subscriptions/listen", Drop(), skip=3)
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        followed = [await follow_pushed(client, server) for _ in range(3)]
        for n in (4, 5):
            task, _ = await begin(client, server)
            task.on_status_change(Recorder())
            await server.requests.wait_for("subscriptions/listen", n)
        await anyio.sleep(2)
        for _, steered, told in followed:
            with anyio.fail_after(10):
                await push_until_seen(steered, told, "still here")


@virtual_clock()
async def test_a_stream_that_ends_by_an_error_is_opened_again() -> None:
    """A stream that was acknowledged and then ended by the server's error is opened again."""
    server: TaskServer = make_server("modern", poll_interval_ms=LONG_INTERVAL, listen_drop_after=1)
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        for n in range(3):
            with anyio.fail_after(30):
                await push_until_seen(steered, told, f"push {n}")
        assert client.task_support.push is not False


@virtual_clock()
async def test_a_stranger_does_not_end_push() -> None:
    """Watching a task that the server does not know costs the pushes of no other task."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        client.task("nobody-knows-me").on_status_change(Recorder())
        await server.requests.wait_for("subscriptions/listen")
        await anyio.sleep(1)
        with anyio.fail_after(30):
            await follow_pushed(client, server)


@virtual_clock()
async def test_an_outage_does_not_end_push() -> None:
    """Where no stream can be opened for some time, on a connection that had some, pushes come again after it; one that
    never had any is polled from then on."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=300, polling=PUSH_ONLY) as client:
        await follow_pushed(client, server)
        outage = server.faults.add("subscriptions/listen", RpcError(-32000, "Connection closed"), times=20)
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        await server.faults.wait_fired(outage, 20)
        with anyio.fail_after(10):
            await push_until_seen(steered, told, "again")
        assert client.task_support.push is True
    server = make_server("modern", poll_interval_ms=1000)
    server.faults.add("subscriptions/listen", RpcError(-32000, "Connection closed"), times=None)
    async with connected(server, limit=300) as client:
        task, steered = await begin(client, server)
        task.on_status_change(Recorder())
        await anyio.sleep(200)
        assert 2 <= server.requests.count("subscriptions/listen") < 10
        assert client.task_support.push is False
        steered.complete("done")
        assert (await task).data == "done"


@virtual_clock()
@modern_only
async def test_a_crowd_holds_up_no_stream(server: TaskServer) -> None:
    """While many calls at once are under way, the first task gets its stream, and ends, before most were sent."""
    server.faults.add("tools/call", Delay(0.1), times=None)
    async with connected(server, polling=PUSH_ONLY) as client, anyio.create_task_group() as crowd:
        task, steered = await begin(client, server)
        crowd.start_soon(task.result)
        for _ in range(500):
            crowd.start_soon(partial(client.call_tool, "work", task=True))
        await server.requests.wait_for("subscriptions/listen")
        await settle()
        steered.complete()
        await task.wait()
        assert server.requests.count("tools/call") < 150
        await server.requests.wait_for("tools/call", 501)
