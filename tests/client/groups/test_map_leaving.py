"""`client.map` that is left early: the server is asked to cancel what was started and not handed out, nothing else."""

from __future__ import annotations

import gc
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from mcptasks import Client, TaskStateError, TaskTimeoutError, ToolError
from mcptasks._engine.waiting import abandoning, mapping_work, members
from mcptasks.testing import Complete, Delay, Drop, ServerTask, TaskServer, Working
from mcptasks.testing._script import Script
from tests.helpers import worlds
from tests.helpers.pushing import until
from tests.helpers.support import LIMIT, POLLED, Era, connected, make_server, modern_only, settle, virtual_clock
from tests.helpers.worlds import ASYNC, async_only, both_worlds, make_client

pytestmark = [pytest.mark.anyio, both_worlds]

AGES = 3600.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits a second for the task of a call that is being made, and five for the server to take note of
    cancellations. A busy machine may hold up both."""
    monkeypatch.setattr(mapping_work, "_LATE_SECONDS", LIMIT)
    monkeypatch.setattr(abandoning, "_CANCEL_SECONDS", LIMIT)


def make(era: Era, **options: Any) -> TaskServer:
    """A server whose tool `first` ends at once for the first item, and not at all for the others."""
    server = make_server(era, **options)

    def script(arguments: Mapping[str, Any]) -> Script:
        return [Working("on it"), Complete(arguments["n"], after=AGES if arguments["n"] else 0.0)]

    server.add_tool("first", script)
    return server


def items() -> Iterator[dict[str, int]]:
    """Arguments without end."""
    return ({"n": n} for n in itertools.count())


async def step(results: AsyncIterator[Any]) -> None:
    """Take one step."""
    await anext(results)


def started(server: TaskServer) -> list[bool]:
    """Of each task but the first whether its cancellation was asked for."""
    return [task.cancel_requested for task in server.tasks.values() if task.arguments["n"]]


# --- ways to leave ------------------------------------------------------------------------------------------------


async def by_break(client: Client, server: TaskServer, detach: bool) -> None:
    """Leave the loop."""
    async for result in client.map("first", items(), limit=3, detach=detach):
        assert result.data == 0
        break


async def by_error(client: Client, server: TaskServer, detach: bool) -> None:
    """Raise something in the loop."""
    try:
        async for _ in client.map("first", items(), limit=3, detach=detach):
            raise LookupError
    except LookupError:
        pass


async def by_scope(client: Client, server: TaskServer, detach: bool) -> None:
    """Cancel the scope in which the next result is waited for."""
    results = client.map("first", items(), limit=3, detach=detach)

    async def collect() -> None:
        async for result in results:
            assert result.data == 0

    async with anyio.create_task_group() as group:
        group.start_soon(collect)
        await until(lambda: len(started(server)) == 3)
        group.cancel_scope.cancel()
    if worlds.present is not ASYNC and not detach:
        # Between two blocking steps there is nothing that the scope could cancel.
        await results.aclose()


async def by_closing(client: Client, server: TaskServer, detach: bool) -> None:
    """Close it at the end of a block."""
    async with aclosing(client.map("first", items(), limit=3, detach=detach)) as results:
        assert (await anext(results)).data == 0
    with pytest.raises(StopAsyncIteration):
        await anext(results)
    await results.aclose()


async def by_dropping(client: Client, server: TaskServer, detach: bool) -> None:
    """Let go of it."""
    results = client.map("first", items(), limit=3, detach=detach)
    assert (await anext(results)).data == 0
    del results
    gc.collect()


Leave = Callable[[Client, TaskServer, bool], Awaitable[None]]
WAYS = pytest.mark.parametrize("leave", [by_break, by_error, by_scope, by_closing, by_dropping])


@WAYS
@pytest.mark.usefixtures("patient")
async def test_what_was_started_is_cancelled(era: Era, leave: Leave) -> None:
    """What was started and not handed out is cancelled at the server, and the client goes on."""
    server = make(era)
    async with connected(server) as client:
        await leave(client, server, False)
        # A task that was being made may come between two looks.
        await until(lambda: server.requests.count("tasks/cancel") == sum(started(server)) == len(started(server)) >= 2)
        assert (await client.call_tool("first", {"n": 0})).data == 0


@WAYS
@pytest.mark.usefixtures("patient")
async def test_leaving_the_client_too(era: Era, leave: Leave) -> None:
    """The same where the client is left at once: its end waits until the server was told."""
    server = make(era)
    async with connected(server) as client:
        await leave(client, server, False)
    assert started(server)
    assert all(started(server))


@WAYS
async def test_detached(era: Era, leave: Leave) -> None:
    """With `detach=True` all of it goes on."""
    server = make(era)
    async with connected(server) as client:
        await leave(client, server, True)
        gc.collect()
        await settle()
    assert started(server)
    assert not any(started(server))


# --- creating calls that are under way ------------------------------------------------------------------------------


@modern_only
@pytest.mark.usefixtures("patient")
async def test_tasks_that_come_late(era: Era) -> None:
    """A call that is being made when the iteration is left is cancelled too, as soon as its task is there."""
    server = make(era)
    async with connected(server) as client:
        results = client.map("first", items(), limit=3)
        assert (await anext(results)).data == 0
        server.faults.add("tools/call", Delay(0.3), times=None)
        other = client.map("first", ({"n": n} for n in (7, 8)))
        async with anyio.create_task_group() as group:
            group.start_soon(step, other)
            await until(lambda: {7, 8} <= {call.params["arguments"]["n"] for call in server.requests.of("tools/call")})
            group.cancel_scope.cancel()
    assert len([task for task in server.tasks.values() if task.arguments["n"] in (7, 8)]) == 2
    del results
    assert all(task.cancel_requested for task in server.tasks.values() if task.arguments["n"] in (7, 8))


@virtual_clock()
async def test_a_server_that_does_not_answer(era: Era) -> None:
    """Creating calls that stay without an answer hold up the end of a client for a second, a server that does not
    answer at all for 5 s."""
    for method, longest in (("tools/call", 1.5), ("tasks/cancel", 6.0)):
        server = make(era, **POLLED)
        async with make_client(server) as client:
            results = client.map("first", items(), limit=3)
            assert (await anext(results)).data == 0
            server.faults.add(method, Drop(), times=None)
            other = client.map("first", ({"n": n} for n in (7, 8)))
            with anyio.move_on_after(1.0):
                await anext(other)
            begun = anyio.current_time()
            await results.aclose()
        assert anyio.current_time() - begun <= longest


# --- afterwards ---------------------------------------------------------------------------------------------------


async def test_a_cancelled_step(era: Era) -> None:
    """After a step was cancelled the iteration does not seem to be at its end; with `detach=True` it goes on."""
    server = make(era)
    async with connected(server) as client:
        results, detached = client.map("first", [{"n": 1}]), client.map("work", [{"n": 0}], detach=True)
        made: list[ServerTask] = []
        for one in (results, detached):
            async with anyio.create_task_group() as group:
                group.start_soon(step, one)
                made.append(await server.next_task())
                await server.requests.wait_for("tasks/get", task_id=made[-1].task_id)
                group.cancel_scope.cancel()
        for _ in range(2):
            with pytest.raises(TaskStateError, match="a step of this iteration was cancelled"):
                await anext(results)
        made[-1].complete("done")
        assert (await anext(detached)).data == "done"
        with pytest.raises(StopAsyncIteration):
            await anext(detached)
        await until(lambda: started(server) == [True])


async def test_an_error_while_the_others_are_cancelled(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is to raise an error first has the other tasks cancelled. If the program leaves the step meanwhile,
    as by Ctrl-C, the next step raises the error: the iteration does not seem to be at its end."""
    monkeypatch.setattr(abandoning, "_CANCEL_SECONDS", 0.5)
    server = make_server(era)
    server.faults.add("tasks/cancel", Drop(), times=None)
    async with connected(server) as client:
        results = client.map("work", [{"n": 1}, {"n": 0}], limit=2)
        raised: list[Exception] = []

        async def one_step() -> None:
            try:
                await anext(results)
            except Exception as exc:
                raised.append(exc)

        async with anyio.create_task_group() as group:
            group.start_soon(one_step)
            made = sorted([await server.next_task() for _ in range(2)], key=lambda each: int(each.arguments["n"]))
            made[1].fail("no paper left")
            await server.requests.wait_for("tasks/cancel")
            if worlds.present is ASYNC:
                group.start_soon(one_step)
            else:
                group.cancel_scope.cancel()
        if worlds.present is not ASYNC:
            await one_step()
        await one_step()
        first, *others = raised
        assert (type(first), {type(each) for each in others}) == (ToolError, {StopAsyncIteration})
        assert first.__notes__ == ["arguments[0] of map('work'): {'n': 1}"]


@async_only("one event loop")
async def test_closed_while_a_result_is_read(server: TaskServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An iteration that is closed while a step reads a result ends that step like the others, without an error."""
    reading, closed, settle_one = anyio.Event(), anyio.Event(), members.Member.settle

    async def slowly(self: members.Member) -> None:
        await settle_one(self)
        reading.set()
        await closed.wait()

    monkeypatch.setattr(members.Member, "settle", slowly)
    server.add_tool("quick", result=1)
    async with connected(server) as client:
        results = client.map("quick", [{}])
        ended: list[Exception] = []

        async def one_step() -> None:
            try:
                await anext(results)
            except Exception as exc:
                ended.append(exc)

        async with anyio.create_task_group() as group:
            group.start_soon(one_step)
            await reading.wait()
            await results.aclose()
            closed.set()
        assert [type(each) for each in ended] == [StopAsyncIteration]


async def test_what_ends_by_itself_cancels_nothing(era: Era) -> None:
    """An iteration that comes to its end leaves nothing to cancel; nor does one that was never begun."""
    server = make(era)
    async with connected(server) as client:
        assert [result.data async for result in client.map("first", [{"n": 0}] * 3)] == [0, 0, 0]
        unbegun = client.map("first", items())
        await unbegun.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(unbegun)
        client.map("first", items())
        gc.collect()
    assert server.requests.count("tasks/cancel") == 0
    assert server.requests.count("tools/call") == 3


@pytest.mark.usefixtures("patient")
async def test_a_timeout_leaves_its_own_task(era: Era) -> None:
    """The task of the error goes on, whose reference the program has; others that are late at the same time do not."""
    # The timeout is long enough for the tasks to be there by then, also on a machine that stands still for a while.
    server = make(era)
    async with connected(server) as client:
        with pytest.raises(TaskTimeoutError) as caught:
            await anext(client.map("first", [{"n": n} for n in (1, 2, 3)], timeout=5))
        assert caught.value.reference is not None
        await until(lambda: sum(started(server)) == 2)
        asked = {task.arguments["n"]: task.cancel_requested for task in server.tasks.values()}
        assert asked == {1: False, 2: True, 3: True}


async def test_the_clients_end_ends_it(era: Era) -> None:
    """An iteration that is still held when its client is left is not left early: the work goes on, as everything does
    at the end of a client."""
    server = make(era)
    async with connected(server) as client:
        results = client.map("first", items(), limit=3)
        assert (await anext(results)).data == 0
    assert not any(started(server))
    del results
    gc.collect()
    await settle()
    assert not any(started(server))


@async_only("one event loop")
async def test_async_input_is_closed(era: Era) -> None:
    """An async input is closed with the iteration, by `aclose()` as well."""
    server = make(era)
    closed: list[bool] = []

    async def source() -> AsyncIterator[dict[str, int]]:
        try:
            for item in items():
                yield item
        finally:
            closed.append(True)

    async with connected(server) as client:
        async with aclosing(client.map("first", source(), limit=2)) as results:
            assert (await anext(results)).data == 0
        await settle()
        assert closed == [True]
        await until(lambda: all(started(server)))
