"""What an earlier client of a store has left is taken up by another one: tasks, open questions, answers, doubt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks import BY_HAND, TaskNotFoundError, TaskStateError
from mcptasks._engine.engine import Engine
from mcptasks.store import Store
from mcptasks.testing import Drop, ServerTask, TaskServer, elicit, serve_http
from tests.helpers.people import Oracle, answered
from tests.helpers.support import Era, Signal, begin, call_tool, connected, legacy_only, make_server, modern_only
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

NAME = elicit("Who?")


def inner(client: Any) -> Engine:
    """The engine of a client of either world."""
    found = getattr(client, "_blocking", client)
    engine: Engine = getattr(found, "_inner", found)._engine()
    return engine


@asynccontextmanager
async def restarted(server: TaskServer) -> AsyncGenerator[tuple[str, Callable[[], Awaitable[None]]]]:
    """A server over HTTP: its URL, and what takes it down and up again. It keeps its tasks; sessions are gone."""
    serving = serve_http(server)

    async def restart() -> None:
        await anyio.to_thread.run_sync(serving.stop)
        await anyio.to_thread.run_sync(serving.start)

    with serving as url:
        yield url, restart


async def test_a_task_in_mid_run(server: TaskServer, store: Store) -> None:
    """A task that goes on when its client ends is there for the next one, with all that the program had said of it."""
    async with connected(server, store=store) as client:
        task, steered = await begin(client, server, label="mine", labels={"job": "nightly"})
    async with connected(server, store=store) as client:
        found = await client.recover(labels={"job": "nightly"})
        assert (found.uncertain, found.elsewhere, found.candidates) == ((), 0, ())
        (again,) = found.tasks
        assert (again.reference.task_id, again.name, again.label) == (task.task_id, "work", "mine")
        steered.complete("done")
        assert (await again.result()).data == "done"
    assert (await store.get(task.reference)).phase == "over"


async def test_what_there_is_to_take(server: TaskServer, store: Store) -> None:
    """Only what is free, is of this server and has the labels is taken, oldest first and no more than asked for; what
    others hold is counted."""
    async with connected(server, store=store) as one, connected(server, store=store) as other:
        for number in range(4):
            await begin(one, server, labels={"n": str(number % 2)})
        found = await other.recover()
        assert (found.tasks, found.elsewhere) == ((), 4)
    elsewhere = make_server("modern")
    async with connected(server, store=store) as client:
        assert len((await client.recover(labels={"n": "0"}, limit=1)).tasks) == 1
        assert len((await client.recover(labels={"n": "1"})).tasks) == 2
        assert len((await client.recover()).tasks) == 1
        assert (await client.recover()).tasks == ()
        async with connected(elsewhere, store=store, endpoint="elsewhere") as stranger:
            assert (await stranger.recover()).elsewhere == 0


async def test_a_task_that_the_server_has_forgotten(server: TaskServer, store: Store) -> None:
    """A server that keeps no task beyond a session, as fastmcp 2.14 does, does not know it: the store says so then."""
    async with connected(server, store=store) as client:
        task, steered = await begin(client, server)
    steered.forget()
    async with connected(server, store=store) as client:
        (again,) = (await client.recover()).tasks
        with pytest.raises(TaskNotFoundError):
            await again.result()
        assert (await client.recover()).tasks == ()
    record = await store.get(task.reference)
    assert (record.phase, record.task_id) == ("forgotten", task.task_id)


@legacy_only
async def test_a_result_that_comes_before_the_status(era: Era, store: Store) -> None:
    """A task whose result a server has handed out is over, also if no poll has seen its end: nobody recovers it."""
    server = make_server(era, push="off")
    async with connected(server, store=store, elicitation_handler=Oracle()) as client:
        task, steered = await begin(client, server)
        steered.need_input({"q": NAME})
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            # The question comes over the `tasks/result` that is held open, and so will the result.
            assert await answered(steered) == [{"action": "accept", "content": {"value": "Ada"}}]
            server.faults.add("tasks/get", Drop(), times=None)
            steered.complete("done")
    record = await store.get(task.reference)
    assert (record.phase, record.status) == ("over", "completed")


@modern_only
async def test_a_question_that_was_open(server: TaskServer, store: Store) -> None:
    """An open question comes back with its task, before anything is sent, and is put to the new client's handler."""
    async with connected(server, store=store, elicitation_handler=BY_HAND) as client:
        task, steered = await begin(client, server)
        steered.need_input({"q": NAME})
        await task.wait(state="input_required")
    oracle = Oracle()
    async with connected(server, store=store, elicitation_handler=oracle) as client:
        before = len(server.requests)
        (again,) = (await client.recover()).tasks
        assert dict(again.input_requests) == {"q": NAME}
        assert len(server.requests) == before
        async with anyio.create_task_group() as group:
            group.start_soon(again.result)
            assert await answered(steered) == [{"action": "accept", "content": {"value": "Ada"}}]
            steered.complete("done")
    assert oracle.asked == ["Who?"]
    (question,) = (await store.get(task.reference)).questions
    assert question.decided_at is not None
    assert (question.acknowledged_at is not None, question.answer) == (True, None)


@modern_only
async def test_a_question_that_was_answered_meanwhile(server: TaskServer, store: Store) -> None:
    """Nobody is asked what the server asks no more, whatever the store says."""
    async with connected(server, store=store, elicitation_handler=BY_HAND) as client:
        task, steered = await begin(client, server)
        steered.need_input({"q": NAME})
        await task.wait(state="input_required")
    async with connected(server, elicitation_handler=BY_HAND) as person:
        await person.resume(task.reference).answer("q", {"value": "Eve"})
    steered.complete("done")
    oracle = Oracle()
    async with connected(server, store=store, elicitation_handler=oracle) as client:
        (again,) = (await client.recover()).tasks
        assert (await again.result()).data == "done"
    assert not oracle.asked


async def test_a_question_that_is_asked_again(era: Era, store: Store) -> None:
    """A handler that was at work when its client ended has decided nothing: the next client's handler is asked."""
    server, at_work = make_server(era), Signal()

    async def think() -> None:
        at_work.set()
        await anyio.sleep_forever()

    async with restarted(server) as (url, restart):
        async with connected(url, store=store, elicitation_handler=Oracle(**{"Who?": think})) as client:
            task, steered = await begin(client, server)
            async with anyio.create_task_group() as group:
                group.start_soon(task.result)
                steered.need_input({"q": NAME})
                await at_work.wait()
                group.cancel_scope.cancel()
        await restart()
        oracle = Oracle()
        async with connected(url, store=store, elicitation_handler=oracle) as client:
            (again,) = (await client.recover()).tasks
            async with anyio.create_task_group() as group:
                group.start_soon(again.result)
                assert await answered(steered) == [{"action": "accept", "content": {"value": "Ada"}}]
                steered.complete("done")
    assert oracle.asked == ["Who?"]


async def test_an_answer_that_was_decided_and_not_sent(era: Era, store: Store) -> None:
    """The answer that an earlier client had decided on is sent by the next one, and nobody is asked again."""
    server = make_server(era)
    async with restarted(server) as (url, restart):
        async with connected(url, store=store, elicitation_handler=Oracle()) as client:
            task, steered = await begin(client, server)
            deciding: Any = inner(client).core.questions.deciding

            async def dies(*_: Any) -> None:
                decided.set()
                await anyio.sleep_forever()

            decided = Signal()
            deciding._give = dies
            async with anyio.create_task_group() as group:
                group.start_soon(task.result)
                steered.need_input({"q": NAME})
                await decided.wait()
                group.cancel_scope.cancel()
        (question,) = (await store.get(task.reference)).questions
        assert (question.decided_at is not None, question.acknowledged_at) == (True, None)
        await restart()
        oracle = Oracle(**{"Who?": {"value": "somebody else"}})
        async with connected(url, store=store, elicitation_handler=oracle) as client:
            (again,) = (await client.recover()).tasks
            assert dict(again.input_requests) == {}
            async with anyio.create_task_group() as group:
                group.start_soon(again.result)
                assert await answered(steered) == [{"action": "accept", "content": {"value": "Ada"}}]
                steered.complete("done")
    assert not oracle.asked
    (question,) = (await store.get(task.reference)).questions
    assert (question.acknowledged_at is not None, question.answer) == (True, None)


@async_only("one event loop")
@modern_only
async def test_a_hand_comes_too_late(server: TaskServer, store: Store) -> None:
    """Who answers by hand what was decided before is told so, and the answer that was decided is sent."""
    async with connected(server, store=store, elicitation_handler=BY_HAND) as client:
        task, steered = await begin(client, server)
        steered.need_input({"q": NAME})
        await task.wait(state="input_required")
        await inner(client).handles.find(task.reference).watch.record.asked("q", NAME, lasting=True)
        await inner(client).handles.find(task.reference).watch.record.decide("q", {"action": "decline"})
    async with connected(server, store=store, elicitation_handler=BY_HAND) as client:
        (again,) = (await client.recover()).tasks
        with pytest.raises(TaskStateError, match="answered by another client before, and that answer stands"):
            await again.answer("q", {"value": "Eve"})
        assert await answered(steered) == [{"action": "decline"}]


async def test_a_call_of_which_nobody_knows(server: TaskServer, store: Store) -> None:
    """A call whose answer was lost is named as uncertain; the tasks that may have come of it are candidates where the
    server lists tasks, and none is taken by itself."""
    async with connected(server, store=store) as client:
        known, _ = await begin(client, server)
        server.faults.add("tools/call", Drop(), after=True)
        created: list[ServerTask] = []
        async with anyio.create_task_group() as group:
            group.start_soon(partial(call_tool, client, "work", task=True, key="k"))
            created.append(await server.next_task())
            group.cancel_scope.cancel()
    (lost,) = created
    async with connected(server, store=store) as client:
        found = await client.recover()
        assert [each.reference.task_id for each in found.tasks] == [known.task_id]
        (record,) = found.uncertain
        assert record.key == "k"
        listed = [] if inner(client).abilities.facts.dialect.subscribes else [lost.task_id]
        assert [each.task_id for each in found.candidates] == listed
        for candidate in found.candidates:
            await store.settle(record.id, candidate)
            (again,) = (await client.recover()).tasks
            assert again.task_id == lost.task_id


@pytest.mark.parametrize("method", ["recover", "claims", "release"])
async def test_a_client_without_a_store(server: TaskServer, method: str) -> None:
    """What is about a store says so to a client that has none."""
    async with connected(server) as client:
        task, _ = await begin(client, server)
        calls: dict[str, Callable[[], Any]] = {
            "recover": client.recover,
            "claims": lambda: anext(client.claims()),
            "release": lambda: client.release(task),
        }
        with pytest.raises(ValueError, match=rf"{method}\(\) is about the tasks of a store, and this client has none"):
            await calls[method]()


@pytest.mark.parametrize("labels", [{"a": 1}, "a"])
async def test_arguments_of_no_sense(server: TaskServer, store: Store, labels: Any) -> None:
    """Wrong arguments are refused before anything is taken."""
    async with connected(server, store=store) as client:
        await begin(client, server)
        with pytest.raises(TypeError, match="labels"):
            await client.recover(labels=labels)
        with pytest.raises(ValueError, match="limit must be"):
            client.claims(limit=0)
        with pytest.raises(TypeError, match="takes a task, not str"):
            await client.release("task")  # type: ignore[arg-type]
