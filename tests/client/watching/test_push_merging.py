"""Few streams for any number of tasks (2026-07-28): merged as tasks come, at little cost, and without losing an end."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import anyio
import pytest
from attrs import evolve

from mcptasks import PollingPolicy
from mcptasks._engine.watching.push_streams import PushStreams
from mcptasks.testing import Delay, Drop, Fault, RpcError, ServerTask, TaskServer
from mcptasks.testing._modern import ListenStream
from tests.helpers.pushing import MOST_STREAMS, end, pushing, until, watch
from tests.helpers.support import PUSH_ONLY, Recorder, begin, connected, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]


def ids_sent(server: TaskServer) -> list[list[str]]:
    """The ids in each request for a stream."""
    return [request.params["notifications"]["taskIds"] for request in server.requests.of("subscriptions/listen")]


def streams_of(client: Any) -> PushStreams:
    """The client's side of them."""
    found: PushStreams = client._host.engine.core.push
    return found


# --- what it costs ------------------------------------------------------------------------------------------------


@virtual_clock()
async def test_what_is_covered_is_not_looked_at_again() -> None:
    """Each task is looked at once, after the acknowledgement of its first stream, however often streams are merged."""
    server, _ = pushing()
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, 30)
        assert server.requests.count("subscriptions/listen") == 30
        for steered, _ in watched:
            assert server.requests.count("tasks/get", steered.task_id) == 1
        assert sum(len(ids) for ids in ids_sent(server)) > 30
        await end(watched, within=0.1)
        assert server.requests.count("tasks/get") == 30


@virtual_clock()
async def test_very_many_one_after_the_other() -> None:
    """Of 200 tasks that come one after the other there are never more than four streams, and one that takes their
    place; all ids that are sent are no more than n log n, and every end is pushed."""
    count = 200
    server, streams = pushing()
    async with connected(server, limit=1000, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, count)
        assert streams.most <= MOST_STREAMS
        assert streams.open <= 4
        assert sum(len(ids) for ids in ids_sent(server)) <= count * math.log2(count)
        # Ids come in order, none twice.
        assert all(before < after for ids in ids_sent(server) for before, after in pairwise(ids))
        await end(watched, within=0.1)
        assert server.requests.count("tasks/get") == count
        await anyio.sleep(10)
        assert streams.open == 0


@virtual_clock()
async def test_as_many_streams_as_the_ids_need() -> None:
    """No stream names more ids than allowed; where all of them are full there are more of them, and all is covered."""
    server, streams = pushing()
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        streams_of(client)._coverage.max_ids = 20
        watched = await watch(client, server, 130, pause=0)
        await anyio.sleep(5)
        assert max(map(len, ids_sent(server))) == 20
        assert streams.open == 7
        watched += await watch(client, server, 20)
        assert max(map(len, ids_sent(server))) <= 20
        assert streams.open <= 7 + MOST_STREAMS
        await end(watched, within=0.1)
        await anyio.sleep(10)
        assert streams.open == 0


# --- what goes ----------------------------------------------------------------------------------------------------


@virtual_clock()
async def test_what_is_over_is_dropped_at_the_next_merge() -> None:
    """A new stream does not name tasks that are over or that nobody watches any more, and nothing is left of them."""
    server, streams = pushing()
    async with connected(server, limit=1000, polling=PUSH_ONLY) as client:
        gone: set[str] = set()
        last: list[tuple[ServerTask, Recorder]] = []
        for _ in range(8):
            watched = await watch(client, server, 7)
            left, remove = watched[-1], None
            task, steered = await begin(client, server)
            remove = task.on_status_change(Recorder())
            await anyio.sleep(0.2)
            remove()
            before = len(ids_sent(server))
            await end(watched[:-1], within=0.1)
            gone |= {steered.task_id, *(each.task_id for each, _ in watched[:-1])}
            last.append(left)
            # With each of these streams are merged.
            last += await watch(client, server, 3)
            assert not gone & {each for ids in ids_sent(server)[before:] for each in ids}
        await end(last, within=0.1)
        await anyio.sleep(10)
        inner, coverage = streams_of(client), streams_of(client)._coverage
        assert streams.open == 0
        assert (inner._running, inner._wanted) == ({}, {})
        assert (coverage._streams, coverage._named, coverage._new) == ({}, {}, {})
        assert (coverage._wanted, coverage._declined) == (set(), set())


@virtual_clock()
async def test_streams_whose_tasks_went_are_closed() -> None:
    """A stream closes some seconds after the last of its tasks went, while those of others stay open."""
    server, streams = pushing()
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, 4)
        assert streams.open == 4
        await end(watched[:2], within=0.1)
        await anyio.sleep(4)
        assert streams.open == 4
        await anyio.sleep(2)
        assert streams.open == 2
        await end(watched[2:], within=0.1)


# --- between make and break ---------------------------------------------------------------------------------------


@virtual_clock()
async def test_a_push_between_make_and_break() -> None:
    """What is pushed while the old streams and the one that replaces them are open is told once."""
    server, streams = pushing()
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, 4)
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        await until(lambda: len(server.engine._listeners) == MOST_STREAMS)
        for each, _ in watched:
            each.set_working("between")
        await anyio.sleep(1)
        assert streams.open < MOST_STREAMS
        assert [recorder.messages.count("between") for _, recorder in watched] == [1] * 4
        for each, _ in watched:
            each.set_working("after")
        await end([*watched, (steered, told)], within=0.1)
        assert [recorder.messages.count("after") for _, recorder in watched] == [1] * 4


@virtual_clock()
async def test_a_push_that_is_under_way_when_streams_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent on the old streams before the new one was acknowledged, and comes after that, is told."""
    at_once = ListenStream.next

    async def later(stream: ListenStream) -> Any:
        params = await at_once(stream)
        await anyio.sleep(0.3)
        return params

    monkeypatch.setattr(ListenStream, "next", later)
    server, streams = pushing()
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, 4)
        # Until then, the new stream does not hear of anything.
        server.faults.add("subscriptions/listen", Delay(0.1))
        watched += await watch(client, server, 1, pause=0)
        await server.requests.wait_for("subscriptions/listen", MOST_STREAMS)
        await end(watched[:4], within=0.4)
        await anyio.sleep(1)
        assert streams.open <= 2


@virtual_clock()
async def test_a_declined_id_takes_no_others_with_it() -> None:
    """A task that the server does not know is named once and then left out of what is merged, and those that came with
    it are pushed."""
    server, streams = pushing()
    async with connected(server, limit=100, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, 5)
        client.task("nobody-knows-me").on_status_change(Recorder())
        watched += await watch(client, server, 10)
        assert sum(ids.count("nobody-knows-me") for ids in ids_sent(server)) == 1
        assert streams.most <= MOST_STREAMS
        assert client.task_support.push is True
        await end(watched, within=0.1)


# --- faults on merging --------------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[Fault, ...]] = {
    "silent": (Drop(),),
    "slow": (Delay(3),),
    "refused": (RpcError(-32603, "Too many streams"),),
    "lost": (RpcError(-32000, "Connection closed"),),
    "lost late": (Delay(5), RpcError(-32000, "Connection closed")),
}


@virtual_clock()
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_on_merging(fault: str) -> None:
    """Where the stream that shall replace others meets a fault before its acknowledgement, those go on, so that ends
    are pushed all the time; that of the new task is found by a stream that is opened again, or by a look."""
    server, streams = pushing()
    server.faults.add("subscriptions/listen", *FAULTS[fault], skip=4)
    policy = PollingPolicy(ceiling=30, push_interval=3600)
    async with connected(server, limit=200, polling=policy) as client:
        watched = await watch(client, server, 4)
        new = await watch(client, server, 1)
        await server.requests.wait_for("subscriptions/listen", MOST_STREAMS)
        for wait, each in zip((0.0, 1.0, 8.0, 15.0), watched, strict=True):
            await anyio.sleep(wait)
            await end([each], within=0.1)
        await end(new, within=31)
        assert streams.most <= MOST_STREAMS


@virtual_clock()
async def test_lost_just_after_the_acknowledgement() -> None:
    """Where the stream that replaced others ends as soon as it was acknowledged, its tasks are covered again, and what
    ended in between is found at once."""
    server, streams = pushing()
    async with connected(server, limit=200, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, 4)
        server.options = evolve(server.options, listen_drop_after=0)
        watched += await watch(client, server, 1, pause=0)
        await server.requests.wait_for("subscriptions/listen", MOST_STREAMS)
        server.options = evolve(server.options, listen_drop_after=None)
        for number, each in enumerate(watched):
            await end([each], within=3)
            await anyio.sleep(0.05 * number)
        watched = await watch(client, server, 3)
        await end(watched, within=0.1)
        assert streams.most <= MOST_STREAMS


@virtual_clock()
async def test_streams_that_are_lost_again_and_again() -> None:
    """While every stream ends with its first push, and streams are merged all the time, no end is lost."""
    server, streams = pushing(listen_drop_after=1)
    async with connected(server, limit=1000, polling=PUSH_ONLY) as client:
        watched: list[tuple[ServerTask, Recorder]] = []
        for _ in range(10):
            watched += await watch(client, server, 5)
            await end([watched.pop(0), watched.pop(1)], within=60)
        await end(watched, within=60)
        assert streams.most <= MOST_STREAMS
