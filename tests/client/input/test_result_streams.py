"""2025-11-25: many tasks that wait for an answer at a time, each with a stream of its own for its question."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcptasks import Client, Task
from mcptasks._engine.input import result_streams
from mcptasks.testing import ServerTask, TaskServer, elicit, sample
from tests.helpers.support import LIMIT, begin, connected, http, make_server, settle, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]


async def forever(context: Any, params: Any) -> None:
    """A person who thinks."""
    await anyio.sleep_forever()


async def complete(context: Any, params: Any) -> str:
    """A machine that does not."""
    await anyio.lowlevel.checkpoint()
    return "yes"


async def park(client: Client, server: TaskServer, count: int) -> list[tuple[Task[Any], ServerTask]]:
    """Tasks that each ask a person."""
    tasks = [await begin(client, server) for _ in range(count)]
    for _, steered in tasks:
        steered.need_input({"name": elicit("Who?")})
    return tasks


@pytest.mark.parametrize("way", ["streams", "http"])
async def test_more_tasks_than_turns(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tasks wait for a person, the next one's question comes and is answered."""
    monkeypatch.setattr(result_streams, "_AT_ONCE", 4)
    # A task is not taken for silent because the machine is slow.
    monkeypatch.setattr(result_streams, "_TIME_TO_ASK", LIMIT)
    server = make_server("legacy")
    with ExitStack() as serving:
        target: Any = serving.enter_context(http(server)) if way == "http" else server
        async with (
            connected(target, elicitation_handler=forever, sampling_handler=complete) as client,
            anyio.create_task_group() as waiters,
        ):
            parked = await park(client, server, 10)
            for task, _ in parked:
                waiters.start_soon(task.result)
            for task, _ in parked:
                await task.wait(state="input_required")
                assert len(task.input_requests) == 1
            task, steered = await begin(client, server)
            steered.need_input({"word": sample("A word?")})
            waiters.start_soon(task.wait)
            waiters.start_soon(task.result)
            await steered.wait_for(lambda task: task.status != "input_required")
            for _, each in (*parked, (task, steered)):
                each.complete("done")


@virtual_clock()
async def test_tasks_that_do_not_say_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that never say what they wait for give their turns up as well, after some time."""
    monkeypatch.setattr(result_streams, "_AT_ONCE", 2)
    server = make_server("legacy", input_mode="push-related", push="off", poll_interval_ms=500)
    async with connected(server) as client, anyio.create_task_group() as waiters:
        silent = [await begin(client, server) for _ in range(5)]
        for task, steered in silent:
            steered.claim_input()
            steered.need_input({})
            waiters.start_soon(task.wait)
        for task, _ in silent:
            assert (await task.wait(state="input_required")).input_requests == {}
        for _, steered in silent:
            steered.complete("done")


async def test_more_tasks_than_connections(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """As many tasks may wait for an answer as there are connections to spare; the next one asks when one of them has
    its answer, the log says so, and all other requests go on."""
    monkeypatch.setattr(result_streams, "_PARKED", 3)
    server = make_server("legacy")
    async with connected(server, sampling_handler=complete) as client, anyio.create_task_group() as waiters:
        parked = await park(client, server, 3)
        for task, _ in parked:
            waiters.start_soon(task.wait)
            await settle()
            await task.wait(state="input_required")
        task, steered = await begin(client, server)
        steered.need_input({"word": sample("A word?")})
        waiters.start_soon(task.result)
        while "may have to wait to ask" not in caplog.text:
            assert (await parked[0][0].status()).status == "input_required"
        assert steered.answers == {}
        (key,) = parked[0][0].input_requests
        await parked[0][0].answer(key, None)
        parked[0][1].complete("done")
        await steered.wait_for(lambda task: task.status != "input_required")
        for _, each in (*parked[1:], (task, steered)):
            each.complete("done")
