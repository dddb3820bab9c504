"""Many tasks at once on one client against real servers."""

import random
from typing import Any

import anyio
import pytest

from mcptasks import Client
from mcptasks._core.polling.policy import SILENCES, attempt_limit
from tests.helpers.backends import ASYNCIO, TRIO

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

FEWER = 60


async def add_at_once(url: str, count: int, limit: float) -> None:
    """Run so many tasks at the same time on one client; each must give its own result within so many seconds."""
    results: dict[int, int] = {}

    async with Client(url) as client:

        async def one(number: int) -> None:
            task = await client.call_tool("add", {"a": number, "b": 1}, task=True)
            results[number] = (await task.result()).data

        with anyio.fail_after(limit):
            async with anyio.create_task_group() as group:
                for number in range(count):
                    group.start_soon(one, number)
    assert results == {number: number + 1 for number in range(count)}


@pytest.mark.parametrize(
    ("generation", "count", "anyio_backend"),
    [(3, 250, TRIO), (4, 500, ASYNCIO)],
    indirect=["generation"],
    ids=["3-250-trio", "4-500-asyncio"],
)
async def test_very_many_tasks(fastmcp_url: str, count: int) -> None:
    """Very many tasks that run at the same time on one client over HTTP all give their own result.

    Each server and each event loop comes once; tests/client/calls/test_many.py has a thousand tasks on both loops.
    """
    await add_at_once(fastmcp_url, count, 300)


@pytest.mark.parametrize(
    ("generation", "anyio_backend"), [(2, ASYNCIO), (3, TRIO)], indirect=["generation"], ids=["2-asyncio", "3-trio"]
)
async def test_reads_that_are_given_up(fastmcp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reads are given up at any moment, all the time, the server goes on and every task gives its own result."""
    chance = random.Random(1)
    given_up = 0

    def hasty(**details: Any) -> float:
        nonlocal given_up
        # A read whose attempts all stay silent ends with an error, so the last one has its time.
        if details["silences"] >= SILENCES - 1 or chance.random() < 0.3:
            return attempt_limit(**details)
        given_up += 1
        return chance.uniform(0.0, 0.05)

    monkeypatch.setattr("mcptasks._engine.connection.time_limits.attempt_limit", hasty)
    await add_at_once(fastmcp_url, FEWER, 300)
    assert given_up > FEWER
