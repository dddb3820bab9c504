"""Figure 8: a `tasks/get` through an open client, and as a bare POST of the same bytes on a kept connection.

What the client sends is read off a client of the program's own, once; then batches of both are measured in turn, on the
connections that each side makes by itself. What is measured is processor time of this process. The task is over, so
that every answer is the same.

Parameters: `url`; `batch`, how many looks in a batch, one after the other; `rounds`; `mode`; `backend`. Results: the
processor times of one look, batch by batch.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from attrs import frozen

from mcptasks import Client
from tests.benchmarks.clients import measuring

UNCOUNTED = 3


@frozen
class Sent:
    """One request, as it was sent."""

    url: str
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def recorded(url: str, mode: str, task_id: str) -> AsyncGenerator[Sent]:
    """What a client sends for a look at a task; it stays open, since its session is in the headers.

    Raises:
        LookupError: It sent no `tasks/get`.
    """
    found: list[Sent] = []

    async def keep(request: httpx2.Request) -> None:
        if request.method == "POST":
            body = await request.aread()
            if json.loads(body)["method"] == "tasks/get":
                found.append(Sent(str(request.url), dict(request.headers), body))

    async with (
        httpx2.AsyncClient(event_hooks={"request": [keep]}) as http,
        Client(url, mode=mode, http_client=http) as client,
    ):
        await client.task(task_id).status()
        if not found:
            raise LookupError("the client sent no tasks/get through the HTTP client that it was given")
        yield found[-1]


async def run(params: dict[str, Any]) -> dict[str, Any]:
    """Measure."""
    batch, mode, url = params["batch"], params["mode"], params["url"]
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    async with Client(url, mode=mode) as client, httpx2.AsyncClient() as http:
        task = await client.call_tool("work", {"seconds": 0.0}, task=True)
        await task.result()
        async with recorded(url, mode, task.task_id) as sent:
            for number in range(params["rounds"] + UNCOUNTED):
                start = time.process_time()
                for _ in range(batch):
                    await task.status()
                between = time.process_time()
                for _ in range(batch):
                    response = await http.post(sent.url, content=sent.body, headers=sent.headers)
                    response.raise_for_status()
                end = time.process_time()
                if number >= UNCOUNTED:
                    times["ours"].append((between - start) / batch)
                    times["bare"].append((end - between) / batch)
    return times


if __name__ == "__main__":
    measuring.main(run)
