"""Drives the fastmcp 4 server object of this process with mcptasks, and says on stdout what came of it.

Runs inside the environment of fastmcp 4, with this project on the path.
"""

import json

import anyio
from fastmcp4_server import server

from mcptasks import Client, TaskNotFoundError, ToolError


async def main() -> None:
    async with Client(server) as client:
        task = await client.call_tool("slow_computation", {"duration": 0.1}, task=True)
        messages = []
        task.on_status_change(lambda status: messages.append(status.status))
        result = await task.result(120)
        failing = await client.call_tool("report_error", {"message": "refused"}, task=True)
        try:
            await failing.result(120)
        except ToolError as error:
            failure = str(error)
        endless = await client.call_tool("endless", task=True)
        await endless.cancel()
        cancelled = await endless.wait(timeout=120)
        resource = await client.read_resource("report://slow", task=True)
        try:
            await client.task("no-such-task").status()
        except TaskNotFoundError:
            unknown = True
        said = {
            "era": client.task_support.era,
            "in_background": not task.returned_immediately,
            "data": result.data,
            "last": messages[-1],
            "failure": failure,
            "cancelled": cancelled.status,
            "resource": [resource.returned_immediately, (await resource)[0].text],
            "unknown": unknown,
        }
        print(json.dumps(said))


anyio.run(main)
