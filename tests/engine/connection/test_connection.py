"""Reads that wait in line for their turns: what happens to the connection meanwhile, and what counts as whose time."""

from __future__ import annotations

from typing import Any, cast

import anyio
import mcp

from mcptasks._core.faults import Fault
from mcptasks._engine.connection.connection import Connection
from mcptasks._engine.connection.link import Link
from mcptasks._transport.targets import Target
from mcptasks._wire.dialect import dialect_of
from mcptasks._wire.versions import Terms
from tests.helpers.virtual_time import virtual

AT_ONCE = 32


def linked(*, patience: float | None = None) -> Connection:
    """A connection over a network that is there already; nothing but turns is of interest here."""
    nothing = cast("Any", None)
    target = Target(endpoint="http://tasks.example", connect=nothing, lasting=True)
    connection = Connection(
        target,
        nothing,
        mode=Terms(mode="auto"),
        notify=nothing,
        wire_timeout=30.0,
        patience=patience,
        on_link=nothing,
        on_lost=nothing,
    )
    connection._supervisor.current = link()
    return connection


def link() -> Link:
    """One that goes nowhere."""
    nothing = cast("Any", None)
    return Link(nothing, nothing, dialect_of("2026-07-28"), nothing, None, 1, anyio.Event())


@virtual()
async def test_retry_after() -> None:
    """When the server asks clients to wait, those in line wait too; then all are answered."""
    connection, begun, sent = linked(), anyio.current_time(), list[float]()

    async def send(_: Link) -> None:
        sent.append(anyio.current_time() - begun)
        await anyio.sleep(0.05)
        if anyio.current_time() - begun < 10:
            busy = Fault(action="retry", meaning="connection", reason="HTTP 503", retry_after=10.0, status=503)
            raise mcp.MCPError(code=-32603, message="HTTP 503", data=busy)

    async with anyio.create_task_group() as reads:
        for _ in range(300):
            reads.start_soon(connection.read, send)
    assert len([time for time in sent if time < 10]) == AT_ONCE
    assert len(sent) == 300 + AT_ONCE


@virtual()
async def test_the_link_is_lost() -> None:
    """Those in line when the link is lost take their turns on the new one."""
    connection, now, most = linked(), 0, list[int]()

    async def send(_: Link) -> None:
        nonlocal now
        now += 1
        most.append(now)
        await anyio.sleep(0.05)
        now -= 1

    async with anyio.create_task_group() as reads:
        for _ in range(500):
            reads.start_soon(connection.read, send)
        await anyio.sleep(0.01)
        connection._supervisor.current = None
        await anyio.sleep(30)
        assert len(most) == AT_ONCE
        connection._supervisor.current = link()
        connection._supervisor._settle()
    assert len(most) == 500
    assert max(most) == AT_ONCE


@virtual()
async def test_time_in_line() -> None:
    """The time in line is not the server's: a read whose turn comes late has all the patience there is."""
    connection, answers = linked(patience=5.0), list[str]()

    async def call(_: Link) -> None:
        await anyio.sleep(1.0)

    async def look(_: Link) -> str:
        await anyio.sleep(0.6)
        return "working"

    async def read() -> None:
        answers.append(await connection.read(look))

    async with anyio.create_task_group() as group:
        for _ in range(700):
            group.start_soon(connection.once, call)
        await anyio.sleep(0.01)
        group.start_soon(read)
    assert answers == ["working"]
