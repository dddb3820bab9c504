"""How a few streams of pushes serve many tasks: what they cost, and that nothing is lost where one takes over others."""

from __future__ import annotations

import math
from typing import Any

import anyio
import pytest

from mcptasks._async import push
from mcptasks.testing import Drop, ServerTask, TaskServer
from tests.core.support import LONG_INTERVAL, PUSH_ONLY, Recorder, begin, connected, make_server, virtual_clock
from tests.core.test_push import MOST_STREAMS, Streams, follow_pushed, push_until_seen

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

_APART = 0.1
"""Seconds between two tasks that shall not be gathered into one stream."""


def listens(server: TaskServer) -> list[list[str]]:
    """The ids that each request for a stream named."""
    found: list[list[str]] = []
    for request in server.requests.of("subscriptions/listen"):
        notifications: Any = request.params["notifications"]
        found.append(list(notifications["taskIds"]))
    return found


async def follow(client: Any, server: TaskServer, count: int) -> list[tuple[ServerTask, Recorder]]:
    """Watched tasks, each with a stream of its own until that is merged."""
    found: list[tuple[ServerTask, Recorder]] = []
    for _ in range(count):
        task, steered = await begin(client, server)
        recorder = Recorder()
        task.on_status_change(recorder)
        found.append((steered, recorder))
        await anyio.sleep(_APART)
    return found


@virtual_clock()
async def test_many_that_come_one_after_the_other() -> None:
    """Three hundred tasks that come one by one have five streams at most, each is looked at once at most, each id is
    sent a few times, and every end is pushed."""
    server, count = make_server("modern", poll_interval_ms=LONG_INTERVAL), 300
    streams = Streams(server)
    async with connected(server, limit=600, polling=PUSH_ONLY) as client:
        found = await follow(client, server, count)
        looks = server.requests.count("tasks/get")
        for steered, _ in found:
            steered.complete()
        for _, recorder in found:
            assert (await recorder.until_over()).status == "completed"
        assert server.requests.count("tasks/get") == looks <= count
        assert streams.most <= MOST_STREAMS
        assert sum(map(len, listens(server))) <= count * math.log2(count)


@virtual_clock()
async def test_tasks_at_once_are_gathered() -> None:
    """Tasks that come within some tens of milliseconds share one stream."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=60, polling=PUSH_ONLY) as client:
        for _ in range(20):
            task, _ = await begin(client, server)
            task.on_status_change(Recorder())
        await anyio.sleep(1)
        assert [len(ids) for ids in listens(server)] == [20]


@virtual_clock()
async def test_a_stream_names_so_many_ids_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server takes no request of any size, so further ids have further streams."""
    monkeypatch.setattr(push, "_MAX_IDS", 10)
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=60, polling=PUSH_ONLY) as client:
        found: list[tuple[ServerTask, Recorder]] = []
        for _ in range(75):
            task, steered = await begin(client, server)
            found.append((steered, Recorder()))
            task.on_status_change(found[-1][1])
        await anyio.sleep(5)
        assert max(map(len, listens(server))) == 10
        for steered, recorder in found:
            steered.complete()
            assert (await recorder.until_over()).status == "completed"


@virtual_clock()
async def test_ids_of_tasks_that_are_over_are_dropped() -> None:
    """Where streams are merged, tasks that nobody waits for any more are not named again."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=60, polling=PUSH_ONLY) as client:
        for steered, recorder in await follow(client, server, 3):
            steered.complete()
            await recorder.until_over()
        ((last, _),) = await follow(client, server, 1)
        ((newest, _),) = await follow(client, server, 1)
        assert set(listens(server)[-1]) <= {last.task_id, newest.task_id}


@virtual_clock()
async def test_a_stream_that_fails_to_take_over() -> None:
    """A stream that is lost before it is acknowledged takes nothing away from those that it was to replace, and is
    opened again."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=60, polling=PUSH_ONLY) as client:
        found = [await follow_pushed(client, server) for _ in range(4)]
        server.faults.add("subscriptions/listen", Drop(), times=3)
        _, steered, told = await follow_pushed(client, server)
        for _, other, others_told in found:
            await push_until_seen(other, others_told, "still here")
        for _, other, others_told in [*found, (None, steered, told)]:
            other.complete()
            assert (await others_told.until_over()).status == "completed"


@virtual_clock()
async def test_no_end_is_missed_between_two_streams() -> None:
    """A task that ends while a new stream takes its place is told of once, whichever stream brings it."""
    server = make_server("modern", poll_interval_ms=LONG_INTERVAL)
    streams = Streams(server)
    async with connected(server, limit=60, polling=PUSH_ONLY) as client:
        found = [await follow_pushed(client, server) for _ in range(4)]
        before = server.requests.count("subscriptions/listen")
        task, _ = await begin(client, server)
        task.on_status_change(Recorder())
        await server.requests.wait_for("subscriptions/listen", before + 1)
        for _, steered, _ in found:
            steered.complete()
        for _, _, told in found:
            await told.until_over()
        await anyio.sleep(10)
        for _, _, told in found:
            assert [status.status for status in told.statuses].count("completed") == 1
        assert streams.most <= MOST_STREAMS
