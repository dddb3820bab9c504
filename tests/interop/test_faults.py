"""A network that fails in front of real servers: what waits goes on and gets its result, and nothing is done twice."""

from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import pytest

from mcptasks import Client, Task, TaskConnectionError, TaskError, ToolResult
from tests.interop.fault_answers import KINDS, Kind
from tests.interop.fault_proxy import FaultProxy
from tests.interop.targets import LONG, new_key

pytestmark = pytest.mark.anyio

READS = [(3, "tasks/get"), (3, "tasks/result"), (4, "tasks/get")]
"""The requests that read a task's state or result, by generation."""

both_eras = pytest.mark.parametrize("generation", [3, 4], indirect=True)
each_read = pytest.mark.parametrize(
    ("generation", "method"), READS, indirect=["generation"], ids=[f"fastmcp{number}-{name}" for number, name in READS]
)
ONE_OF_EACH_SORT: tuple[Kind, ...] = ("503", "reset", "truncated", "silence")
CREATIONS: list[tuple[int, Kind]] = [(number, kind) for number in (3, 4) for kind in ONE_OF_EACH_SORT]
"""Faults of a creating call; tests/client/connection/test_http_faults.py tries every kind."""
each_creation = pytest.mark.parametrize(
    ("generation", "kind"), CREATIONS, indirect=["generation"], ids=[f"fastmcp{n}-{kind}" for n, kind in CREATIONS]
)
each_kind = pytest.mark.parametrize("kind", KINDS)
each_sort = pytest.mark.parametrize("kind", [*ONE_OF_EACH_SORT, "404", "bad-json"])
"""The kinds that are handled differently: 404 is the end of a session, and the rest of `KINDS` is like 503 or bad JSON.
"""


@pytest.fixture
async def direct(fastmcp_url: str, anyio_backend: object) -> AsyncIterator[Client]:
    """A client that goes round the proxy, to open gates and to look at what the server saw."""
    async with Client(fastmcp_url) as client:
        yield client


def _client(proxy: FaultProxy, kind: Kind = "503") -> Client:
    """A client through the proxy. It gives up an unanswered read soon if there is one, so that no test takes long."""
    return Client(proxy.url, timeout=10.0 if kind == "silence" else None)


@each_read
@each_kind
async def test_one_fault(fault_proxy: FaultProxy, direct: Client, method: str, kind: Kind) -> None:
    """One fault on a read is survived: the same call, handle and client go on, and the result is right."""
    key = new_key("gate")
    async with _client(fault_proxy, kind) as client:
        task = await client.call_tool("gated", {"key": key}, task=True)
        fault_proxy.fail(method, kind=kind)
        with anyio.fail_after(LONG):
            if method == "tasks/get":
                assert (await task.status()).status == "working"
                assert fault_proxy.injected(method) == 1
            await direct.call_tool("open_gate", {"key": key})
            assert (await task.result()).data == f"through {key}"
            assert fault_proxy.injected(method) == 1
            assert (await client.call_tool("add", {"a": 2, "b": 3})).data == 5
    assert [request.method for request in fault_proxy.seen].count("tools/call") == 2


@each_read
@each_sort
async def test_fault_on_twenty_tasks(fault_proxy: FaultProxy, direct: Client, method: str, kind: Kind) -> None:
    """A fault for each of twenty tasks that are waited for at the same time: all of them get their own result."""
    key = new_key("gate")
    keys = [f"{key}-{number}" for number in range(20)]
    async with _client(fault_proxy, kind) as client:
        tasks = await _start(client, keys)
        with anyio.fail_after(2 * LONG):
            async with anyio.create_task_group() as waiters:
                for task in tasks:
                    waiters.start_soon(_expect, task)
                fault_proxy.fail(method, kind=kind, times=20, once_per_task=True)
                await direct.call_tool("open_gates", {"keys": keys})
        assert fault_proxy.injected(method) == 20
    assert fault_proxy.counts["tools/call"] == 20


@each_creation
@pytest.mark.parametrize("after_upstream", [False, True], ids=["lost-request", "lost-answer"])
async def test_creating_call_is_never_sent_twice(
    fault_proxy: FaultProxy, direct: Client, kind: Kind, after_upstream: bool
) -> None:
    """A fault on the call that creates a task is an error: whether it arrived is not known, so it is not repeated."""
    counter = new_key("counter")
    async with _client(fault_proxy, kind) as client:
        # The first call is for the list of tools, which some servers have to be asked for first.
        await client.call_tool("add", {"a": 2, "b": 3})
        fault_proxy.fail("tools/call", kind=kind, after_upstream=after_upstream)
        with anyio.fail_after(LONG), pytest.raises(TaskError):
            await client.call_tool("count_call", {"key": counter}, task=True)
        assert fault_proxy.counts["tools/call"] == 2
        # The client is as good as before, and the next call reaches the server once.
        task = await client.call_tool("count_call", {"key": counter}, task=True)
        # A truncated answer was a true one, so the server did the work.
        earlier = 1 if after_upstream or kind == "truncated" else 0
        assert (await task.result(LONG)).data == earlier + 1
    assert (await direct.call_tool("calls_counted", {"key": counter})).data == earlier + 1


@both_eras
@each_kind
async def test_fault_on_cancel(fault_proxy: FaultProxy, direct: Client, kind: Kind) -> None:
    """A fault on `tasks/cancel` ends in an error of ours or in a cancelled task, never in a hang."""
    async with _client(fault_proxy, kind) as client:
        task = await client.call_tool("endless", task=True)
        fault_proxy.fail("tasks/cancel", kind=kind)
        with anyio.fail_after(LONG):
            with suppress(TaskError):
                await task.cancel()
            await task.cancel()
            assert (await task.wait()).status == "cancelled"


@both_eras
async def test_retry_after_is_respected(fault_proxy: FaultProxy, direct: Client) -> None:
    """After 429 with Retry-After the next read comes no sooner than the server asked."""
    async with _client(fault_proxy) as client:
        task = await client.call_tool("endless", task=True)
        fault_proxy.fail("tasks/get", kind="429", retry_after="1")
        with anyio.fail_after(LONG):
            await task.status()
        looks = [request for request in fault_proxy.seen if request.method == "tasks/get"]
        (refused,) = [number for number, request in enumerate(looks) if request.fault is not None]
        assert looks[refused + 1].at - looks[refused].at >= 1.0
        await task.cancel()


@both_eras
async def test_network_drops_everything(fault_proxy: FaultProxy, direct: Client) -> None:
    """When every connection is reset at once, event streams included, the waiters go on over new ones."""
    key = new_key("gate")
    keys = [f"{key}-{number}" for number in range(20)]
    async with _client(fault_proxy) as client:
        tasks = await _start(client, keys)
        with anyio.fail_after(2 * LONG):
            async with anyio.create_task_group() as waiters:
                for task in tasks:
                    waiters.start_soon(_expect, task)
                fault_proxy.drop_connections()
                await direct.call_tool("open_gates", {"keys": keys})


@both_eras
async def test_server_that_stays_away(fault_proxy: FaultProxy, direct: Client) -> None:
    """When the time for reconnecting is used up the waiter learns it, with the reference for another process."""
    key = new_key("gate")
    alive = fault_proxy.upstream
    async with Client(fault_proxy.url, timeout=LONG, reconnect_timeout=6.0) as client:
        task = await client.call_tool("gated", {"key": key}, task=True)
        fault_proxy.upstream = "http://127.0.0.1:9/mcp"
        fault_proxy.drop_connections()
        with anyio.fail_after(LONG), pytest.raises(TaskConnectionError) as caught:
            await task.result()
        assert caught.value.reference == task.reference
        fault_proxy.upstream = alive
        await direct.call_tool("open_gate", {"key": key})
        assert (await task.result(LONG)).data == f"through {key}"


async def _start(client: Client, keys: list[str]) -> list[Task[ToolResult]]:
    # One after the other: a call is made once, and on a busy machine twenty at once may take longer than one may.
    tasks = [await client.call_tool("gated", {"key": key}, task=True) for key in keys]
    assert {task.reference.name for task in tasks} == {"gated"}
    return tasks


async def _expect(task: Task[ToolResult]) -> None:
    # Asked for outright, since push can spare a client every other look.
    assert (await task.status()).status in {"working", "completed"}
    assert (await task.result()).data.startswith("through gate-")


@pytest.mark.parametrize("generation", [2, 3], indirect=True)
async def test_abandoned_read_leaves_the_session_alone(fault_proxy: FaultProxy, direct: Client) -> None:
    """Giving up a read says nothing to the server: `notifications/cancelled` makes fastmcp 2 and 3 end the session.

    That happens where the notification meets the answer that is just being made, and takes along whatever else is in
    flight; on fastmcp 2 all tasks too. Here only the notification is looked for, since the meeting is a matter of luck.
    """
    async with _client(fault_proxy, "silence") as client:
        task = await client.call_tool("endless", task=True)
        fault_proxy.fail("tasks/get", kind="silence")
        with anyio.move_on_after(0.05) as scope:
            await task.status()
        assert scope.cancelled_caught
        with anyio.fail_after(LONG):
            assert (await client.call_tool("add", {"a": 2, "b": 3})).data == 5
            await task.cancel()
            assert (await task.wait()).status == "cancelled"
    assert fault_proxy.counts["notifications/cancelled"] == 0
    assert fault_proxy.counts["initialize"] == 1
