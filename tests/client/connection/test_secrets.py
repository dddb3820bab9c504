"""Secrets on their way: what is sent of a URL and of credentials, and what logs, errors and references say of them."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.abc
import pytest
from mcp.server.sse import SseServerTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from mcptasks import TaskConnectionError
from mcptasks.testing import TaskServer
from tests.helpers.support import connected, http, make_server
from tests.helpers.tls import running
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

SECRET = "S3CRET"
NAME = "the billing server"


@contextmanager
def sse(server: TaskServer, place: str, seen: list[Request]) -> Generator[str]:
    """A server of the older HTTP+SSE transport, at that place; it keeps what it is asked."""
    transport = SseServerTransport("/messages/")

    async def listen(request: Request) -> Response:
        seen.append(request)
        async with transport.connect_sse(request.scope, request.receive, request._send) as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())
        return Response()

    app = Starlette(routes=[Route(place, listen), Mount("/messages/", app=transport.handle_post_message)])
    with running(app) as where:
        yield f"http://{where}{place}"


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that the client and what is under it logged, with what comes with them."""
    form = logging.Formatter()
    return [form.format(record) for record in caplog.records if not record.name.startswith(("mcp.server", "uvicorn"))]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("form", ["text", "entry"])
async def test_credentials_in_a_url(mode: str, form: str, caplog: pytest.LogCaptureFixture) -> None:
    """They reach the server as a header with every request, and nothing says them: no log, reference or `repr`."""
    caplog.set_level(logging.INFO)
    server = make_server("legacy" if mode == "legacy" else "modern")
    server.add_tool("quick", result=1)
    with http(server) as url:
        secret = url.replace("://", f"://us%40er:{SECRET}@")
        target: Any = secret if form == "text" else {"mcpServers": {"a": {"url": secret}}}
        async with connected(target, mode=mode) as client:
            task = await client.call_tool("quick", task=True)
            assert (await task.result()).data == 1
            assert task.reference.endpoint == url
            assert SECRET not in repr(client) + repr(task) + task.reference.to_json()
    assert {request.headers["authorization"] for request in server.requests} == {"Basic dXNAZXI6UzNDUkVU"}
    assert not any(SECRET in text for text in texts(caplog))


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_name_of_ones_own(mode: str) -> None:
    """`endpoint=` is what references and representations have of a URL whose path is secret."""
    server = make_server("legacy" if mode == "legacy" else "modern")
    server.add_tool("quick", result=1)
    with http(server) as url:
        async with connected(url, mode=mode, endpoint=NAME) as client:
            task = await client.call_tool("quick", task=True)
            await task.result()
            assert task.reference.endpoint == NAME
            assert (await client.resume(task.reference).result()).data == 1
            assert url not in repr(client) + repr(task) + task.reference.to_json()
            assert repr(client).startswith(f"<Client {NAME} ")


async def test_a_name_of_ones_own_in_errors() -> None:
    """So it is in errors."""
    with pytest.raises(TaskConnectionError) as caught:
        async with connected(f"http://127.0.0.1:9/s/{SECRET}/mcp", endpoint=NAME):
            raise AssertionError("connected")
    assert str(caught.value).startswith(f"cannot reach {NAME}: ")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("given", [None, NAME])
async def test_sse(given: str | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the older transport of server-sent events everything works, a query is sent, and no log line has it: the
    HTTP library logs the name, or the URL without its query."""
    caplog.set_level(logging.INFO)
    # Other programs that run in this process may have silenced the library's logger.
    caplog.set_level(logging.INFO, "httpx2")
    monkeypatch.setattr(logging.getLogger("httpx2"), "disabled", False)
    server, seen = make_server("legacy"), list[Request]()
    server.add_tool("quick", result=1)
    with sse(server, "/sse", seen) as url:
        entry = {"type": "sse", "url": f"{url.replace('://', f'://user:{SECRET}@')}?key={SECRET}"}
        async with connected({"mcpServers": {"a": entry}}, endpoint=given) as client:
            task = await client.call_tool("quick", task=True)
            assert (await task.result()).data == 1
            assert task.reference.endpoint == given or url
    assert seen[0].query_params["key"] == SECRET
    assert seen[0].headers["authorization"].startswith("Basic ")
    assert any(f"HTTP Request: POST {given or url} " in text for text in texts(caplog))
    assert not any(SECRET in text or "session_id" in text for text in texts(caplog))


@pytest.mark.parametrize("given", [None, NAME])
async def test_sse_that_is_refused(given: str | None) -> None:
    """A bad status is told without the query, and with the name where there is one."""
    with sse(make_server("legacy"), "/sse", list[Request]()) as url:
        place = url.replace("/sse", f"/{SECRET if given else 'nowhere'}")
        entry = {"type": "sse", "url": f"{place}?key={SECRET}"}
        with pytest.raises(TaskConnectionError, match="404") as caught:
            async with connected({"mcpServers": {"a": entry}}, endpoint=given):
                raise AssertionError("connected")
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in str(error) + repr(error)
        error = error.__cause__


async def test_a_query_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    """A query reaches the server, and stands in no error and in no log at INFO."""
    caplog.set_level(logging.INFO)
    asked: list[str] = []

    async def keep(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            asked.append((await stream.receive()).decode().partition("\r\n")[0])
            await stream.send(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, keep)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(TaskConnectionError) as caught:
            async with connected(f"http://127.0.0.1:{port}/mcp?key={SECRET}"):
                raise AssertionError("connected")
        assert SECRET not in str(caught.value)
        group.cancel_scope.cancel()
    assert SECRET not in caplog.text
    assert asked[0] == f"POST /mcp?key={SECRET} HTTP/1.1"
