"""Cancelling: asked for by `cancel()`, by leaving `async with task`, by abandoning a plain call; by nothing else."""

from __future__ import annotations

import anyio
import pytest

from mcptasks import TaskCancelledError, TaskError, TaskTimeoutError
from mcptasks.testing import Drop, ServerTask, TaskServer
from tests.helpers.support import LONG_INTERVAL, Era, begin, connected, make_server, settle, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


async def test_honoured(server: TaskServer) -> None:
    """A server that honours the wish ends the task as cancelled, and everyone hears of it."""
    async with connected(server) as client:
        task, steered = await begin(client, server)

        async def wait() -> None:
            with pytest.raises(TaskCancelledError) as caught:
                await task.result()
            assert caught.value.reference == task.reference

        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await settle()
            await task.cancel()
        assert steered.cancel_requested
        assert (await task.wait()).status == "cancelled"


async def test_ignored(era: Era) -> None:
    """Where the server only takes note, the task goes on, and `result()` reports what really came."""
    server = make_server(era, cancel="ignored")
    async with connected(server) as client:
        task, steered = await begin(client, server)
        await task.cancel()
        assert steered.cancel_requested
        assert (await task.status()).status == "working"
        steered.complete("all the same")
        assert (await task).data == "all the same"


async def test_over_already(server: TaskServer) -> None:
    """Cancelling what is over is no error, and changes nothing; where the end is known, nothing is sent."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.complete("done")
        await task.cancel()
        assert (await task).data == "done"
        asked = server.requests.count("tasks/cancel")
        await task.cancel()
        assert server.requests.count("tasks/cancel") == asked


async def test_not_offered(era: Era) -> None:
    """A server without `tasks/cancel` is an error that says so and names the task; the task goes on."""
    server = make_server(era, cancel="unsupported")
    async with connected(server) as client:
        task, steered = await begin(client, server)
        with pytest.raises(TaskError, match=r"(?i)method not found|cancel") as caught:
            await task.cancel()
        assert caught.value.reference == task.reference
        steered.complete("done")
        assert (await task).data == "done"


# --- async with task ----------------------------------------------------------------------------------------------


async def test_leaving_the_block_well(server: TaskServer) -> None:
    """Leaving `async with task` without an exception asks for nothing."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        async with task as same:
            assert same is task
        assert not steered.cancel_requested
        steered.complete("done")
        assert (await task).data == "done"


async def test_leaving_the_block_by_an_exception(server: TaskServer) -> None:
    """An exception in the block asks the server to cancel, and comes out as it was."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        mistake = ValueError("mine")
        with pytest.raises(ValueError, match="mine") as caught:
            async with task:
                raise mistake
        assert caught.value is mistake
        assert steered.status == "cancelled"
        asked = server.requests.count("tasks/cancel")
        with pytest.raises(ValueError, match="again"):
            async with task:
                raise ValueError("again")
        assert server.requests.count("tasks/cancel") == asked


async def test_leaving_the_block_by_cancellation(server: TaskServer) -> None:
    """A cancelled scope round the block asks the server to cancel, all the same."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        with anyio.CancelScope() as scope:
            async with task:
                scope.deadline = anyio.current_time() + 0.03
                await task
        assert scope.cancelled_caught
        assert steered.status == "cancelled"


@virtual_clock()
async def test_leaving_the_block_takes_no_longer_than_five_seconds(era: Era) -> None:
    """A server that never answers holds up leaving the block for 5 s at most."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    async with connected(server, limit=3600, polling=None) as client:
        task, _ = await begin(client, server)
        server.faults.add("tasks/cancel", Drop(), times=None)
        begun = anyio.current_time()
        with pytest.raises(ValueError, match="mine"):
            async with task:
                raise ValueError("mine")
        assert anyio.current_time() - begun == pytest.approx(5, abs=0.01)


# --- plain calls --------------------------------------------------------------------------------------------------


async def test_an_abandoned_plain_call(server: TaskServer, era: Era) -> None:
    """A plain call that the server made a task, and that is cancelled on the way, asks the server to cancel it."""
    server.add_tool("must", support="required")
    async with connected(server) as client:
        taken: list[ServerTask] = []

        async def abandon() -> None:
            taken.append(await server.next_task())
            await server.requests.wait_for("tasks/get")  # The client has the answer, and follows the task.
            calls.cancel_scope.cancel()

        async with anyio.create_task_group() as calls:
            calls.start_soon(client.call_tool, "must")
            calls.start_soon(abandon)
        (steered,) = taken
        await steered.wait_cancel_requested()
        assert steered.status == "cancelled"


@virtual_clock()
async def test_a_plain_call_that_times_out(server: TaskServer) -> None:
    """A timeout ends the waiting, never the work: the error of a plain call has the reference of what goes on."""
    server.add_tool("must", support="required")
    async with connected(server) as client:
        with pytest.raises(TaskTimeoutError) as caught:
            await client.call_tool("must", timeout=1.0)
        steered = await server.next_task()
        assert not steered.cancel_requested
        assert caught.value.reference is not None
        steered.complete("late")
        assert (await client.resume(caught.value.reference)).data == "late"
