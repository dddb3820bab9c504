"""Many tasks at once on one client against real servers."""

import anyio
import pytest

from mcptasks import Client
from tests.interop.targets import new_key

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

COUNT = 1000


@pytest.mark.parametrize("generation", [3, 4], indirect=True)
async def test_a_thousand_tasks(fastmcp_url: str) -> None:
    """A thousand tasks that run at the same time on one client over HTTP all give their own result."""
    key = new_key("many")
    results: dict[int, int] = {}

    async with Client(fastmcp_url) as client:

        async def one(number: int) -> None:
            task = await client.call_tool("add", {"a": number, "b": 1}, task=True)
            results[number] = (await task.result()).data

        with anyio.fail_after(300):
            async with anyio.create_task_group() as group:
                for number in range(COUNT):
                    group.start_soon(one, number, name=f"{key}-{number}")
    assert results == {number: number + 1 for number in range(COUNT)}
