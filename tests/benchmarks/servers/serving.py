"""Serves one application over HTTP on a free port of loopback, and counts what is asked of it, by client.

This file runs inside the server's own environment, so it may import nothing but the standard library and uvicorn,
which every MCP server brings along. The other end of the pipes is `tests/benchmarks/processes.py`.

The process says its address as one line of JSON on stdout and ends when its stdin closes. Several clients can be told
apart: `/as/NAME/mcp` is the same endpoint as `/mcp`, counted under that name. `GET /stats` answers
`{NAME: {"methods": {method: count}, "gets": {task id: count}}, ..., "cpu": seconds of this process}`.
"""

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from typing import Any

import uvicorn


class Counting:
    """The ASGI application in front of the real one."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._methods: dict[str, Counter[str]] = {}
        self._gets: dict[str, Counter[str]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == "/stats":
            await self._answer(send)
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Any, receive: Any, send: Any) -> None:
        name = ""
        if scope["path"].startswith("/as/"):
            _, _, name, rest = scope["path"].split("/", 3)
            scope = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}
        if scope["method"] != "POST":
            self._count(name, f"http:{scope['method']}", None)
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
        try:
            request: Any = json.loads(body)
            params: Any = request.get("params") or {}
            self._count(name, request.get("method", "a response"), params.get("taskId"))
        except ValueError:
            self._count(name, "no JSON", None)
        given = False

        async def again() -> Any:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    def _count(self, name: str, method: str, task_id: str | None) -> None:
        self._methods.setdefault(name, Counter())[method] += 1
        if method == "tasks/get" and task_id is not None:
            self._gets.setdefault(name, Counter())[task_id] += 1

    async def _answer(self, send: Any) -> None:
        stats: dict[str, Any] = {
            name: {"methods": methods, "gets": dict(self._gets.get(name) or {})}
            for name, methods in self._methods.items()
        }
        stats["cpu"] = time.process_time()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(stats).encode()})


def serve(app: Any) -> None:
    """Serve until stdin closes."""
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol: 40 ms a request, else.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        # The same loop and parser everywhere: else the one environment has faster ones than the other.
        config = uvicorn.Config(
            Counting(app),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="warning",
            timeout_keep_alive=60,
        )
        server = uvicorn.Server(config)
        asyncio.run(_serve(server, listener))


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody when it has started
        await asyncio.sleep(0.01)
    if not serving.done():
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    await serving


def _end_with_stdin() -> None:
    sys.stdin.read()
    # The benchmark holds the other end, so this comes even when it was killed: no server is left behind.
    os._exit(0)
