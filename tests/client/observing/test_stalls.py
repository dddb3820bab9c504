"""`Client(patience=...)`: a task that gets nowhere is told, and by default nothing ends a wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from mcptasks import Patience, Task, TaskExpiredError, TaskNotFoundError, TaskStalledError
from mcptasks.testing import HttpStatus, TaskServer, elicit
from tests.helpers.people import Oracle, answered
from tests.helpers.support import (
    LONG_INTERVAL,
    POLLED,
    PUSH_ONLY,
    Era,
    Signal,
    begin,
    connected,
    http,
    make_server,
    virtual_clock,
)
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


class Told:
    """A callback that keeps what it gets."""

    def __init__(self) -> None:
        self.errors: list[TaskStalledError] = []
        self.first = Signal()

    def __call__(self, error: TaskStalledError) -> None:
        """Keep it."""
        self.errors.append(error)
        self.first.set()


@virtual_clock()
async def test_nothing_ends_a_wait_by_default(era: Era) -> None:
    """A task that says nothing for a week is waited for."""
    server = make_server(era, **POLLED, poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=10**7, polling=PUSH_ONLY) as client:
        task, steered = await begin(client, server)
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            await anyio.sleep(7 * 86_400)
            assert not task.done
            steered.complete()


@virtual_clock()
async def test_a_stalled_task_ends_the_wait(era: Era) -> None:
    """With `raises=True` a wait ends when the time without a change has passed, not before, and the next wait has as
    much time again; the error names the reason and has the reference."""
    server = make_server(era, **POLLED, poll_interval_ms=20_000)
    async with connected(server, limit=10**5, patience=Patience(stalled_after=600, raises=True)) as client:
        task, steered = await begin(client, server)
        await task.status()
        begun = anyio.current_time()
        with pytest.raises(TaskStalledError) as caught:
            await task
        assert anyio.current_time() - begun == pytest.approx(600, abs=25)
        assert (caught.value.reason, caught.value.reference) == ("stalled", task.reference)
        assert "600 s" in str(caught.value)
        with pytest.raises(TaskStalledError):
            await task.wait()
        assert anyio.current_time() - begun == pytest.approx(1200, abs=50)
        steered.complete("done")
        assert (await task).data == "done"


@virtual_clock()
async def test_a_change_starts_the_time_anew(era: Era) -> None:
    """A task that says something now and then is waited for."""
    server = make_server(era, **POLLED, poll_interval_ms=20_000)
    async with connected(server, limit=10**5, patience=Patience(stalled_after=600, raises=True)) as client:
        task, steered = await begin(client, server)
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            for number in range(5):
                await anyio.sleep(400)
                steered.set_working(f"step {number}")
            await anyio.sleep(400)
            steered.complete()


@virtual_clock()
async def test_progress_starts_the_time_anew() -> None:
    """A task that reports progress now and then is waited for, whatever its status says; when the reports cease, the
    time runs from the latest. A report that says nothing new does not count."""
    server = make_server("legacy", poll_interval_ms=20_000)
    async with connected(server, limit=10**5, patience=Patience(stalled_after=600, raises=True)) as client:
        task, steered = await begin(client, server)
        begun = anyio.current_time()

        async def report() -> None:
            for number in range(1, 6):
                await anyio.sleep(400)
                steered.progress(number, 10)
            await anyio.sleep(400)
            steered.progress(5, 10)

        async with anyio.create_task_group() as group:
            group.start_soon(report)
            with pytest.raises(TaskStalledError, match="progress") as caught:
                await task
            assert caught.value.reason == "stalled"
        assert anyio.current_time() - begun == pytest.approx(5 * 400 + 600, abs=25)


@virtual_clock()
async def test_a_callback_ends_nothing(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    """A callback is told again after each such time, while the wait goes on; the log has each as a warning."""
    told = Told()
    server = make_server(era, **POLLED, poll_interval_ms=20_000)
    with caplog.at_level(logging.WARNING, "mcptasks.task"):
        async with connected(server, limit=10**5, patience=Patience(stalled_after=600, on_stall=told)) as client:
            task, steered = await begin(client, server)
            async with anyio.create_task_group() as group:
                group.start_soon(task.result)
                await anyio.sleep(2000)
                steered.complete("done")
            assert (await task).data == "done"
    assert [error.reason for error in told.errors] == ["stalled"] * 3
    records: list[Any] = [record for record in caplog.records if record.name == "mcptasks.task"]
    assert [(record.task_id, record.reason) for record in records] == [(task.task_id, "stalled")] * 3


@virtual_clock()
async def test_nobody_waits(era: Era) -> None:
    """A task that nobody waits for is nobody's trouble."""
    told = Told()
    server = make_server(era, **POLLED, poll_interval_ms=20_000)
    async with connected(server, limit=10**5, patience=Patience(stalled_after=10, on_stall=told)) as client:
        await begin(client, server)
        await anyio.sleep(1000)
    assert not told.errors


@virtual_clock()
async def test_past_its_time(era: Era) -> None:
    """The end of the time that the server keeps a task is told once."""
    told = Told()
    server = make_server(era, **POLLED, poll_interval_ms=20_000)
    server.add_tool("short", ttl_ms=60_000)
    async with connected(server, limit=10**5, patience=Patience(past_ttl=True, on_stall=told)) as client:
        task = await client.call_tool("short", task=True)
        begun = anyio.current_time()
        with pytest.raises((TaskNotFoundError, TaskExpiredError)):
            await task  # The test server forgets the task at that time, which the next poll finds.
        assert anyio.current_time() - begun >= 60
    assert [error.reason for error in told.errors] == ["expired"]


async def ends_by_rounds(task: Task[Any], ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """While the server asks, the wait for the task ends, since there are too many rounds."""
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        with pytest.raises(TaskStalledError) as caught:
            await task
        assert caught.value.reason == "rounds"


@pytest.mark.slow
async def test_too_many_rounds(server: TaskServer) -> None:
    """A task that asks again and again ends the wait at the round beyond the limit."""
    patience = Patience(rounds=2, raises=True)
    async with connected(server, patience=patience, elicitation_handler=Oracle()) as client:
        task, steered = await begin(client, server)

        async def ask() -> None:
            for number in range(3):
                steered.need_input({f"q{number}": elicit("Who?")})
                if number < 2:
                    await answered(steered)

        await ends_by_rounds(task, ask)


@pytest.mark.slow
async def test_a_round_during_an_answer(server: TaskServer) -> None:
    """The round beyond the limit ends the wait, also if it begins while a handler still answers the one before."""
    told, asked, go = Told(), Signal(), Signal()

    async def think() -> dict[str, str]:
        asked.set()
        await go.wait()
        return {"value": "Ada"}

    patience = Patience(rounds=1, on_stall=told, raises=True)
    async with connected(server, patience=patience, elicitation_handler=Oracle(**{"Who?": think})) as client:
        task, steered = await begin(client, server)

        async def ask() -> None:
            steered.need_input({"first": elicit("Who?")})
            await asked.wait()
            steered.need_input({"first": elicit("Who?"), "second": elicit("How old?")})
            await told.first.wait()
            go.set()

        await ends_by_rounds(task, ask)


@pytest.mark.slow
async def test_failed_looks(era: Era) -> None:
    """Polls that fail in a row are told, though the client goes on trying."""
    told = Told()
    server = make_server(era, **POLLED)
    with http(server) as url:
        patience = Patience(failed_looks=2, on_stall=told)
        async with connected(url, patience=patience, reconnect_timeout=None) as client:
            task, steered = await begin(client, server)
            server.faults.add("tasks/get", HttpStatus(503), times=4)
            async with anyio.create_task_group() as group:
                group.start_soon(task.result)
                await told.first.wait()
                steered.complete("done")
            assert (await task).data == "done"
    assert {error.reason for error in told.errors} == {"failed_looks"}
