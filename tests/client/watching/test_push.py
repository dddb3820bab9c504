"""Pushed statuses: seen without a look, on few streams that are renewed; and polling wherever they do not come.

`steered.push("working", words)` announces a state that the task is not in: who has seen these words was pushed to.
"""

from __future__ import annotations

import anyio
import pytest

from mcptasks import PollingPolicy
from mcptasks.testing import (
    Disconnect,
    ServerTask,
    TaskServer,
    Truncate,
)
from tests.helpers.pushing import MOST_STREAMS, Streams, follow_pushed, over, push_until_seen, target_of, until
from tests.helpers.support import (
    LONG_INTERVAL,
    PUSH_ONLY,
    Era,
    Recorder,
    begin,
    connected,
    http,
    legacy_only,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import ASYNC, World, both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]


# --- pushes instead of looks --------------------------------------------------------------------------------------


@over
async def test_everything_is_seen_without_looking(era: Era, over: str) -> None:
    """Once pushes arrive, changes and the end are seen at once, with no look at the task any more."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    async with target_of(server, over) as target, connected(target, polling=PUSH_ONLY) as client:
        task, steered, told = await follow_pushed(client, server)
        for n in range(3):
            steered.set_working(f"step {n}")
            await told.until_message(f"step {n}")
        steered.complete("done")
        assert (await told.until_over()).status == "completed"
        assert (await task.result()).data == "done"
        # For what happened before the stream was there, unless a push was there first. In process, the pushes of
        # 2025-11-25 need no stream.
        assert server.requests.count("tasks/get") <= (0 if (era, over) == ("legacy", "process") else 1)
        assert server.requests.count("tasks/result") == (1 if era == "legacy" else 0)


@legacy_only
@pytest.mark.parametrize("end", [False, True], ids=["working", "completed"])
async def test_pushed_before_the_creating_answer(server: TaskServer, end: bool) -> None:
    """A push for a task whose creating answer is still under way is applied when that has come."""
    server = make_server("legacy", poll_interval_ms=LONG_INTERVAL)
    streams = Streams(server)
    streams.held = "tools/call"
    async with connected(server, polling=PUSH_ONLY) as client:
        told = Recorder()

        async def call() -> None:
            task = await client.call_tool("work", task=True)
            assert task.done is end
            task.on_status_change(told)
            if end:
                assert (await task).data == "early"
            else:
                assert task.last_status is not None
                assert task.last_status.status_message == "early"

        async with anyio.create_task_group() as calls:
            calls.start_soon(call)
            steered = await server.next_task()
            # The server knows the task a moment before it knows the connection to push to.
            await settle()
            if end:
                steered.complete("early")
            else:
                steered.set_working("early")
            await until(lambda: client.task_support.push is True)
            streams.release.set()
        assert server.requests.count("tasks/get") == 0


# --- streams: how many, how long ----------------------------------------------------------------------------------


@over
async def test_tasks_at_once_share_a_stream(over: str, world: World) -> None:
    """Twenty tasks that are watched at once share one stream, and all their ends are pushed. Blocking calls come one
    after the other, however fast the machine is: of the streams that they open, few are open at once."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    streams = Streams(server)
    async with target_of(server, over) as target, connected(target, polling=PUSH_ONLY) as client:
        begun = [await begin(client, server) for _ in range(20)]
        told = [Recorder() for _ in begun]
        for (task, _), recorder in zip(begun, told, strict=True):
            task.on_status_change(recorder)
        await server.requests.wait_for("tasks/get", len(begun))
        for _, steered in begun:
            steered.complete()
        for recorder in told:
            assert (await recorder.until_over()).status == "completed"
        assert streams.most <= MOST_STREAMS
        if world is ASYNC:
            assert server.requests.count("subscriptions/listen") == 1
        assert server.requests.count("tasks/get") == len(begun)


@over
async def test_many_batches_are_merged(over: str) -> None:
    """However many batches of tasks come, there are few streams, and no change is missed while they are merged."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    streams = Streams(server)
    async with target_of(server, over) as target, connected(target, polling=PUSH_ONLY) as client:
        followed: list[tuple[ServerTask, Recorder]] = []
        for n in range(1, 13):
            task, steered = await begin(client, server)
            told = Recorder()
            task.on_status_change(told)
            followed.append((steered, told))
            await server.requests.wait_for("subscriptions/listen", n)
            for steered, _ in followed:
                steered.set_working(f"step {n}")
            for _, told in followed:
                await told.until_message(f"step {n}")
        for steered, _ in followed:
            steered.complete()
        for _, told in followed:
            await told.until_over()
        assert streams.most <= MOST_STREAMS
        assert server.requests.count("subscriptions/listen") == 12


@virtual_clock()
async def test_a_stream_lingers() -> None:
    """A stream that nobody is interested in stays for some seconds, serves who comes back, and is then closed."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    streams = Streams(server)
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        for _ in range(3):
            remove = task.on_status_change(told)
            await streams.until_open(1)
            await anyio.sleep(1)
            remove()
            await anyio.sleep(3)
        assert (streams.open, server.requests.count("subscriptions/listen")) == (1, 1)
        await anyio.sleep(3)
        assert streams.open == 0
        assert client.task_support.push is True  # it was seen to work
        task.on_status_change(told)
        await streams.until_open(1)
        await push_until_seen(steered, told, "again")
        assert server.requests.count("subscriptions/listen") == 2


# --- where pushes do not come -------------------------------------------------------------------------------------


@over
async def test_acknowledged_without_ids(over: str) -> None:
    """Where the server agrees to a stream but to none of the tasks, they are polled."""
    server = make_server("modern", listen="no-ids")
    async with target_of(server, over) as target, connected(target) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        await server.requests.wait_for("subscriptions/listen")
        steered.push("working", "not for you")
        for n in range(3):
            steered.set_working(f"step {n}")
            await told.until_message(f"step {n}")
        steered.complete("done")
        assert (await task).data == "done"
        assert client.task_support.push is False
        assert "not for you" not in told.messages


@over
async def test_listen_is_asked_for_once(over: str) -> None:
    """A server that does not know `subscriptions/listen` is asked once per connection, and its tasks are polled."""
    server = make_server("modern", listen="unsupported")
    async with target_of(server, over) as target:
        for connection in (1, 2):
            async with connected(target) as client:
                for n in range(4):
                    task, steered = await begin(client, server)
                    told = Recorder()
                    task.on_status_change(told)
                    steered.set_working("half")
                    await told.until_message("half")
                    await until(lambda: client.task_support.push is not None)
                    steered.complete(n)
                    assert (await task).data == n
                assert client.task_support.push is False
            assert server.requests.count("subscriptions/listen") == connection


async def test_dropped_streams_are_opened_again() -> None:
    """A stream that is cut after each push is opened again, and what happened meanwhile is not missed."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL, listen_drop_after=1)
    with http(server) as url:
        async with connected(url, polling=PUSH_ONLY) as client:
            task, steered = await begin(client, server)
            told = Recorder()
            task.on_status_change(told)
            for n in range(1, 4):
                while server.requests.count("subscriptions/listen") <= n:
                    steered.push("working", "cut")
                    await anyio.sleep(0.01)
                steered.set_working(f"step {n}")
                await told.until_message(f"step {n}")
            steered.complete("done")
            assert (await task).data == "done"


@pytest.mark.parametrize("fault", ["never", "torn"])
async def test_the_stream_of_pushes_is_cut(fault: str) -> None:
    """2025-11-25: where the GET stream is refused or torn in mid-push, the tasks are polled."""
    server = make_server("legacy")
    server.faults.add("http:GET", Disconnect() if fault == "never" else Truncate(), times=None)
    with http(server) as url:
        async with connected(url) as client:
            task, steered = await begin(client, server)
            told = Recorder()
            task.on_status_change(told)
            await server.requests.wait_for("http:GET")
            steered.push("working", "lost")
            for n in range(5):
                steered.set_working(f"step {n}")
                await told.until_message(f"step {n}")
            steered.complete("done")
            assert (await task).data == "done"
            assert "lost" not in told.messages


async def test_lost_before_the_stream_of_pushes_opened() -> None:
    """2025-11-25: what happened while the GET stream was not open, so that its push was lost, is found once it is."""
    server = make_server("legacy", poll_interval_ms=LONG_INTERVAL)
    refused = server.faults.add("http:GET", Disconnect(), times=None)
    with http(server) as url:
        async with connected(url, polling=PUSH_ONLY) as client:
            await server.faults.wait_fired(refused)
            task, steered = await begin(client, server)
            steered.complete("done")
            server.faults.clear()
            assert (await task).data == "done"
    assert server.requests.count("tasks/get") == 1


async def test_overtaken_by_the_acknowledgement() -> None:
    """2026-07-28: a look whose answer is older than the stream, but comes later, is made again."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    streams = Streams(server)
    streams.held = "tasks/get"
    policy = PollingPolicy(first=0.01, floor=0.01, ceiling=3600, push_interval=3600)
    async with connected(server, polling=policy) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        await server.requests.wait_for("tasks/get")
        # No stream is open yet, so nobody is told.
        steered.complete("done")
        await until(lambda: client.task_support.push is True)
        streams.release.set()
        await told.until_over()


# --- connections that are made again ------------------------------------------------------------------------------


async def test_streams_are_renewed_after_a_restart(era: Era) -> None:
    """After a restart of the server pushes arrive again, for old tasks and new ones, on the same client."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    with http(server) as url:
        async with connected(url, polling=PUSH_ONLY) as client:
            task, steered, told = await follow_pushed(client, server)
            for n in range(3):
                server.restart(keep_tasks=True)
                await push_until_seen(steered, told, f"after restart {n}")
                await follow_pushed(client, server, "new")
            steered.complete("done")
            await told.until_over()
            assert (await task).data == "done"


# --- what a client says of it -------------------------------------------------------------------------------------


@over
async def test_push_support(era: Era, over: str) -> None:
    """`task_support.push` is None until something is known, and True once a task's pushes are known to come."""
    server = make_server(era)
    async with target_of(server, over) as target, connected(target) as client:
        assert client.task_support.push is None
        await follow_pushed(client, server)
        assert client.task_support.push is True


async def test_push_support_of_silent_servers(era: Era) -> None:
    """Of a server that pushes nothing, `task_support.push` never says True."""
    server = make_server(era, push="off", listen="unsupported")
    async with connected(server, polling=PollingPolicy(first=0.01, floor=0.01)) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        steered.set_working("half")
        await told.until_message("half")
        if era == "modern":
            await until(lambda: client.task_support.push is not None)
            assert client.task_support.push is False
        steered.complete("done")
        await task
        assert not client.task_support.push


@modern_only
async def test_a_stranger_does_not_end_push(era: Era) -> None:
    """Watching a task that the server does not know costs the pushes of no other task."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    async with connected(server, polling=PUSH_ONLY) as client:
        client.task("nobody-knows-me").on_status_change(Recorder())
        await server.requests.wait_for("subscriptions/listen")
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        await server.requests.wait_for("subscriptions/listen", 2)
        await server.requests.wait_for("tasks/get", task_id=task.task_id)
        steered.set_working("pushed")
        await told.until_message("pushed")
