"""A store that cannot be written: nothing is sent that it does not know, and what goes on goes on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from mcptasks import StoreError
from mcptasks._async.store import access_of
from mcptasks._store.writes import Created, Intend, Write
from mcptasks.store import Store
from mcptasks.testing import TaskServer
from tests.helpers.stores import Outage
from tests.helpers.support import LIMIT, Era, begin, call_tool, connected, make_server, virtual_clock
from tests.helpers.worlds import both_worlds, make_client

pytestmark = [pytest.mark.anyio, both_worlds]


@pytest.mark.parametrize("task", [True, False], ids=["task", "plain"])
async def test_nothing_is_sent(server: TaskServer, store: Store, task: bool) -> None:
    """A call that cannot be written down is not sent; later calls are, when the store is back."""
    async with connected(server, store=store) as client:
        outage = Outage(store)
        with pytest.raises(StoreError, match="the database is down"):
            await call_tool(client, "work", task=task)
        assert server.requests.count("tools/call") == 0
        outage.over()
        await begin(client, server)


async def test_waiting_goes_on(server: TaskServer, store: Store) -> None:
    """A task that is under way is watched, and its result handed out, whatever becomes of the store."""
    async with connected(server, store=store) as client:
        task, steered = await begin(client, server)
        outage = Outage(store)
        steered.set_working("halfway")
        assert (await task.status()).status_message == "halfway"
        steered.complete("done")
        assert (await task).data == "done"
        outage.over()


async def test_the_store_is_away_at_the_opening(server: TaskServer, store: Store) -> None:
    """A client whose store cannot be written does not open."""
    outage = Outage(store)
    with anyio.fail_after(LIMIT):
        with pytest.raises(StoreError, match="the database is down"):
            async with make_client(server, store=store):
                pytest.fail("the client is open")
    outage.over()
    assert len(server.requests) == 0


@virtual_clock()
async def test_a_task_is_handed_out_and_recorded_later(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    """A store that goes away between the sending and the answer costs nobody a task: the caller gets the handle, and
    the id is written when the store is back."""
    server, store = make_server(era), Store.memory()
    async with connected(server, limit=3600, store=store) as client:
        outage = Outage(store, Created)
        task, _ = await begin(client, server, key="k")
        (record,) = await store.tasks()
        assert record.phase == "intended"
        assert "is not in the store yet: the database is down" in caplog.text
        outage.over()
        await anyio.sleep(2)
        assert (await store.get("k")).task_id == task.task_id
    assert caplog.records[0].levelno == logging.WARNING


@virtual_clock()
async def test_a_write_that_may_have_been_carried_out(era: Era) -> None:
    """If nobody knows whether the intent was written, the call is not sent, and holds nobody up."""
    server, store = make_server(era), Store.memory()
    backend: Any = access_of(store).backend
    apply = backend.apply

    def broken(writes: Sequence[Write[Any]]) -> list[Any]:
        apply(writes)
        if any(isinstance(write, Intend) for write in writes):
            backend.apply = apply
            raise StoreError("the connection broke", unknown=True)
        return []

    async with connected(server, limit=3600, store=store) as client:
        backend.apply = broken
        with pytest.raises(StoreError, match="the connection broke"):
            await client.call_tool("work", task=True, key="k")
        await anyio.sleep(1)
        assert (await store.get("k")).phase == "refused"
        await begin(client, server, key="k")
    assert server.requests.count("tools/call") == 1
