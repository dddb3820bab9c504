"""Whole clients whose PostgreSQL is restarted, or ends their sessions: no call is lost, and none is sent twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import anyio
import anyio.to_thread
import pytest

from mcptasks import Client, StoreError
from mcptasks.store import Store
from mcptasks.testing import Complete, NeedInput, Options, TaskServer, elicit
from tests.helpers.people import Oracle
from tests.helpers.support import LIMIT, QUICK
from tests.store.postgres import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CLIENTS = 10
EACH = 10
"""Calls that end between two disturbances. Clients call without a pause, so some of them are under way at each."""


def restart(postgres: PostgresServer, signal: str) -> None:
    """Stop the server and start it again."""
    postgres.stop(signal)
    postgres.start()


async def test_ten_clients_survive_restarts() -> None:
    """Ten clients call, answer and get results, while the server of their store is stopped in order, crashes, and ends
    all sessions. Each call is recorded with its end, was sent once, and its question was answered once."""
    server = TaskServer(era="modern", options=Options(poll_interval_ms=20))
    server.add_tool("ask", script=[NeedInput({"q": elicit("Who?")}), Complete("done")])
    done, stop = Counter[int](), anyio.Event()

    async def finish(client: Client, key: str) -> None:
        while True:
            try:
                task = await client.call_tool("ask", {"key": key}, task=True, key=key)
                assert (await task.result()).data == "done"
            except StoreError:  # The store was away for longer than a call waits. With the key, no call is sent twice.
                continue
            return

    async def one(number: int, dsn: str) -> None:
        # Each with a store of its own, as in ten processes.
        store = Store(dsn)
        async with Client(server, store=store, elicitation_handler=Oracle(), polling=QUICK) as client:
            while not stop.is_set():
                await finish(client, f"{number}.{done[number]}")
                done[number] += 1
        await store.close()

    with PostgresServer() as postgres, anyio.fail_after(4 * LIMIT):
        dsn = postgres.database()
        disturbances: list[Callable[[], object]] = [
            partial(restart, postgres, "INT"),
            partial(postgres.terminate, dsn),
            partial(restart, postgres, "QUIT"),
            lambda: None,
        ]
        async with anyio.create_task_group() as group:
            for number in range(CLIENTS):
                group.start_soon(one, number, dsn)
            for disturb in disturbances:
                before = done.total()
                while done.total() < before + EACH:  # noqa: ASYNC110 - the clients know of no event
                    await anyio.sleep(0.01)
                await anyio.to_thread.run_sync(disturb)
            stop.set()
        store = Store(dsn)
        records = await store.tasks(limit=10_000)
        await store.close()
    calls = Counter(request.params["arguments"]["key"] for request in server.requests if request.method == "tools/call")
    assert {record.key: record.phase for record in records} == dict.fromkeys(calls, "over")
    assert set(calls.values()) == {1}
    assert {record.task_id for record in records} == set(server.tasks)
    assert all(len(task.answers) == 1 for task in server.tasks.values())
    assert len(calls) == done.total()
