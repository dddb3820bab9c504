"""The rules that hold everywhere (shared/api.md), in its order. What belongs to one feature is tested beside it."""

from __future__ import annotations

import logging
import threading

import anyio
import pytest
from attrs import evolve

from mcptasks import PollingPolicy, TaskReference, TaskTimeoutError, ToolError
from mcptasks.testing import Complete, Delay, Drop, HttpStatus, TaskServer, ToolFailure, Working
from tests.helpers.support import (
    LIMIT,
    Era,
    Recorder,
    Signal,
    asked,
    begin,
    connected,
    http,
    make_server,
    modern_only,
    virtual_clock,
)
from tests.helpers.worlds import ASYNC, World, both_worlds, make_client

pytestmark = [pytest.mark.anyio, both_worlds]


# --- 1: a timeout ends the waiting, never the work ---


async def test_a_timeout_leaves_the_work_alone(server: TaskServer) -> None:
    """A wait that times out raises a `TimeoutError` with the reference, asks for no cancellation, and the same handle
    gets the result later."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        for wait in (task.result(timeout=0.05), task.wait(timeout=0.05)):
            with pytest.raises(TimeoutError) as caught:
                await wait
            assert isinstance(caught.value, TaskTimeoutError)
            assert caught.value.reference == task.reference
        assert server.requests.count("tasks/cancel") == 0
        work.complete(5)
        assert (await task.result(LIMIT)).data == 5


async def test_a_plain_call_that_times_out_leaves_the_task_alone() -> None:
    """A call without `task=True` that the server made a task times out with a reference, and the work goes on."""
    server = make_server("modern")
    async with connected(server) as client:
        with pytest.raises(TaskTimeoutError) as caught:
            # Long enough for the task to be there by then, also on a machine that stands still for a while.
            await client.call_tool("work", timeout=5.0)
        reference = caught.value.reference
        assert reference is not None
        work = await server.next_task()
        assert server.requests.count("tasks/cancel") == 0
        work.complete("done")
        assert (await client.resume(reference).result(LIMIT)).data == "done"


# --- 2: no hidden deadline; one deadline for everything under it; 0 looks once ---


@virtual_clock()
async def test_one_deadline_for_everything() -> None:
    """`result(timeout=)` ends at its deadline though single requests hang, retries sleep and the server is slow."""
    server = make_server("modern")
    async with make_client(server) as client:
        task, _ = await begin(client, server)
        server.faults.add("tasks/get", Drop(), times=1)
        server.faults.add("tasks/get", Delay(2), times=None)
        started = anyio.current_time()
        with pytest.raises(TaskTimeoutError):
            await task.result(7.5)
        assert anyio.current_time() - started == pytest.approx(7.5, abs=0.01)


@virtual_clock()
async def test_no_hidden_deadline() -> None:
    """Without a timeout a wait lasts as long as the work: here six virtual hours."""
    server = make_server("modern", poll_interval_ms=60_000, push="off")
    server.add_tool("long", [Working("on it"), Complete("rested", after=6 * 3600.0)])
    async with make_client(server) as client:
        assert (await client.call_tool("long")).data == "rested"


async def test_zero_looks_once(server: TaskServer) -> None:
    """`timeout=0` asks the server exactly once, then answers or gives up."""
    async with connected(
        server, polling=PollingPolicy(early=False, default_interval=600, floor=500, ceiling=600)
    ) as client:
        task, work = await begin(client, server)
        with pytest.raises(TaskTimeoutError):
            await task.result(0)
        with pytest.raises(TaskTimeoutError):
            await task.wait(timeout=0)
        assert server.requests.count("tasks/get") == 2
        server.options = evolve(server.options, push="off")
        work.complete(1)
        assert (await task.result(0)).data == 1


# --- 3: whoever stops waiting detaches ---


async def test_a_cancelled_wait_detaches(server: TaskServer) -> None:
    """Cancelling the scope round `result()` cancels nothing at the server; handle and client stay usable."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        with anyio.move_on_after(0.05) as scope:
            await task.result()
        assert scope.cancelled_caught
        assert server.requests.count("tasks/cancel") == 0
        work.complete("fine")
        assert (await task).data == "fine"


async def test_an_abandoned_plain_call_asks_for_cancellation() -> None:
    """A call without `task=True` that is cancelled asks the server to cancel the task that it became."""
    server = make_server("modern")
    async with connected(server) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "work")
            await server.requests.wait_for("tasks/get")
            group.cancel_scope.cancel()
        assert server.requests.count("tasks/cancel") == 1
        assert [task.status for task in server.tasks.values()] == ["cancelled"]


async def test_leaving_the_task_block_by_an_error_asks_for_cancellation(server: TaskServer) -> None:
    """`async with task` asks for cancellation on an exception and on cancellation, and not on a clean exit."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        async with task:
            pass
        assert server.requests.count("tasks/cancel") == 0
        with pytest.raises(ZeroDivisionError):
            async with task:
                raise ZeroDivisionError
        assert work.status == "cancelled"
        task, work = await begin(client, server)
        with anyio.CancelScope() as scope:
            async with task:
                scope.cancel()
                await task.result()
        assert work.status == "cancelled"


@virtual_clock()
async def test_asking_for_cancellation_is_bounded() -> None:
    """Leaving `async with task` takes at most 5 s, also where the server does not answer."""
    server = make_server("modern")
    async with make_client(server) as client:
        task, _ = await begin(client, server)
        server.faults.add("tasks/cancel", Drop(), times=None)
        started = anyio.current_time()
        with pytest.raises(ZeroDivisionError):
            async with task:
                raise ZeroDivisionError
        assert anyio.current_time() - started == pytest.approx(5, abs=0.01)


# --- 4: errors ---


async def test_a_tool_that_reports_an_error_is_a_tool_error(server: TaskServer) -> None:
    """Both eras raise `ToolError` with the tool's words, though one calls the status failed and the other completed."""
    server.add_tool("bad", [ToolFailure("no such city")])
    async with connected(server) as client:
        task = await client.call_tool("bad", task=True)
        with pytest.raises(ToolError, match="no such city") as caught:
            await task
        assert caught.value.reference == task.reference
        assert caught.value.result is not None
        assert caught.value.result.is_error
        with pytest.raises(ToolError, match="no such city"):
            await client.call_tool("bad")
        assert (await client.call_tool("bad", raise_on_error=False)).text == "no such city"


# --- 5: polling keeps to sense ---


@virtual_clock()
@pytest.mark.parametrize("interval", [0, -5, 1e300, "soon", None, True, 10**400])
async def test_nonsense_intervals_neither_spin_nor_stall(interval: object) -> None:
    """Whatever interval a server names, a task of a virtual minute is polled at most at the floor's pace, and its
    result comes within the ceiling."""
    server = make_server("modern", poll_interval_ms=interval, push="off", listen="unsupported")
    server.add_tool("minute", [Working("on it"), Complete("done", after=60.0)])
    policy = PollingPolicy(floor=1, ceiling=10)
    async with make_client(server, polling=policy) as client:
        started = anyio.current_time()
        assert (await client.call_tool("minute")).data == "done"
        assert anyio.current_time() - started <= 60 + 10
        assert server.requests.count("tasks/get") <= 62


@virtual_clock()
async def test_the_latest_interval_is_followed() -> None:
    """When the server changes its interval in mid-task, looks follow the new one."""
    server = make_server("modern", poll_interval_ms=1_000, push="off", listen="unsupported")
    async with (
        make_client(server, polling=PollingPolicy(early=False, jitter=0)) as client,
        anyio.create_task_group() as group,
    ):
        task, work = await begin(client, server)
        group.start_soon(task.wait)
        await anyio.sleep(10.5)
        before = server.requests.count("tasks/get")
        assert before == 10
        work.set_poll_interval(30_000)
        await anyio.sleep(60)
        assert server.requests.count("tasks/get") - before <= 3
        work.complete()


# --- 6: reads are retried ---


async def test_creating_calls_are_never_sent_twice(era: Era) -> None:
    """A creating call that a fault met is an error, not a second call."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url) as client:
            await client.list_tools()
            server.faults.add("tools/call", HttpStatus(503), times=1)
            with pytest.raises(Exception, match="may or may not have reached"):
                await client.call_tool("work", task=True)
            assert server.requests.count("tools/call") == 1


# --- 7: terminal is final ---


async def test_a_late_push_changes_nothing(server: TaskServer) -> None:
    """A `working` that arrives after the end, pushed and repeated, leaves status, callbacks and result alone."""
    async with connected(server) as client:
        task, work = await begin(client, server)
        seen = Recorder()
        task.on_status_change(seen)
        other, other_work = await begin(client, server)
        other.on_status_change(seen)
        await server.requests.wait_for("tasks/get")
        work.complete(1)
        assert (await task.wait(timeout=LIMIT)).status == "completed"
        work.push("working", "too late")
        other_work.set_working("still here")
        await seen.until_message("still here")
        assert task.last_status is not None
        assert task.last_status.status == "completed"
        assert "too late" not in seen.messages
        assert (await task).data == 1


# --- 8: callbacks ---


async def test_where_callbacks_run(server: TaskServer, world: World) -> None:
    """Status callbacks of the async client are called on the event loop. Those of the blocking one are called on a
    worker thread, which may block, and async ones on the background event loop."""
    threads: dict[str, str] = {}
    told = Recorder()

    def plain(status: object) -> None:
        threads["plain"] = threading.current_thread().name

    async def asynchronous(status: object) -> None:
        threads["async"] = threading.current_thread().name

    async with connected(server) as client:
        task, work = await begin(client, server)
        for callback in (plain, asynchronous, told):
            task.on_status_change(callback)
        work.complete()
        await told.until_over()
    here = threading.current_thread().name
    if world is ASYNC:
        assert threads == {"plain": here, "async": here}
    else:
        assert threads["plain"] == "mcptasks worker"
        assert threads["async"].startswith("mcptasks portal")


async def test_a_slow_callback_delays_nobody(server: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """A callback that hangs holds up neither other callbacks nor waiters; one that raises is logged."""
    release, entered, quick = Signal(), Signal(), Recorder()

    async def slow(status: object) -> None:
        entered.set()
        await release.wait()

    def broken(status: object) -> None:
        raise RuntimeError("callback broke")

    async with connected(server) as client:
        task, work = await begin(client, server)
        for callback in (slow, broken, quick):
            task.on_status_change(callback)
        work.set_working("one")
        await entered.wait()
        await quick.until_message("one")
        work.complete(3)
        with caplog.at_level(logging.ERROR, "mcptasks"):
            assert (await task.result(LIMIT)).data == 3
            await quick.until_over()
        release.set()
    assert "callback broke" in caplog.text


# --- 9: repr ---


@modern_only
async def test_repr_shows_no_secret_and_asks_nobody(era: Era) -> None:
    """`repr` of client, task and reference holds no credential and sends nothing."""
    server = make_server(era)
    with http(server) as url:
        with_secrets = url.replace("http://", "http://user:hunter2@") + "?key=hunter2"
        async with connected(with_secrets, headers={"X-Key": "hunter2"}) as client:
            task, work = await begin(client, server)
            before = asked(server)
            shown = f"{client!r} {task!r} {task.reference!r} {task.reference.to_json()} {task.last_status!r}"
            assert "hunter2" not in shown
            assert TaskReference.from_json(task.reference.to_json()) == task.reference
            assert asked(server) == before
            work.complete()
