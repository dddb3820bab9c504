"""`client.map`: the order of results, how many run at a time, when the input is read, and what is left behind."""

from __future__ import annotations

import gc
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import anyio
import pytest

from mcptasks import Client, TaskConnectionError, TaskFailedError, TaskTimeoutError, ToolError
from mcptasks.testing import Complete, NeedInput, ServerTask, TaskServer, ToolFailure, Working, elicit
from mcptasks.testing._script import Script
from tests.core.support import (
    LIMIT,
    POLLED,
    Era,
    connected,
    legacy_only,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.core.worlds import World, async_only, both_worlds, make_client

pytestmark = [pytest.mark.anyio, both_worlds]


def numbers(server: TaskServer, after: Callable[[int], float] = lambda n: 0.0) -> None:
    """Add the tool `double`, which takes some seconds."""

    def script(arguments: Mapping[str, Any]) -> Script:
        return [Working("on it"), Complete(2 * arguments["n"], after=after(arguments["n"]))]

    server.add_tool("double", script)


def items(count: int | None = None, read: list[int] | None = None) -> Iterator[dict[str, int]]:
    """The arguments of `double`: 0, 1, 2 ...; notes how many were read."""
    for n in itertools.count() if count is None else range(count):
        if read is not None:
            read.append(n)
        yield {"n": n}


def number_of(steered: ServerTask) -> int:
    """Which of the calls it is: they reach the server in any order."""
    n: int = steered.arguments["n"]
    return n


async def collected(results: AsyncIterator[Any]) -> list[Any]:
    """The values of all results."""
    return [result.data async for result in results]


async def collect(results: AsyncIterator[Any], into: list[Any]) -> None:
    """The same, also of those before an error."""
    async for result in results:
        into.append(result.data)  # noqa: PERF401 - an error keeps what came before it


@pytest.mark.parametrize("limit", [None, 1, 3, 100])
async def test_results_keep_the_order(era: Era, limit: int | None) -> None:
    """Results come in the order of the input, though later calls end first."""
    server = make_server(era)
    numbers(server, lambda n: 0.02 * (n % 3 == 0))
    async with connected(server) as client:
        assert await collected(client.map("double", items(10), limit=limit)) == list(range(0, 20, 2))
        assert await collected(client.map("double", [], limit=limit)) == []


async def test_no_more_than_the_limit(server: TaskServer) -> None:
    """At most `limit` calls are under way, and as soon as one is over the next item is taken; none before that."""
    read: list[int] = []
    async with connected(server) as client:
        results = client.map("work", items(6, read), limit=2)
        assert read == []
        found: list[Any] = []
        async with anyio.create_task_group() as group:
            group.start_soon(collect, results, found)
            first, running = sorted([await server.next_task(), await server.next_task()], key=number_of)
            for n in range(4):
                await settle()
                assert len(server.tasks) == n + 2
                assert len(read) == n + 2
                # Though the first result holds up all that are finished.
                running.complete(number_of(running))
                running = await server.next_task()
            running.complete(number_of(running))
            first.complete(number_of(first))
        assert found == [0, 1, 2, 3, 4, 5]


async def test_input_without_end(era: Era, world: World) -> None:
    """An input may have no end: no more is read than there is room for, and leaving detaches."""
    server = make_server(era)
    numbers(server)
    read: list[int] = []
    async with connected(server) as client:
        found: list[int] = []
        async for result in client.map("double", items(read=read), limit=3):
            found.append(result.data)
            if len(found) == 20:
                break
        gc.collect()
        assert found == list(range(0, 40, 2))
        assert len(read) <= 20 + 4
        await settle()
        assert (await client.call_tool("double", {"n": 21})).data == 42


async def test_a_busy_reader_is_not_run_away_from(era: Era) -> None:
    """While the program is busy with a result, the usual number runs on, and no more."""
    server = make_server(era)
    numbers(server)
    read: list[int] = []
    async with connected(server) as client:
        results = client.map("double", items(read=read), limit=4)
        for n in range(12):
            assert (await anext(results)).data == 2 * n
            await anyio.sleep(0.02)  # what the program does with it
            assert n + 3 <= len(read) <= n + 12


async def test_leaving_detaches(server: TaskServer, world: World) -> None:
    """Giving the iteration up leaves no interest behind and cancels nothing; the tasks are known to the client."""
    async with connected(server) as client:
        results = client.map("work", items(3))
        nothing: list[Any] = []
        async with anyio.create_task_group() as group:
            group.start_soon(collect, results, nothing)
            for _ in range(3):
                await server.next_task()
            await settle()
            group.cancel_scope.cancel()
        tasks = await client.list_tasks()
        assert len(tasks) == 3
        assert any(world.inner(task)._watch.interest for task in tasks)
        del results
        gc.collect()
        await settle()
        for task in tasks:
            watch = world.inner(task)._watch
            assert (watch.interest, watch._observers) == (0, None)
        assert server.requests.count("tasks/cancel") == 0


async def test_an_error_in_its_turn(era: Era, world: World) -> None:
    """An error is raised where its result would be, after the results before it; it ends the iteration, nothing more
    is started, and what runs is left alone."""
    server = make_server(era)
    server.add_tool(
        "odd", lambda arguments: [ToolFailure("odd")] if arguments["n"] == 2 else [Complete(arguments["n"])]
    )
    read: list[int] = []
    async with connected(server) as client:
        results = client.map("odd", items(read=read), limit=2)
        assert [(await anext(results)).data for _ in range(2)] == [0, 1]
        with pytest.raises(ToolError, match="odd"):
            await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        assert len(read) <= 6
        assert server.requests.count("tasks/cancel") == 0


async def test_errors_as_results(server: TaskServer) -> None:
    """With `raise_on_error=False` a tool's error is a result like all others."""
    server.add_tool("odd", [ToolFailure("odd")])
    async with connected(server) as client:
        results = [result async for result in client.map("odd", items(2), raise_on_error=False)]
        assert [(result.is_error, result.text) for result in results] == [(True, "odd")] * 2


async def test_cancelling_the_others(server: TaskServer) -> None:
    """With `cancel_on_error` the server is asked to cancel what runs when an error is raised."""
    server.add_tool("odd", [ToolFailure("odd")])
    async with connected(server) as client:
        found: list[BaseException] = []
        steered: list[ServerTask] = []
        results = client.map("work", items(3), cancel_on_error=True)

        async def fail() -> None:
            with pytest.raises(ToolError) as caught:
                await collected(results)
            found.append(caught.value)

        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            steered += sorted([await server.next_task() for _ in range(3)], key=number_of)
            await settle()
            steered[0].fail("out of paper")
        assert found
        assert [one.cancel_requested for one in steered] == [False, True, True]


async def test_an_input_that_fails(era: Era) -> None:
    """What the input raises comes after the results of the items before it."""
    server = make_server(era)
    numbers(server)

    def broken() -> Iterator[dict[str, int]]:
        yield {"n": 0}
        yield {"n": 1}
        raise LookupError("no more")

    async with connected(server) as client:
        found: list[int] = []
        with pytest.raises(LookupError, match="no more"):
            await collect(client.map("double", broken()), found)
        assert found == [0, 2]


async def test_an_item_that_is_no_mapping(era: Era) -> None:
    """An item that is no mapping is a `TypeError` in its turn, and is not sent."""
    server = make_server(era)
    numbers(server)
    async with connected(server) as client:
        results = client.map("double", [{"n": 1}, 5])  # type: ignore[list-item]
        assert (await anext(results)).data == 2
        with pytest.raises(TypeError, match="arguments must be a mapping"):
            await anext(results)
        assert server.requests.count("tools/call") == 1


async def test_the_servers_own_error(era: Era) -> None:
    """A call that the server refuses is an error in its turn."""
    server = make_server(era)
    async with connected(server) as client:
        with pytest.raises(TaskFailedError):
            await collected(client.map("nothing", items(2)))


@virtual_clock()
async def test_timeout_of_each_call() -> None:
    """`timeout` bounds each call from its start to its result, and not the whole."""
    server = make_server("modern", **POLLED)
    numbers(server, lambda n: 100.0 if n == 3 else 8.0)
    async with make_client(server) as client:
        found: list[int] = []
        started = anyio.current_time()
        with pytest.raises(TaskTimeoutError) as caught:
            await collect(client.map("double", items(), limit=1, timeout=10), found)
        assert found == [0, 2, 4]
        assert caught.value.reference is not None
        assert 10 + 3 * 8 <= anyio.current_time() - started <= 10 + 3 * 10
        assert server.requests.count("tasks/cancel") == 0


@async_only("one event loop")
async def test_async_input(era: Era) -> None:
    """An async input is read as there is room; a result that is there does not wait for the next item; it is closed
    with the iteration."""
    server = make_server(era)
    numbers(server)
    gate = anyio.Event()
    closed: list[bool] = []

    async def source() -> AsyncIterator[dict[str, int]]:
        try:
            yield {"n": 0}
            yield {"n": 1}
            await gate.wait()
            for n in itertools.count(2):
                yield {"n": n}
        finally:
            closed.append(True)

    async with connected(server) as client:
        results = client.map("double", source(), limit=2)
        assert [(await anext(results)).data for _ in range(2)] == [0, 2]
        gate.set()
        assert [(await anext(results)).data for _ in range(5)] == [4, 6, 8, 10, 12]
        del results
        gc.collect()
        await settle()
        assert closed == [True]


@async_only("one event loop")
async def test_async_input_that_fails(era: Era) -> None:
    """What an async input raises comes in its turn."""
    server = make_server(era)
    numbers(server)

    async def source() -> AsyncIterator[dict[str, int]]:
        yield {"n": 0}
        raise LookupError("no more")

    async with connected(server) as client:
        results = client.map("double", source())
        assert (await anext(results)).data == 0
        with pytest.raises(LookupError):
            await anext(results)


@async_only("one event loop")
async def test_closing_the_client(era: Era) -> None:
    """Who waits for the next result when the client is closed gets the connection error, also where the input is what
    keeps it waiting."""
    server = make_server(era)
    raised: list[BaseException] = []

    async def source() -> AsyncIterator[dict[str, int]]:
        await anyio.sleep_forever()
        yield {}

    async def wait(client: Client, arguments: Any) -> None:
        with pytest.raises(TaskConnectionError) as caught:
            await collected(client.map("work", arguments))
        raised.append(caught.value)

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group, connected(server) as client:
            group.start_soon(wait, client, source())
            group.start_soon(wait, client, items(2))
            for _ in range(2):
                await server.next_task()
            await settle()
        assert len(raised) == 2


async def test_after_the_client_is_closed(era: Era) -> None:
    """A closed client says so, at once and in the first step."""
    server = make_server(era)
    async with connected(server) as client:
        results = client.map("work", items(2))
    with anyio.fail_after(LIMIT):
        with pytest.raises(TaskConnectionError, match="closed"):
            client.map("work", items(2))
        with pytest.raises(TaskConnectionError, match="closed"):
            await anext(results)


@modern_only
async def test_questions_are_answered(server: TaskServer) -> None:
    """The client's handler answers what the tasks ask."""

    def script(arguments: Mapping[str, Any]) -> Script:
        return [NeedInput({"name": elicit("Who?")}), Complete(arguments["n"])]

    server.add_tool("ask", script)
    asked: list[str] = []

    def handler(context: Any, params: Any) -> dict[str, str]:
        asked.append(context.task.task_id)
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=handler) as client:
        assert await collected(client.map("ask", items(4), limit=2)) == [0, 1, 2, 3]
        assert len(set(asked)) == 4


@legacy_only
async def test_options_are_passed_on(server: TaskServer) -> None:
    """`ttl`, `meta` and `as_type` are those of `call_tool`."""
    numbers(server)
    async with connected(server) as client:
        options: dict[str, Any] = {"ttl": 60, "meta": {"mine": 1}, "as_type": float}
        (value,) = await collected(client.map("double", items(1), **options))
        assert type(value) is float
        (call,) = [request for request in server.requests if request.method == "tools/call"]
        assert call.params["task"]["ttl"] == 60_000
        assert call.params["_meta"]["mine"] == 1


async def test_bad_input(server: TaskServer) -> None:
    """Wrong arguments are refused at the call, which names the value, and nothing is sent."""
    async with connected(server) as client:
        anything: Any = client
        seen = len(server.requests)
        for value in (None, 3, {"n": 1}, "text"):
            with pytest.raises(TypeError, match="arguments must be an iterable of mappings"):
                anything.map("work", value)
        for limit in (0, -1):
            with pytest.raises(ValueError, match=f"limit must be 1 or more, or None; got {limit}"):
                anything.map("work", [], limit=limit)
        for wrong in (1.5, "2", True):
            with pytest.raises(TypeError, match="limit must be a whole number or None"):
                anything.map("work", [], limit=wrong)
        for option, number in (("timeout", 0), ("timeout", -1), ("ttl", -1)):
            with pytest.raises(ValueError, match="must be a finite number"):
                anything.map("work", [], **{option: number})
        with pytest.raises(TypeError, match="name must be a string"):
            anything.map(3, [])
        with pytest.raises(TypeError, match="meta must be a mapping"):
            anything.map("work", [], meta=3)
        assert len(server.requests) == seen
