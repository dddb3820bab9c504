"""`updates()`: the present status, then each change, until the end; and what waits for input."""

from __future__ import annotations

import anyio
import pytest

from mcptasks import Task, TaskInputRequiredError, ToolResult
from mcptasks.testing import Complete, TaskServer, Working, elicit
from tests.helpers.support import POLLED, Era, begin, connected, make_server, settle
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

Told = list[tuple[str, str | None]]


async def read_all(task: Task[ToolResult], into: Told) -> None:
    """Note every status."""
    async for status in task.updates():
        into.append((status.status, status.status_message))


async def test_each_change_until_the_end(server: TaskServer) -> None:
    """A reader gets the present status, each change, the terminal one, and then the iteration ends."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        updates = task.updates()
        assert (await anext(updates)).status_message is None
        for n in range(5):
            steered.set_working(f"step {n}")
            assert (await anext(updates)).status_message == f"step {n}"
        steered.complete()
        assert (await anext(updates)).status == "completed"
        with pytest.raises(StopAsyncIteration):
            await anext(updates)


async def test_any_number_of_readers(server: TaskServer) -> None:
    """Readers do not take statuses from each other, and one who comes after the end gets the last."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        told: list[Told] = [[], [], []]
        async with anyio.create_task_group() as readers:
            for each in told:
                readers.start_soon(read_all, task, each)
            await settle()
            steered.set_working("half")
            await task.status()
            while not all(("working", "half") in each for each in told):
                await settle()
            steered.complete()
        assert told == [[("working", None), ("working", "half"), ("completed", None)]] * 3
        late: Told = []
        await read_all(task, late)
        assert late == [("completed", None)]


@pytest.mark.parametrize("progress", [False, True])
async def test_readers_share_an_iteration(server: TaskServer, progress: bool) -> None:
    """Several readers of one iteration get each status once between them, and all of them come to the end."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        updates, told = task.updates(progress=progress), list[str]()

        async def read() -> None:
            async for status in updates:
                told.append(status.status)

        async with anyio.create_task_group() as readers:
            for _ in range(3):
                readers.start_soon(read)
            await server.requests.wait_for("tasks/get")
            await settle()
            steered.complete()
        assert told == ["working", "completed"]


async def test_the_latest_wins(era: Era) -> None:
    """A reader who is slow misses what was overtaken, and never reads an old status."""
    # A push that is on its way while a look is answered comes as news.
    server = make_server(era, **POLLED)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        updates = task.updates()
        await anext(updates)
        for n in range(20):
            steered.set_working(f"step {n}")
        assert (await task.status()).status_message == "step 19"
        assert (await anext(updates)).status_message == "step 19"
        steered.complete()
        await task
        assert (await anext(updates)).status == "completed"


async def test_no_duplicates(server: TaskServer, era: Era) -> None:
    """However often a status is seen, a reader is told of it once."""
    server.add_tool("steps", [*(Working(f"step {n}", after=0.03) for n in range(3)), Complete("done", after=0.03)])
    async with connected(server) as client:
        task = await client.call_tool("steps", task=True)
        told: Told = []
        await read_all(task, told)
        assert len(told) == len(set(told))
        assert told[-1] == ("completed", None)
        assert [words for words in told if words[1]] == sorted(words for words in told if words[1])


async def test_nobody_reads_any_more(server: TaskServer) -> None:
    """When the last reader stops, the client asks no more."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        with anyio.move_on_after(0.03):
            await read_all(task, [])
        await settle()
        asked = server.requests.count("tasks/get")
        await anyio.sleep(0.08)
        assert server.requests.count("tasks/get") <= asked + 1
        steered.complete()
        await task


async def test_input_that_nobody_gives(server: TaskServer, era: Era) -> None:
    """Without a handler `result()` says what is asked; `wait()` and `updates()` go on; the task stays answerable."""
    async with connected(server) as client:
        task, steered = await begin(client, server)

        async def expect() -> None:
            with pytest.raises(TaskInputRequiredError, match=r"Which\?") as caught:
                await task.result()
            assert caught.value.reference == task.reference
            if era == "modern":
                assert set(caught.value.input_requests) == {"choice"}

        async with anyio.create_task_group() as waiters:
            waiters.start_soon(expect)
            await settle()
            steered.need_input({"choice": elicit("Which?")}, "Which one")
        await expect()
        assert (await task.wait(state="input_required")).status == "input_required"
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.wait)
            await settle()
            steered.answer({"choice": {"action": "accept", "content": {"value": "left"}}})
            steered.complete("done")
        assert (await task.result()).data == "done"
