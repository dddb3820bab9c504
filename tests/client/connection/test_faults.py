"""Faults of the protocol, in process: an error of ours or success; no hang, crash, busy loop or wrong result."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest

from mcptasks import Client, TaskConnectionError, TaskError, TaskFailedError, TaskProtocolError
from mcptasks.testing import Drop, Fault, Garbage, RpcError, TaskServer
from tests.helpers.pairs import pairwise
from tests.helpers.support import LIMIT, POLLED, Era, begin, call_tool, connected, make_server, virtual_clock
from tests.helpers.worlds import both_worlds

# What a fault means is decided from the answer alone (tests/core/test_faults.py tries all), and what follows by the
# method and the era; the event loop and the world only wait.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

RPC: dict[str, Fault] = {
    "internal": RpcError(),
    "general": RpcError(-32000, "Server busy"),
    "closed": RpcError(-32000, "Connection closed"),
    "timeout": RpcError(-32001, "Request timed out"),
    "parse": RpcError(-32700, "Parse error"),
    "not-found": RpcError(-32601, "Method not found"),
    "odd-code": RpcError(7, "seven"),
    "odd-data": RpcError(-32603, "Internal error", data={"mcptasks/http": {"status": "many"}}),
}
NONSENSE: dict[str, Fault] = {
    "empty": Garbage(replace={}),
    "no-id": Garbage(drop=("taskId",)),
    "another-id": Garbage(change={"taskId": "another"}),
    "no-status": Garbage(drop=("status",)),
    "odd-status": Garbage(change={"status": "thinking"}),
    "list-status": Garbage(change={"status": ["working"]}),
}
ODD_BUT_WELL: dict[str, Mapping[str, object]] = {
    "interval-text": {"pollInterval": "soon", "pollIntervalMs": "soon"},
    "interval-negative": {"pollInterval": -5, "pollIntervalMs": -5},
    "interval-zero": {"pollInterval": 0, "pollIntervalMs": 0},
    "interval-huge": {"pollInterval": 10**30, "pollIntervalMs": 10**30},
    "interval-list": {"pollInterval": [1], "pollIntervalMs": [1]},
    "ttl-text": {"ttl": "long", "ttlMs": "long"},
    "ttl-negative": {"ttl": -1, "ttlMs": -1},
    "ttl-huge": {"ttl": 10**30, "ttlMs": 10**30},
    "times": {"createdAt": 7, "lastUpdatedAt": "yesterday"},
    "no-times": {"createdAt": None, "lastUpdatedAt": None},
    "message": {"statusMessage": {"text": "?"}},
    "more": {"weather": "fine", "_meta": {"x": [None]}},
}
reads = pytest.mark.parametrize("fault", [*RPC, *NONSENSE])
ALL: dict[str, Fault] = {**RPC, **NONSENSE}


async def ends(client: Client) -> str:
    """What a call of the tool "quick" comes to: "done", or an error of ours."""
    try:
        task = await client.call_tool("quick", task=True)
        value = await task.result()
    except (TaskConnectionError, TaskProtocolError, TaskFailedError):
        return "error"
    assert value.data == "done"
    return "done"


@reads
@pytest.mark.parametrize("method", ["tasks/get", "tasks/result"])
async def test_one_bad_answer_to_a_read(era: Era, method: str, fault: str) -> None:
    """One bad answer to a read costs at most the wait that saw it: asked again, the same handle has the result."""
    server = make_server(era, **POLLED)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        rule = server.faults.add(method, ALL[fault])
        steered.complete("done")
        if fault == "odd-code" and method == "tasks/get":
            with pytest.raises(TaskError) as caught:
                await task.result()
            assert caught.value.reference == task.reference
        elif method == "tasks/result" and era == "legacy":
            try:
                await task.result()
            except TaskError as error:
                assert error.reference == task.reference  # noqa: PT017 - no error is right too
                return
        assert (await task.result()).data == "done"
        assert rule.fired == (method == "tasks/get" or era == "legacy")


@virtual_clock()
@reads
@pytest.mark.parametrize("method", ["tasks/get", "tasks/result"])
async def test_bad_answers_for_ever(era: Era, method: str, fault: str) -> None:
    """A read that never makes sense ends in an error of ours that names the task, without a storm of requests."""
    server = make_server(era, **POLLED)
    async with connected(server, limit=600, polling=None, reconnect_timeout=30.0) as client:
        task, steered = await begin(client, server)
        server.faults.add(method, ALL[fault], times=None)
        steered.complete("done")
        if method == "tasks/result" and era == "modern":
            assert (await task.result()).data == "done"
            return
        try:
            value = await task.result()
        except TaskError as error:
            assert error.reference == task.reference  # noqa: PT017 - what comes instead of an error is checked too
        else:
            # A result that is an object but no tool's cannot be told from one before it is read.
            assert fault in NONSENSE
            assert value.data == "done"
        assert server.requests.count(method) < 25


@virtual_clock()
@pytest.mark.parametrize("fault", ALL)
async def test_bad_answers_to_cancel(era: Era, fault: str) -> None:
    """A bad answer to a cancellation is an error of ours or none, and the task's state is what it really is."""
    server = make_server(era, cancel="ignored")
    async with connected(server, limit=600, polling=None, reconnect_timeout=30.0) as client:
        task, steered = await begin(client, server)
        server.faults.add("tasks/cancel", ALL[fault], times=None)
        try:
            await task.cancel()
        except TaskError as error:
            assert error.reference == task.reference  # noqa: PT017 - no error is right too
        assert server.requests.count("tasks/cancel") < 25
        steered.complete("done")
        assert (await task).data == "done"


@pytest.mark.parametrize("fault", ALL)
@pytest.mark.parametrize("after", [False, True], ids=["not-run", "answer-lost"])
async def test_bad_answers_to_a_creating_call(server: TaskServer, fault: str, after: bool) -> None:
    """A creating call is sent once, whatever comes back, and ends in an error of ours or in the result."""
    async with connected(server, reconnect_timeout=10.0) as client:
        server.faults.add("tools/call", ALL[fault], times=None, after=after)
        with anyio.fail_after(LIMIT / 2):
            try:
                task = await client.call_tool("work", task=True)
            except TaskError:
                pass
            else:
                # Nonsense about another task, or an empty result, which a server may give.
                assert fault in NONSENSE
                assert task.returned_immediately or task.task_id == "another"
        assert server.requests.count("tools/call") == 1
        server.faults.clear()
        assert (await call_tool(client, "work", task=True)).task_id in server.tasks


@virtual_clock()
@pytest.mark.parametrize("fault", ALL)
@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
async def test_bad_answers_to_the_tool_list(era: Era, fault: str, times: int | None) -> None:
    """A bad tool list costs at most the call that needed it, which is sent no more than once. An error of the server's
    own is believed the first time."""
    server = make_server(era, **POLLED)
    server.add_tool("quick", result="done")
    async with connected(server, limit=600, polling=None, reconnect_timeout=30.0) as client:
        server.faults.add("tools/list", ALL[fault], times=times)
        assert await ends(client) == "done" or times is None or fault == "odd-code"
        assert server.requests.count("tools/call") <= 1
        assert server.requests.count("tools/list") < 25
        server.faults.clear()
        assert [tool.name for tool in await client.list_tools()] == ["work", "quick"]
        assert await ends(client) == "done"


def odd_server(era: Era, odd: str) -> TaskServer:
    """A server with nonsense in fields that one can do without, from the first creating call on."""
    server = make_server(era, **POLLED)
    for method in ("tools/call", "tasks/get"):
        server.faults.add(method, Garbage(change=ODD_BUT_WELL[odd]), times=None)
    return server


@pytest.mark.parametrize("odd", ODD_BUT_WELL)
async def test_odd_but_not_wrong(era: Era, odd: str) -> None:
    """Nonsense in fields that one can do without does not change the result."""
    server = odd_server(era, odd)
    async with connected(server, polling=None) as client:
        task, steered = await begin(client, server)
        told = [await task.status()]
        steered.complete("done")
        assert (await task).data == "done"
        for status in told:
            assert status.poll_interval is None or status.poll_interval.total_seconds() >= 0
            assert status.ttl is None or status.ttl.total_seconds() >= 0


@virtual_clock()
@pytest.mark.parametrize("odd", ODD_BUT_WELL)
async def test_odd_fields_cause_no_polls(era: Era, odd: str) -> None:
    """Nor does such nonsense make the client poll more often."""
    server = odd_server(era, odd)
    async with connected(server, polling=None) as client:
        task, _ = await begin(client, server)
        await task.status()
        with anyio.move_on_after(0.25):
            await task.wait()
        assert server.requests.count("tasks/get") <= 6


@pytest.mark.parametrize("changes", [{"result": None}, {"result": [1]}, {"result": "done"}, {"drop": True}])
async def test_completed_without_a_result(changes: dict[str, object]) -> None:
    """A completed task whose result is missing or no object is a protocol error that says so, not a value."""
    fault = Garbage(drop=("result",)) if "drop" in changes else Garbage(change=changes)
    server = make_server("modern", **POLLED)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        server.faults.add("tasks/get", fault, times=None)
        steered.complete("done")
        with pytest.raises(TaskProtocolError, match="result") as caught:
            await task.result()
        assert caught.value.reference == task.reference


@virtual_clock()
@pytest.mark.parametrize("method", ["tasks/get", "tasks/result"])
async def test_a_request_that_is_never_answered(era: Era, method: str) -> None:
    """A read without an answer is given up and sent again, well before the waiter's deadline."""
    server = make_server(era, **POLLED)
    async with connected(server, limit=3600, polling=None) as client:
        for timeout in (60.0, 9.0, 3.0, None):
            task, steered = await begin(client, server)
            rule = server.faults.add(method, Drop(), task_id=task.task_id)
            steered.complete("done")
            begun = anyio.current_time()
            assert (await task.result(timeout=timeout)).data == "done"
            assert rule.fired == (method == "tasks/get" or era == "legacy")
            assert anyio.current_time() - begun < (timeout or 66) / 2


@virtual_clock()
async def test_nothing_is_ever_answered(era: Era) -> None:
    """A server that takes reads and answers none is given up after four attempts, each twice as long as the one before,
    the first one half of `reconnect_timeout`; with the reference."""
    server = make_server(era, **POLLED)
    async with connected(server, limit=3600, polling=None, reconnect_timeout=60.0) as client:
        task, _ = await begin(client, server)
        server.faults.add("tasks/get", Drop(), times=None)
        begun = anyio.current_time()
        with pytest.raises(TaskConnectionError, match="does not answer") as caught:
            await task.result()
        assert caught.value.reference == task.reference
        assert 450 < anyio.current_time() - begun < 470
        assert server.requests.count("tasks/get") == 4


@virtual_clock()
@pytest.mark.parametrize("method", ["server/discover", "initialize"])
async def test_a_handshake_that_is_never_answered(era: Era, method: str) -> None:
    """A server that does not answer the handshake is an error within `reconnect_timeout`, not a hang."""
    server = make_server(era)
    server.faults.add(method, Drop(), times=None)
    begun = anyio.current_time()
    try:
        async with connected(server, limit=3600, reconnect_timeout=30.0) as client:
            assert client.protocol_version
    except TaskConnectionError as error:
        assert "in-process:task-server" in str(error)  # noqa: PT017 - success is right too, where it was not asked
    assert anyio.current_time() - begun <= 31


@virtual_clock()
@pytest.mark.parametrize("fault", ALL)
@pytest.mark.parametrize("method", ["server/discover", "initialize"])
@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
async def test_bad_answers_to_the_handshake(era: Era, method: str, fault: str, times: int | None) -> None:
    """A handshake that makes no sense is an error of ours that names the server, or is got over."""
    server = make_server(era)
    server.add_tool("quick", result="done")
    server.faults.add(method, ALL[fault], times=times)
    try:
        async with connected(server, limit=600, reconnect_timeout=30.0) as client:
            assert await ends(client) == "done"
    except (TaskConnectionError, TaskProtocolError) as error:
        assert "in-process:task-server" in str(error)  # noqa: PT017 - success is right too, where it was not asked
