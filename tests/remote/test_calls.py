"""`arun` and `afollow`: one client for each server and event loop, values, cancellation, heartbeats."""

from __future__ import annotations

import pickle
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

from mcptasks import (
    Client,
    TaskConnectionError,
    TaskError,
    TaskFailedError,
    TaskInputRequiredError,
    TaskNotFoundError,
    TaskReference,
    TaskTimeoutError,
    ToolError,
    ToolResult,
)
from mcptasks._remote import shared
from mcptasks._remote.connect import resolved
from mcptasks._remote.shared import clients
from mcptasks.remote import Beat, Connect, FromEnv, afollow, arun
from mcptasks.testing import Complete, Delay, NeedInput, TaskServer, elicit, serve_http
from tests.helpers.remote_workers import LIMIT
from tests.helpers.support import Era, cancelled_from_within, make_server

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def closed_at_the_end(anyio_backend: object) -> AsyncGenerator[None]:
    """Close the shared clients while the test's event loop runs: asyncio may end without closing its sockets."""
    yield
    await clients().close()


async def started(connect: Connect) -> TaskReference:
    """A task that another program has started."""
    async with Client(connect.target) as client:
        return (await client.call_tool("work", task=True)).reference


async def test_the_value(server: TaskServer, connect: Connect) -> None:
    """`arun` returns the tool's value, and with `whole=True` the `ToolResult`; `as_type` says what the value is."""
    server.add_tool("quick", [Complete({"n": 42})])
    with anyio.fail_after(LIMIT):
        assert await arun(connect, "quick") == {"n": 42}
        assert await arun(connect, "quick", as_type=dict[str, float]) == {"n": 42.0}
        whole = await arun(connect, "quick", whole=True)
    assert type(whole) is ToolResult
    assert whole.data == {"n": 42}


async def test_following(server: TaskServer, connect: Connect) -> None:
    """A worker gets the value of a task that another program has started, by any form of the reference."""
    reference = await started(connect)
    (await server.next_task()).complete("done")
    with anyio.fail_after(LIMIT):
        assert await afollow(connect, reference) == "done"
        assert await afollow(connect, reference.to_json()) == "done"
        assert await afollow(None, reference.to_dict()) == "done"
    assert server.requests.count("tools/call") == 1


async def test_one_client_for_many(server: TaskServer, connect: Connect) -> None:
    """Any number of calls and waits to one server, at the same time and after another, share one connection."""
    values = list[Any]()

    async def one() -> None:
        values.append(await arun(connect, "work"))

    with anyio.fail_after(LIMIT):
        for _ in range(2):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(one)
                for n in range(20):
                    (await server.next_task()).complete(n)
    assert sorted(values) == sorted([*range(20), *range(20)])
    assert len(clients()) == 1
    first = server.requests[0].method
    assert server.requests.count(first) == 1


async def test_one_client_for_each_server(server: TaskServer, connect: Connect) -> None:
    """Another way to a server, such as other headers, is another client."""
    server.add_tool("quick", [Complete(1)])
    with anyio.fail_after(LIMIT):
        await arun(connect, "quick")
        await arun(evolve(connect, headers={"X-Team": "ml"}), "quick")
    assert len(clients()) == 2


async def test_an_idle_client_is_closed(server: TaskServer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that nobody uses is closed after a while, and the next call opens another one."""
    monkeypatch.setattr(shared, "IDLE_SECONDS", 0.01)
    server.add_tool("quick", [Complete(1)])
    with anyio.fail_after(LIMIT):
        for _ in range(2):
            assert await arun(connect, "quick") == 1
            while len(clients()):  # noqa: ASYNC110 - what comes is not announced
                await anyio.sleep(0.001)


async def test_a_used_client_stays(server: TaskServer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that somebody uses stays open, however long that takes."""
    monkeypatch.setattr(shared, "IDLE_SECONDS", 0.001)
    with anyio.fail_after(LIMIT):
        async with clients().using(resolved(connect)) as client, anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(arun, connect, "work")
            for _ in range(3):
                await anyio.sleep(0.01)
                (await server.next_task()).complete(1)
            assert len(clients()) == 1
            assert await client.list_tools()


async def test_a_server_that_is_away(era: Era) -> None:
    """Nobody keeps a client that could not connect, and the next call tries again."""
    connect = Connect("http://127.0.0.1:9/mcp", reconnect_timeout=30.0)
    with anyio.fail_after(LIMIT):
        for _ in range(2):
            with pytest.raises(TaskConnectionError):
                await arun(connect, "work")
    assert not len(clients())


async def test_a_client_that_broke_down(server: TaskServer, connect: Connect) -> None:
    """A shared client that has ended by itself is replaced for the next call."""
    server.add_tool("quick", [Complete(1)])
    with anyio.fail_after(LIMIT):
        async with clients().using(resolved(connect)) as client:
            await client._host.close(clean=True)  # type: ignore[union-attr]
        assert await arun(connect, "quick") == 1
        assert len(clients()) == 1


async def test_nothing_is_sent_for_bad_arguments(server: TaskServer, connect: Connect) -> None:
    """What cannot be right is refused before anything is sent."""
    immediate = TaskReference(task_id="immediate:" + "0" * 32, returned_immediately=True)
    elsewhere = TaskReference(task_id="t", endpoint="https://example.com/mcp")
    calls: list[tuple[type[Exception], str, Any]] = [
        (ValueError, "Connect has none", lambda: arun(connect, "work", key="k")),
        (ValueError, "MCP_GONE", lambda: arun(evolve(connect, auth=FromEnv("MCP_GONE")), "work")),
        (ValueError, "timeout", lambda: arun(connect, "work", timeout=-1)),
        (TypeError, "tool must be a string", lambda: arun(connect, None)),  # type: ignore[arg-type]
        (TypeError, "arguments must be", lambda: arun(connect, "work", "x")),  # type: ignore[arg-type]
        (ValueError, "heartbeat_every", lambda: arun(connect, "work", heartbeat_every=0)),
        (TypeError, "heartbeat must be", lambda: arun(connect, "work", heartbeat=3)),  # type: ignore[arg-type]
        (TypeError, "connect must be", lambda: arun("https://x", "work")),  # type: ignore[arg-type]
        (TypeError, "connect must be", lambda: afollow("https://x", elsewhere)),  # type: ignore[arg-type]
        (ValueError, "the Connect leads to", lambda: afollow(connect, elsewhere)),
        (ValueError, "not a task reference", lambda: afollow(connect, "t")),
        (TaskNotFoundError, "nothing to follow", lambda: afollow(connect, immediate)),
    ]
    for error, words, call in calls:
        with pytest.raises(error, match=words):
            await call()
    assert not server.requests


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("way", ["run", "follow"])
async def test_a_cancelled_wait(server: TaskServer, connect: Connect, way: str, detach: bool) -> None:
    """A cancelled call or wait asks the server to cancel the task, unless it is to be detached."""
    with anyio.fail_after(LIMIT):
        reference = await started(connect) if way == "follow" else None
        async with anyio.create_task_group() as group:
            seen = anyio.Event()

            def beat(_: Beat) -> None:
                seen.set()

            options: dict[str, Any] = {"detach": detach, "heartbeat": beat}
            if reference is None:
                group.start_soon(lambda: arun(connect, "work", **options))
            else:
                group.start_soon(lambda: afollow(connect, reference, **options))
            await seen.wait()
            group.cancel_scope.cancel()
        steered = await server.next_task()
        assert steered.cancel_requested is not detach
        steered.forget()


async def test_a_timeout_leaves_the_work(server: TaskServer, connect: Connect) -> None:
    """A wait that takes too long ends with the reference, and the task goes on."""
    with anyio.fail_after(LIMIT):
        reference = await started(connect)
        async with clients().using(resolved(connect)):  # The connection is there, so that only the wait can be late.
            with pytest.raises(TaskTimeoutError) as caught:
                await afollow(connect, reference, timeout=0.05)
        assert caught.value.reference == reference
        steered = await server.next_task()
        assert not steered.cancel_requested
        steered.complete("late")
        assert await afollow(connect, reference) == "late"


async def test_a_connection_that_takes_too_long(server: TaskServer, connect: Connect) -> None:
    """The time that a connection takes counts."""
    server.faults.add("*", Delay(60), times=None)
    with anyio.fail_after(LIMIT), pytest.raises(TaskTimeoutError, match="no connection within"):
        await arun(connect, "work", timeout=0.05)
    assert not len(clients())


async def test_heartbeats(server: TaskServer, connect: Connect) -> None:
    """A heartbeat comes as soon as there is a task, and then again and again; it pickles, with the reference and what
    the server says."""
    beats = list[Beat]()
    enough = anyio.Event()

    async def beat(told: Beat) -> None:
        beats.append(pickle.loads(pickle.dumps(told)))
        if len(beats) > 1 and told.status is not None and told.status.status_message == "half":
            enough.set()

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:

            @group.start_soon
            async def _() -> None:
                assert await arun(connect, "work", heartbeat=beat, heartbeat_every=0.001) == 1

            steered = await server.next_task()
            steered.set_working("half")
            await enough.wait()
            steered.complete(1)
    assert {each.reference.task_id for each in beats if each.reference} == set(server.tasks)
    assert await afollow(connect, beats[0].reference or "") == 1


@pytest.mark.parametrize("detach", [False, True])
async def test_a_heartbeat_that_raises(server: TaskServer, connect: Connect, detach: bool) -> None:
    """An engine that says by its heartbeat that nobody wants the result any more ends the wait, as a cancellation."""

    def beat(_: Beat) -> None:
        raise LookupError("nobody waits")

    with anyio.fail_after(LIMIT):
        with pytest.raises(LookupError, match="nobody waits"):
            await arun(connect, "work", heartbeat=beat, detach=detach)
        steered = await server.next_task()
        assert steered.cancel_requested is not detach


async def test_what_a_heartbeat_awaits_is_cancelled(server: TaskServer, connect: Connect) -> None:
    """The cancellation of something that a later heartbeat awaits ends the wait as any other error of it."""
    beats = list[Beat]()

    async def beat(each: Beat) -> None:
        beats.append(each)
        if len(beats) > 1:
            await cancelled_from_within()

    with anyio.fail_after(LIMIT):
        with pytest.raises(RuntimeError, match="cancelled from within"):
            await arun(connect, "work", heartbeat=beat, heartbeat_every=0.001)
        assert (await server.next_task()).cancel_requested


async def test_a_call_without_a_task(era: Era) -> None:
    """A call that becomes no task beats too, so that no engine takes the worker for dead; there is no reference."""
    server = make_server(era, tasks=False)
    beats = list[Beat]()
    with serve_http(server) as url, anyio.fail_after(LIMIT):
        connect = Connect(url, reconnect_timeout=30.0)
        async with anyio.create_task_group() as group:

            @group.start_soon
            async def _() -> None:
                assert await arun(connect, "work", heartbeat=beats.append, heartbeat_every=0.001) == 1

            steered = await server.next_call()
            while not beats and era == "legacy":  # noqa: ASYNC110 - what comes is not announced
                await anyio.sleep(0.001)
            steered.complete(1)
    assert all(each.reference is None for each in beats)


async def test_a_key(server: TaskServer, connect: Connect, tmp_path: Path) -> None:
    """With a store a call with the same key is sent once, whoever makes it."""
    connect = evolve(connect, store=str(tmp_path / "tasks.db"))
    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(lambda: arun(connect, "work", {"n": 1}, key="order-42"))
            (await server.next_task()).complete("done")
        assert await arun(connect, "work", {"n": 1}, key="order-42") == "done"
    assert server.requests.count("tools/call") == 1


async def test_errors_travel(server: TaskServer, connect: Connect) -> None:
    """An error of the tool, or of the server, pickles with its attributes, as it comes out of a worker."""
    with anyio.fail_after(LIMIT):
        ends: list[tuple[dict[str, Any], type[TaskError]]] = [
            ({}, ToolError),
            ({"code": -32001, "data": {"why": "x"}}, TaskFailedError),
        ]
        for end, error in ends:
            reference = await started(connect)
            (await server.next_task()).fail("it broke", **end)
            with pytest.raises(error) as caught:
                await afollow(connect, reference)
            there = pickle.loads(pickle.dumps(caught.value))
            assert (type(there), there.message, there.reference) == (error, caught.value.message, reference)
            plain = {name: value for name, value in vars(caught.value).items() if name != "__notes__"}
            assert {name: vars(there)[name] for name in plain} == plain


async def test_a_question(server: TaskServer, connect: Connect) -> None:
    """A worker has nobody to ask: the wait ends with the task's reference and its open requests, and who resumes the
    task may answer."""
    server.add_tool("asking", [NeedInput({"sure": elicit("Really?")}), Complete("deleted")])
    connect = evolve(connect, answers_later=True)
    with anyio.fail_after(LIMIT):
        with pytest.raises(TaskInputRequiredError) as caught:
            await arun(connect, "asking")
        error = pickle.loads(pickle.dumps(caught.value))
        assert error.reference is not None
        async with clients().using(resolved(connect)) as client:
            task = client.resume(error.reference)
            key = next(iter(task.input_requests))
            await task.answer(key, {"value": "yes"})
        assert await afollow(connect, error.reference) == "deleted"
