"""Serving over HTTP: from blocking tests and async ones, with faults below the protocol, restarts and many tasks."""

from __future__ import annotations

import base64
import gc
import http.client
import json
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

import pytest
from attrs import evolve
from mcp.client.streamable_http import streamable_http_client

from mcptasks.testing import (
    Complete,
    Delay,
    Disconnect,
    Fault,
    ForgetTask,
    HttpBody,
    HttpStatus,
    NoHttpAnswer,
    Options,
    Restart,
    TaskServer,
    Truncate,
    Working,
    serve_http,
)
from tests.testing.wire import EXTENSION, HALF_READ, JSON, Era, connect, refused

ERAS: list[Era] = ["modern", "legacy"]
both_eras = pytest.mark.parametrize("era", ERAS)

META: JSON = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}},
}


class RawHttp:
    """One keep-alive connection that posts JSON-RPC requests of 2026-07-28."""

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)

    def post(self, method: str, *, mcp_name: Any = None, **params: object) -> http.client.HTTPResponse:
        """Send a request, with this `Mcp-Name` or the right one; its response, not yet read."""
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": {**params, "_meta": META}}
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": method,
            "mcp-name": str(params.get("taskId") or params.get("name")) if mcp_name is None else mcp_name,
        }
        self._connection.request("POST", self._path, json.dumps(body), headers)
        return self._connection.getresponse()

    def result(self, method: str, **params: object) -> JSON:
        """Send a request; its result."""
        response = self.post(method, **params)
        assert response.status == 200
        message: JSON = json.loads(response.read())
        result: JSON = message["result"]
        return result

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@pytest.fixture
def server() -> TaskServer:
    """A server with a tool that waits to be steered."""
    server = TaskServer()
    server.add_tool("work")
    return server


@pytest.fixture
def raw(server: TaskServer) -> Iterator[RawHttp]:
    """A raw connection to that server."""
    with serve_http(server) as url:
        raw = RawHttp(url)
        yield raw
        raw.close()


def test_a_blocking_test_needs_no_loop(server: TaskServer, raw: RawHttp) -> None:
    """A test without any event loop starts a task over HTTP, steers it, and reads its result and headers."""
    task_id = raw.result("tools/call", name="work", arguments={})["taskId"]
    server.next_task_blocking().complete("done")
    assert raw.result("tasks/get", taskId=task_id)["result"]["structuredContent"] == {"result": "done"}
    seen = server.requests.wait_for_blocking("tasks/get")
    assert (seen.headers["mcp-name"], seen.headers["mcp-method"]) == (task_id, "tasks/get")


@pytest.mark.parametrize("status", [503, 502, 429, 404])
def test_status(server: TaskServer, raw: RawHttp, status: int) -> None:
    """An HTTP status with Retry-After comes in place of an answer, once, and the request is on record."""
    task_id = raw.result("tools/call", name="work", arguments={})["taskId"]
    server.faults.add("tasks/get", HttpStatus(status, retry_after="3", body="busy"))
    response = raw.post("tasks/get", taskId=task_id)
    assert (response.status, response.headers["retry-after"], response.read()) == (status, "3", b"busy")
    assert raw.result("tasks/get", taskId=task_id)["status"] == "working"
    first, second = server.requests.of("tasks/get", task_id)
    assert (first.protocol_version, second.protocol_version) == (None, "2026-07-28")


@pytest.mark.parametrize("after", [False, True])
def test_status_after_the_work(server: TaskServer, raw: RawHttp, after: bool) -> None:
    """With `after`, the request was carried out all the same."""
    server.faults.add("tools/call", HttpStatus(503), after=after)
    raw.post("tools/call", name="work", arguments={}).read()
    assert len(server.tasks) == int(after)
    assert server.requests.count("tools/call") == 1


def test_bodies(server: TaskServer, raw: RawHttp) -> None:
    """The body can be broken JSON, or any text with the id of the request in it."""
    server.faults.add("tasks/get", HttpBody())
    server.faults.add("tasks/get", HttpBody('{"jsonrpc": "2.0", "id": $ID, "result": []}'))
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw.post("tasks/get", taskId="x").read())
    assert json.loads(raw.post("tasks/get", taskId="x").read()) == {"jsonrpc": "2.0", "id": 7, "result": []}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_the_name_in_the_header(server: TaskServer, raw: RawHttp, method: str) -> None:
    """A request about a task is refused, with HTTP 400, if `Mcp-Name` is not the id of the task; encoded it may be
    (extension, "Routing Headers")."""
    task_id = raw.result("tools/call", name="work", arguments={})["taskId"]
    for name in ("another", ""):
        response = raw.post(method, mcp_name=name, taskId=task_id)
        assert (response.status, json.loads(response.read())["error"]["code"]) == (400, -32020)
    assert not server.tasks[task_id].cancel_requested
    encoded = f"=?base64?{base64.b64encode(task_id.encode()).decode()}?="
    taken = raw.post(method, mcp_name=encoded, taskId=task_id)
    assert taken.status == 200
    taken.read()
    server.options = evolve(server.options, name_header="ignored")
    assert raw.post(method, mcp_name="", taskId=task_id).status == 200


def test_truncated(server: TaskServer, raw: RawHttp) -> None:
    """A truncated answer promises more bytes than come."""
    task_id = raw.result("tools/call", name="work", arguments={})["taskId"]
    server.faults.add("tasks/get", Truncate())
    response = raw.post("tasks/get", taskId=task_id)
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert caught.value.partial.startswith(b'{"jsonrpc"')


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Disconnect(), ConnectionResetError), (Disconnect(reset=False), http.client.RemoteDisconnected)],
)
def test_disconnected(server: TaskServer, raw: RawHttp, fault: Fault, error: type[Exception]) -> None:
    """The connection ends without an answer: by a reset or by an orderly close; the next one works."""
    server.faults.add("tasks/get", fault)
    with pytest.raises(error) as caught:
        raw.post("tasks/get", taskId="x")
    assert type(caught.value) is error
    raw.close()
    assert raw.result("tools/call", name="work", arguments={})["status"] == "working"


def test_no_answer(server: TaskServer) -> None:
    """A request can stay without any answer, and does not keep the server from stopping."""
    with serve_http(server) as url:
        raw = RawHttp(url, timeout=0.05)
        server.faults.add("tasks/get", NoHttpAnswer())
        with pytest.raises(TimeoutError):
            raw.post("tasks/get", taskId="x")
    # Leaving the block has stopped the server, or has raised.
    raw.close()


def test_faults_in_order(server: TaskServer, raw: RawHttp) -> None:
    """A delay and a forgotten task can go before the HTTP fault."""
    task_id = raw.result("tools/call", name="work", arguments={})["taskId"]
    server.faults.add("tasks/get", Delay(0.02), ForgetTask(), HttpStatus(500))
    before = time.monotonic()
    assert raw.post("tasks/get", taskId=task_id).status == 500
    assert time.monotonic() - before >= 0.019
    assert task_id not in server.tasks


def test_stop_and_start_again(server: TaskServer) -> None:
    """A stopped server is not reachable; started again, it has the same URL and its tasks."""
    service = serve_http(server)
    with service as url:
        raw = RawHttp(url)
        task_id = raw.result("tools/call", name="work", arguments={})["taskId"]
        service.stop()
        raw.close()
        with pytest.raises(ConnectionRefusedError):
            raw.post("tasks/get", taskId=task_id)
        service.start()
        assert service.url == url
        raw.close()
        assert raw.result("tasks/get", taskId=task_id)["status"] == "working"
        with pytest.raises(RuntimeError, match="started"):
            service.start()
    service.stop()
    raw.close()


def test_a_stopped_server_keeps_its_port(server: TaskServer) -> None:
    """On Linux, the system gives the port of a stopped server to nobody else, as long as the `with` block lasts."""
    refused = pytest.raises(OSError, match="in use") if sys.platform == "linux" else nullcontext()
    service = serve_http(server)
    with service as url:
        service.stop()
        with socket.socket() as other, refused:
            other.bind(("127.0.0.1", urlsplit(url).port))
    with socket.socket() as other:
        other.bind(("127.0.0.1", urlsplit(url).port))


def test_a_port_in_use_is_an_error(server: TaskServer) -> None:
    """Where the port is taken, starting says so at once."""
    with serve_http(server) as url:
        port = urlsplit(url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"):
            serve_http(TaskServer(), port=port).start()


def test_nothing_is_left_behind(server: TaskServer) -> None:
    """After stopping there is no thread, and nothing has been warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # What earlier tests have left.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with serve_http(server) as url:
            RawHttp(url).close()
    assert not [thread for thread in threading.enumerate() if thread.name == "mcptasks-test-server"]
    assert not caught


@pytest.mark.anyio
@HALF_READ
@both_eras
@pytest.mark.parametrize("keep", [True, False])
async def test_restart(server: TaskServer, era: Era, keep: bool) -> None:
    """A restart cuts the connections and ends the old era's sessions; functions and scripts go on if kept."""
    server.add_tool("script", [Working("on", after=0.02), Complete("end", after=0.02)])
    with serve_http(server) as url:
        async with connect(streamable_http_client(url), era) as client:
            task_id = (await client.start("script"))["taskId"]
            server.restart(keep_tasks=keep)
            if era == "legacy":
                assert (await refused(client.get(task_id))).error.message == "Session not found"
        async with connect(streamable_http_client(url), era) as client:
            if keep:
                assert (await client.poll(task_id))["status"] == "completed"
            else:
                assert (await refused(client.get(task_id))).error.code == -32602


def test_restart_during_a_request(server: TaskServer, raw: RawHttp) -> None:
    """A restart in the midst of a request cuts that request's connection."""
    task_id = raw.result("tools/call", name="work", arguments={})["taskId"]
    server.faults.add("tasks/get", Restart())
    with pytest.raises(ConnectionResetError):
        raw.post("tasks/get", taskId=task_id)
    raw.close()
    assert raw.result("tasks/get", taskId=task_id)["status"] == "working"


@pytest.mark.anyio
@HALF_READ
@pytest.mark.parametrize("options", [{}, {"json_response": True}, {"stateless": True}])
async def test_forms_of_the_old_transport(server: TaskServer, options: JSON) -> None:
    """2025-11-25 is served with event streams, with JSON answers, and without sessions."""
    with serve_http(server, **options) as url:
        async with connect(streamable_http_client(url), "legacy") as client:
            task_id = (await client.start("work"))["taskId"]
            server.tasks[task_id].complete(1)
            assert (await client.request("tasks/result", taskId=task_id))["structuredContent"] == {"result": 1}


@pytest.mark.anyio
@HALF_READ
@pytest.mark.parametrize("bare", ["http:GET", "http:DELETE"])
async def test_bare_http_requests(server: TaskServer, bare: str) -> None:
    """The old era's event stream and the end of its session are on record, and can fail."""
    rule = server.faults.add(bare, HttpStatus(405))
    with serve_http(server) as url:
        async with connect(streamable_http_client(url), "legacy") as client:
            await client.start("work")
            await server.requests.wait_for("http:GET")
        await server.requests.wait_for("http:DELETE")
    assert rule.fired == 1


def test_a_thousand_tasks() -> None:
    """A thousand tasks at once are started over twenty connections, steered from here, and read."""
    server = TaskServer(options=Options(push="off"))
    server.add_tool("work")
    with serve_http(server) as url, ThreadPoolExecutor(20) as threads:
        connections = [RawHttp(url) for _ in range(20)]

        def start(raw: RawHttp) -> list[str]:
            return [raw.result("tools/call", name="work", arguments={})["taskId"] for _ in range(50)]

        made = [task_id for ids in threads.map(start, connections) for task_id in ids]
        for task in server.tasks.values():
            task.complete(task.task_id)
        for task_id in made[::50]:
            result = connections[0].result("tasks/get", taskId=task_id)["result"]
            assert result["structuredContent"] == {"result": task_id}
        for raw in connections:
            raw.close()
    assert len(set(made)) == len(server.tasks) == 1000
