"""Groups of several servers, for tests of both worlds."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio

from mcptasks import Group
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit
from tests.helpers import worlds
from tests.helpers.support import LIMIT, QUICK, Era


def make(servers: Any, **options: Any) -> Group:
    """A group of the present world, not opened yet."""
    settings: dict[str, Any] = {"polling": QUICK, "reconnect_timeout": 10.0, **options}
    return worlds.present.group(servers, **settings)


@asynccontextmanager
async def grouped(servers: Any, **options: Any) -> AsyncGenerator[Group]:
    """An open group, for no longer than a test may take."""
    with anyio.fail_after(LIMIT):
        async with make(servers, **options) as group:
            yield group


def named_server(era: Era, name: str) -> TaskServer:
    """A server whose tool, resource and prompt say its name."""
    server = TaskServer(name=name, era=era)
    server.add_tool("who", [Complete(name)])
    server.add_tool("work")
    server.add_tool("ask", [NeedInput({"name": elicit(f"{name} asks")}), Complete(name)])
    server.add_resource("demo://who", [Complete(name)])
    server.add_prompt("who", [Complete(name)])
    return server


@contextmanager
def free_port() -> Generator[int]:
    """A port where nobody listens, unless the test does; kept from others for as long as the block lasts."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        yield port
