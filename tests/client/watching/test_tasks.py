"""A task's status, waiting for it, its result, and the statuses one can iterate over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mcptasks import (
    Task,
    TaskCancelledError,
    TaskError,
    TaskFailedError,
    TaskNotFoundError,
    TaskStateError,
    TaskStatus,
    TaskTimeoutError,
    ToolError,
    ToolResult,
)
from mcptasks.testing import Options, ServerTask, TaskServer, elicit
from tests.helpers.support import POLLED, Era, asked, begin, connected, make_server, settle, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

End = Callable[[ServerTask], None]
ENDS: dict[str, End] = {
    "completed": lambda steered: steered.complete({"n": 1}),
    "tool-error": lambda steered: steered.fail("out of paper"),
    "failed": lambda steered: steered.fail("no such file", code=-32011, data={"path": "/x"}),
    "cancelled": lambda steered: steered.cancelled("not today"),
}
each_end = pytest.mark.parametrize("end", ENDS)


def expected_status(end: str) -> str:
    """What a program is told of that end, in both protocols."""
    return "failed" if end == "tool-error" else end


async def assert_outcome(task: Task[ToolResult], end: str) -> None:
    """`result()` gives or raises what belongs to that end."""
    if end == "completed":
        assert (await task.result()).data == {"n": 1}
        return
    with pytest.raises(TaskError) as caught:
        await task.result()
    error = caught.value
    assert error.reference == task.reference
    match end:
        case "tool-error":
            assert isinstance(error, ToolError)
            assert str(error) == "out of paper"
            assert error.result is not None
            assert error.result.is_error
        case "failed":
            assert isinstance(error, TaskFailedError)
            assert (str(error), error.code, error.data) == ("no such file", -32011, {"path": "/x"})
        case _:
            assert isinstance(error, TaskCancelledError)
            assert "not today" in str(error)


# --- status -------------------------------------------------------------------------------------------------------


async def test_status_asks_the_server_always(server: TaskServer) -> None:
    """Each `status()` is one look, and `last_status` is what was seen last, without asking."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        for n in (1, 2, 3):
            steered.set_working(f"step {n}")
            assert (await task.status()).status_message == f"step {n}"
            assert task.last_status is not None
            assert task.last_status.statusMessage == f"step {n}"
            assert server.requests.count("tasks/get") == n
        before = task.done
        steered.complete()
        assert (await task.status()).status == "completed"
        assert (before, task.done) == (False, True)
        assert server.requests.count("tasks/get") == 4


async def test_what_a_handle_says_of_itself(server: TaskServer, era: Era) -> None:
    """A new handle knows its status, names its task, and shows both without I/O."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        before = asked(server)
        assert (task.kind, task.name, task.task_id) == ("tool", "work", steered.task_id)
        assert task.last_status is not None
        assert task.last_status.status == "working"
        assert task.last_status.poll_interval is not None
        assert task.last_status.created_at is not None
        assert (task.done, task.returned_immediately) == (False, False)
        assert repr(task) == f"<Task {steered.task_id!r} tool 'work' working>"
        assert task.reference.era == ("2025-11-25" if era == "legacy" else "2026-07-28")
        assert task.reference.endpoint == "in-process:task-server"
        assert asked(server) == before


async def test_unknown_id(server: TaskServer) -> None:
    """Every way to ask about a task that the server does not know says `TaskNotFoundError`, at once."""
    async with connected(server) as client:
        task = client.task("nobody-knows-me")
        assert task.last_status is None
        asks: list[Callable[[], Any]] = [
            task.status,
            task.result,
            task.wait,
            task.cancel,
            lambda: task.result(timeout=0),
            lambda: task.wait(timeout=0),
            lambda: anext(task.updates()),
        ]
        for ask in asks:
            with pytest.raises(TaskNotFoundError) as caught:
                await ask()
            assert caught.value.reference == task.reference


# --- the ends -----------------------------------------------------------------------------------------------------


@each_end
@pytest.mark.parametrize("waits", [True, False], ids=["waiting", "later"])
async def test_result_of_every_end(server: TaskServer, end: str, waits: bool) -> None:
    """Whoever waited before the end and whoever asks after it gets the same outcome."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        if not waits:
            ENDS[end](steered)
            await assert_outcome(task, end)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(assert_outcome, task, end)
            waiters.start_soon(assert_outcome, task, end)
            if waits:
                await settle()
                ENDS[end](steered)
        await settle()  # A stream of pushes or a look may have been on its way.
        before = asked(server)
        await assert_outcome(task, end)
        assert asked(server) == before


@each_end
async def test_wait_never_raises_for_how_it_ends(server: TaskServer, end: str) -> None:
    """`wait()` returns the terminal status, whichever it is."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        statuses: list[TaskStatus] = []

        async def wait() -> None:
            statuses.append(await task.wait())

        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await settle()
            ENDS[end](steered)
        assert statuses[0].status == expected_status(end)
        assert await task.wait() == statuses[0]
        assert (await task.status()).status == statuses[0].status


async def test_the_same_result_every_time(server: TaskServer) -> None:
    """`result()` and `await task` give one object, however often and wherever they are asked."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.complete("done")
        first = await task.result()
        assert await task is first
        assert await task.result(timeout=0) is first
        assert await client.resume(task.reference).result() is first
        assert first.data == "done"


@pytest.mark.parametrize("mode", ["block", "refuse"])
async def test_servers_that_refuse_the_result_early(mode: str) -> None:
    """A server that refuses `tasks/result` before the end is asked for it when it is due, and both give the result."""
    server = TaskServer(era="legacy", options=Options(result_mode="refuse" if mode == "refuse" else "block"))
    server.add_tool("work")
    async with connected(server) as client:
        task, steered = await begin(client, server)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(assert_outcome, task, "completed")
            await settle()
            steered.complete({"n": 1})
        assert server.requests.count("tasks/result") == 1


@virtual_clock()
async def test_waiters_share_what_is_seen(era: Era) -> None:
    """Twenty waiters on one task cost no more looks than one."""
    server = make_server(era, **POLLED)
    async with connected(server) as client:
        task, steered = await begin(client, server)

        async def watch(n: int) -> int:
            before = server.requests.count("tasks/get")
            async with anyio.create_task_group() as waiters:
                for _ in range(n):
                    waiters.start_soon(task.wait)
                await anyio.sleep(1)
                waiters.cancel_scope.cancel()
            return server.requests.count("tasks/get") - before

        alone = await watch(1)
        assert alone > 20
        assert await watch(20) <= alone + 3
        steered.complete()
        await task


# --- wait for a state ---------------------------------------------------------------------------------------------


async def test_wait_for_a_state(server: TaskServer) -> None:
    """`wait(state=...)` returns when the task is first in that state, or in any of several."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        assert (await task.wait(state="working")).status == "working"
        found: list[TaskStatus] = []

        async def wait() -> None:
            found.append(await task.wait(state=["input_required", "failed"]))

        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await settle()
            steered.need_input({"k": elicit("Which?")}, "a question")
        assert (found[0].status, found[0].status_message) == ("input_required", "a question")
        steered.complete()
        assert (await task.wait(state="completed")).is_terminal


async def test_a_state_that_cannot_come_any_more(server: TaskServer) -> None:
    """Waiting for a state that a task ends without is an error at once that says how it ended, now and later."""
    async with connected(server) as client:
        task, steered = await begin(client, server)

        async def wait(state: Any) -> None:
            with pytest.raises(TaskStateError, match=r"cancelled \('gone'\); .*no longer become") as caught:
                await task.wait(state=state)
            assert caught.value.reference == task.reference

        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait, "completed")
            waiters.start_soon(wait, {"failed", "input_required"})
            await settle()
            steered.cancelled("gone")
        await wait("working")


# --- timeouts -----------------------------------------------------------------------------------------------------


async def test_a_timeout_ends_the_waiting_only(server: TaskServer) -> None:
    """After a timeout the work goes on, the handle stays usable, and the error names the task."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        for wait in (task.result, task.wait):
            for timeout in (0.05, 0):
                with pytest.raises(TaskTimeoutError, match="still working") as caught:
                    await wait(timeout=timeout)
                assert isinstance(caught.value, TimeoutError)
                assert caught.value.reference == task.reference
        assert server.requests.count("tasks/cancel") == 0
        steered.complete({"n": 1})
        await assert_outcome(task, "completed")


async def test_zero_looks_once(era: Era) -> None:
    """`timeout=0` is one look: it finds what is true now, the result included, and waits for nothing."""
    server = make_server(era, **POLLED)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=0)
        assert server.requests.count("tasks/get") == 1
        assert server.requests.count("tasks/result") == 0
        steered.complete({"n": 1})
        assert (await task.result(timeout=0)).data == {"n": 1}
        assert server.requests.count("tasks/get") == 2
        assert (await task.wait(timeout=0)).status == "completed"


@virtual_clock()
async def test_no_hidden_timeout(era: Era) -> None:
    """Without a timeout a wait lasts as long as the work; with one, exactly that long."""
    server = make_server(era, poll_interval_ms=600_000)
    async with connected(server, limit=86_400, polling=None) as client:
        task, steered = await begin(client, server)
        begun = anyio.current_time()
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=3600)
        assert anyio.current_time() - begun == pytest.approx(3600, abs=0.01)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(assert_outcome, task, "completed")
            await anyio.sleep(36_000)
            steered.complete({"n": 1})


async def test_a_cancelled_wait_detaches(server: TaskServer) -> None:
    """A cancelled scope round a wait ends the waiting at once; nothing is asked of the server."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        updates = task.updates()
        assert (await anext(updates)).status == "working"
        for wait in (task.result, task.wait, lambda: anext(updates)):
            with anyio.move_on_after(0.03) as scope:
                await wait()
            assert scope.cancelled_caught
        assert server.requests.count("tasks/cancel") == 0
        steered.complete({"n": 1})
        await assert_outcome(task, "completed")


async def test_waiters_get_one_object(server: TaskServer) -> None:
    """Those who wait at the same time get the same object, and so does everyone after them."""
    found: list[ToolResult] = []
    async with connected(server) as client:
        task, steered = await begin(client, server)

        async def wait() -> None:
            found.append(await task.result())

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(wait)
            await settle()
            steered.complete({"n": 1})
        assert {id(result) for result in found} == {id(await task.result())}
