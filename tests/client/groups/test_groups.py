"""`gather`, `as_completed` and `wait`: what comes back and when, and that nothing is left behind."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import mcptasks
from mcptasks import (
    TaskCancelledError,
    TaskConnectionError,
    TaskFailedError,
    TaskInputRequiredError,
    TaskNotFoundError,
    TaskTimeoutError,
    ToolError,
)
from mcptasks._engine.input.task_input import fail
from mcptasks.testing import Complete, Drop, ServerTask, TaskServer, elicit
from tests.helpers.pushing import until
from tests.helpers.support import (
    LIMIT,
    POLLED,
    Era,
    Signal,
    asked,
    begin,
    connected,
    legacy_only,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import World, async_only, both_worlds, make_client

pytestmark = [pytest.mark.anyio, both_worlds]


async def begin_many(client: Any, server: TaskServer, count: int) -> tuple[list[Any], list[ServerTask]]:
    """Tasks that wait to be steered."""
    pairs = [await begin(client, server) for _ in range(count)]
    return [task for task, _ in pairs], [steered for _, steered in pairs]


async def collect(found: AsyncIterator[Any], into: list[Any], *, pause: float = 0) -> None:
    """Take what comes, also if an error ends it, with some time in between."""
    async for one in found:
        into.append(one)
        await anyio.sleep(pause)


def requests_about(server: TaskServer, task: Any) -> int:
    """How many requests named the task."""
    return sum(request.params.get("taskId") == task.task_id for request in list(server.requests))


async def assert_detached(world: World, tasks: Iterable[Any]) -> None:
    """Nobody is interested in the tasks any more."""
    watches = [world.inner(task)._watch for task in tasks]
    nothing: list[Any] = [(0, None, ())] * len(watches)
    found: list[Any] = []
    late = anyio.current_time() + LIMIT / 2
    while found != nothing:
        assert anyio.current_time() < late, found
        # The thread of an interrupted call may hold on to its iterator until it has ended.
        gc.collect()
        await settle()
        found = [(watch.polling.interest, watch._observers, watch.polling.deadlines) for watch in watches]


# --- gather -----------------------------------------------------------------------------------------------------------


async def test_gather_keeps_the_order(server: TaskServer, world: World) -> None:
    """The results come in the order of the tasks, whatever the order of their ends; a task may be there twice."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        for number in (2, 0, 1):
            steered[number].complete(number)
        results = await world.gather(*tasks, tasks[0])
        assert [result.data for result in results] == [0, 1, 2, 0]
        assert results[3] is results[0] is await tasks[0].result()
        await assert_detached(world, tasks)


async def test_gather_raises_the_first_error_at_once(server: TaskServer, world: World) -> None:
    """The first error is raised while others still run; those go on, nobody asks for cancellation, and their handles
    stay usable."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        steered[1].fail("no such file", code=-32011)
        with pytest.raises(TaskFailedError, match="no such file") as caught:
            await world.gather(*tasks)
        assert caught.value.reference == tasks[1].reference
        await assert_detached(world, tasks)
        steered[0].complete(0)
        steered[2].complete(2)
        assert [result.data for result in await world.gather(tasks[0], tasks[2])] == [0, 2]
        assert server.requests.count("tasks/cancel") == 0


async def test_gather_can_return_errors(server: TaskServer, world: World) -> None:
    """With `return_exceptions` every task is waited for, and an error stands in its place."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 4)
        steered[0].fail("out of paper")
        steered[1].cancelled("not today")
        steered[2].forget()
        steered[3].complete(3)
        *errors, result = await world.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in errors] == [ToolError, TaskCancelledError, TaskNotFoundError]
        assert result.data == 3
        await assert_detached(world, tasks)


@pytest.mark.parametrize("return_exceptions", [False, True])
async def test_gather_can_cancel_the_others(server: TaskServer, world: World, return_exceptions: bool) -> None:
    """With `cancel_on_error` the server is asked to cancel what still runs when the first error comes."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 4)
        steered[0].complete(0)
        await tasks[0].wait()
        steered[1].fail("out of paper")
        if return_exceptions:
            results = await world.gather(*tasks, return_exceptions=True, cancel_on_error=True)
            assert [type(result) for result in results[1:]] == [ToolError, TaskCancelledError, TaskCancelledError]
        else:
            with pytest.raises(ToolError):
                await world.gather(*tasks, cancel_on_error=True)
        assert [one.cancel_requested for one in steered] == [False, False, True, True]
        await assert_detached(world, tasks)


@pytest.mark.parametrize("timeout", [0.3, timedelta(milliseconds=300), 0])
async def test_gather_in_time(server: TaskServer, world: World, timeout: Any) -> None:
    """The timeout is one for all of them. When it passes, the error has the reference of one that is late; with
    `return_exceptions` each late one has an error of its own, beside the results. Nothing is cancelled."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        steered[1].complete(1)
        await tasks[1]
        with pytest.raises(TaskTimeoutError, match="2 of 3 tasks have no result yet") as caught:
            await world.gather(*tasks, timeout=timeout, cancel_on_error=True)
        assert caught.value.reference == tasks[0].reference
        first, second, third = await world.gather(*tasks, timeout=timeout, return_exceptions=True)
        assert second.data == 1
        assert [type(one) for one in (first, third)] == [TaskTimeoutError] * 2
        assert [one.reference for one in (first, third)] == [tasks[0].reference, tasks[2].reference]
        await assert_detached(world, tasks)
        assert server.requests.count("tasks/cancel") == 0
        for number in (0, 2):
            steered[number].complete(number)
        assert [result.data for result in await world.gather(*tasks, timeout=timedelta(seconds=LIMIT))] == [0, 1, 2]
        assert await world.gather(timeout=0) == []
        with pytest.raises(ValueError, match="timeout must be"):
            await world.gather(*tasks, timeout=-1)


async def test_durations_of_groups(server: TaskServer, world: World) -> None:
    """A `timedelta` is a timeout everywhere, in place of seconds."""
    soon, long = timedelta(milliseconds=50), timedelta(minutes=1)
    async with connected(server, timeout=long, reconnect_timeout=long) as client:
        (task,), (steered,) = await begin_many(client, server, 1)
        assert await world.wait([task], timeout=soon) == (set(), {task})
        for wait in (task.result, task.wait):
            with pytest.raises(TaskTimeoutError):
                await wait(timeout=soon)
        with pytest.raises(TaskTimeoutError):
            await collect(world.as_completed([task], timeout=cast_any(soon)), [])
        with pytest.raises(TaskTimeoutError):
            await client.call_tool("work", timeout=soon)
        with pytest.raises(TaskTimeoutError):
            await collect(client.map("work", [{}], timeout=soon), [])
        steered.complete(1)
        assert (await task.result(long)).data == 1


@virtual_clock()
async def test_cancelling_the_others_is_bounded() -> None:
    """A server that does not answer to cancellation holds the error up for five seconds, however many tasks run."""
    server = make_server("modern", **POLLED, poll_interval_ms=1000)
    async with make_client(server) as client:
        tasks, steered = await begin_many(client, server, 40)
        server.faults.add("tasks/cancel", Drop(), times=None)
        steered[0].fail("out of paper")
        started = anyio.current_time()
        with pytest.raises(ToolError):
            await mcptasks.gather(*tasks, cancel_on_error=True)
        assert 5 <= anyio.current_time() - started < 10


async def test_empty_groups(world: World) -> None:
    """Nothing to wait for is over at once."""
    with anyio.fail_after(LIMIT):
        assert await world.gather() == []
        assert await world.gather(return_exceptions=True) == []
        assert await world.wait([]) == (set(), set())
        assert await world.wait([], return_when="FIRST_COMPLETED", timeout=0) == (set(), set())
        assert [task async for task in world.as_completed([])] == []
        assert [task async for task in world.as_completed([], timeout=0)] == []


async def test_tasks_of_several_clients(world: World) -> None:
    """Tasks of different clients and eras are one group."""
    servers = [make_server("modern"), make_server("legacy")]
    async with connected(servers[0]) as one, connected(servers[1]) as other:
        pairs = [await begin(one, servers[0]), await begin(other, servers[1])]
        tasks = [task for task, _ in pairs]
        for number in (1, 0):
            pairs[number][1].complete(number)
        assert [result.data for result in await world.gather(*tasks)] == [0, 1]
        assert await world.wait(tasks) == (set(tasks), set())
        assert {task async for task in world.as_completed(tasks)} == set(tasks)
        await assert_detached(world, tasks)


async def test_without_a_task_at_the_server(era: Era, world: World) -> None:
    """A call of which no task can come counts as done when it is answered."""
    server = make_server(era)
    server.add_tool("plain", support="none", result="here")
    async with connected(server) as client:
        task = await client.call_tool("plain", task=True)
        assert task.returned_immediately
        (result,) = await world.gather(task)
        assert result.data == "here"
        assert await world.wait([task], timeout=0) == ({task}, set())
        assert [found async for found in world.as_completed([task])] == [task]


async def test_finished_tasks_outlive_the_client(server: TaskServer, world: World) -> None:
    """What is finished is there after the client's end; what is not is a connection error with the reference."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 2)
        steered[0].complete(0)
        await tasks[0].result()
    with anyio.fail_after(LIMIT):
        assert [result.data for result in await world.gather(tasks[0])] == [0]
        with pytest.raises(TaskConnectionError) as caught:
            await world.gather(*tasks)
        assert caught.value.reference == tasks[1].reference
        assert [task async for task in world.as_completed(tasks)] == tasks
        assert await world.wait(tasks) == (set(tasks), set())


async def test_closing_the_client_ends_the_wait(server: TaskServer, world: World) -> None:
    """Who waits for a group when its client is closed gets the connection error at once."""
    raised: list[TaskConnectionError] = []
    references: list[object] = []

    async def wait(tasks: list[Any]) -> None:
        with pytest.raises(TaskConnectionError) as caught:
            await world.gather(*tasks)
        raised.append(caught.value)

    async with anyio.create_task_group() as group, connected(server) as client:
        tasks, _ = await begin_many(client, server, 2)
        references += [task.reference for task in tasks]
        group.start_soon(wait, tasks)
        await settle()
    assert raised[0].reference in references


# --- as_completed -----------------------------------------------------------------------------------------------------


async def test_as_completed_keeps_the_order_of_ends(server: TaskServer, world: World) -> None:
    """Tasks come as they end, as the handles that were passed in, each once, and `result()` needs no request."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        found: list[int] = []
        ends = iter((2, 0, 1))
        steered[next(ends)].complete("done")
        async for task in world.as_completed([*tasks, tasks[1]]):
            value = world.inner(task)._waiter._value
            assert value is not None
            assert await task.result() is value
            found.append(tasks.index(task))
            for number in ends:
                steered[number].complete("done")
                break
        assert found == [2, 0, 1]
        await assert_detached(world, tasks)


async def test_as_completed_brings_failures(server: TaskServer, world: World) -> None:
    """A task that failed, or of which nothing more can be learned, comes like all others, and `result()` raises at
    once; asked again, a handle whose server does not know the task asks the server again."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        steered[0].fail("out of paper")
        steered[1].forget()
        steered[2].complete(2)
        raised: dict[Any, type[BaseException]] = {}
        async for task in world.as_completed(tasks):
            seen = requests_about(server, tasks[1])
            try:
                await task.result()
            except (ToolError, TaskNotFoundError) as exc:
                raised[task] = type(exc)
            if task is tasks[1]:
                assert requests_about(server, task) == seen
        assert raised == {tasks[0]: ToolError, tasks[1]: TaskNotFoundError}
        seen = requests_about(server, tasks[1])
        with pytest.raises(TaskNotFoundError):
            await tasks[1].result()
        assert requests_about(server, tasks[1]) > seen
        await assert_detached(world, tasks)


async def test_as_completed_has_one_deadline(server: TaskServer, world: World) -> None:
    """The timeout is for all of them: what is done comes before, then the error with a reference; the work goes on."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        steered[1].complete(1)
        await tasks[1]
        found: list[Any] = []
        with pytest.raises(TaskTimeoutError, match="2 of 3 tasks have no result yet") as caught:
            await collect(world.as_completed(tasks, timeout=0.5), found)
        assert found == [tasks[1]]
        assert caught.value.reference == tasks[0].reference
        await assert_detached(world, tasks)
        steered[0].complete(0)
        assert (await tasks[0].result()).data == 0
        assert server.requests.count("tasks/cancel") == 0


@virtual_clock()
async def test_the_deadline_is_exact() -> None:
    """The deadline counts from the call, and the time between the steps counts; what is known by then still comes."""
    server = make_server("modern", **POLLED, poll_interval_ms=1000)
    async with make_client(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        for one in steered[:2]:
            one.complete("done")
        started = anyio.current_time()
        found: list[Any] = []
        with pytest.raises(TaskTimeoutError):
            await collect(mcptasks.as_completed(tasks, timeout=60), found, pause=40)
        assert set(found) == set(tasks[:2])
        assert anyio.current_time() - started == pytest.approx(80, abs=0.2)


async def test_zero_looks_once_at_each(era: Era, world: World) -> None:
    """`timeout=0` asks once for each that is not known to be over, yields or returns what is, and waits for nothing."""
    server = make_server(era, **POLLED)
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 4)
        steered[1].complete(1)
        steered[2].forget()
        seen = server.requests.count("tasks/get")
        done, pending = await world.wait(tasks, timeout=0)
        assert done == {tasks[1], tasks[2]}
        assert pending == {tasks[0], tasks[3]}
        assert server.requests.count("tasks/get") == seen + 4
        steered[3].complete(3)
        found: list[Any] = []
        with pytest.raises(TaskTimeoutError, match="1 of 3"):
            await collect(world.as_completed([tasks[0], tasks[1], tasks[3]], timeout=0), found)
        assert found == [tasks[1], tasks[3]]
        await assert_detached(world, tasks)


async def test_two_readers_of_one_look(era: Era, world: World) -> None:
    """Of two readers of one `as_completed(timeout=0)`, each task goes to one."""
    server = make_server(era, **POLLED)
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 4)
        for each in steered:
            each.complete(1)
        iteration, found = world.as_completed(tasks, timeout=0), list[Any]()
        async with anyio.create_task_group() as readers:
            for _ in range(2):
                readers.start_soon(collect, iteration, found)
        assert len(found) == 4
        assert set(found) == set(tasks)


async def test_leaving_as_completed_detaches(server: TaskServer, world: World) -> None:
    """Breaking out of the iteration leaves no interest behind, and the handles go on."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        steered[0].complete(0)
        async for _ in world.as_completed(tasks):
            break
        await assert_detached(world, tasks)
        steered[2].complete(2)
        assert (await tasks[2].result()).data == 2


async def test_a_cancelled_step_loses_nothing(server: TaskServer, world: World) -> None:
    """A step that is cancelled can be taken again, and what ended meanwhile is there."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 2)
        found = world.as_completed(tasks)
        with anyio.move_on_after(0.2) as scope:
            await anext(found)
        assert scope.cancelled_caught
        steered[1].complete(1)
        assert await anext(found) is tasks[1]
        del found
        await assert_detached(world, tasks)


@pytest.mark.parametrize("which", ["gather", "as_completed", "wait"])
async def test_cancelled_waits_detach(server: TaskServer, world: World, which: str) -> None:
    """A cancelled scope round a group (in the blocking world: an interrupt) leaves nothing behind, and the work goes
    on."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)

        async def wait() -> None:
            match which:
                case "gather":
                    await world.gather(*tasks, cancel_on_error=True)
                case "wait":
                    await world.wait(tasks)
                case _:
                    async for _ in world.as_completed(tasks):
                        pass

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await until(lambda: all(world.inner(task)._watch.polling.interest == 1 for task in tasks))
            group.cancel_scope.cancel()
        await assert_detached(world, tasks)
        assert server.requests.count("tasks/cancel") == 0
        for number, one in enumerate(steered):
            one.complete(number)
        assert [result.data for result in await world.gather(*tasks)] == [0, 1, 2]


# --- wait -------------------------------------------------------------------------------------------------------------


async def test_wait_for_all(server: TaskServer, world: World) -> None:
    """Without more, all are waited for, however they end."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 4)
        steered[0].complete(0)
        steered[1].fail("no such file", code=-32011)
        steered[2].cancelled()
        steered[3].forget()
        done, pending = await world.wait([*tasks, tasks[0]])
        assert (done, pending) == (set(tasks), set())
        await assert_detached(world, tasks)
        seen = asked(server)
        with pytest.raises(TaskNotFoundError):
            await tasks[3].result()
        assert asked(server) == seen


async def test_wait_for_the_first(server: TaskServer, world: World) -> None:
    """`FIRST_COMPLETED` returns when one is over, and at once where one is already."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        steered[1].complete(1)
        assert await world.wait(tasks, return_when="FIRST_COMPLETED") == ({tasks[1]}, {tasks[0], tasks[2]})
        await assert_detached(world, tasks)
        seen = asked(server)
        assert (await world.wait(tasks, return_when="FIRST_COMPLETED"))[0] == {tasks[1]}
        assert asked(server) == seen
        await assert_detached(world, tasks)


@pytest.mark.parametrize("end", ["failed", "tool-error", "cancelled", "forgotten"])
async def test_wait_for_the_first_error(era: Era, world: World, end: str) -> None:
    """`FIRST_EXCEPTION` goes on past what ends well, and returns when the `result()` of one raises."""
    ends: dict[str, Callable[[ServerTask], None]] = {
        "failed": lambda one: one.fail("no such file", code=-32011),
        "tool-error": lambda one: one.fail("out of paper"),
        "cancelled": lambda one: one.cancelled(),
        "forgotten": lambda one: one.forget(),
    }
    server = make_server(era, **POLLED)  # No push tells that a task was forgotten.
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 3)
        steered[0].complete(0)
        await tasks[0].wait()
        found: list[Any] = []

        async def wait() -> None:
            found.append(await world.wait(tasks, return_when="FIRST_EXCEPTION"))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await settle()
            assert not found
            ends[end](steered[1])
        assert found == [({tasks[0], tasks[1]}, {tasks[2]})]
        await assert_detached(world, tasks)


async def test_no_error_to_wait_for(server: TaskServer, world: World) -> None:
    """`FIRST_EXCEPTION` without any is the same as waiting for all."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 2)
        for one in steered:
            one.complete("done")
        assert await world.wait(tasks, return_when="FIRST_EXCEPTION") == (set(tasks), set())


async def test_wait_gives_up_without_an_error(server: TaskServer, world: World) -> None:
    """A timeout of `wait` is no error: it returns what is done and what is pending."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 2)
        steered[0].complete(0)
        await tasks[0].wait()
        for when in ("ALL_COMPLETED", "FIRST_EXCEPTION"):
            assert await world.wait(tasks, timeout=0.3, return_when=when) == ({tasks[0]}, {tasks[1]})
        await assert_detached(world, tasks)


# --- questions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["gather", "as_completed"])
async def test_questions_are_answered(era: Era, world: World, which: str) -> None:
    """The client's handlers answer what the tasks of a group ask, while the others go on."""
    server = make_server(era, input_mode="push") if era == "legacy" else make_server(era)
    asked: list[str | None] = []
    results: list[Any] = []

    def handler(context: Any, params: Any) -> dict[str, str]:
        asked.append(context.task.task_id)
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=handler) as client:
        tasks, steered = await begin_many(client, server, 3)

        async def play() -> None:
            for one in steered[:2]:
                one.need_input({"name": elicit("Who?")})
                await one.wait_for(lambda task: task.answers)
                one.complete(one.answers["name"]["content"]["value"])
            steered[2].complete("no question")

        async with anyio.create_task_group() as group:
            group.start_soon(play)
            if which == "gather":
                results += await world.gather(*tasks)
            else:
                found = [task async for task in world.as_completed(tasks)]
                assert set(found) == set(tasks)
                results += [await task.result() for task in tasks]
        assert [result.data for result in results] == ["Ada", "Ada", "no question"]
        assert asked == [task.task_id for task in tasks[:2]]
        await assert_detached(world, tasks)


@modern_only
@async_only("one event loop")
async def test_a_slow_handler_holds_nobody_up(server: TaskServer) -> None:
    """While a handler thinks about one task's question the others come out; given up, the handler is cancelled."""
    thinking, cancelled = Signal(), Signal()

    async def handler(context: Any, params: Any) -> dict[str, str]:
        thinking.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        raise AssertionError("it slept for ever")

    async with connected(server, elicitation_handler=handler) as client:
        tasks, steered = await begin_many(client, server, 3)
        steered[0].need_input({"name": elicit("Who?")})
        found = mcptasks.as_completed(tasks)
        async with anyio.create_task_group() as group:

            async def play() -> None:
                await thinking.wait()
                steered[1].complete(1)

            group.start_soon(play)
            assert await anext(found) is tasks[1]
        steered[2].complete(2)
        assert await anext(found) is tasks[2]
        del found
        await cancelled.wait()
        assert steered[0].answers == {}
        assert "name" in tasks[0].input_requests


@modern_only
async def test_a_handler_that_raises(server: TaskServer, world: World) -> None:
    """What a handler raises is the error of that task alone, and its question stays open."""

    def handler(context: Any, params: Any) -> dict[str, str]:
        raise LookupError("no idea")

    async with connected(server, elicitation_handler=handler) as client:
        tasks, steered = await begin_many(client, server, 2)
        steered[0].need_input({"name": elicit("Who?")})
        steered[1].complete(1)
        error, result = await world.gather(*tasks, return_exceptions=True)
        assert isinstance(error, LookupError)
        assert result.data == 1
        with pytest.raises(LookupError):
            await world.gather(*tasks)
        assert "name" in tasks[0].input_requests
        await assert_detached(world, tasks)


@modern_only
async def test_questions_without_a_handler(server: TaskServer, world: World) -> None:
    """A task that asks what nobody here answers comes out with `TaskInputRequiredError`, and can be answered by hand;
    the error of before is not told again then."""
    async with connected(server) as client:
        tasks, steered = await begin_many(client, server, 2)
        steered[0].need_input({"name": elicit("Who?")})
        found = world.as_completed(tasks)
        assert await anext(found) is tasks[0]
        with pytest.raises(TaskInputRequiredError):
            await tasks[0].result()
        del found
        (found_again,) = [task async for task in world.as_completed(tasks[:1])]
        await found_again.answer("name", {"value": "Ada"})
        await steered[0].wait_for(lambda task: task.answers)
        steered[0].complete("thanks")
        assert (await found_again.result()).data == "thanks"


@modern_only
async def test_wait_never_answers(server: TaskServer, world: World) -> None:
    """`wait` answers no question, with or without a handler: a task that asks is pending."""
    asked: list[object] = []

    def handler(context: Any, params: Any) -> dict[str, str]:
        asked.append(context)
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=handler) as client:
        tasks, steered = await begin_many(client, server, 2)
        steered[0].need_input({"name": elicit("Who?")})
        steered[1].complete(1)
        await tasks[1].wait()
        for when in ("ALL_COMPLETED", "FIRST_EXCEPTION"):
            assert await world.wait(tasks, timeout=0.3, return_when=when) == ({tasks[1]}, {tasks[0]})
        assert not asked
        await assert_detached(world, tasks)


# --- trouble, and very many -------------------------------------------------------------------------------------------


async def test_earlier_trouble_does_not_count(server: TaskServer, world: World) -> None:
    """What went wrong before the group began is not the group's."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        watch = world.inner(task)._watch
        watch.polling.fail(TaskConnectionError("long ago"))
        fail(watch, LookupError("long ago"))
        steered.complete("done")
        (result,) = await world.gather(task)
        assert result.data == "done"


@async_only("one event loop")
async def test_idle_members_cost_no_coroutine(era: Era, anyio_backend_name: str) -> None:
    """A hundred members that wait have no task on the event loop, and a change of one wakes the group for that one
    alone."""
    server = make_server(era, **POLLED, poll_interval_ms=3_600_000)
    async with connected(server, limit=100, polling=mcptasks.PollingPolicy(early=False)) as client:
        tasks, _ = await begin_many(client, server, 100)
        await settle()
        before = count_loop_tasks(anyio_backend_name)
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_all, tasks)
            await settle()
            await settle()
            # The group itself, and the requests that are under way.
            assert count_loop_tasks(anyio_backend_name) - before <= 2 + 32
            group.cancel_scope.cancel()


async def wait_for_all(tasks: list[Any]) -> None:
    """`gather`, for a task group."""
    await mcptasks.gather(*tasks)


def count_loop_tasks(backend: str) -> int:
    """How many tasks live on this event loop."""
    if backend == "trio":
        import trio

        return trio.lowlevel.current_statistics().tasks_living
    import asyncio

    return len(asyncio.all_tasks())


@legacy_only
async def test_results_are_fetched_for_members(era: Era, world: World) -> None:
    """Where results are fetched by a request of their own, each is fetched once, and `wait` fetches none."""
    server = make_server(era, **POLLED)
    server.add_tool("quick", [Complete("done")])
    async with connected(server) as client:
        tasks = [await client.call_tool("quick", task=True) for _ in range(3)]
        assert await world.wait(tasks) == (set(tasks), set())
        assert server.requests.count("tasks/result") == 0
        await world.gather(*tasks)
        await world.gather(*tasks)
        assert server.requests.count("tasks/result") == 3


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 3, "task", {"a": 1}], ids=repr)
async def test_what_is_no_task(value: Any, server: TaskServer, world: World) -> None:
    """Something else than a task is a `TypeError` that names it, from each function, before anything is sent."""
    async with connected(server) as client:
        task, _ = await begin(client, server)
        await settle()
        seen = asked(server)
        with pytest.raises(TypeError, match=r"gather\(\) takes tasks, got "):
            await world.gather(task, value)
        with pytest.raises(TypeError, match=r"as_completed\(\) takes tasks, got "):
            world.as_completed([task, value])
        with pytest.raises(TypeError, match=r"wait\(\) takes tasks, got "):
            await world.wait([task, value])
        assert asked(server) == seen
        await assert_detached(world, [task])


async def test_other_bad_input(server: TaskServer, world: World) -> None:
    """A list where tasks are passed one by one, a forgotten `await`, unknown words and odd times say what is wrong."""
    async with connected(server) as client:
        task, _ = await begin(client, server)
        coroutine = anyio.lowlevel.checkpoint()
        with pytest.raises(TypeError, match=r"gather\(\*tasks\)"):
            await world.gather([world.inner(task)])
        with pytest.raises(TypeError, match=r"got <coroutine|with task=True"):
            await world.gather(coroutine)
        coroutine.close()
        with pytest.raises(ValueError, match=r"return_when must be one of 'ALL_COMPLETED'.*got 'LAST_COMPLETED'"):
            await world.wait([task], return_when="LAST_COMPLETED")
        with pytest.raises(ValueError, match="return_when"):
            await world.wait([], return_when=["ALL_COMPLETED"])
        with pytest.raises(ValueError, match="timeout must be"):
            await world.wait([task], timeout=-1)
        with pytest.raises(TypeError, match="timeout must be"):
            world.as_completed([task], timeout=cast_any("soon"))


def cast_any(value: Any) -> Any:
    """A value that type checkers are to let pass."""
    return value
