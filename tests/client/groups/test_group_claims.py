"""`Group.claims` and `release`: tasks of a store that become free, at several servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from mcptasks.store import Store
from mcptasks.testing import Drop, serve_http
from tests.helpers.grouping import free_port, grouped, make, named_server
from tests.helpers.pushing import until
from tests.helpers.support import LIMIT, Era, Signal, legacy_only, settle, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


@pytest.fixture
def store() -> Store:
    """A store in memory."""
    return Store.memory()


async def left(servers: Any, store: Store, count: int = 1) -> list[str]:
    """The ids of tasks that an earlier group has left: one at each server, and so again."""
    async with grouped(servers, store=store) as group:
        return [(await group.call_tool(f"{name}_work", task=True)).task_id for _ in range(count) for name in servers]


async def test_tasks_of_all_servers(era: Era, store: Store) -> None:
    """Tasks come from every server, each once, and their results come from their server."""
    servers = {name: named_server(era, name) for name in "ab"}
    ids = await left(servers, store, 3)
    async with grouped(servers, store=store) as group:
        claims = group.claims()
        taken = [await anext(claims) for _ in ids]
        assert sorted(task.task_id for task in taken) == sorted(ids)
        for name, server in servers.items():
            for task in server.tasks.values():
                task.complete(name)
        assert sorted([(await task.result()).data for task in taken]) == [*"aaa", *"bbb"]


async def test_a_limit_counts_for_all_servers(era: Era, store: Store) -> None:
    """At the limit nothing is handed out, until a task is over at whichever server, or was given back."""
    servers = {name: named_server(era, name) for name in "ab"}
    await left(servers, store, 2)
    async with grouped(servers, store=store) as group:
        claims = group.claims(limit=2)
        one, two = await anext(claims), await anext(claims)
        with anyio.move_on_after(0.05) as scope:
            await anext(claims)
        assert scope.cancelled_caught
        tasks = {task.task_id: task for server in servers.values() for task in server.tasks.values()}
        tasks[one.task_id].complete("done")
        await one.result()
        three = await anext(claims)
        await group.release(two)
        four = await anext(claims)
        assert three.task_id not in (one.task_id, two.task_id)
        assert four.task_id not in (one.task_id, three.task_id)


async def test_a_cancelled_step_loses_no_task(era: Era, store: Store) -> None:
    """Whenever a step is cancelled, the tasks come in later steps."""
    servers = {name: named_server(era, name) for name in "ab"}
    ids = await left(servers, store, 2)
    async with grouped(servers, store=store) as group:
        claims, taken = group.claims(), set[str]()
        with anyio.CancelScope() as scope:
            scope.cancel()
            taken.add((await anext(claims)).task_id)
        while len(taken) < len(ids):
            taken.add((await anext(claims)).task_id)
        assert taken == set(ids)


async def test_the_iteration_ends_with_the_group(era: Era, store: Store) -> None:
    """Who waits for the next task, or for room, when the group is closed gets the end of the iteration."""
    servers = {name: named_server(era, name) for name in "ab"}
    taken, ended = [Signal(), Signal()], [Signal(), Signal()]
    await left(servers, store)
    async with anyio.create_task_group() as tasks:
        async with grouped(servers, store=store) as group:

            async def wait(number: int, limit: int | None) -> None:
                async for _ in group.claims(limit=limit):
                    taken[number].set()
                ended[number].set()

            tasks.start_soon(wait, 0, 1)
            await taken[0].wait()
            tasks.start_soon(wait, 1, None)
            await taken[1].wait()
            await settle()
        with anyio.fail_after(LIMIT):
            for each in ended:
                await each.wait()


async def test_a_server_that_is_down(era: Era, store: Store) -> None:
    """The tasks of the servers that are up come; those of a server that is down stay for whoever reaches it."""
    a, b = named_server(era, "a"), named_server(era, "b")
    with free_port() as port:
        servers = {"a": a, "b": f"http://127.0.0.1:{port}/mcp"}
        with serve_http(b, port=port):
            ids = await left(servers, store)
        async with grouped(servers, store=store) as group:
            claims = group.claims()
            assert (await anext(claims)).task_id == ids[0]
            assert list(group.down) == ["b"]
            with serve_http(b, port=port):
                await group.list_tools()  # Opens the server; otherwise the iteration does, in a while.
                assert (await anext(claims)).task_id == ids[1]


@legacy_only
@virtual_clock()
async def test_a_server_that_comes_up(era: Era, store: Store) -> None:
    """An iteration that waits tries a server that is down again, and hands out its tasks as soon as it is up."""
    servers = {name: named_server(era, name) for name in ("up", "late")}
    ids = await left(servers, store)
    late = servers["late"]
    late.faults.add("initialize", Drop(), times=None)
    with anyio.fail_after(3600):
        async with make(servers, store=store, mode="legacy", open_timeout=3.0) as group:
            claims = group.claims()
            assert (await anext(claims)).task_id == ids[0]
            begun = anyio.current_time()
            async with anyio.create_task_group() as tasks:

                async def come() -> None:
                    await anyio.sleep(60)
                    late.faults.clear()

                tasks.start_soon(come)
                assert (await anext(claims)).task_id == ids[1]
            assert 60 <= anyio.current_time() - begun < 70
            assert not group.down


async def test_tasks_are_given_back(era: Era, store: Store) -> None:
    """A task that was released comes to another group that waits for one."""
    servers = {name: named_server(era, name) for name in "ab"}
    async with grouped(servers, store=store) as one, grouped(servers, store=store) as other:
        task = await one.call_tool("b_work", task=True)
        claims = other.claims()
        async with anyio.create_task_group() as tasks:

            async def release() -> None:
                await settle()
                await one.release(task)

            tasks.start_soon(release)
            assert (await anext(claims)).task_id == task.task_id
        with pytest.raises(ValueError, match=f"the task '{task.task_id}' is not from this group"):
            await other.release(task)


async def test_bad_input(era: Era, store: Store) -> None:
    """What cannot be right is said at once, and so is a group without a store."""
    server = named_server(era, "a")
    nothing: Any = None
    async with grouped({"a": server}, store=store) as group:
        with pytest.raises(ValueError, match="limit"):
            group.claims(limit=0)
        with pytest.raises(TypeError, match="labels"):
            group.claims(labels={"a": nothing})
        with pytest.raises(TypeError, match=r"release\(\) takes a task, not NoneType"):
            await group.release(nothing)
    async with grouped({"a": server}) as group:
        task = await group.call_tool("a_work", task=True)
        with pytest.raises(ValueError, match=r"claims\(\) .* give store= to the client"):
            group.claims()
        with pytest.raises(ValueError, match=r"release\(\) .* give store= to the client"):
            await group.release(task)


async def test_several_readers_of_one_iteration(era: Era, tmp_path: Path) -> None:
    """Readers that share an iteration get all tasks, each once, and together no more than the limit."""
    servers = {name: named_server(era, name) for name in "ab"}
    # A store in memory answers without a pause, so no reader would come between two steps of another one.
    store = Store(tmp_path / "tasks.db")
    ids = await left(servers, store, 4)
    async with grouped(servers, store=store) as group:
        claims, taken = group.claims(limit=6), list[Any]()

        async def read() -> None:
            async for task in claims:
                taken.append(task)

        async with anyio.create_task_group() as readers:
            for _ in range(3):
                readers.start_soon(read)
            with anyio.fail_after(LIMIT):
                await until(lambda: len(taken) >= 6)
            await settle()
            assert len(taken) == 6
            for server in servers.values():
                for task in server.tasks.values():
                    task.complete("done")
            for each in taken[:2]:
                await each.result()
            with anyio.fail_after(LIMIT):
                await until(lambda: len(taken) == len(ids))
            await claims.aclose()
            readers.cancel_scope.cancel()
    assert sorted(task.task_id for task in taken) == sorted(ids)
