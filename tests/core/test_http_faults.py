"""Faults below the protocol, over HTTP: reads are asked again, creating calls are sent once, nothing hangs."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks import Task, TaskConnectionError, TaskError, ToolResult
from mcptasks.testing import Disconnect, Fault, HttpBody, HttpStatus, NoHttpAnswer, Truncate
from tests.core.support import POLLED, Era, begin, call_tool, connected, http, make_server

pytestmark = pytest.mark.anyio

FAULTS: dict[str, Fault] = {
    "503": HttpStatus(503),
    "502": HttpStatus(502, body="<html>Bad Gateway</html>"),
    "429": HttpStatus(429, retry_after="0"),
    "404": HttpStatus(404),
    "reset": Disconnect(reset=True),
    "closed": Disconnect(reset=False),
    "truncated": Truncate(),
    "bad-json": HttpBody(),
    "empty": HttpBody("", "application/json"),
    "another-id": HttpBody('{"jsonrpc": "2.0", "id": "not-yours", "result": {}}'),
    "bad-event": HttpBody("event: message\ndata: {broken\n\n", "text/event-stream"),
    "silence": NoHttpAnswer(),
}
each_fault = pytest.mark.parametrize("fault", FAULTS)
READS = [("modern", "tasks/get"), ("legacy", "tasks/get"), ("legacy", "tasks/result")]
each_read = pytest.mark.parametrize(("era", "method"), READS)


@each_read
@each_fault
async def test_one_fault_on_a_read(era: Era, method: str, fault: str) -> None:
    """One fault on a read is survived by the wait that met it, and the client goes on."""
    server = make_server(era, **POLLED)
    with http(server) as url:
        async with connected(url, timeout=0.5) as client:
            task, steered = await begin(client, server)
            rule = server.faults.add(method, FAULTS[fault])
            steered.complete("done")
            assert (await task.result()).data == "done"
            assert rule.fired == 1
            other, steered = await begin(client, server)
            steered.complete("too")
            assert (await other.result()).data == "too"
    assert server.requests.count("tools/call") == 2


@pytest.mark.parametrize("era", ["modern", "legacy"])
@each_fault
async def test_a_fault_for_ever(era: Era, fault: str) -> None:
    """A read that fails for ever ends in time in an error that names the task; afterwards all works again."""
    server = make_server(era, **POLLED)
    with http(server) as url:
        async with connected(url, timeout=0.2, reconnect_timeout=0.5) as client:
            task, steered = await begin(client, server)
            server.faults.add("tasks/get", FAULTS[fault], times=None)
            steered.complete("done")
            with pytest.raises(TaskError) as caught, anyio.fail_after(5):
                await task.result()
            assert caught.value.reference == task.reference
            assert server.requests.count("tasks/get") < 25
            server.faults.clear()
            assert (await task.result()).data == "done"


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("after", [False, True], ids=["not-run", "answer-lost"])
@each_fault
async def test_a_creating_call_is_sent_once(era: Era, fault: str, after: bool) -> None:
    """A creating call that fails is an error of ours, and is not repeated; the client goes on."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url, timeout=0.5, reconnect_timeout=3.0) as client:
            await client.list_tools()
            server.faults.add("tools/call", FAULTS[fault], after=after)
            with pytest.raises(TaskError):
                await client.call_tool("work", task=True)
            assert len({request.request_id for request in server.requests.of("tools/call")}) == 1
            assert len(server.tasks) == (after or fault == "truncated")
            assert (await call_tool(client, "work", task=True)).task_id in server.tasks


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_retry_after_is_obeyed(era: Era) -> None:
    """Where the server asks to wait a second, the client does."""
    server = make_server(era, **POLLED)
    with http(server) as url:
        async with connected(url) as client:
            task, _ = await begin(client, server)
            for status in (429, 503):
                server.faults.add("tasks/get", HttpStatus(status, retry_after="1"))
                begun = anyio.current_time()
                assert (await task.status()).status == "working"
                assert anyio.current_time() - begun >= 1


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("fault", ["reset", "503", "silence", "bad-json"])
async def test_twenty_tasks_survive(era: Era, fault: str) -> None:
    """A fault on one request of twenty tasks that are waited for costs none of them its result."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url, timeout=1.0, limit=30) as client:
            begun = [await begin(client, server, arguments={"n": n}) for n in range(20)]

            async def expect(task: Task[ToolResult], n: int) -> None:
                assert (await task.result()).data == {"n": n}

            async with anyio.create_task_group() as waiters:
                for n, (task, _) in enumerate(begun):
                    waiters.start_soon(expect, task, n)
                await server.requests.wait_for("tasks/get", 5)
                server.faults.add("tasks/get", FAULTS[fault])
                for n, (_, steered) in enumerate(begun):
                    steered.complete({"n": n})
    assert server.requests.count("tools/call") == 20


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("method", ["server/discover", "initialize", "tools/list"])
@each_fault
async def test_the_handshake_and_the_tool_list(era: Era, method: str, fault: str) -> None:
    """A fault before the first call is got over, or an error of ours that names the server; the call is sent once."""
    server = make_server(era)
    with http(server) as url:
        rule = server.faults.add(method, FAULTS[fault])
        answer: Any = None
        try:
            async with connected(url, timeout=1.0, reconnect_timeout=2.0) as client:
                answer = await client.call_tool("work", task=True)
                assert not answer.returned_immediately
                steered: Any = await server.next_task()
                steered.complete("done")
                assert (await answer.result()).data == "done"
        except TaskConnectionError as error:
            assert rule.fired == 1
            assert "127.0.0.1" in str(error)  # noqa: PT017 - success is right too
            assert method != "tools/list"
    assert server.requests.count("tools/call") == (0 if answer is None else 1)
