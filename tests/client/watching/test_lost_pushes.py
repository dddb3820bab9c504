"""Pushes that came do not prove that the next one will: the end of a task is found though its push got lost, soon, in
time for whoever waits with a deadline, and without many requests where pushes do come."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import evolve

from mcptasks import PollingPolicy, Task, TaskTimeoutError
from mcptasks.testing import ServerTask, TaskServer
from tests.helpers.support import POLLED, Era, Recorder, begin, connected, make_server, modern_only, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

CROWD = 150
"""Tasks at once. Among more than 100 none is looked at early."""


@asynccontextmanager
async def pushed(server: TaskServer, **options: Any) -> AsyncGenerator[tuple[Task[Any], ServerTask]]:
    """A task for which a push has come, half a second after it began."""
    settings: dict[str, Any] = {"polling": None, **options}
    async with connected(server, limit=3600, **settings) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        stop = task.on_status_change(told)
        await anyio.sleep(0.5)
        steered.set_working("half way")
        await told.until_message("half way")
        stop()
        yield task, steered


def end_unseen(server: TaskServer, steered: ServerTask) -> None:
    """The task ends, and the push that tells so gets lost."""
    server.options = evolve(server.options, push="off")
    steered.complete("done")


@virtual_clock()
@pytest.mark.parametrize("timeout", [10.0, 3.0, None])
async def test_the_last_push_is_lost(era: Era, timeout: float | None) -> None:
    """The result comes at most about as late as the task was old, or a second, with a deadline and without one."""
    server = make_server(era, poll_interval_ms=100)
    async with pushed(server) as (task, steered), anyio.create_task_group() as group:

        async def end() -> None:
            await anyio.sleep(0.5)
            end_unseen(server, steered)

        group.start_soon(end)
        begun = anyio.current_time()
        assert (await task.result(timeout=timeout)).data == "done"
        assert anyio.current_time() - begun < 2.6


@virtual_clock()
@pytest.mark.parametrize(
    ("timeout", "interval_ms"), [(1.0, 100), (3.0, 100), (3.0, 5_000), (10.0, 5_000), (10.0, 60_000), (60.0, 8_000)]
)
async def test_a_deadline_is_not_missed(era: Era, timeout: float, interval_ms: int) -> None:
    """A task that ends early in a wait with a deadline, and whose push is lost, is found before the deadline, on an old
    task too, whatever the server's interval."""
    server = make_server(era, poll_interval_ms=interval_ms)
    async with pushed(server) as (task, steered):
        await anyio.sleep(1000.0)
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=10.0)
        await anyio.sleep(10.0)

        async with anyio.create_task_group() as group:

            async def end() -> None:
                await anyio.sleep(timeout / 2)
                end_unseen(server, steered)

            group.start_soon(end)
            assert (await task.result(timeout=timeout)).data == "done"


@virtual_clock()
async def test_a_deadline_is_not_missed_by_polling(era: Era) -> None:
    """The same where nothing is pushed and the server's interval is longer than the wait."""
    server = make_server(era, poll_interval_ms=60_000, **POLLED)
    async with connected(server, limit=3600, polling=None) as client:
        task, steered = await begin(client, server)
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=200.0)

        async with anyio.create_task_group() as group:

            async def end() -> None:
                await anyio.sleep(4.0)
                steered.complete("done")

            group.start_soon(end)
            assert (await task.result(timeout=10.0)).data == "done"


@virtual_clock()
async def test_short_waits_do_not_add_up(era: Era) -> None:
    """A program that waits for a second, again and again, causes one look every two seconds at most, and with the
    strict policy none but those at the server's interval."""
    server = make_server(era, poll_interval_ms=30_000, **POLLED)
    for polling, most in ((PollingPolicy(), 31), (PollingPolicy.strict(), 3)):
        async with connected(server, limit=3600, polling=polling) as client:
            task, _ = await begin(client, server)
            await task.status()
            await anyio.sleep(100)
            server.requests.clear()
            for _ in range(60):
                with pytest.raises(TaskTimeoutError):
                    await task.result(timeout=1.0)
            assert 1 <= server.requests.count("tasks/get") <= most


@virtual_clock()
async def test_pushes_that_come_cost_little(era: Era) -> None:
    """Where each step is pushed, a task of ten minutes costs a few looks, however short the server's interval is."""
    server = make_server(era, poll_interval_ms=100)
    async with pushed(server) as (task, steered), anyio.create_task_group() as group:
        server.requests.clear()
        group.start_soon(task.result)
        for step in range(60):
            await anyio.sleep(10.0)
            steered.set_working(f"step {step}")
        steered.complete()
        await task.result()
        assert server.requests.count("tasks/get") <= 6


@virtual_clock()
async def test_a_task_that_only_ends(era: Era) -> None:
    """A pushing server that tells nothing but the end of a task of half a minute is asked six times at most (300 times
    where it does not push), and three times if its interval is 5 s."""
    for interval_ms, most in ((100, 6), (5000, 3)):
        server = make_server(era, poll_interval_ms=interval_ms)
        async with pushed(server) as (task, steered), anyio.create_task_group() as group:
            server.requests.clear()
            group.start_soon(task.result)
            await anyio.sleep(29.0)
            steered.complete()
            await task.result()
            assert server.requests.count("tasks/get") <= most


# On 2025-11-25 these looks are apart even if nothing spreads them.
@modern_only
@virtual_clock()
async def test_many_waits_with_one_deadline(era: Era) -> None:
    """Where a crowd of waits has one deadline, the last looks before it are spread, not made in one moment."""
    server = make_server(era, poll_interval_ms=5_000)
    async with connected(server, limit=3600, polling=None) as client:
        begun = [await begin(client, server) for _ in range(CROWD)]
        for task, _ in begun:
            task.on_status_change(lambda _: None)
        await anyio.sleep(10.0)
        moments: list[float] = []

        async def note(ctx: Any, call_next: Any) -> Any:
            if ctx.method == "tasks/get":
                moments.append(anyio.current_time())
            return await call_next(ctx)

        server.middleware.insert(0, note)
        async with anyio.create_task_group() as group:

            async def wait(task: Task[Any]) -> None:
                with pytest.raises(TaskTimeoutError):
                    await task.result(timeout=30.0)

            for task, _ in begun:
                group.start_soon(wait, task)
        assert max(sum(at <= other < at + 0.1 for other in moments) for at in moments) < CROWD / 3
