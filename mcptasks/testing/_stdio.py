"""Serves a test server over stdin and stdout of the current process."""

from __future__ import annotations

import os
from typing import Literal

import anyio
from mcp.server.stdio import stdio_server

from mcptasks.testing._server import TaskServer


def serve_stdio(server: TaskServer, backend: Literal["asyncio", "trio"] = "asyncio") -> None:
    """Serve one connection over stdin and stdout, until stdin ends; for the script of a subprocess.

    A restart (`server.restart()`, or the fault `Restart`) ends the process at once, with exit code 1.
    """

    async def serve() -> None:
        async with stdio_server() as (read_stream, write_stream):
            generation = server.engine.generation
            await server.run(read_stream, write_stream, server.create_initialization_options())
            if server.engine.generation != generation:
                # Otherwise the thread that reads stdin would keep the process alive until the client closes the pipe.
                os._exit(1)

    anyio.run(serve, backend=backend)
