"""Has `fastmcp.Client` 4 call tools with `mcptasks.TasksExtension`, and says on stdout what came of that.

Runs inside the environment of fastmcp 4, with this project on the path. Its argument is the server's URL.
"""

import json
import sys

import anyio
import fastmcp

from mcptasks import Client, PollingPolicy, TaskFailedError, TasksExtension


async def main(url: str) -> None:
    said = {"session": await outcome(url, None), "target": await outcome(url, url)}
    print(json.dumps(said))


async def outcome(url: str, target: str | None) -> dict[str, object]:
    asked, both = [], anyio.Event()
    told, endless = [], anyio.Event()

    async def ask(message, response_type, params, context):
        asked.append(message)
        if len(asked) == 2:
            both.set()
        await both.wait()
        return {"value": "x"}

    def on_task(task, arguments):
        told.append((task, arguments))
        if task.name == "endless":
            endless.set()

    extension = TasksExtension(PollingPolicy(first=0.02), target=target, on_task=on_task)
    with anyio.fail_after(120):
        async with fastmcp.Client(url, extensions=[extension], elicitation_handler=ask) as client:
            result = await client.call_tool("slow_computation", {"duration": 0.1})
            trip = await client.call_tool("book_trip")
            refused = await client.call_tool("report_error", {"message": "refused"}, raise_on_error=False)
            try:
                await client.call_tool("protocol_fault", {"message": "broken"})
            except TaskFailedError as error:
                failure = [error.code, error.message]
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "endless")
                await endless.wait()
                group.cancel_scope.cancel()
        reference = told[-1][0].reference
        async with Client(url) as client:
            left = await client.resume(reference).wait()
    return {
        "data": result.data,
        "trip": trip.data,
        "asked": sorted(asked[:2]),
        "refused": [refused.is_error, refused.content[0].text],
        "failure": failure,
        "told": [(task.name, arguments) for task, arguments in told],
        "named": reference.endpoint == target,
        "endless": left.status,
    }


anyio.run(main, sys.argv[1])
