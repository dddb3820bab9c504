"""`key=`: a call is sent once, however often it is made."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from mcptasks import (
    StoreError,
    TaskConnectionError,
    TaskFailedError,
    TaskKeyError,
    TaskTimeoutError,
    TaskUncertainError,
    ToolError,
)
from mcptasks.store import Store
from mcptasks.testing import Complete, Delay, Disconnect, Drop, RpcError, TaskServer, ToolFailure
from tests.helpers.support import Era, begin, call_tool, connected, http, make_server, virtual_clock
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, both_worlds]


async def test_the_same_client_gets_the_same_task(server: TaskServer, store: Store) -> None:
    """A second call with the key gives the handle that there is, and nothing is sent."""
    async with connected(server, store=store) as client:
        task, steered = await begin(client, server, key="order-42", arguments={"n": 1})
        again = await client.call_tool("work", {"n": 1}, task=True, key="order-42")
        assert again is task
        steered.complete("done")
        assert (await client.call_tool("work", {"n": 1}, key="order-42")).data == "done"
    assert server.requests.count("tools/call") == 1


async def test_another_client_gets_the_task(server: TaskServer, store: Store) -> None:
    """A program that was started again gets its task, and the result in the form that it asks for now."""
    async with connected(server, store=store) as client:
        task, steered = await begin(client, server, key="order-42")
    async with connected(server, store=store) as client:
        again = await client.call_tool("work", task=True, key="order-42", as_type=str)
        assert again.reference == task.reference
        steered.complete("done")
        assert (await again).data == "done"
    assert server.requests.count("tools/call") == 1


async def test_a_plain_call_with_a_key_cancels_no_task_of_others(server: TaskServer, store: Store) -> None:
    """Who waits for a task that was there before leaves it to the others when cancelled."""
    async with connected(server, store=store) as client:
        task, steered = await begin(client, server, key="k")
        with anyio.move_on_after(0.05) as scope:
            await client.call_tool("work", key="k")
        assert scope.cancelled_caught
        assert not steered.cancel_requested
        steered.complete("done")
        assert (await task).data == "done"


@pytest.mark.parametrize("other", [{"name": "other"}, {"arguments": {"n": 2}}], ids=["tool", "arguments"])
async def test_another_call_with_the_key(server: TaskServer, store: Store, other: dict[str, Any]) -> None:
    """A key belongs to one tool and one set of arguments."""
    server.add_tool("other")
    call: dict[str, Any] = {"name": "work", "arguments": {"n": 1}, "task": True, "key": "order-42"}
    async with connected(server, store=store) as client:
        task, _ = await begin(client, server, key="order-42", arguments={"n": 1})
        with pytest.raises(TaskKeyError, match=r"belongs to a call of .*; nothing was sent") as caught:
            await call_tool(client, **{**call, **other})
    assert (caught.value.key, caught.value.reference) == ("order-42", task.reference)
    assert server.requests.count("tools/call") == 1


async def test_an_answer_that_was_kept(era: Era, store: Store) -> None:
    """What was answered at once is answered from the store, with nothing sent, as a value and as a handle."""
    server = make_server(era, tasks=False)
    server.add_tool("quick", [Complete({"n": 42})])
    for task in (False, True):
        async with connected(server, store=store) as client:
            first = await client.call_tool("quick", key="k")
            again: Any = await call_tool(client, "quick", task=task, key="k")
            assert (await again if task else again) == first
    assert server.requests.count("tools/call") == 1


async def test_an_answer_that_was_not_kept(era: Era) -> None:
    """A store that keeps no results says so, and what to do; nothing is sent a second time."""
    server, store = make_server(era, tasks=False), Store.memory()
    server.add_tool("quick", [Complete("done")])
    async with connected(server, store=store) as client:
        await client.call_tool("quick", key="k")
        with pytest.raises(StoreError, match=r"nothing was sent. Give Keep\(results=True\)"):
            await client.call_tool("quick", key="k")
    assert server.requests.count("tools/call") == 1


async def test_a_failure_that_was_not_kept(era: Era) -> None:
    """A tool's error is the same error for the second call, also where results are not kept."""
    server, store = make_server(era, tasks=False), Store.memory()
    server.add_tool("fail", [ToolFailure("no paper")])
    async with connected(server, store=store) as client:
        for _ in range(2):
            with pytest.raises(ToolError, match="no paper"):
                await client.call_tool("fail", key="k")
    assert server.requests.count("tools/call") == 1


async def test_a_call_that_was_refused_is_sent_again(server: TaskServer, store: Store) -> None:
    """A key is free for the same call again if the server has refused it."""
    server.faults.add("tools/call", RpcError(-32000, "busy"))
    async with connected(server, store=store) as client:
        with pytest.raises(TaskFailedError, match="busy"):
            await client.call_tool("work", task=True, key="k")
        task, _ = await begin(client, server, key="k")
        (record,) = await store.tasks()
        assert (record.phase, record.task_id, record.error) == ("created", task.task_id, None)


@pytest.mark.parametrize("resend", [False, True])
async def test_an_uncertain_call(server: TaskServer, store: Store, resend: bool) -> None:
    """A call that may have been carried out is not sent again, unless the program says so."""
    with http(server) as url:
        async with connected(url, store=store) as client:
            server.faults.add("tools/call", Disconnect())
            with pytest.raises(TaskConnectionError):
                await client.call_tool("work", task=True, key="k")
            with pytest.raises(TaskUncertainError, match="nothing was sent now") as caught:
                await client.call_tool("work", task=True, key="k")
            (record,) = await store.tasks()
            assert (caught.value.key, caught.value.record_id) == ("k", record.id)
            assert server.requests.count("tools/call") == 1
            if resend:
                await begin(client, server, key="k", on_uncertain="send")
                assert (await store.get("k")).phase == "created"


async def test_a_refusal_does_not_settle_what_came_before(server: TaskServer, store: Store) -> None:
    """A call that was uncertain stays so if the server refuses the second sending: the first may have been carried
    out."""
    with http(server) as url:
        async with connected(url, store=store) as client:
            server.faults.add("tools/call", Disconnect())
            with pytest.raises(TaskConnectionError):
                await client.call_tool("work", task=True, key="k")
            server.faults.add("tools/call", RpcError(-32000, "busy"))
            with pytest.raises(TaskFailedError, match="busy"):
                await client.call_tool("work", task=True, key="k", on_uncertain="send")
            assert (await store.get("k")).phase == "uncertain"


async def test_a_settled_call(server: TaskServer, store: Store) -> None:
    """What a person has found out about an uncertain call is what the next call with the key gets."""
    with http(server) as url:
        async with connected(url, store=store) as client:
            lost, _ = await begin(client, server)
            server.faults.add("tools/call", Disconnect())
            with pytest.raises(TaskConnectionError):
                await client.call_tool("work", task=True, key="k")
            await store.forget(lost.task_id)
            await store.settle("k", lost.reference)
            again = await client.call_tool("work", task=True, key="k")
            assert again.task_id == lost.task_id


async def test_two_at_the_same_moment(server: TaskServer, store: Store) -> None:
    """Of two clients that make the call at the same moment one sends it, and both get the task."""
    server.faults.add("tools/call", Delay(0.1), after=True)
    found: list[str] = []

    async def call(client: Any) -> None:
        found.append((await client.call_tool("work", task=True, key="k")).task_id)

    async with (
        connected(server, store=store) as one,
        connected(server, store=store) as other,
        anyio.create_task_group() as group,
    ):
        for client in (one, other, one):
            group.start_soon(call, client)
    assert len(found) == 3
    assert len(set(found)) == 1
    assert server.requests.count("tools/call") == 1


@virtual_clock()
async def test_the_wait_for_another_client_is_bounded(era: Era) -> None:
    """A call that waits for another one with the same key gives up after its `timeout`."""
    server, store = make_server(era), Store.memory()
    async with connected(server, limit=3600, store=store) as one, connected(server, limit=3600, store=store) as other:
        server.faults.add("tools/call", Drop())
        async with anyio.create_task_group() as group:
            group.start_soon(partial(call_tool, one, "work", task=True, key="k"))
            await server.requests.wait_for("tools/call")
            begun = anyio.current_time()
            with pytest.raises(TaskTimeoutError, match="no answer within 20"):
                await other.call_tool("work", task=True, key="k", timeout=20)
            assert anyio.current_time() - begun == pytest.approx(20)
            group.cancel_scope.cancel()
    assert server.requests.count("tools/call") == 1


async def test_a_key_is_free_while_no_call_was_sent(server: TaskServer, store: Store) -> None:
    """A caller that is cancelled before its call was sent holds nobody up who makes the call later."""
    async with connected(server, store=store) as client:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await client.call_tool("work", task=True, key="k")
        await begin(client, server, key="k")
    assert server.requests.count("tools/call") == 1


@pytest.mark.parametrize("option", [{"key": "k"}, {"labels": {"a": "b"}}], ids=["key", "labels"])
async def test_without_a_store(server: TaskServer, option: dict[str, Any]) -> None:
    """A client without a store refuses what it cannot keep, before anything is sent."""
    async with connected(server) as client:
        with pytest.raises(ValueError, match="is kept in a store, and this client has none: give store="):
            await call_tool(client, "work", **option)
    assert server.requests.count("tools/call") == 0


@pytest.mark.parametrize(
    ("option", "kind", "words"),
    [
        ({"key": 5}, TypeError, "key must be a string, not int"),
        ({"key": ""}, ValueError, "key must not be empty"),
        ({"labels": ["a"]}, TypeError, "labels must be a mapping of strings to strings or None, not list"),
        ({"labels": {"a": 1}}, TypeError, r'labels\["a"\] must be a string, not int'),
        ({"labels": {1: "a"}}, TypeError, "the name of a label must be a string, not int"),
        ({"on_uncertain": "skip"}, ValueError, 'on_uncertain must be "raise" or "send"; got \'skip\''),
        ({"meta": {"mcptasks.dev/idempotency-key": "x"}}, ValueError, "written by the client itself; leave it out"),
    ],
)
async def test_bad_input(
    server: TaskServer, store: Store, option: dict[str, Any], kind: type[Exception], words: str
) -> None:
    """What cannot be right is refused, and named, before anything is written or sent."""
    async with connected(server, store=store) as client:
        with pytest.raises(kind, match=words):
            await call_tool(client, "work", **option)
        assert await store.tasks() == []
    assert server.requests.count("tools/call") == 0
