"""The span of a task that was taken over from a client that had died, on each kind of database."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from unittest.mock import ANY

import anyio
import pytest

from mcptasks import Client
from mcptasks._store.postgres.backend import PostgresBackend
from mcptasks._store.records import new_id
from mcptasks._store.writes import Adopt
from mcptasks.store import Store
from tests.helpers.stores import NOW, alive, do, file_backend
from tests.helpers.support import LIMIT, Era, begin, connected, make_server
from tests.helpers.tracing import Recording, attributes_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["file", "postgres"])
@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("how", ["recover", "resume"])
async def test_the_span_of_a_task_that_was_taken_over(
    tmp_path: Path, request: pytest.FixtureRequest, era: Era, kind: str, how: str
) -> None:
    """The client that reports a task's end says how often the task was taken over in its whole life: here twice, once
    from the first holder and once from the second, both of which died. A client that ended in order does not count."""
    target = str(tmp_path / "tasks.db") if kind == "file" else request.getfixturevalue("dsn")
    server, recording = make_server(era), Recording()
    async with connected(server) as creator:
        task, steered = await begin(creator, server)
    with closing(file_backend(Path(target)) if kind == "file" else PostgresBackend(target)) as backend:
        for name in ("first", "second"):
            adopt = Adopt(
                id=new_id(),
                owner=alive(backend, name, lease=0),
                endpoint=task.reference.endpoint or "",
                task_id=task.task_id,
                at=NOW,
                kind="tool",
                name="work",
            )
            do(backend, adopt)

    async def take_up(client: Client) -> None:
        again = (await client.recover()).tasks[0] if how == "recover" else client.resume(task.reference)
        assert (await again.status()).status == "working"
        if how == "resume":
            async with anyio.create_task_group() as group:
                group.start_soon(again.result)
                steered.complete("done")
        else:
            steered.complete("done")
            await again

    store = Store(target)
    async with connected(server, store=store, limit=2 * LIMIT) as orderly:
        assert len((await orderly.recover()).tasks) == 1
    async with connected(server, store=store, telemetry=recording.telemetry(), limit=2 * LIMIT) as last:
        await take_up(last)
    await store.close()
    told = attributes_of(recording.one("task work"))
    assert told == {
        "gen_ai.tool.name": "work",
        "mcptasks.task.id": task.task_id,
        "mcptasks.task.status": "completed",
        "mcptasks.task.polls": ANY,
        "mcptasks.task.pushes": ANY,
        "mcptasks.task.rounds": 0,
        "mcptasks.task.input_wait_s": 0.0,
        "mcptasks.task.takeovers": 2,
    }
