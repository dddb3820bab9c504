"""What a store knows of a call: before it is sent, when the server has answered, and when it never does."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import mcptasks.sync
from mcptasks import TaskConnectionError, TaskFailedError, TaskTimeoutError, ToolError
from mcptasks._async.store import access_of
from mcptasks._store.sqlite.backend import FileBackend
from mcptasks._store.writes import Created, Immediate, Intend, Write
from mcptasks.store import Phase, Store, TaskRecord
from mcptasks.testing import Complete, Delay, Disconnect, Drop, HttpStatus, RpcError, TaskServer, ToolFailure
from tests.helpers.backends import ASYNCIO
from tests.helpers.bridge import checkpoints
from tests.helpers.support import (
    LIMIT,
    Era,
    begin,
    call_tool,
    connected,
    http,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]

ERA: Mapping[Era, str] = {"legacy": "2025-11-25", "modern": "2026-07-28"}
each_task = pytest.mark.parametrize("task", [True, False], ids=["task", "plain"])


async def only(store: Store) -> TaskRecord:
    """The one record of a store."""
    (record,) = await store.tasks()
    return record


def contents(folder: Path) -> list[bytes]:
    """Every byte of the files in a folder."""
    return [each.read_bytes() for each in folder.iterdir()]


async def phase_of(store: Store, phase: Phase) -> TaskRecord:
    """The one record of a store, as soon as it is in a phase."""
    while not (found := await store.tasks(phase=phase)):  # noqa: ASYNC110 - a store may be another process's
        await anyio.sleep(0.01)
    (record,) = found
    return record


# ---- in which order ----


@each_task
async def test_the_record_is_there_before_the_call_arrives(era: Era, task: bool, tmp_path: Path) -> None:
    """When the server gets the call, its record lies in the file: whatever happens from here on, the call is known."""
    path, found = tmp_path / "tasks.db", list[tuple[str, ...]]()
    server = make_server(era, tasks=task)

    @server.tool()
    async def look(context: Any) -> str:
        del context
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=LIMIT)) as connection:
            found.extend(connection.execute("SELECT phase, name, key FROM task"))
        return "seen"

    with http(server) as url:
        async with connected(url, store=path) as client:
            answer = await call_tool(client, "look", task=task, key="order-42")
            assert (await answer if task else answer).data == "seen"
    assert found[0][1:] == ("look", "order-42")
    # A task may have its id before the work begins.
    assert found[0][0] in (("intended", "created") if task else ("intended",))


async def test_a_task_is_recorded_before_its_handle_is_returned(server: TaskServer, era: Era, store: Store) -> None:
    """Who holds a handle may be killed: the store has the task's id, and all that `Client.resume` needs."""
    async with connected(server, store=store) as client:
        task, _ = await begin(client, server, arguments={"n": 1}, label="mine", labels={"job": "nightly"}, key="k")
        record = await only(store)
        assert record.phase == "created"
        assert record.reference == task.reference
        assert (record.era, record.kind, record.name) == (ERA[era], "tool", "work")
        assert (record.label, record.labels, record.key) == ("mine", {"job": "nightly"}, "k")
        assert record.owner is not None


@async_only("one event loop")
async def test_a_task_belongs_to_its_client(server: TaskServer, store: Store) -> None:
    """A client holds its tasks for as long as it is open."""
    async with connected(server, store=store) as client:
        await begin(client, server)
        assert not (await only(store)).is_free
    assert (await only(store)).is_free
    async with connected(server, store=store) as client:
        await begin(client, server, key="k")
    async with connected(server, store=store) as client:
        await client.call_tool("work", task=True, key="k")
        assert not (await store.get("k")).is_free


async def test_resources_and_prompts_are_recorded(era: Era, store: Store) -> None:
    """Every kind of creating call is recorded."""
    server = make_server(era)
    server.add_resource("file:///x", result="text")
    server.add_prompt("ask", result="question")
    async with connected(server, store=store) as client:
        await client.read_resource("file:///x", labels={"n": "1"})
        await client.get_prompt("ask", key="p")
    records = {record.kind: record for record in await store.tasks()}
    assert {kind: record.name for kind, record in records.items()} == {"resource": "file:///x", "prompt": "ask"}
    assert {record.phase for record in records.values()} == {"immediate"}
    assert records["resource"].labels == {"n": "1"}
    assert records["prompt"].key == "p"


async def test_the_server_gets_the_key(server: TaskServer, store: Store) -> None:
    """A server that wants to can tell a call that is sent again."""
    async with connected(server, store=store) as client:
        await begin(client, server, key="order-42")
        await begin(client, server)
    first, second = server.requests.of("tools/call")
    assert first.params["_meta"]["mcptasks.dev/idempotency-key"] == "order-42"
    assert "mcptasks.dev/idempotency-key" not in second.params.get("_meta", {})


# ---- what it came to ----


@each_task
async def test_answered_at_once(era: Era, store: Store, task: bool) -> None:
    """A server without tasks answers at once: the answer is known, and kept as `Keep` says."""
    server = make_server(era, tasks=False)
    server.add_tool("quick", [Complete("done")])
    async with connected(server, store=store) as client:
        answer = await call_tool(client, "quick", task=task)
        assert (await answer if task else answer).data == "done"
    record = await only(store)
    assert (record.phase, record.status, record.has_result, record.error) == ("immediate", "completed", True, None)
    assert (await store.result(record.id)).data == "done"


async def test_results_are_not_kept_by_default(era: Era, tmp_path: Path) -> None:
    """Without `Keep(results=True)` no result is in the store."""
    server = make_server(era, tasks=False)
    server.add_tool("secret", [Complete("sentinel-6d1f")])
    path = tmp_path / "tasks.db"
    async with connected(server, store=path) as client:
        await client.call_tool("secret", {"argument": "sentinel-6d1f"})
    assert not (await only(Store(path))).has_result
    assert not any(b"sentinel-6d1f" in content for content in contents(tmp_path))


async def test_a_tool_that_fails_at_once(era: Era, store: Store) -> None:
    """An answer that reports an error is a call that was answered, and failed."""
    server = make_server(era, tasks=False)
    server.add_tool("fail", [ToolFailure("no paper")])
    async with connected(server, store=store) as client:
        with pytest.raises(ToolError, match="no paper"):
            await client.call_tool("fail")
    record = await only(store)
    assert (record.phase, record.status, record.error) == ("immediate", "failed", "no paper")


@each_task
async def test_refused(server: TaskServer, store: Store, task: bool) -> None:
    """A server that answers with an error has refused the call."""
    server.faults.add("tools/call", RpcError(-32000, "not today"))
    async with connected(server, store=store) as client:
        with pytest.raises(TaskFailedError, match="not today"):
            await call_tool(client, "work", task=task)
        record = await only(store)
        assert (record.phase, record.error) == ("refused", "not today")


@each_task
async def test_uncertain(server: TaskServer, store: Store, task: bool) -> None:
    """A connection that breaks after the call was sent leaves the call uncertain."""
    with http(server) as url:
        async with connected(url, store=store) as client:
            server.faults.add("tools/call", Disconnect())
            with pytest.raises(TaskConnectionError, match="may or may not have reached"):
                await call_tool(client, "work", task=task)
            record = await only(store)
            assert record.phase == "uncertain"
            assert "may or may not have reached" in str(record.error)


async def test_a_call_that_is_turned_away(server: TaskServer, store: Store) -> None:
    """A call that certainly was not carried out has had no effect: here, one that is sent on to a foreign origin."""
    with http(server) as url:
        async with connected(url, store=store) as client:
            server.faults.add("tools/call", HttpStatus(307, headers={"location": "http://elsewhere.example/mcp"}))
            with pytest.raises(TaskConnectionError, match="the server refused the request before the work began"):
                await client.call_tool("work")
            assert (await only(store)).phase == "refused"


@virtual_clock()
async def test_no_answer_in_time(era: Era) -> None:
    """A call that got no answer within the client's timeout is uncertain."""
    server, store = make_server(era), Store.memory()
    async with connected(server, limit=3600, timeout=30, store=store) as client:
        server.faults.add("tools/call", Drop())
        with pytest.raises(TaskTimeoutError, match="within 30"):
            await client.call_tool("work", task=True)
        assert (await only(store)).phase == "uncertain"


@virtual_clock()
async def test_answers_at_about_the_same_time_share_transactions(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that are answered within some milliseconds of each other are recorded together, since a transaction costs
    the processor as much as many records. A lone call waits for nobody: each of its records is a transaction."""
    server, store = make_server(era, tasks=False), Store.memory()
    backend, sizes = access_of(store).backend, list[int]()
    apply = backend.apply

    def counted(writes: Sequence[Write[Any]]) -> list[Any]:
        sizes.append(sum(isinstance(write, Intend | Immediate) for write in writes))
        return apply(writes)

    monkeypatch.setattr(backend, "apply", counted)

    @server.tool()
    async def wait(context: Any, seconds: float) -> str:
        del context
        await anyio.sleep(seconds)
        return "waited"

    async with connected(server, limit=3600, store=store) as client:
        begun = anyio.current_time()
        await client.call_tool("wait", {"seconds": 0.0})
        assert anyio.current_time() == begun
        assert [size for size in sizes if size] == [1, 1]
        sizes.clear()
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(client.call_tool, "wait", {"seconds": 0.1 + number / 1000})
    assert sum(sizes) == 40
    # One by one they would be 21 transactions: the intents, and each of the answers, which come a millisecond apart.
    assert len([size for size in sizes if size]) <= 10


# ---- whose caller is gone ----


async def test_a_cancelled_caller_loses_no_task(server: TaskServer, store: Store) -> None:
    """The caller is cancelled before the id has come: the call goes on, and the task is recorded and listed."""
    server.faults.add("tools/call", Delay(0.1), after=True)
    async with connected(server, store=store) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(call_tool, client, "work", task=True, key="k"))
            await server.requests.wait_for("tools/call")
            group.cancel_scope.cancel()
        steered = await server.next_task()
        record = await phase_of(store, "created")
        assert record.task_id == steered.task_id
        while [task.task_id for task in await client.list_tasks()] != [steered.task_id]:
            await checkpoints()  # It is listed as soon as it is recorded.
        again = await client.call_tool("work", task=True, key="k")
        assert again.task_id == steered.task_id
    assert server.requests.count("notifications/cancelled") == 0


@virtual_clock()
async def test_a_caller_that_gives_up_loses_no_task(era: Era) -> None:
    """With `timeout=` it is the same: the error comes in time, and the task is recorded when its id comes."""
    server, store = make_server(era), Store.memory()
    async with connected(server, limit=3600, store=store) as client:
        server.faults.add("tools/call", Delay(60), after=True)
        with pytest.raises(TaskTimeoutError, match="no answer within 5"):
            await client.call_tool("work", task=True, timeout=5)
        assert (await only(store)).phase == "intended"
        await anyio.sleep(60)
        assert (await only(store)).phase == "created"


@virtual_clock()
async def test_an_exchange_ends_with_its_client(era: Era) -> None:
    """A call that nobody waits for ends with the client at the latest, and is uncertain then."""
    server, store = make_server(era), Store.memory()
    async with connected(server, limit=3600, store=store) as client:
        server.faults.add("tools/call", Drop())
        with pytest.raises(TaskTimeoutError):
            await client.call_tool("work", task=True, timeout=5)
    record = await only(store)
    assert (record.phase, record.is_free) == ("uncertain", True)


@virtual_clock()
async def test_a_map_that_ends_leaves_no_call_under_way(era: Era) -> None:
    """What a map has under way and nobody is to get is cancelled, as without a store."""
    server, store = make_server(era), Store.memory()
    async with connected(server, limit=3600, store=store) as client:
        server.faults.add("tools/call", Drop())
        results = client.map("work", [{}])
        with anyio.move_on_after(5):
            await anext(results)
        await results.aclose()
    record = await only(store)
    assert record.phase == "uncertain"
    assert record.cancel_asked_at is not None


async def test_a_cancelled_plain_call_is_known_to_be_cancelled(era: Era, store: Store) -> None:
    """A plain call that is cancelled asks the server to cancel, and the store knows both."""
    server = make_server(era, tasks=False)
    server.add_tool("slow", [Complete("late", after=3600)])
    async with connected(server, store=store) as client:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "slow")
                await server.requests.wait_for("tools/call")
                scope.cancel()
        await server.requests.wait_for("notifications/cancelled")
        await settle()
    record = await only(store)
    assert record.phase == "uncertain"
    assert record.cancel_asked_at is not None
    assert "cancelled before the server answered" in str(record.error)


@pytest.mark.parametrize("anyio_backend", [pytest.param(ASYNCIO, id="asyncio")])
@modern_only
@async_only("one event loop")
async def test_a_plain_call_that_asyncio_cancels_while_its_id_is_written(server: TaskServer) -> None:
    """asyncio's own cancellation passes through shields: the id is written all the same, and the task cancelled."""
    store = Store.memory()
    async with connected(server, store=store) as client:
        loose: Any = client
        call = asyncio.create_task(loose.call_tool("work"))
        writer = loose._engine().core.journal._session._writer
        add = writer._add

        def add_and_cancel(entry: Any, due: float) -> Any:
            batch = add(entry, due)
            if isinstance(entry.write, Created):
                call.cancel()
            return batch

        writer._add = add_and_cancel
        with pytest.raises(asyncio.CancelledError):
            await call
        steered = await server.next_task()
        assert steered.cancel_requested
        assert (await only(store)).task_id == steered.task_id


# ---- the store itself ----


async def test_a_store_made_of_a_path_ends_with_its_client(
    server: TaskServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that was given a path closes the database at its end; a store that the program made stays open."""
    closed = list[str]()
    close = FileBackend.close

    def noted(backend: FileBackend) -> None:
        closed.append(Path(backend.place).name)
        close(backend)

    monkeypatch.setattr(FileBackend, "close", noted)
    async with connected(server, store=tmp_path / "path.db"), connected(server, store=Store(tmp_path / "store.db")):
        assert closed == []
    assert closed == ["path.db"]


async def test_a_blocking_store(server: TaskServer, tmp_path: Path) -> None:
    """Each client takes the stores of both worlds."""
    blocking = mcptasks.sync.Store(tmp_path / "tasks.db")
    async with connected(server, store=blocking) as client:
        task, _ = await begin(client, server)
    assert (await only(Store(tmp_path / "tasks.db"))).task_id == task.task_id
