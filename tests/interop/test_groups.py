"""Groups of tasks on real servers, in both worlds."""

from typing import Any

import anyio
import pytest

import mcptasks
import mcptasks.sync
from mcptasks import Client, TaskCancelledError, TaskError
from tests.helpers.threads import eventually
from tests.interop.targets import LONG, new_key, until

real = pytest.mark.parametrize("generation", [3, 4], indirect=True)


@real
@pytest.mark.anyio
async def test_all_results(fastmcp_url: str) -> None:
    """`gather` has every result in order, and `as_completed` has the quick ones first."""
    async with Client(fastmcp_url) as client:
        with anyio.fail_after(LONG):
            tasks = [await client.call_tool("add", {"a": n, "b": 1}, task=True) for n in range(8)]
            assert [result.data for result in await mcptasks.gather(*tasks)] == list(range(1, 9))
            key = new_key("gate")
            gated = await client.call_tool("gated", {"key": key}, task=True)
            quick = await client.call_tool("add", {"a": 1, "b": 1}, task=True)
            found = mcptasks.as_completed([gated, quick])
            assert await anext(found) is quick
            done, pending = await mcptasks.wait([gated, quick], return_when="FIRST_COMPLETED")
            assert (done, pending) == ({quick}, {gated})
            await client.call_tool("open_gate", {"key": key})
            assert await anext(found) is gated
            assert [task async for task in found] == []


@real
@pytest.mark.anyio
async def test_failures(fastmcp_url: str) -> None:
    """One that fails leaves the others running, or has them cancelled where that was asked for."""
    async with Client(fastmcp_url) as client:
        with anyio.fail_after(LONG):
            endless = await client.call_tool("endless", task=True)
            failing = await client.call_tool("report_error", {"message": "out of paper"}, task=True)
            done, pending = await mcptasks.wait([endless, failing], return_when="FIRST_EXCEPTION")
            assert (done, pending) == ({failing}, {endless})
            with pytest.raises(TaskError, match="out of paper"):
                await mcptasks.gather(endless, failing)
            assert (await endless.status()).status == "working"
            with pytest.raises(TaskError, match="out of paper"):
                await mcptasks.gather(endless, failing, cancel_on_error=True)
            with pytest.raises(TaskCancelledError):
                await endless.result()


@real
def test_blocking(fastmcp_url: str) -> None:
    """The same in blocking code, and a map over an input."""
    with mcptasks.sync.Client(fastmcp_url) as client:
        tasks = [client.call_tool("slow_computation", {"duration": n / 10}, task=True) for n in (3, 1)]
        assert set(mcptasks.sync.as_completed(tasks, LONG)) == set(tasks)
        assert [result.text for result in mcptasks.sync.gather(*tasks)] == [
            "computed for 0.3 seconds",
            "computed for 0.1 seconds",
        ]
        results = client.map("add", ({"a": n, "b": n} for n in range(12)), limit=4, timeout=LONG)
        assert [result.data for result in results] == list(range(0, 24, 2))


DURATIONS: list[dict[str, float]] = [{"duration": 0.1}, {"duration": 100}, {"duration": 100}]


@real
@pytest.mark.anyio
async def test_a_map_that_is_left(fastmcp_url: str) -> None:
    """What a map has started is cancelled when the loop over it is left; the label tells its tasks from others."""
    async with Client(fastmcp_url) as client:
        with anyio.fail_after(LONG):
            tasks = list[mcptasks.Task[Any]]()
            other = await client.call_tool("slow_computation", {"duration": 100}, task=True)

            async def both() -> list[mcptasks.Task[Any]] | None:
                found = [task for task in await client.list_tasks() if task.label == "mine" and not task.done]
                return found if len(found) == 2 else None

            async for _ in client.map("slow_computation", DURATIONS, label="mine"):
                # The server may still be at the answers to the calls of these two.
                tasks = await until(both)
                break
            assert [(await task.wait()).status for task in tasks] == ["cancelled"] * 2
            assert "label 'mine' tool 'slow_computation' {'duration': 100}" in repr(tasks[0])
            assert (await other.status()).status == "working"
            await other.cancel()


@real
def test_a_blocking_map_that_is_left(fastmcp_url: str) -> None:
    """The same in blocking code, where the client is left at once; another one sees what became of the tasks."""
    references = list[mcptasks.TaskReference]()
    with mcptasks.sync.Client(fastmcp_url) as client:
        for result in client.map("slow_computation", DURATIONS):
            assert result.text == "computed for 0.1 seconds"

            def unfinished() -> list[mcptasks.TaskReference]:
                return [task.reference for task in client.list_tasks() if not task.done]

            eventually(lambda: len(unfinished()) == 2, "a call has no answer")
            references = unfinished()
            break
    with mcptasks.sync.Client(fastmcp_url) as client:
        assert len(references) == 2
        for reference in references:
            assert client.resume(reference).wait(timeout=LONG).status == "cancelled"
