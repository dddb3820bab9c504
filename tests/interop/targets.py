"""What a test against a real server needs to know of it: how to reach it, and in what the generations differ."""

import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import attrs
from mcp import StdioServerParameters

from tests.interop.processes import server_command, server_settings

LONG = 120.0
"""Seconds that no step of a test takes unless something hangs."""

START = 180.0
"""Seconds that the process of a server may take to start, as `reconnect_timeout` of its client. It takes a few, and a
minute or more on a machine that is busy with much else."""

_numbers = itertools.count()
_FoundT = TypeVar("_FoundT")


@attrs.frozen
class FastMcp:
    """One real server to test against: which fastmcp it runs on and how it is reached."""

    generation: int
    transport: str
    target: str | StdioServerParameters

    @property
    def modern(self) -> bool:
        """Whether it speaks 2026-07-28, where only tools can be tasks."""
        return self.generation >= 4


def at_url(generation: int, url: str) -> FastMcp:
    """A server that listens."""
    return FastMcp(generation, "http", url)


def over_stdio(generation: int) -> FastMcp:
    """A server that the client starts."""
    command, *args = server_command(generation)
    return FastMcp(generation, "stdio", StdioServerParameters(command=command, args=args, env=server_settings()))


def new_key(name: str) -> str:
    """A name for a gate or a counter on a server that no other test of this run uses."""
    return f"{name}-{next(_numbers)}"


async def until(look: Callable[[], Awaitable[_FoundT | None]]) -> _FoundT:
    """Look again and again until something is found; a hang fails the test."""
    with anyio.fail_after(LONG):
        while (found := await look()) is None:  # noqa: ASYNC110 - the server tells nobody when this changes
            await anyio.sleep(0.02)
        return found
