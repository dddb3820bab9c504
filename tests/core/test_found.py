"""What was once wrong and is to stay right: each test here failed on an earlier core."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp.client.streamable_http import streamable_http_client

import mcptasks
from mcptasks import TaskConnectionError, TaskError
from mcptasks.testing import Disconnect, Fault, HttpBody, HttpStatus, RpcError, TaskServer, serve_http
from tests.core.support import (
    LONG_INTERVAL,
    POLLED,
    PUSH_ONLY,
    Era,
    Recorder,
    begin,
    connected,
    http,
    legacy_only,
    make_server,
    modern_only,
    virtual_clock,
)
from tests.core.worlds import both_worlds, make_client

pytestmark = both_worlds

HTML = HttpBody("<html>maintenance</html>", "text/html")
READS = [("modern", "tasks/get"), ("legacy", "tasks/get"), ("legacy", "tasks/result")]


@pytest.mark.anyio
async def test_a_failure_to_connect_is_no_group() -> None:
    """A client that cannot connect raises the error itself, in no exception group."""
    with anyio.fail_after(10), pytest.raises(TaskConnectionError, match=r"127\.0\.0\.1:9"):
        async with make_client("http://127.0.0.1:9/mcp"):
            raise AssertionError("connected")


@pytest.mark.anyio
@pytest.mark.parametrize(("era", "method"), READS)
async def test_a_page_of_html_is_no_answer(era: Era, method: str) -> None:
    """A gateway's page in place of the answer to a read is survived, like any other garbled answer."""
    server = make_server(era, **POLLED)
    with http(server) as url:
        async with connected(url) as client:
            task, steered = await begin(client, server)
            rule = server.faults.add(method, HTML)
            steered.complete("done")
            assert (await task.result()).data == "done"
            assert rule.fired == 1


@pytest.mark.anyio
@legacy_only
@pytest.mark.parametrize("fault", [HTML, HttpStatus(400), HttpStatus(403)], ids=["html", "400", "403"])
async def test_a_tool_list_that_fails_makes_no_plain_call(era: Era, fault: Fault) -> None:
    """Where the tool list cannot be had the creating call fails unsent or is made as a task, never as a plain call."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url) as client:
            rule = server.faults.add("tools/list", fault)
            try:
                task = await client.call_tool("work", task=True)
            except TaskError:
                assert server.requests.count("tools/call") == 0
            else:
                assert not task.returned_immediately
            assert rule.fired == 1


@pytest.mark.anyio
@modern_only
@pytest.mark.parametrize("fault", [RpcError(), HttpStatus(503)], ids=["rpc", "503"])
async def test_a_plain_result_is_not_lost_to_the_tool_list(era: Era, fault: Fault) -> None:
    """The result of a plain call is delivered though the tool list fails that the SDK asks for after it."""
    server = make_server(era)
    server.add_tool("plain", support="none", result={"n": 1})
    with http(server) as url:
        async with connected(url) as client:
            server.faults.add("tools/list", fault)
            assert (await client.call_tool("plain")).data == {"n": 1}
    assert server.requests.count("tools/call") == 1


@pytest.mark.anyio
@virtual_clock()
async def test_only_public_errors(server: TaskServer) -> None:
    """When the client's patience is used up, what the program gets is an error that it can import."""
    async with connected(server, limit=600, polling=None, reconnect_timeout=30.0) as client:
        server.faults.add("tools/list", RpcError(-32001, "Request timed out"), times=None)
        with pytest.raises(TaskError) as caught:
            await client.list_tools()
        assert type(caught.value).__name__ in mcptasks.__all__


@pytest.mark.parametrize("roots", [[7], [None]])
def test_roots_of_a_wrong_kind(roots: Any) -> None:
    """Roots of a wrong kind are refused by name and value where the client is made."""
    with pytest.raises(TypeError, match=f"roots .*{roots[0]!r}"):
        make_client(["x"], roots=roots)


@pytest.mark.anyio
async def test_states_that_cannot_be_hashed(server: TaskServer) -> None:
    """A state that is no string is refused in words about states, also where it is a list."""
    async with connected(server) as client:
        task: Any = (await begin(client, server))[0]
        with pytest.raises((TypeError, ValueError), match="state"):
            await task.wait(state=[["completed"]])


@pytest.mark.anyio
async def test_a_call_to_a_server_that_went_away_names_it(server: TaskServer) -> None:
    """A call that a server that has gone can no longer take says which server it was."""
    serving = serve_http(server)
    with serving as url:
        async with connected(url, reconnect_timeout=3.0) as client:
            await client.list_tools()
            await anyio.to_thread.run_sync(serving.stop)
            with pytest.raises(TaskConnectionError, match=r"127\.0\.0\.1:.*/mcp"):
                await client.call_tool("work", task=True)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_used_transport_is_named_as_the_reason(mode: str) -> None:
    """When the connection of a transport given as the target is lost, the error says that a transport is used once."""
    server = make_server("legacy" if mode == "legacy" else "modern")
    with http(server) as url:
        async with connected(streamable_http_client(url), mode=mode) as client:
            task = await client.call_tool("work", task=True)
            server.faults.add("tasks/get", Disconnect(), times=None)
            with pytest.raises(TaskConnectionError, match=r"transport.* once"):
                await task.status()


@pytest.mark.anyio
@modern_only
async def test_a_stranger_does_not_end_push(era: Era) -> None:
    """Watching a task that the server does not know costs the pushes of no other task."""
    server = make_server(era, poll_interval_ms=LONG_INTERVAL)
    async with connected(server, polling=PUSH_ONLY) as client:
        client.task("nobody-knows-me").on_status_change(Recorder())
        await server.requests.wait_for("subscriptions/listen")
        task, steered = await begin(client, server)
        told = Recorder()
        task.on_status_change(told)
        await server.requests.wait_for("subscriptions/listen", 2)
        await server.requests.wait_for("tasks/get", task_id=task.task_id)
        steered.set_working("pushed")
        await told.until_message("pushed")
