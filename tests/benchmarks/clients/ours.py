"""This project's client under the loads of `measuring.py`.

Parameters beside those of the loads: `url`, or `target`: `"stdio"` or `"in process"` for the scriptable server there;
`backend`; `strict` to poll at the server's interval alone. Run as `python -m tests.benchmarks.clients.ours`.
"""

from __future__ import annotations

import sys
from typing import Any

import anyio

import mcptasks
from mcptasks import Client, PollingPolicy, Task, ToolResult
from tests.benchmarks.clients import measuring


class Ours:
    """An open client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, tool: str, seconds: float) -> Task[ToolResult]:
        """Create a task."""
        return await self._client.call_tool(tool, {"seconds": seconds}, task=True)

    async def finish(self, handle: Task[ToolResult]) -> float:
        """Wait for a task."""
        return float((await handle.result()).data)

    async def all(self, handles: list[Task[ToolResult]]) -> list[float]:
        """Wait for many tasks."""
        gather: Any = getattr(mcptasks, "gather", None)
        if gather is not None:
            return [float(result.data) for result in await gather(*handles)]
        results: list[float] = []

        async def one(handle: Task[ToolResult]) -> None:
            results.append(await self.finish(handle))

        async with anyio.create_task_group() as group:
            for handle in handles:
                group.start_soon(one, handle)
        return results

    async def ping(self, handle: Task[ToolResult]) -> None:
        """One look."""
        await handle.status()

    def task_id(self, handle: Task[ToolResult]) -> str:
        """The id of a task."""
        return handle.task_id


def target(params: dict[str, Any]) -> Any:
    """What to connect to."""
    if "url" in params:
        return params["url"]
    if params["target"] == "stdio":
        return [sys.executable, "-m", "tests.benchmarks.servers.scriptable_server", "--stdio"]
    from tests.benchmarks.servers.scriptable_server import make_server

    return make_server(1)


async def run(params: dict[str, Any]) -> dict[str, Any]:
    """Run a load."""
    policy = PollingPolicy.strict() if params.get("strict") else PollingPolicy()
    async with Client(target(params), polling=policy) as client:
        return await measuring.LOADS[params["load"]](Ours(client), params)


if __name__ == "__main__":
    measuring.main(run)
