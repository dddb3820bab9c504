"""A task that is resumed by its reference is taken from the store when somebody waits for it."""

from __future__ import annotations

import anyio
import pytest

from mcptasks import TaskReference, TaskStateError
from mcptasks._engine.recording.record import StoredRecord
from mcptasks._engine.recording.stored import StoredJournal
from mcptasks.store import Store
from mcptasks.testing import TaskServer, elicit
from tests.helpers.people import Oracle, answered
from tests.helpers.support import Era, begin, connected, make_server, modern_only, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

NAME = elicit("Who?")


@modern_only
async def test_a_free_task(server: TaskServer, store: Store) -> None:
    """Who waits for a free task holds it, and may answer."""
    async with connected(server, store=store) as client:
        task, steered = await begin(client, server)
        steered.need_input({"q": NAME})
    oracle = Oracle()
    async with connected(server, store=store, elicitation_handler=oracle) as client:
        again = client.resume(task.reference)
        assert (await store.get(task.reference)).owner is None
        async with anyio.create_task_group() as group:
            group.start_soon(again.result)
            assert await answered(steered) == [{"action": "accept", "content": {"value": "Ada"}}]
            steered.complete("done")
    assert oracle.asked == ["Who?"]


async def test_a_task_that_no_store_knows(server: TaskServer, store: Store) -> None:
    """A task of another program is recorded when somebody acts for it."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
    async with connected(server, store=store) as client:
        again = client.resume(task.reference)
        assert await store.tasks() == []
        await again.cancel()
        assert (await store.get(task.reference)).cancel_asked_at is not None
    assert steered.cancel_requested


async def test_who_leaves_with_the_result(server: TaskServer, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store knows that a task is over, even if a program leaves with its result while the lease is still asked
    for."""
    async with connected(server, store=store) as client:
        task, steered = await begin(client, server)
    steered.complete("done")
    adopt = StoredJournal.adopt

    async def slow(self: StoredJournal, reference: TaskReference) -> StoredRecord:
        await anyio.sleep(0.2)
        return await adopt(self, reference)

    monkeypatch.setattr(StoredJournal, "adopt", slow)
    async with connected(server, store=store) as client:
        assert (await client.resume(task.reference).result()).data == "done"
    assert (await store.get(task.reference)).phase == "over"


@modern_only
@virtual_clock()
async def test_a_task_that_another_client_holds(era: Era) -> None:
    """A task that is held elsewhere can be waited for, and neither answered nor cancelled. It is taken when it is free,
    within the time between two signs of life."""
    server, store, oracle = make_server(era), Store.memory(), Oracle()
    async with (
        connected(server, limit=3600, store=store, elicitation_handler=oracle) as other,
        connected(server, limit=3600, store=store) as holder,
    ):
        task, steered = await begin(holder, server)
        again = other.resume(task.reference)
        with pytest.raises(TaskStateError, match="another client of the store holds the task"):
            await again.cancel()
        async with anyio.create_task_group() as group:
            group.start_soon(again.result)
            steered.need_input({"q": NAME})
            await anyio.sleep(5)
            with pytest.raises(TaskStateError, match="another client of the store holds the task"):
                await again.answer("q", {"value": "Eve"})
            assert not oracle.asked
            await holder.release(task)
            await anyio.sleep(11)
            assert await answered(steered) == [{"action": "accept", "content": {"value": "Ada"}}]
            steered.complete("done")
    assert not steered.cancel_requested
