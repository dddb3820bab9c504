"""fastmcp's own client under the loads of `measuring.py`; for the environment of fastmcp 3 or 4.

Its tasks are waited for in the way that it offers: `result()` of the handle. Many are waited for by `asyncio.gather`.
"""

import asyncio
from typing import Any

import fastmcp
import measuring

GENERATION = int(fastmcp.__version__.split(".")[0])
if GENERATION >= 4:
    from fastmcp_tasks.client import call_tool_task


class Peer:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def start(self, tool: str, seconds: float) -> Any:
        if GENERATION >= 4:
            return await call_tool_task(self._client, tool, {"seconds": seconds})
        return await self._client.call_tool(tool, {"seconds": seconds}, task=True)

    async def finish(self, handle: Any) -> float:
        return (await handle.result()).structured_content["result"]

    async def all(self, handles: list[Any]) -> list[float]:
        return await asyncio.gather(*map(self.finish, handles))

    async def ping(self, handle: Any) -> None:
        if GENERATION >= 4:
            await handle.status()
        else:
            # Its `status()` returns the last pushed status for ever.
            await self._client.get_task_status(handle.task_id)

    def task_id(self, handle: Any) -> str:
        return handle.task_id


async def run(params: dict[str, Any]) -> dict[str, Any]:
    async with fastmcp.Client(params["url"]) as client:
        return await measuring.LOADS[params["load"]](Peer(client), params)


if __name__ == "__main__":
    measuring.main(run)
