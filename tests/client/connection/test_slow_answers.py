"""Answers that take long are had, however long that is: time limits of reads measure silence, and grow."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks import TaskConnectionError, TaskTimeoutError
from mcptasks.testing import Delay, Drop
from tests.helpers.support import POLLED, Era, begin, connected, make_server, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]


def result_method(era: Era) -> str:
    """What brings the result."""
    return "tasks/result" if era == "legacy" else "tasks/get"


@virtual_clock()
@pytest.mark.parametrize("patience", [60.0, None])
@pytest.mark.parametrize("seconds", [21, 50, 180])
async def test_every_answer_takes_long(era: Era, seconds: int, patience: float | None) -> None:
    """A result whose answer takes longer than the first attempt is had by the fourth, without any deadline."""
    server = make_server(era, **POLLED)
    async with connected(server, limit=3600, polling=None, reconnect_timeout=patience) as client:
        task, steered = await begin(client, server)
        server.faults.add(result_method(era), Delay(seconds), times=None)
        steered.complete("done")
        assert (await task.result()).data == "done"
        assert server.requests.count(result_method(era)) <= 4


@virtual_clock()
async def test_a_deadline_with_room(era: Era) -> None:
    """The same within a deadline that leaves the time for it: the second attempt takes most of what is left."""
    server = make_server(era, **POLLED)
    async with connected(server, limit=3600, polling=None, reconnect_timeout=60.0) as client:
        task, steered = await begin(client, server)
        server.faults.add(result_method(era), Delay(50), times=None)
        steered.complete("done")
        assert (await task.result(timeout=150.0)).data == "done"


@virtual_clock()
async def test_short_waits_one_after_the_other(era: Era) -> None:
    """A program that waits for 5 s at a time gets an answer that takes 21 s all the same: after two attempts that its
    deadlines have shortened, the next one goes on from wait to wait."""
    server = make_server(era, **POLLED)
    async with connected(server, limit=3600, polling=None, reconnect_timeout=60.0) as client:
        task, steered = await begin(client, server)
        server.faults.add(result_method(era), Delay(21), times=None)
        steered.complete("done")
        for _ in range(10):
            try:
                value = await task.result(timeout=5.0)
            except TaskTimeoutError:
                continue
            assert value.data == "done"
            break
        else:
            pytest.fail("the answer was never had")


@virtual_clock()
async def test_what_nobody_waits_for_ends(era: Era) -> None:
    """A read without an answer that nobody waits for any more is given up in half a minute and not sent again, so that
    it keeps no place; the next wait has the result."""
    server = make_server(era, **POLLED)
    async with connected(server, limit=3600, polling=None, reconnect_timeout=None) as client:
        task, steered = await begin(client, server)
        silent = server.faults.add(result_method(era), Drop(), times=None)
        steered.complete("done")
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=5.0)
        await anyio.sleep(31.0)
        before = silent.fired
        await anyio.sleep(3000.0)
        assert silent.fired == before
        server.faults.clear()
        assert (await task.result(timeout=5.0)).data == "done"


@virtual_clock()
async def test_others_are_not_told_of_an_outage(era: Era) -> None:
    """Where one task's reads stay unanswered and another's are answered, only the first one's wait ends in an error."""
    server = make_server(era, poll_interval_ms=30_000, **POLLED)
    async with connected(server, limit=3600, polling=None, reconnect_timeout=60.0) as client:
        silent, _ = await begin(client, server)
        other, steered = await begin(client, server)
        server.faults.add("tasks/get", Drop(), times=None, task_id=silent.task_id)
        values: list[Any] = []

        async def wait() -> None:
            values.append((await other.result()).data)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            with pytest.raises(TaskConnectionError, match="does not answer"):
                await silent.result()
            steered.complete("done")
        assert values == ["done"]


@virtual_clock()
async def test_an_explicit_timeout_is_a_hard_limit(era: Era) -> None:
    """`Client(timeout=...)` holds for every attempt, which does not grow."""
    server = make_server(era, **POLLED)
    async with connected(server, limit=3600, polling=None, timeout=3.0, reconnect_timeout=60.0) as client:
        task, steered = await begin(client, server)
        server.faults.add(result_method(era), Delay(4), times=None)
        steered.complete("done")
        begun = anyio.current_time()
        with pytest.raises(TaskConnectionError, match="does not answer"):
            await task.result()
        assert anyio.current_time() - begun < 30.0
