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
from tests.helpers.support import (
    LIMIT,
    POLLED,
    Era,
    asked,
    cancelled_from_within,
    connected,
    legacy_only,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import World, async_only, both_worlds, make_client

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
        # More than `limit` if later calls end before the one whose result is next.
        assert len(read) <= 20 + 32
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
            assert n + 3 <= len(read) <= n + 32  # Later calls may end before the one whose result is next.


async def test_leaving_detached(server: TaskServer, world: World) -> None:
    """With `detach=True` giving the iteration up leaves no interest behind and cancels nothing; the tasks are known to
    the client."""
    async with connected(server) as client:
        results = client.map("work", items(3), detach=True)
        nothing: list[Any] = []
        async with anyio.create_task_group() as group:
            group.start_soon(collect, results, nothing)
            for _ in range(3):
                await server.next_task()
            await settle()
            group.cancel_scope.cancel()
        tasks = await client.list_tasks()
        assert len(tasks) == 3
        assert any(world.inner(task)._watch.polling.interest for task in tasks)
        del results
        gc.collect()
        await settle()
        for task in tasks:
            watch = world.inner(task)._watch
            assert (watch.polling.interest, watch._observers) == (0, None)
        assert server.requests.count("tasks/cancel") == 0


async def test_an_error_in_its_turn(era: Era, world: World) -> None:
    """An error is raised where its result would be, after the results before it; it ends the iteration, and nothing
    more is started. With `cancel_on_error=False` what runs is left alone."""
    server = make_server(era)
    server.add_tool(
        "odd", lambda arguments: [ToolFailure("odd")] if arguments["n"] == 2 else [Complete(arguments["n"])]
    )
    read: list[int] = []
    async with connected(server) as client:
        results = client.map("odd", items(read=read), limit=2, cancel_on_error=False)
        assert [(await anext(results)).data for _ in range(2)] == [0, 1]
        with pytest.raises(ToolError, match="odd"):
            await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        assert len(read) <= 2 + 32
        assert server.requests.count("tasks/cancel") == 0


async def test_errors_as_results(server: TaskServer) -> None:
    """With `raise_on_error=False` a tool's error is a result like all others."""
    server.add_tool("odd", [ToolFailure("odd")])
    async with connected(server) as client:
        results = [result async for result in client.map("odd", items(2), raise_on_error=False)]
        assert [(result.is_error, result.text) for result in results] == [(True, "odd")] * 2


@pytest.mark.parametrize(
    ("options", "cancelled"),
    [
        ({}, True),
        ({"cancel_on_error": True}, True),
        ({"cancel_on_error": True, "detach": True}, True),
        ({"detach": True}, False),
        ({"cancel_on_error": False}, False),
    ],
)
async def test_cancelling_the_others(server: TaskServer, options: dict[str, Any], cancelled: bool) -> None:
    """When an error is raised the server is asked to cancel what runs, unless the program says otherwise."""
    async with connected(server) as client:
        found: list[BaseException] = []
        steered: list[ServerTask] = []
        loose: Any = client
        results = loose.map("work", items(3), **options)

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
        assert [one.cancel_requested for one in steered] == [False, cancelled, cancelled]


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


class Odd(Iterator[dict[str, int]]):
    """An input that ends as an async one would."""

    def __next__(self) -> dict[str, int]:
        raise StopAsyncIteration


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
async def test_what_looks_like_an_end(era: Era, error: type[Exception]) -> None:
    """A label function or an input that raises what only an iterator may raise does not end the iteration silently."""
    server = make_server(era)
    numbers(server)

    def label(index: int, _item: Any) -> str | None:
        if index:
            raise error
        return None

    async with connected(server) as client:
        found: list[int] = []
        with pytest.raises(RuntimeError, match=f"the label function raised {error.__name__}") as caught:
            await collect(client.map("double", items(2), label=label), found)
        assert found == [0]
        assert caught.value.__notes__ == ["arguments[1] of map('double')"]
        with pytest.raises(RuntimeError, match="the input or the label function raised StopAsyncIteration"):
            await collect(client.map("double", Odd()), found)


async def test_an_item_that_is_no_mapping(era: Era) -> None:
    """An item that is no mapping is a `TypeError` in its turn, and is not sent."""
    server = make_server(era)
    numbers(server)
    async with connected(server) as client:
        results = client.map("double", [{"n": 1}, 5])  # type: ignore[list-item]
        assert (await anext(results)).data == 2
        with pytest.raises(TypeError, match=r"arguments\[1\] must be a mapping"):
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
    server = make_server("modern", **POLLED, poll_interval_ms=500)
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
async def test_what_an_async_input_awaits_is_cancelled(era: Era) -> None:
    """The cancellation of something that an async input awaits is an error of the input, and does not end the
    client."""
    server = make_server(era)
    numbers(server)

    async def source() -> AsyncIterator[dict[str, int]]:
        yield {"n": 0}
        await cancelled_from_within()

    async with connected(server) as client:
        found: list[int] = []
        with pytest.raises(RuntimeError, match="cancelled from within"):
            await collect(client.map("double", source()), found)
        assert found == [0]
        assert await collected(client.map("double", items(2))) == [0, 2]


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
        loose: Any = client
        (value,) = await collected(loose.map("double", items(1), **options))
        assert type(value) is float
        (call,) = [request for request in server.requests if request.method == "tools/call"]
        assert call.params["task"]["ttl"] == 60_000
        assert call.params["_meta"]["mine"] == 1


async def test_bad_input(server: TaskServer) -> None:
    """Wrong arguments are refused at the call, which names the value, and nothing is sent."""
    async with connected(server) as client:
        anything: Any = client
        seen = asked(server)
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
        assert asked(server) == seen


def odd_numbers(server: TaskServer) -> None:
    """Add the tool `odd`, which fails for odd numbers."""

    def script(arguments: Mapping[str, Any]) -> Script:
        return [ToolFailure("odd") if arguments["n"] % 2 else Complete(arguments["n"])]

    server.add_tool("odd", script)


async def test_an_error_says_which_item(era: Era) -> None:
    """A note on an error names the item, its arguments without secrets and its label; `str()` is as ever."""
    server = make_server(era)
    odd_numbers(server)

    async def caught(arguments: Any, **options: Any) -> Exception:
        loose: Any = client
        try:
            await collected(loose.map("odd", arguments, **options))
        except Exception as exc:
            return exc
        raise AssertionError("no error")

    def broken() -> Iterator[dict[str, int]]:
        yield {"n": 0}
        raise LookupError("no more")

    async with connected(server) as client:
        error = await caught([{"n": 0}, {"n": 2}, {"n": 3, "api_key": "hunter2"}], label="2026")
        assert error.__notes__ == ["arguments[2] of map('odd'): {'n': 3, 'api_key': …}, label '2026'"]
        assert str(error) == "odd"
        assert isinstance(error, ToolError)
        assert error.reference is not None
        assert error.reference.label == "2026"
        for item in (5, "x", b"x", {"n": 1, "b": b"x"}):
            error = await caught([{"n": 0}, item])
            assert isinstance(error, TypeError)
            # As errors about arguments do, it shows nothing of what cannot be sent.
            assert error.__notes__ == ["arguments[1] of map('odd')"]
        error = await caught(broken())
        assert error.__notes__ == ["map('odd') ended after 1 item of its input"]


async def test_errors_in_their_places(era: Era) -> None:
    """With `return_exceptions` an error stands in the place of its result, with its note, and the iteration goes on:
    past errors of tools, items that cannot be sent, and timeouts, whose tasks go on."""
    server = make_server(era)
    odd_numbers(server)
    arguments: Any = [{"n": 0}, {"n": 1}, 5, {"n": 2}, {"n": 3}]
    async with connected(server) as client:
        found = [one async for one in client.map("odd", arguments, limit=2, return_exceptions=True)]
        assert [type(one).__name__ for one in found] == [
            "ToolResult",
            "ToolError",
            "TypeError",
            "ToolResult",
            "ToolError",
        ]
        notes = [one.__notes__ for one in found if isinstance(one, Exception)]
        assert notes == [
            ["arguments[1] of map('odd'): {'n': 1}"],
            ["arguments[2] of map('odd')"],
            ["arguments[4] of map('odd'): {'n': 3}"],
        ]
        late = [one async for one in client.map("work", [{"n": 1}] * 2, timeout=3, return_exceptions=True)]
        assert [type(one) for one in late] == [TaskTimeoutError] * 2
        assert server.requests.count("tasks/cancel") == 0

        def broken() -> Iterator[dict[str, int]]:
            yield {"n": 1}
            raise LookupError("no more")

        results = client.map("odd", broken(), return_exceptions=True)
        assert isinstance(await anext(results), ToolError)
        with pytest.raises(LookupError):
            await anext(results)


async def test_errors_in_their_places_end_with_the_client(era: Era) -> None:
    """An input without end does not make errors without end when the client is closed."""
    server = make_server(era)
    numbers(server)
    async with connected(server) as client:
        results = client.map("double", items(), limit=2, return_exceptions=True)
        assert (await anext(results)).data == 0  # type: ignore[union-attr]
    with anyio.fail_after(LIMIT), pytest.raises(TaskConnectionError, match="closed"):
        _ = [one async for one in results]


async def test_labels(server: TaskServer) -> None:
    """A label is one for all, or is made for each of its number and item; an error there is one of the item."""

    def label(index: int, item: Any) -> str | None:
        return None if index == 2 else f"{index}: {item['n'] + 10}"

    async with connected(server) as client:
        results = client.map("work", items(3), label=label, detach=True)
        async with anyio.create_task_group() as group:

            async def leave() -> None:
                while len(await client.list_tasks()) < 3:  # noqa: ASYNC110 - nothing tells of a handle
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()

            group.start_soon(leave)
            await anext(results)
        assert {task.label for task in await client.list_tasks()} == {"0: 10", "1: 11", None}

        def wrong(index: int, item: Any) -> Any:
            return index

        with pytest.raises(TypeError, match="label must be a string") as caught:
            await anext(client.map("work", items(), label=wrong))
        assert caught.value.__notes__ == ["arguments[0] of map('work')"]
        anything: Any = client
        with pytest.raises(TypeError, match="label must be a string"):
            anything.map("work", [], label=3)


async def test_it_says_what_it_is(era: Era) -> None:
    """Its `repr` says which tool, how many there are and how far it is."""
    server = make_server(era)
    numbers(server)
    async with connected(server) as client:
        results = client.map("double", list(items(3)), limit=1)
        assert repr(results) == "<map of tool 'double': 0 of 3 handed out, not begun>"
        await anext(results)
        assert repr(results).startswith("<map of tool 'double': 1 of 3 handed out, ")
        assert repr(results).endswith(" under way or waiting>")
        assert await collected(results) == [2, 4]
        assert repr(results) == "<map of tool 'double': 3 of 3 handed out, over>"
        endless = client.map("double", items())
        assert repr(endless) == "<map of tool 'double': 0 handed out, not begun>"
