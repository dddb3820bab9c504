"""`on_status_change`: for every change, in order, none twice, while nobody awaits anything."""

from __future__ import annotations

import logging

import anyio
import anyio.lowlevel
import pytest

from mcptasks import TaskConnectionError, TaskStatus
from mcptasks.testing import Options, TaskServer, ToolContext
from tests.helpers.support import (
    LONG_INTERVAL,
    PUSH_ONLY,
    Era,
    Recorder,
    Signal,
    asked,
    begin,
    cancelled_from_within,
    connected,
    make_server,
    settle,
)
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


async def test_fires_while_nobody_awaits(era: Era) -> None:
    """Registering is enough: the callback is told of each change while the program does other things."""
    server, told, steps = make_server(era), Recorder(), [f"step {n}" for n in range(3)]
    registered = Signal()

    @server.tool()
    async def compute(context: ToolContext) -> str:
        await registered.wait()
        for step in steps:
            await context.status(step)
            await told.until_message(step)
        return "computed"

    async with connected(server) as client:
        task = await client.call_tool("compute", task=True)
        task.on_status_change(told)
        registered.set()
        await told.until_over()
        assert [message for message in told.messages if message] == steps
        assert (await task.result()).data == "computed"


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_in_order_and_none_twice(server: TaskServer, asynchronous: bool) -> None:
    """Sync and async callbacks get each status that was seen, once, in order, the terminal one last."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        told = Recorder()

        async def callback(status: TaskStatus) -> None:
            await anyio.lowlevel.checkpoint()
            told(status)

        task.on_status_change(callback if asynchronous else told)
        for n in range(5):
            steered.set_working(f"step {n}")
            await told.until_message(f"step {n}")
            await task.status()
        steered.complete()
        await told.until_over()
        await task
        await settle()
        assert told.messages == [*(f"step {n}" for n in range(5)), None]
        assert [status.status for status in told.statuses] == ["working"] * 5 + ["completed"]


async def test_several_callbacks(server: TaskServer) -> None:
    """Each callback is told; one that is registered twice is told twice."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        one, two = Recorder(), Recorder()
        for callback in (one, two, two):
            task.on_status_change(callback)
        steered.complete()
        await one.until_over()
        await two.until_told(2)
        await settle()
        assert [len(one.statuses), len(two.statuses)] == [1, 2]


async def test_registered_after_the_end(server: TaskServer) -> None:
    """Where the task is over already, the callback gets that status at once, and nothing is asked."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.complete()
        await task
        await settle()
        before = asked(server)
        told = Recorder()
        task.on_status_change(told)
        assert (await told.until_over()).status == "completed"
        await settle()
        assert (len(told.statuses), asked(server)) == (1, before)


async def test_removal(server: TaskServer) -> None:
    """A removed callback is not called any more, nor is the task watched for it; removing twice is fine."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        remove = task.on_status_change(told)
        steered.set_working("one")
        await told.until_message("one")
        remove()
        remove()
        steered.set_working("two")
        await task.status()
        await settle()
        asked = server.requests.count("tasks/get")
        await anyio.sleep(0.08)
        assert server.requests.count("tasks/get") <= asked + 1
        assert told.messages == ["one"]


async def test_removal_from_inside(server: TaskServer) -> None:
    """A callback may remove itself, and another one, while it is called."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        told, other, removed = Recorder(), Recorder(), Signal()

        def once(status: TaskStatus) -> None:
            told(status)
            remove()
            remove_other()
            removed.set()

        remove = task.on_status_change(once)
        remove_other = task.on_status_change(other)
        steered.set_working("one")
        await removed.wait()
        steered.complete()
        await task
        await settle()
        assert told.messages == ["one"]
        assert set(other.messages) <= {"one"}


async def test_one_that_raises(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """What a callback raises is logged; it is called again, and nothing else notices."""
    told = Recorder()
    # Around all of it: leaving the client waits for what has been told, and with it for what is logged of that.
    with caplog.at_level(logging.ERROR, "mcptasks"):
        async with connected(server) as client:
            task, steered = await begin(client, server)

            def bad(status: TaskStatus) -> None:
                told(status)
                raise ValueError("my own mistake")

            task.on_status_change(bad)
            steered.set_working("one")
            await told.until_message("one")
            steered.complete("fine")
            assert (await task).data == "fine"
            await told.until_over()
    assert len(told.statuses) == 2
    records = [record for record in caplog.records if record.name.startswith("mcptasks")]
    assert [record.exc_info is not None for record in records] == [True, True]
    assert task.task_id in caplog.text
    assert "my own mistake" in caplog.text


async def test_a_slow_one_delays_nobody(server: TaskServer) -> None:
    """A callback that hangs is called for no second status meanwhile; waiters and other callbacks go on."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        told, gate, begun = Recorder(), Signal(), Recorder()
        running = 0

        async def slow(status: TaskStatus) -> None:
            nonlocal running
            running += 1
            assert running == 1
            begun(status)
            await gate.wait()
            running -= 1

        task.on_status_change(slow)
        task.on_status_change(told)
        steered.set_working("one")
        await begun.until_message("one")
        steered.set_working("two")
        await told.until_message("two")
        steered.complete("done")
        assert (await task).data == "done"
        await told.until_over()
        assert begun.messages == ["one"]
        gate.set()
        await begun.until_over()
        assert begun.messages == ["one", "two", None]


async def test_callbacks_may_use_the_task(server: TaskServer) -> None:
    """An async callback may ask, wait and cancel."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        seen: list[str] = []
        over = Signal()

        async def callback(status: TaskStatus) -> None:
            seen.append((await task.status()).status)
            if not status.is_terminal:
                await task.cancel()
                await task.wait()
            else:
                over.set()

        task.on_status_change(callback)
        steered.set_working("one")
        await over.wait()
        assert seen == ["working", "cancelled"]


async def test_leaving_the_client_lets_callbacks_finish(server: TaskServer) -> None:
    """What was seen before the client is left is still told, and what is running is finished."""
    told = Recorder()

    async def slow(status: TaskStatus) -> None:
        await anyio.sleep(0.02)
        told(status)

    async with connected(server) as client:
        task, steered = await begin(client, server)
        task.on_status_change(slow)
        steered.complete()
        await task
    assert [status.status for status in told.statuses] == ["completed"]


async def test_not_on_a_closed_client(server: TaskServer) -> None:
    """Registering with a closed client is an error where the task is not over, since nothing could come."""
    async with connected(server) as client:
        task, _ = await begin(client, server)
    with pytest.raises(TaskConnectionError) as caught:
        task.on_status_change(Recorder())
    assert caught.value.reference == task.reference


async def test_what_a_callback_awaits_is_cancelled(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """The cancellation of something that a callback awaits is logged like an error. It ends neither the client nor the
    calls that wait."""
    told, first, go_on = Recorder(), Signal(), Signal()

    async def careless(status: TaskStatus) -> None:
        told(status)
        if len(told.statuses) == 1:
            first.set()
            await go_on.wait()
            await cancelled_from_within()

    async with connected(server) as client:
        task, steered = await begin(client, server)
        task.on_status_change(careless)
        steered.set_working("one")
        await first.wait()
        steered.complete("done")
        assert (await task.result()).data == "done"
        go_on.set()
        await told.until_over()
        assert (await task.status()).status == "completed"
    assert "from within" in caplog.text


@pytest.mark.parametrize("push", ["twice", "late"])
async def test_pushes_twice_or_late(era: Era, push: str) -> None:
    """Pushes that come twice or out of order are told once, and never in a wrong order."""
    server = TaskServer(
        era=era, options=Options(push="twice" if push == "twice" else "late", poll_interval_ms=LONG_INTERVAL)
    )
    server.add_tool("work")
    async with connected(server, polling=PUSH_ONLY) as client:
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        if era == "modern":
            await server.requests.wait_for("tasks/get")
        # A look that is answered later would find the end, after which no push counts.
        await settle()
        for n in range(6):
            steered.set_working(f"step {n}")
        steered.complete()
        await told.until_over()
        await settle()
        assert len(told.messages) == len(set(told.messages))
        assert told.messages[-1] is None
        assert len(told.messages) >= 4
