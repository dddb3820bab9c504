"""Small servers that answer at once, and the errors of clients that are refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.server.sse import SseServerTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from mcptasks import Client, TaskConnectionError
from mcptasks.testing import TaskServer
from tests.helpers.support import connected, make_server
from tests.helpers.tls import running


async def refused(target: Any, **options: Any) -> str:
    """The message of the error with which opening fails."""
    with pytest.raises(TaskConnectionError) as caught:
        async with connected(target, **options):
            raise AssertionError("connected")
    assert not isinstance(caught.value.__cause__, BaseExceptionGroup)
    return str(caught.value)


async def use(client: Client) -> None:
    """Make a call, to see that the client works."""
    task = await client.call_tool("quick", task=True)
    assert (await task.result()).data == 1


def quick_server(era: Any = "legacy") -> TaskServer:
    """A server with the tool `quick`."""
    server = make_server(era)
    server.add_tool("quick", result=1)
    return server


@asynccontextmanager
async def sse_server(
    server: TaskServer, methods: list[str], refusal: int = 405, outages: Iterable[int] = ()
) -> AsyncGenerator[str]:
    """An HTTP+SSE server of the SDK; yields its URL. It first answers with the statuses in `outages`. A method that is
    not in `methods` gets the status `refusal`."""
    transport, first = SseServerTransport("/messages/"), iter(outages)

    async def listen(request: Request) -> Response:
        status = next(first, None) or (None if request.method in methods else refusal)
        if status is not None:
            return PlainTextResponse("no such thing", status_code=status)
        async with transport.connect_sse(request.scope, request.receive, request._send) as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())
        return Response()

    app = Starlette(
        routes=[
            Route("/sse", listen, methods=["GET", "POST"]),
            Mount("/messages/", app=transport.handle_post_message),
        ]
    )
    with running(app) as place:
        yield f"http://{place}/sse"
