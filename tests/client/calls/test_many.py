"""Very many tasks at once on one client, against a server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from typing import Any

import anyio
import pytest

from tests.helpers.backends import ASYNCIO, TRIO
from tests.helpers.support import Era
from tests.helpers.worlds import ASYNC, World, both_worlds, make_client

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

COUNT = 1000
COUNT_OF_THREADS = 100
"""The same in the blocking world, where each wait holds a thread."""


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest) -> Generator[str]:
    """The demonstration server over HTTP, so that client and server do not share an interpreter."""
    era: Era = request.param
    command = [sys.executable, "-m", "mcptasks.testing", "--transport", "http", "--era", era, "--steps", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            assert line.startswith("http"), line
            yield line
        finally:
            process.terminate()
            process.wait(60)


# A task takes both processes 20 ms. The protocol decides what is sent, the event loop who waits for it: neither depends
# on the other, so each protocol has one event loop.
@pytest.mark.parametrize(
    ("anyio_backend", "url"),
    [pytest.param(ASYNCIO, "modern", id="asyncio-modern"), pytest.param(TRIO, "legacy", id="trio-legacy")],
    indirect=["url"],
    scope="module",
)
async def test_a_thousand_tasks(url: str, world: World) -> None:
    """A thousand tasks that run at the same time on one client all give their own result, and leave nothing to do."""
    count = COUNT if world is ASYNC else COUNT_OF_THREADS
    results: dict[int, Any] = {}
    identities: set[str] = set()

    async with make_client(url) as client:

        async def one(number: int) -> None:
            # The duration comes back in the result's words, so that each result can be told from the others.
            task = await client.call_tool("slow_computation", {"duration": 1 + number / 1000}, task=True)
            assert not task.returned_immediately
            identities.add(task.task_id)
            results[number] = (await task.result()).data

        with anyio.fail_after(400):
            async with anyio.create_task_group() as group:
                for number in range(count):
                    group.start_soon(one, number)
            assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3
    assert results == {number: f"computed for {1 + number / 1000:g} s" for number in range(count)}
    assert len(identities) == count
