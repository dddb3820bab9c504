"""A program with tasks as the documentation of fastmcp 2 and 3 teaches to write it. Prints what it got, as JSON.

Its argument is the server's URL. `test_coming_from.py` runs it as it is, and with another import.
"""

import asyncio
import json
import sys
import uuid

from fastmcp import Client


async def main(url):
    got = {}
    key = uuid.uuid4().hex
    async with Client(url) as client:
        # A task, its status, and its result.
        task = await client.call_tool("gated", {"key": key}, task=True)
        status = await task.status()
        got["status"] = [status.status, status.taskId == task.task_id, status.createdAt <= status.lastUpdatedAt]
        got["at once"] = task.returned_immediately
        changes = []
        task.on_status_change(lambda status: changes.append(status.status))
        try:
            await task.wait(timeout=0.2)
        except TimeoutError:
            got["wait"] = "timeout"
        await client.call_tool("open_gate", {"key": key})
        got["end"] = (await task.wait(timeout=30.0)).status
        got["state"] = (await task.wait(state="completed", timeout=30.0)).status
        result = await task.result()
        texts = [result.data, result.structured_content["result"], result.content[0].text, (await task).data]
        got["result"] = [text == f"through {key}" for text in texts] + [result.is_error]
        # A push may come late, and in any order.
        got["changed"] = set(changes) <= {"working", "completed"}

        # Values with a schema.
        got["number"] = (await (await client.call_tool("add", {"a": 2, "b": 3}, task=True))).data
        measured = await (await client.call_tool("measure", {"place": "roof"}, task=True))
        got["fields"] = measured.structured_content

        # Several at once.
        tasks = [await client.call_tool("slow_computation", {"duration": 0.2}, task=True) for _ in range(5)]
        got["gathered"] = [result.data for result in await asyncio.gather(*tasks)]
        got["ids"] = len({task.task_id for task in tasks})
        got["in time"] = (await asyncio.wait_for(tasks[0], 30)).data

        # A tool that only runs as a task.
        task = await client.call_tool("must_be_task", {"text": "x"}, task=True)
        got["required"] = (await task).data

        # Resources and prompts.
        contents = await (await client.read_resource("report://slow", task=True))
        got["resource"] = [contents[0].text, str(contents[0].uri)]
        prompt = await (await client.get_prompt("slow_prompt", {"topic": "bees"}, task=True))
        got["prompt"] = [prompt.messages[0].role, prompt.messages[0].content.text]

        # Failures.
        task = await client.call_tool("report_error", {"message": "refused"}, task=True)
        try:
            await task
        except Exception as error:
            got["error"] = [type(error).__name__, str(error)]

        # Cancelled.
        task = await client.call_tool("endless", task=True)
        await task.cancel()
        got["cancelled"] = (await task.wait(timeout=30.0)).status
    print(json.dumps(got))


asyncio.run(main(sys.argv[1]))
