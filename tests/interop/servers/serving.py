"""Runs one FastMCP server of any generation over stdio or HTTP, for the interop tests.

This file runs inside the server's own environment, so it may import nothing but the standard library and what every
generation of fastmcp brings with it. What the server offers is in `catalogue.py`; `tests/interop/processes.py` is the
other end of the pipes.

Over HTTP the process says `{"url": ...}` on stdout when it listens. On stdin it takes `stop` (no longer listens, every
connection and session is gone, as after a crash; it says `{"url": null}`) and `start` (listens again on the same port).
The tasks live on meanwhile, so the pair looks to clients like the restart of a server with a store of its own: the
default store of fastmcp is in memory and a real restart loses it. When stdin closes the process ends.
"""

import argparse
import asyncio
import errno
import json
import os
import socket
import sys
import threading
from typing import Any

import fastmcp
import uvicorn


def run(server: Any) -> None:
    """Serve as the command line says, until the process is ended from outside."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=("stdio", "http", "sse"), default="stdio")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.transport == "stdio":
        server.run(transport="stdio", show_banner=False)
    else:
        asyncio.run(_serve_http(server, options.port, options.transport))


async def _serve_http(server: Any, port: int, transport: str) -> None:
    commands = _commands_from_stdin()
    # A connection inside the process holds the server's lifespan open, and with it the tasks, while no HTTP is served.
    async with fastmcp.Client(server):
        while True:
            with await _listener(port) as listener:
                port = listener.getsockname()[1]
                config = uvicorn.Config(
                    server.http_app(path=f"/{'mcp' if transport == 'http' else transport}", transport=transport),
                    lifespan="on",
                    access_log=False,
                    timeout_graceful_shutdown=0,
                    ws="none",
                )
                http = uvicorn.Server(config)
                serving = asyncio.create_task(http.serve(sockets=[listener]))
                while not http.started and not serving.done():
                    await asyncio.sleep(0.01)
                if serving.done():
                    sys.exit("uvicorn did not start; its own words are above")
                _say(f"http://127.0.0.1:{port}/{'mcp' if transport == 'http' else transport}")
                await _wait_for(commands, "stop")
                http.should_exit = http.force_exit = True
                await serving
            _say(None)
            await _wait_for(commands, "start")


async def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for _ in range(300):
        try:
            listener.bind(("127.0.0.1", port))
            break
        except OSError as exc:
            # Another test may have been given the port of a server that was down. Such a test is over soon.
            if exc.errno != errno.EADDRINUSE:
                raise
            await asyncio.sleep(0.1)
    else:
        sys.exit(f"port {port} is taken")
    # Tests open many connections at once; with a short queue the system would refuse some of them.
    listener.listen(2048)
    return listener


def _say(url: str | None) -> None:
    print(json.dumps({"url": url}), flush=True)


def _commands_from_stdin() -> "asyncio.Queue[str]":
    loop, commands = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(commands.put_nowait, line.strip())
        # The tests hold the other end, so this comes even when they were killed: no server is left behind.
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return commands


async def _wait_for(commands: "asyncio.Queue[str]", wanted: str) -> None:
    while await commands.get() != wanted:
        pass
