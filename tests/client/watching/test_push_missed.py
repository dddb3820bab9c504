"""What tasks missed while nobody pushed (2026-07-28) is found by looks: not all at once, and no more than needed."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from attrs import evolve
from mcp.server.context import CallNext, HandlerResult

from mcptasks.testing import Delay, RpcError, ServerTask, TaskServer
from tests.helpers.pushing import end, pushing, watch
from tests.helpers.support import PUSH_ONLY, Recorder, connected, make_server, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]


AT_ONCE, A_SECOND = 32, 16
MANY = 150
"""Tasks for whose looks this takes 7 s, longer than a test here allows. Among more than 100 none is looked at early."""


class Looks:
    """When which task was looked at."""

    def __init__(self, server: TaskServer) -> None:
        self.made: list[tuple[float, str]] = []
        server.middleware.insert(0, self._note)

    async def _note(self, ctx: Any, call_next: CallNext) -> HandlerResult:
        if ctx.method == "tasks/get":
            self.made.append((anyio.current_time(), ctx.params["taskId"]))
        return await call_next(ctx)

    def most_within(self, seconds: float) -> int:
        """The highest number in any stretch of time that is so long."""
        times = [time for time, _ in self.made]
        return max(sum(begin <= time <= begin + seconds for time in times) for begin in times)


def pushing_once(poll_interval_ms: int) -> TaskServer:
    """A server whose first stream is the only one that it opens."""
    server = make_server("modern", poll_interval_ms=poll_interval_ms)
    server.faults.add("subscriptions/listen", RpcError(-32603, "Not now"), skip=1)
    return server


async def end_stream(server: TaskServer, watched: list[tuple[ServerTask, Recorder]]) -> None:
    """The one stream that there is ends."""
    server.options = evolve(server.options, listen_drop_after=1)
    # What it waits for counts by the options that it finds then.
    watched[0][0].set_working("the last push")
    await watched[0][1].until_message("the last push")


async def lose_stream(server: TaskServer, watched: list[tuple[ServerTask, Recorder]]) -> None:
    """The one stream that there is ends, and can be opened again."""
    listens = server.requests.count("subscriptions/listen")
    await end_stream(server, watched)
    server.options = evolve(server.options, listen_drop_after=None)
    await server.requests.wait_for("subscriptions/listen", listens + 1)


@virtual_clock()
async def test_looks_after_a_stream_was_lost() -> None:
    """What many tasks may have missed is seen to by looks of which 32 are made at once and 16 a second after that."""
    server, streams = pushing()
    async with connected(server, limit=1000, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, MANY, pause=0)
        looks = Looks(server)
        await anyio.sleep(60)
        assert {task_id for _, task_id in looks.made} == {steered.task_id for steered, _ in watched}
        assert len(looks.made) == MANY
        assert looks.most_within(0.5) <= AT_ONCE + 8 + 1
        assert looks.most_within(5.0) <= AT_ONCE + 80 + 1
        looks.made.clear()
        lost = anyio.current_time()
        await lose_stream(server, watched)
        await anyio.sleep(60)
        assert streams.open == 1
        assert len({task_id for _, task_id in looks.made}) >= MANY - 1
        # Those that were looked at before the stream was open again are looked at once more.
        assert len(looks.made) <= MANY + AT_ONCE + 8
        assert looks.most_within(0.5) <= AT_ONCE + 8 + 1
        assert looks.most_within(5.0) <= AT_ONCE + 80 + 1
        assert looks.made[-1][0] - lost <= (MANY + 8) / A_SECOND + 1
        await end(watched, within=0.1)


@virtual_clock()
async def test_a_push_makes_a_look_needless() -> None:
    """A task that is pushed while it waits for its look for what was missed is not looked at."""
    server, _ = pushing()
    async with connected(server, limit=1000, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, MANY, pause=0)
        looks = Looks(server)
        await anyio.sleep(1)
        assert AT_ONCE <= len(looks.made) <= AT_ONCE + A_SECOND + 1
        for steered, _ in watched[:-20]:
            steered.set_working("pushed")
        for _, told in watched[:-20]:
            await told.until_message("pushed")
        await anyio.sleep(60)
        assert len(looks.made) <= AT_ONCE + A_SECOND + 20 + 1
        assert server.requests.count("tasks/get") == len(looks.made)
        await end(watched, within=0.1)


@virtual_clock()
async def test_what_is_found_brings_more_looks() -> None:
    """Where tasks ended before their stream began, all such are found at once, though the looks begin with few."""
    server, _ = pushing()
    server.faults.add("subscriptions/listen", Delay(0.5))
    async with connected(server, limit=1000, polling=PUSH_ONLY) as client:
        watched = await watch(client, server, MANY, pause=0)
        looks = Looks(server)
        for steered, _ in watched[100:]:
            steered.complete()
        begun = anyio.current_time()
        for _, told in watched[100:]:
            await told.until_over()
        # The first 100 were not over: they take the pace.
        assert anyio.current_time() - begun <= 0.5 + (100 - AT_ONCE) / A_SECOND + 0.5
        await anyio.sleep(10)
        assert len(looks.made) == MANY
        await end(watched[:100], within=0.1)
        assert len(looks.made) == MANY


@virtual_clock()
async def test_quick_tasks_one_after_the_other() -> None:
    """Each result comes soon after the end, also while streams are merged, so that no new one is opened."""
    server = make_server("modern", poll_interval_ms=5000)
    async with connected(server, limit=1000) as client:
        for _ in range(30):
            task = await client.call_tool("work", task=True)
            steered = await server.next_task()
            begun = anyio.current_time()
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(task.result)
                await anyio.sleep(0.1)
                steered.complete()
            assert anyio.current_time() - begun <= 0.2


@virtual_clock()
async def test_looks_for_what_was_missed_are_no_later_than_usual() -> None:
    """Where the server wants looks more often than those for what was missed would come, tasks are looked at then."""
    server = pushing_once(2000)
    async with connected(server, limit=1000) as client:
        watched = await watch(client, server, MANY, pause=0)
        await anyio.sleep(10)
        await end_stream(server, watched)
        await anyio.sleep(0.1)
        # An end would bring more looks at once.
        for steered, _ in watched:
            steered.set_working("unseen")
        with anyio.fail_after(2.5):
            for _, told in watched:
                await told.until_message("unseen")


@virtual_clock()
async def test_looks_that_are_due_sooner() -> None:
    """A task that the server wants looked at often does not wait behind those that it wants looked at seldom."""
    server = pushing_once(60_000)
    async with connected(server, limit=1000) as client:
        seldom = await watch(client, server, 2 * MANY, pause=0)
        server.options = evolve(server.options, poll_interval_ms=2000)
        ((steered, told),) = await watch(client, server, 1, pause=0)
        # Looks for what was missed before the first stream go on meanwhile.
        await anyio.sleep(10)
        server.options = evolve(server.options, poll_interval_ms=60_000)
        await end_stream(server, seldom)
        await anyio.sleep(0.1)
        steered.complete()
        with anyio.fail_after(3):
            await told.until_over()
        await end(seldom, within=70)
