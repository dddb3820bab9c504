"""The benchmarks' server on fastmcp 3 or 4, whichever this environment has: the tool `work`.

The interval that it names to its clients is fastmcp's default, 5 s. The first argument says under how many more names
(`work_0`, `work_1`, ...) the tool is there; each of them makes every request of fastmcp slower. The second is JSON:
tools whose runs have lengths that the server chooses, `{name: [seconds, ...]}`.
"""

import asyncio
import json
import sys
import time

import fastmcp
from serving import serve

GENERATION = int(fastmcp.__version__.split(".")[0])
server = fastmcp.FastMCP("bench")
if GENERATION >= 4:
    from fastmcp_tasks import TasksExtension

    server.add_extension(TasksExtension())


def add(name: str) -> None:
    @server.tool(name=name, task=True)
    async def work(seconds: float) -> float:
        """Work for some seconds, and return the time of day at which it was done."""
        await asyncio.sleep(seconds)
        return time.time()


def add_scripted(name: str, lengths: list[float]) -> None:
    left = iter(lengths)

    @server.tool(name=name, task=True)
    async def scripted(seconds: float) -> float:
        """Work for `seconds` and for as long as it is this run's turn, and return the time of day at the end."""
        await asyncio.sleep(seconds + next(left))
        return time.time()


if __name__ == "__main__":
    for name, lengths in json.loads(sys.argv[2]).items():
        add_scripted(name, lengths)
    for name in ("work", *(f"work_{number}" for number in range(int(sys.argv[1])))):
        add(name)
    serve(server.http_app(path="/mcp"))
