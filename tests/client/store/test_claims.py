"""Many clients share the tasks of one store: each task is held by one of them, and comes to another one in time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import pytest

from mcptasks import Client, PollingPolicy, StoreError, Task, TaskStateError, TaskTimeoutError
from mcptasks.store import Store
from mcptasks.testing import TaskServer, elicit
from tests.helpers.people import Oracle, answered
from tests.helpers.support import LIMIT, Era, Signal, begin, connected, make_server, modern_only, settle, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

NAME = elicit("Who?")


async def test_three_share_thirty(server: TaskServer, store: Store) -> None:
    """Clients that take tasks as they become free share them: each takes some before one has all. None is held twice,
    and none is left."""
    async with connected(server, store=store, limit=300) as client:
        for _ in range(30):
            await begin(client, server)
    ids = list(server.tasks)
    taken: list[list[str]] = [[], [], []]
    shared = Signal()
    async with (
        connected(server, store=store, limit=300) as one,
        connected(server, store=store, limit=300) as two,
        connected(server, store=store, limit=300) as three,
        anyio.create_task_group() as group,
    ):

        async def claim(client: Client, into: list[str]) -> None:
            async for task in client.claims():
                into.append(task.task_id)
                if all(taken):
                    shared.set()
                # Otherwise a client whose thread is fast could take all before the others have asked.
                await shared.wait()
                if sum(map(len, taken)) == 30:
                    group.cancel_scope.cancel()

        for client, into in zip((one, two, three), taken, strict=True):
            group.start_soon(claim, client, into)
    assert Counter(each for into in taken for each in into) == Counter(dict.fromkeys(ids, 1))


async def test_a_worker_takes_no_more_than_it_can_do(server: TaskServer, store: Store) -> None:
    """With a limit, the next task is taken when one of those before is over or given back."""
    async with connected(server, store=store) as client:
        steered = [(await begin(client, server))[1] for _ in range(4)]
    async with connected(server, store=store) as worker:
        claims = worker.claims(limit=2)
        one, two = await anext(claims), await anext(claims)
        assert (one.task_id, two.task_id) == (steered[0].task_id, steered[1].task_id)
        with anyio.move_on_after(0.1) as scope:
            await anext(claims)
        assert scope.cancelled_caught
        steered[0].complete("done")
        await one.result()
        three = await anext(claims)
        assert three.task_id == steered[2].task_id
        await worker.release(two)
        assert (await anext(claims)).task_id in (steered[1].task_id, steered[3].task_id)


@modern_only
@virtual_clock()
async def test_who_gave_a_task_back_repeats_no_answer(era: Era) -> None:
    """An answer that the server seems to have lost is sent again by the client that holds the task, and by no other."""
    server = make_server(era, answers_shown_again=1000, push="off", listen="unsupported", poll_interval_ms=2000)
    sharing: dict[str, Any] = {"store": Store.memory(), "limit": 1000, "polling": PollingPolicy()}
    async with (
        connected(server, elicitation_handler=Oracle(), **sharing) as one,
        connected(server, **sharing) as other,
    ):
        task, steered = await begin(one, server)
        steered.need_input({"name": NAME})
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=20)
        assert server.requests.count("tasks/update") == 1
        await one.release(task)
        assert (await anext(other.claims())).task_id == task.task_id
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=200)
        assert server.requests.count("tasks/update") == 1


async def test_a_task_that_is_given_back(server: TaskServer, store: Store) -> None:
    """A task that was released comes to a client that waits for one; the one before can read and no more."""
    async with connected(server, store=store) as one, connected(server, store=store) as other:
        task, steered = await begin(one, server)
        claims = other.claims()
        async with anyio.create_task_group() as group:

            async def release() -> None:
                await settle()
                await one.release(task)

            group.start_soon(release)
            with anyio.fail_after(LIMIT):
                taken = await anext(claims)
            assert taken.task_id == task.task_id
            with pytest.raises(TaskStateError, match="another client of the store holds the task"):
                await task.cancel()
            assert not steered.cancel_requested
            steered.complete("done")
            assert (await taken.result()).data == (await task.result()).data == "done"


async def test_the_iteration_ends_with_the_client(server: TaskServer, store: Store) -> None:
    """Who waits for the next task when the client is closed gets the end of the iteration."""
    async with connected(server, store=store) as client:
        await begin(client, server)
    taken, ended = Signal(), Signal()
    async with anyio.create_task_group() as group:
        async with connected(server, store=store) as client:
            claims = client.claims()

            async def wait() -> None:
                async for _ in claims:
                    taken.set()
                ended.set()

            group.start_soon(wait)
            await taken.wait()  # From here on, the next task is waited for.
            await settle()
        with anyio.fail_after(LIMIT):
            await ended.wait()


@virtual_clock()
async def test_a_holder_that_cannot_renew_its_lease(era: Era) -> None:
    """When a holder's lease ends another client takes its task within a second. The holder has stopped by itself
    before: what its handler answers is dropped, nothing is cancelled, and its waiter goes on reading."""
    server, store = make_server(era, poll_interval_ms=500), Store.memory(lease=30)
    at_work, go_on = anyio.Event(), anyio.Event()

    async def think() -> Any:
        at_work.set()
        await go_on.wait()
        return {"value": "late"}

    oracle = Oracle()
    async with connected(server, limit=3600, store=store, elicitation_handler=Oracle(**{"Who?": think})) as holder:
        task, steered = await begin(holder, server)
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            if era == "modern":
                steered.need_input({"q": NAME})
                await at_work.wait()
            session: Any = holder._engine().journal
            lost = session._session._beat

            async def fails() -> None:
                raise StoreError("the database is down")

            session._session._beat = fails
            began = anyio.current_time()
            async with connected(server, limit=3600, store=store, elicitation_handler=oracle) as other:
                taken: Task[Any] = await anext(other.claims())
                assert 19 <= anyio.current_time() - began <= 31
                assert not task._watch.record.holds
                with pytest.raises(TaskStateError, match="another client"):
                    await task.cancel()
                session._session._beat = lost
                await anyio.sleep(15)
                go_on.set()
                group.start_soon(taken.result)
                if era == "modern":
                    assert await answered(steered) == [{"action": "accept", "content": {"value": "Ada"}}]
                steered.complete("done")
                await taken.result()
            await task.result()
    assert server.requests.count("tasks/cancel") == 0
    assert server.requests.count("tasks/update") == (1 if era == "modern" else 0)
