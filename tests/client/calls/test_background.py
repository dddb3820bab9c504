"""Calls of which no task can come: `task=True` returns at once all the same, and the call runs in the client."""

from __future__ import annotations

import gc
import logging
import threading
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

import mcptasks
from mcptasks import (
    Task,
    TaskCancelledError,
    TaskConnectionError,
    TaskError,
    TaskFailedError,
    TaskNotFoundError,
    TaskProtocolError,
    TaskStateError,
    TaskTimeoutError,
    ToolError,
)
from mcptasks._engine.waiting.members import Aim, Members
from mcptasks.testing import Complete, Disconnect, Drop, Garbage, NeedInput, ServerTask, TaskServer, elicit
from tests.helpers.bridge import CALLER
from tests.helpers.support import (
    Era,
    Recorder,
    Signal,
    connected,
    http,
    legacy_only,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import ASYNC, World, async_only, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

METHODS = {"tool": "tools/call", "resource": "resources/read", "prompt": "prompts/get"}
each_kind = pytest.mark.parametrize("kind", METHODS)


@pytest.fixture
def plain(era: Era) -> TaskServer:
    """A server without tasks, with a tool, a resource and a prompt; all wait to be steered."""
    server = make_server(era, tasks=False)
    server.add_resource("file:///x")
    server.add_prompt("ask")
    return server


async def call(client: Any, kind: str = "tool", **options: Any) -> Task[Any]:
    """A call of that kind in the background."""
    match kind:
        case "tool":
            task = await client.call_tool("work", task=True, **options)
        case "resource":
            task = await client.read_resource("file:///x", task=True, **options)
        case _:
            task = await client.get_prompt("ask", task=True, **options)
    found: Task[Any] = task
    return found


async def begin(client: Any, server: TaskServer, **options: Any) -> tuple[Task[Any], ServerTask]:
    """A call in the background that waits to be steered: the client's handle and the server's."""
    task = await call(client, **options)
    return task, await server.next_call()


async def over(steered: ServerTask) -> str:
    """How a call has ended at the server."""
    await steered.wait_for(lambda task: task.done)
    return steered.status


# --- the handle ---------------------------------------------------------------------------------------------------


@each_kind
async def test_a_handle_at_once(plain: TaskServer, kind: str) -> None:
    """The handle is there while the call works: "working" since now, with nothing that was asked of the server."""
    before = datetime.now(UTC)
    async with connected(plain) as client:
        task = await call(client, kind)
        steered = await plain.next_call()
        status = task.last_status
        assert status is not None
        assert (status.status, status.status_message, status.poll_interval, status.ttl) == ("working", None, None, None)
        assert status.created_at is not None
        assert before <= status.created_at <= datetime.now(UTC)
        assert (task.kind, task.done, task.returned_immediately) == (kind, False, True)
        assert task.reference.returned_immediately
        assert task.task_id.startswith("immediate:")
        assert "working" in repr(task)
        assert await task.status() == status
        assert await client.list_tasks() == []
        for look in (task.result, task.wait):
            with pytest.raises(TaskTimeoutError, match="still working") as caught:
                await look(timeout=0)
            assert caught.value.reference == task.reference
            with pytest.raises(TaskTimeoutError):
                await look(timeout=0.01)
        with pytest.raises(TaskNotFoundError, match="no task to resume"):
            client.resume(task.reference)
        with pytest.raises(TaskStateError, match="does not ask"):
            await task.answer("key", {})
        assert await task.wait(state="working") == status
        steered.complete("the value")
        value = await task
        assert value is await task.result()
        ended = await task.wait()
        assert (ended.status, ended.created_at, task.done) == ("completed", status.created_at, True)
        assert not [request for request in plain.requests if request.method.startswith(("tasks/", "subscriptions/"))]
        assert plain.requests.count(METHODS[kind]) == 1


async def test_it_is_watched_as_any_task(plain: TaskServer) -> None:
    """Callbacks and readers are told of its states, while nobody waits for the result."""
    told = Recorder()
    async with connected(plain) as client:
        task, steered = await begin(client, plain)
        task.on_status_change(told)
        removed = Recorder()
        task.on_status_change(removed)()
        reader = task.updates()
        assert (await anext(reader)).status == "working"
        steered.complete("done")
        assert (await told.until_over()).status == "completed"
        assert [status.status async for status in reader] == ["completed"]
        await settle()
        assert [status.status for status in told.statuses] == ["completed"]
        assert removed.statuses == []


@legacy_only
@each_kind
async def test_where_only_this_one_cannot(server: TaskServer, kind: str) -> None:
    """A tool that forbids it, and a resource or prompt that the server refuses as a task, run in the client too, on a
    server that has tasks. Nothing is carried out twice."""
    server.add_tool("work", support="forbidden")
    server.add_resource("file:///x", support="forbidden")
    server.add_prompt("ask", support="forbidden")
    async with connected(server) as client:
        task, steered = await begin(client, server, kind=kind)
        assert (task.returned_immediately, task.done) == (True, False)
        steered.complete("the value")
        await task
        sent = ["task" in request.params for request in server.requests.of(METHODS[kind])]
        assert sent == ([False] if kind == "tool" else [True, False])


@modern_only
async def test_the_server_alone_decides(server: TaskServer) -> None:
    """Where a task may come of a call of 2026-07-28, the creating call waits for the server's answer."""
    server.add_tool("slow", [Complete("done", after=0.05)], support="none")
    async with connected(server) as client:
        task = await client.call_tool("slow", task=True)
        assert (task.returned_immediately, task.done) == (True, True)
        assert (await task).data == "done"


# --- how it ends --------------------------------------------------------------------------------------------------


async def test_a_tool_that_fails(plain: TaskServer) -> None:
    """A tool that reports an error has failed, in its own words; the result is the error of a plain call."""
    async with connected(plain) as client:
        task, steered = await begin(client, plain)
        steered.fail("no such file")
        status = await task.wait(state="failed")
        assert (status.status, status.status_message) == ("failed", "no such file")
        with pytest.raises(ToolError, match="no such file") as caught:
            await task
        assert caught.value.reference == task.reference
        again, steered = await begin(client, plain, raise_on_error=False)
        steered.fail("no such file")
        assert (await again).is_error


async def test_a_request_that_fails(plain: TaskServer, caplog: pytest.LogCaptureFixture) -> None:
    """The server's own error is raised to each who asks, with its code and data; nobody who does not ask sees it but in
    the debugging log."""
    caplog.set_level(logging.DEBUG, "mcptasks")
    async with connected(plain) as client:
        task, steered = await begin(client, plain)
        steered.fail("out of paper", code=-32001, data={"tray": 2})
        assert (await task.wait()).status_message == "out of paper"
        errors: list[TaskFailedError] = []
        for _ in range(2):
            with pytest.raises(TaskFailedError, match="out of paper") as caught:
                await task
            errors.append(caught.value)
        assert errors[0] is not errors[1]
        assert [(error.code, error.data, error.reference) for error in errors] == [
            (-32001, {"tray": 2}, task.reference)
        ] * 2
    told = [record for record in caplog.records if "out of paper" in record.getMessage()]
    assert {record.levelno for record in told} == {logging.DEBUG}


@virtual_clock()
async def test_the_clients_timeout(plain: TaskServer, world: World) -> None:
    """`Client(timeout=...)` bounds the call as any request: it has failed then, and every wait says so."""
    async with connected(plain, limit=100, timeout=0.2) as client:
        task, steered = await begin(client, plain)
        assert (await task.wait()).status == "failed"
        for timeout in (None, 0, 5):
            with pytest.raises(TaskTimeoutError, match=r"no answer within 0\.2 s") as caught:
                await task.result(timeout)
            assert caught.value.reference == task.reference
        assert [found async for found in world.as_completed([task], 0)] == [task]
        (error,) = await world.gather(task, return_exceptions=True)
        assert isinstance(error, TaskTimeoutError)
        assert await over(steered) == "cancelled"


@virtual_clock()
async def test_a_look_at_one_that_has_failed(plain: TaskServer) -> None:
    """The call's own limit is not taken for that of whoever looks: nothing more can come of it."""
    async with connected(plain, limit=100, timeout=0.1) as client:
        task = await call(client)
        await task.wait()
        (member,) = await Members(Aim.RESULT).look([task._waiter])
        assert member.over
        assert isinstance(member.error, TaskTimeoutError)


@pytest.mark.parametrize("after", [False, True])
async def test_a_lost_connection(plain: TaskServer, after: bool) -> None:
    """A call whose connection breaks is not made again; the error says whether it may have arrived."""
    with http(plain) as url:
        async with connected(url) as client:
            plain.faults.add("tools/call", Disconnect(), after=after)
            task = await call(client)
            if after:
                (await plain.next_call()).complete("lost")
            with pytest.raises(TaskConnectionError, match="may or may not have reached"):
                await task
            assert (await task.wait()).status == "failed"
            assert plain.requests.count("tools/call") == 1


async def test_nonsense(plain: TaskServer) -> None:
    """An answer that makes no sense is `TaskProtocolError` from the handle, as from a plain call."""
    plain.add_tool("work", result=1)
    plain.faults.add("tools/call", Garbage(replace={"content": 5, "resultType": "complete"}))
    async with connected(plain) as client:
        with pytest.raises(TaskProtocolError):
            await (await call(client))


@modern_only
async def test_a_task_that_was_not_to_be(server: TaskServer) -> None:
    """A server that does not declare tasks and makes one all the same is seen through to the end of it; cancelling the
    call cancels the task then."""
    server.faults.add("server/discover", Garbage(change={"capabilities": {"tools": {}}}))
    async with connected(server) as client:
        task = await call(client)
        steered = await server.next_task()
        await server.requests.wait_for("tasks/get")
        assert (task.returned_immediately, task.done) == (True, False)
        steered.complete("at last")
        assert (await task).data == "at last"
        task = await call(client)
        steered = await server.next_task()
        await server.requests.wait_for("tasks/get", task_id=steered.task_id)
        await task.cancel()
        assert (await task.wait()).status == "cancelled"
        assert steered.status == "cancelled"


# --- cancelling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["object", "http"])
async def test_cancelling(plain: TaskServer, way: str) -> None:
    """`cancel()` cancels the request at the server; the call has ended as "cancelled" then."""
    with http(plain) as url:
        async with connected(plain if way == "object" else url) as client:
            task, steered = await begin(client, plain)
            other, going_on = await begin(client, plain)
            await task.cancel()
            assert task.done
            assert await over(steered) == "cancelled"
            assert (await task.wait(state="cancelled")).status == "cancelled"
            with pytest.raises(TaskCancelledError) as caught:
                await task.result()
            assert caught.value.reference == task.reference
            await task.cancel()
            going_on.complete("undisturbed")
            assert (await other).data == "undisturbed"


async def test_cancelling_before_it_is_sent(plain: TaskServer) -> None:
    """A call that is cancelled at once ends as "cancelled", and nothing is left at the server."""
    async with connected(plain) as client:
        task = await call(client)
        await task.cancel()
        with pytest.raises(TaskCancelledError):
            await task
        await settle()
        if plain.requests.count("tools/call"):
            assert await over(await plain.next_call()) == "cancelled"


async def test_a_block_that_fails(plain: TaskServer) -> None:
    """`async with task:` that is left by an error cancels the call; left without one it does not."""
    async with connected(plain) as client:
        task, steered = await begin(client, plain)
        with pytest.raises(ZeroDivisionError):
            async with task:
                raise ZeroDivisionError
        assert await over(steered) == "cancelled"
        assert task.done
        async with (await begin(client, plain))[0] as task:
            pass
        assert not task.done


async def test_giving_up_the_wait(plain: TaskServer) -> None:
    """A cancelled wait ends nothing but the wait."""
    async with connected(plain) as client:
        task, steered = await begin(client, plain)
        with anyio.move_on_after(0.05):
            await task.result()
        assert not steered.done
        steered.complete("later")
        assert (await task).data == "later"


@pytest.mark.parametrize("way", ["object", "http"])
async def test_the_end_of_the_client(plain: TaskServer, way: str) -> None:
    """Closing the client cancels the call at the server; who waits, then or later, is told. What is over stays."""
    errors: list[TaskError] = []
    tasks: list[Task[Any]] = []
    calls: list[ServerTask] = []

    async def wait(task: Task[Any]) -> None:
        with pytest.raises(TaskConnectionError, match="closed") as caught:
            await task.result()
        errors.append(caught.value)

    with http(plain) as url:
        async with anyio.create_task_group() as group:
            async with connected(plain if way == "object" else url) as client:
                finished, steered = await begin(client, plain)
                steered.complete("kept")
                await finished
                task, steered = await begin(client, plain)
                tasks += finished, task
                calls.append(steered)
                group.start_soon(wait, task)
                await settle()
            assert await over(calls[0]) == "cancelled"
    finished, task = tasks
    assert [error.reference for error in errors] == [task.reference]
    assert "at the server" not in str(errors[0])
    for ask in (task.result, task.wait, task.cancel):
        with pytest.raises(TaskConnectionError, match="the call was cancelled with it"):
            await ask()
    assert (await finished).data == "kept"


async def test_a_handle_that_is_dropped(plain: TaskServer) -> None:
    """The call goes on where nobody holds its handle, and harms nobody at its end."""
    async with connected(plain) as client:
        task, steered = await begin(client, plain)
        told = Recorder()
        task.on_status_change(told)
        del task
        gc.collect()
        await settle()
        assert not steered.done
        steered.complete("unseen")
        assert (await told.until_over()).status == "completed"


# --- beside it ----------------------------------------------------------------------------------------------------


@virtual_clock()
async def test_the_timeout_of_the_call(plain: TaskServer) -> None:
    """`call_tool(..., timeout=)` bounds what the program waits for: the handle, which comes at once."""
    async with connected(plain) as client:
        task, steered = await begin(client, plain, timeout=0.05)
        await anyio.sleep(0.1)
        steered.complete("much later")
        assert (await task).data == "much later"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_progress(mode: str) -> None:
    """The progress handler is told as long as the call lasts."""
    reports: list[float] = []
    half, last = Signal(), Signal()

    def report(progress: float, total: float | None, message: str | None) -> None:
        del total, message
        reports.append(progress)
        (half if progress == 1 else last).set()

    server = MCPServer("plain")

    @server.tool()
    async def work(context: Context[Any, Any]) -> str:
        await context.report_progress(1)
        await half.wait()
        await context.report_progress(2)
        await last.wait()
        return "done"

    del work
    async with connected(server, mode=mode) as client:
        assert (await (await call(client, progress_handler=report))).text == "done"
    assert reports == [1, 2]


async def test_questions(plain: TaskServer, world: World) -> None:
    """The client's handlers answer what the call asks, as for a plain call: nobody has to wait for it in async code, in
    blocking code they run on the thread that waits."""
    threads: list[str] = []

    def handler(context: Any, params: Any) -> Any:
        assert context.task is None
        threads.append(threading.current_thread().name)
        return {"value": f"{params.message} yes"}

    plain.add_tool("work", [NeedInput({"k": elicit("sure?")}), Complete("asked", after=0.01)])
    async with connected(plain, elicitation_handler=handler) as client:
        task = await call(client)
        if world is ASYNC:
            await task.wait()
        else:
            await settle()
            assert threads == []
        assert (await task).data == "asked"
        assert [name == CALLER for name in threads] == [world is not ASYNC]
        (steered,) = [await plain.next_call()]
        assert steered.answers["k"]["content"] == {"value": "sure? yes"}


@modern_only
@async_only("one event loop")
async def test_the_programs_variables(plain: TaskServer) -> None:
    """What the call has handlers do sees the context variables of whoever made the call."""
    variable: ContextVar[str] = ContextVar("variable", default="nobody")
    seen: list[str] = []

    async def handler(_context: Any, _params: Any) -> Any:
        seen.append(variable.get())
        return {"value": "yes"}

    plain.add_tool("work", [NeedInput({"k": elicit("sure?")}), Complete("asked")])
    async with connected(plain, elicitation_handler=handler) as client:
        variable.set("the caller")
        task = await call(client)
        variable.set("somebody later")
        assert (await task).data == "asked"
    assert seen == ["the caller"]


async def test_groups(plain: TaskServer, world: World) -> None:
    """Such calls stand in groups beside each other."""
    async with connected(plain) as client:
        pairs = [await begin(client, plain) for _ in range(3)]
        tasks = [task for task, _ in pairs]
        assert await world.wait(tasks, timeout=0) == (set(), set(tasks))
        pairs[1][1].complete(1)
        assert await world.wait(tasks, return_when="FIRST_COMPLETED") == ({tasks[1]}, {tasks[0], tasks[2]})
        for number in (2, 0):
            pairs[number][1].complete(number)
        assert [result.data for result in await world.gather(*tasks)] == [0, 1, 2]
        assert {task async for task in world.as_completed(tasks)} == set(tasks)


async def test_a_group_that_cancels(plain: TaskServer, world: World) -> None:
    """`cancel_on_error` cancels such calls too."""
    async with connected(plain) as client:
        (task, steered), (other, working) = await begin(client, plain), await begin(client, plain)
        steered.fail("no")
        with pytest.raises(ToolError):
            await world.gather(task, other, cancel_on_error=True)
        assert await over(working) == "cancelled"


@virtual_clock()
async def test_they_run_at_the_same_time(era: Era) -> None:
    """Three calls of 2 s that were started one after the other take 2 s, and so does `map`."""
    server = make_server(era, tasks=False)
    server.add_tool("work", [Complete("done", after=2)])
    async with connected(server) as client:
        started = anyio.current_time()
        tasks = [await call(client) for _ in range(3)]
        assert anyio.current_time() - started < 0.1
        await mcptasks.gather(*tasks)
        assert 2 <= anyio.current_time() - started < 2.2
        started = anyio.current_time()
        assert [result.data async for result in client.map("work", [None] * 3)] == ["done"] * 3
        assert 2 <= anyio.current_time() - started < 2.2
        with pytest.raises(TaskTimeoutError):
            await anext(client.map("work", [None], timeout=1))


@virtual_clock()
async def test_no_request_beside_the_call(era: Era) -> None:
    """However long it takes and however many wait, nothing is polled and nothing subscribed to."""
    server = make_server(era, tasks=False)
    server.add_tool("work", [Complete("done", after=3600)])
    async with connected(server, limit=7200) as client:
        task = await call(client)
        await server.next_call()
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(task.result)
                group.start_soon(task.wait)
        assert not [request for request in server.requests if request.method.startswith(("tasks/", "subscriptions/"))]
        status = task.last_status
        assert status is not None
        assert status.status == "completed"


async def test_a_creating_call_without_an_answer(server: TaskServer) -> None:
    """Where a task can come of a call, its creating call is as before: an error of its own."""
    server.faults.add("tools/call", Drop())
    async with connected(server) as client:
        with pytest.raises(TaskTimeoutError):
            await client.call_tool("work", task=True, timeout=timedelta(seconds=0.2) / timedelta(seconds=1))
