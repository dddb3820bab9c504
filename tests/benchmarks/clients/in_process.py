"""Figure 4: tasks of a server in this process, through our client and as the bare requests that it sends for them.

Both are given the same server and the same work, batch by batch in turn. After each batch of ours the server's log says
what was sent; the bare batches send as many requests of each kind, once over streams in memory, as our client does,
and once by the SDK's direct calls, which have neither streams nor JSON-RPC. What is measured is processor time, of
which the server's share is the same for all: most of the time on the clock would be waiting for the work.

Parameters: `batch`, how many tasks at once; `rounds`; `seconds` of work; `backend`. Results: the processor times of the
batches, and the requests of ours.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import anyio
import mcp
from mcp.client import ClaimContext, ClientExtension, NotificationBinding, ResultClaim
from mcp_types import CallToolResult
from pydantic import BaseModel, ConfigDict, TypeAdapter

from mcptasks import Client
from mcptasks._wire import modern
from mcptasks.testing import TaskServer
from tests.benchmarks.clients import measuring
from tests.benchmarks.servers.scriptable_server import make_server
from tests.testing.wire import in_process

RAW: TypeAdapter[Any] = TypeAdapter(dict[str, Any])


class _Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


async def _ignore(_: _Anything) -> None:
    """A push that nobody makes anything of."""


class BareExtension(ClientExtension):
    """The least that makes a server answer with tasks and push."""

    identifier = modern.EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """The answers that create tasks."""
        return (ResultClaim(result_type=modern.RESULT_TYPE, model=modern.CreatedTask, resolve=self._never),)

    def notifications(self) -> Sequence[NotificationBinding[Any]]:
        """The pushes."""
        return (NotificationBinding(method=modern.NOTIFICATION, params_type=_Anything, handler=_ignore),)

    async def _never(self, created: modern.CreatedTask, _: ClaimContext) -> CallToolResult:
        raise AssertionError(f"nobody asks for the end of {created}")


async def ours(client: Client, batch: int, seconds: float) -> None:
    """A batch through our client."""

    async def one() -> None:
        task = await client.call_tool("work", {"seconds": seconds}, task=True)
        await task.result()

    async with anyio.create_task_group() as group:
        for _ in range(batch):
            group.start_soon(one)


async def bare(client: mcp.Client, sent: Counter[str], batch: int, seconds: float) -> None:
    """A batch of bare requests, as many of each kind as were sent for one of ours."""
    session = client.session
    ids: list[str] = []

    async def create() -> None:
        created = await session.call_tool("work", {"seconds": seconds}, allow_claimed=True)
        assert isinstance(created, modern.CreatedTask)
        ids.append(created.wire()["taskId"])

    async def get(task_id: str) -> None:
        await session.send_request(modern.GetTask(params=modern.TaskParams(task_id=task_id)), RAW)

    async def listen(some: list[str]) -> None:
        await session.send_request(modern.listen_request(some), RAW)

    async with anyio.create_task_group() as group:
        for _ in range(batch):
            group.start_soon(create)
    listens = sent["subscriptions/listen"]
    async with anyio.create_task_group() as streams:
        for number in range(listens):
            streams.start_soon(listen, ids[number::listens])
        await anyio.sleep(seconds + 0.02)
        async with anyio.create_task_group() as group:
            for number in range(sent["tasks/get"]):
                group.start_soon(get, ids[number % batch])
        streams.cancel_scope.cancel()


def count(server: TaskServer) -> Counter[str]:
    """What the server received since the last time."""
    methods = Counter(entry.method for entry in server.requests.of())
    server.requests.clear()
    return methods


async def run(params: dict[str, Any]) -> dict[str, Any]:
    """Measure."""
    batch, seconds = params["batch"], params["seconds"]
    server = make_server()
    times: dict[str, list[float]] = {"ours": [], "streams": [], "direct": []}
    sent: Counter[str] = Counter()
    async with (
        server.running(),
        Client(server) as client,
        mcp.Client(in_process(server), extensions=[BareExtension()]) as over_streams,
        mcp.Client(server, extensions=[BareExtension()]) as direct,
    ):
        for number in range(params["rounds"] + 3):
            found: dict[str, float] = {}
            count(server)
            start = time.process_time()
            await ours(client, batch, seconds)
            found["ours"] = time.process_time() - start
            asked = count(server)
            for side, plain in (("streams", over_streams), ("direct", direct)):
                start = time.process_time()
                await bare(plain, asked, batch, seconds)
                found[side] = time.process_time() - start
            if number >= 3:
                for side, value in found.items():
                    times[side].append(value / batch)
                sent += asked
    return {**times, "sent": {method: times / params["rounds"] / batch for method, times in sent.items()}}


if __name__ == "__main__":
    measuring.main(run)
