"""Requests over HTTP that are given up: they end wherever they are, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import httpx2
import pytest

from mcptasks._transport.http import Guard, GuardedClient
from tests.unit.test_asking import virtual

URL = "https://example.com/mcp"
BEGINNING = b"data: 1\n\n"
Send = Callable[[int], Coroutine[Any, Any, bytes]]


class Silent(httpx2.AsyncByteStream):
    """A body that begins, and then nothing more comes."""

    def __init__(self) -> None:
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """One piece."""
        yield BEGINNING
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        """Remember that it was given back."""
        self.closed = True


class Server:
    """Leaves requests without an answer, or without the end of one; answers those whose id is 0."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.bodies: list[Silent] = []
        self.met = 0

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """One request."""
        self.met += 1
        if b'"id":0' in request.content:
            return httpx2.Response(200, json={})
        if self._where == "answer":
            await anyio.sleep_forever()
        self.bodies.append(Silent())
        kind = "application/json" if self._where == "json" else "text/event-stream"
        return httpx2.Response(200, headers={"content-type": kind}, stream=self.bodies[-1])


def sender(client: GuardedClient, method: str) -> Send:
    """Sends a request with an id as the SDK does: what came of the answer."""

    async def send(number: int) -> bytes:
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": {"taskId": "t", "id": 99}}
        async with client.stream("POST", URL, json=message) as response:
            return await response.aread()

    return send


@virtual()
@pytest.mark.parametrize("method", ["tasks/get", "tasks/result"])
@pytest.mark.parametrize("where", ["answer", "json", "events"])
async def test_given_up(where: str, method: str) -> None:
    """A request that is given up ends at once, be it that no answer has begun or that one does not end; its body is
    given back. Another one goes on."""
    guard, server = Guard(ready=True), Server(where)
    async with GuardedClient(guard, transport=httpx2.MockTransport(server)) as client:
        ended: list[int] = []
        answers: list[bytes] = []

        async def run(number: int) -> None:
            answers.append(await sender(client, method)(number))
            ended.append(number)

        async with anyio.create_task_group() as group:
            for number in (17, 170, 99):
                group.start_soon(run, number)
            await anyio.wait_all_tasks_blocked()
            guard.exchanges.give_up("17")
            await anyio.wait_all_tasks_blocked()
            assert ended == [17]
            guard.exchanges.give_up("no such request")
            guard.exchanges.give_up("17")
            await anyio.wait_all_tasks_blocked()
            assert ended == [17]
            assert answers[0] == BEGINNING if where == "events" else b"given up" in answers[0]
            assert [body.closed for body in server.bodies].count(True) == len(server.bodies) / 3
            group.cancel_scope.cancel()


@virtual()
async def test_given_up_before_it_was_sent() -> None:
    """What was given up while it was still in the SDK's hands is never sent; what comes after it is."""
    guard, server = Guard(ready=True), Server("answer")
    async with GuardedClient(guard, transport=httpx2.MockTransport(server)) as client:
        send = sender(client, "tasks/get")
        guard.exchanges.give_up("1")
        assert b"given up" in await send(1)
        assert server.met == 0
        assert await send(0) == b"{}"


@virtual()
async def test_ids_come_again() -> None:
    """A request that is over cannot be given up any more, and one with the same id is another one."""
    guard, server = Guard(ready=True), Server("answer")
    async with GuardedClient(guard, transport=httpx2.MockTransport(server)) as client:
        send = sender(client, "tasks/get")
        for _ in range(3):
            assert await send(0) == b"{}"
        assert not guard.exchanges._open
